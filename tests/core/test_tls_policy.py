"""Which clients a device lets in, which certificate it shows, and what of TLS it speaks."""

from __future__ import annotations

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from secured import HOSTS, Pair, config, connected, outcome, shake
from xfs4iot.transport import sessions, tls
from xfs4iot.transport.certificates import TestAuthority, test_authority
from xfs4iot.transport.pairs import fingerprint, is_for, load_certificates, load_key
from xfs4iot.transport.rotation import Credentials


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return test_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: TestAuthority) -> Pair:
    return authority.issue_device("atm17", HOSTS)


def mutual(pair: Pair, authority: TestAuthority, **settings: Any) -> tls.TLSConfig:
    settings = {"client_certificates": "required", "client_ca": authority.certificate_file, **settings}
    return config(pair, **settings)


def client_of(authority: TestAuthority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate_file)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def reason(problem: Exception | None) -> str:
    """What the standard library's client was told, or ours."""
    return f"{problem} {problem.__cause__}" if problem is not None else ""


async def test_the_certificate_tells_who_the_client_is(authority: TestAuthority, pair: Pair) -> None:
    own = authority.issue_client("CN=switch,O=Bank", ["switch.bank.example", "10.1.2.3", "urn://switch"])
    settings = {"ca": authority.certificate_file, "certificate": own[0], "key": own[1]}
    async with connected(mutual(pair, authority), **settings) as (device, client):
        assert await shake(device, client) == (None, None)
        assert device.identity == tls.Identity(
            subject="CN=switch,O=Bank",
            sans=("switch.bank.example", "10.1.2.3", "URI:urn://switch"),
            fingerprint=fingerprint(load_certificates(own[0])[0]),
        )
        assert client.identity.sans == ("127.0.0.1", "localhost")


@pytest.mark.parametrize("asked", ["none", "optional"])
async def test_a_client_without_a_certificate_is_let_in_unless_one_is_required(
    authority: TestAuthority, pair: Pair, asked: str
) -> None:
    settings = mutual(pair, authority, client_certificates=asked)
    async with connected(settings, client_of(authority)) as (device, client):
        assert await shake(device, client) == (None, None)
        assert device.identity is None


def clients(authority: TestAuthority, directory: Path) -> dict[str, Pair | None]:
    stranger = test_authority(directory / "stranger")
    now = datetime.now(UTC)
    return {
        "none": None,
        "expired": authority.issue_client("expired", days=1, begins=now - timedelta(days=2)),
        "early": authority.issue_client("early", begins=now + timedelta(days=1)),
        "device": authority.issue_device("a device", HOSTS),
        "stranger": stranger.issue_client("stranger"),
        "revoked": authority.issue_client("revoked"),
    }


@pytest.mark.parametrize("asked", ["optional", "required"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("kind", "at_device", "alert"),
    [
        ("none", "gave no certificate", ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")),
        ("expired", "certificate CN=expired has expired", ("CERTIFICATE_EXPIRED",)),
        ("early", "certificate CN=early is not valid yet", ("CERTIFICATE_EXPIRED", "BAD_CERTIFICATE")),
        ("device", "certificate CN=a device is not meant for this use", ("UNSUPPORTED_CERTIFICATE",)),
        ("stranger", "authority that is not trusted here", ("UNKNOWN_CA",)),
        ("revoked", "certificate CN=revoked is revoked", ("CERTIFICATE_REVOKED",)),
    ],
)
async def test_a_client_is_turned_away_with_the_reason_here_and_the_alert_there(
    authority: TestAuthority,
    pair: Pair,
    tmp_path: Path,
    asked: str,
    version: ssl.TLSVersion,
    kind: str,
    at_device: str,
    alert: tuple[str, ...],
) -> None:
    known = clients(authority, tmp_path)
    revoked = known["revoked"]
    assert revoked is not None
    crl = authority.revoke([revoked[0]])
    context = client_of(authority, known[kind])
    context.minimum_version = context.maximum_version = version
    settings = mutual(pair, authority, client_certificates=asked, crls=(crl,))
    async with connected(settings, context) as (device, client):
        device_said, client_said = await shake(device, client)
    if kind == "none" and asked == "optional":
        assert (device_said, client_said) == (None, None)
        return
    assert isinstance(device_said, tls.TLSError)
    assert at_device in str(device_said)
    assert any(one in reason(client_said).upper().replace(" ", "_") for one in alert), reason(client_said)


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + length + body


def ill_formed(authority: TestAuthority, own: Pair) -> bytes:
    """A certificate of a version that there is not, signed all the same: OpenSSL takes it."""
    good = load_certificates(own[0])[0]
    body = good.tbs_certificate_bytes.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0a", 1)
    signer = load_key(authority.directory / "ca.key")
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    signature = signer.sign(body, ec.ECDSA(hashes.SHA256()))
    algorithm = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    return der(0x30, body, algorithm, der(0x03, b"\0", signature))


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_client_certificate_that_is_not_well_formed_is_refused(
    authority: TestAuthority, pair: Pair, tmp_path: Path, trusted: bool
) -> None:
    own = authority.issue_client("CN=odd")
    context = tls.client_context(ca=authority.certificate_file)
    signer = authority if trusted else test_authority(tmp_path / "stranger")
    odd = crypto.load_certificate(crypto.FILETYPE_ASN1, ill_formed(signer, own))
    with pytest.deprecated_call():  # cryptography does not take this certificate.
        context.use_certificate(odd)
    context.use_privatekey(load_key(own[1]))
    async with connected(mutual(pair, authority), context) as streams:
        at_device, at_client = await shake(*streams)
    assert isinstance(at_device, tls.TLSError)
    assert "cannot be read" in str(at_device)
    assert (at_client is None) is trusted, "an alert, or else an orderly end"


async def test_our_client_is_told_why_it_was_turned_away(authority: TestAuthority, pair: Pair) -> None:
    async with connected(mutual(pair, authority), ca=authority.certificate_file) as streams:
        _, at_client = await shake(*streams)
    assert str(at_client) == "the device demands a certificate, and none was given"


def list_of(name: str, directory: Path) -> Path:
    """A revocation list of some other authority."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    crl = (
        x509.CertificateRevocationListBuilder(
            x509.Name.from_rfc4514_string(name), now - timedelta(hours=1), now + timedelta(days=1)
        )
    ).sign(key, hashes.SHA256())
    file = directory / f"{name}.pem"
    file.write_bytes(crl.public_bytes(Encoding.PEM))
    return file


async def test_without_a_current_revocation_list_nobody_passes(
    authority: TestAuthority, pair: Pair, tmp_path: Path
) -> None:
    own = authority.issue_client("monitor")
    outdated = authority.revoke([], days=-1 / 48).rename(tmp_path / "outdated.pem")
    another = list_of("CN=another", tmp_path)
    for crl, words in ((outdated, "list of its issuer has expired"), (another, "no revocation list")):
        async with connected(mutual(pair, authority, crls=(crl,)), client_of(authority, own)) as streams:
            at_device, _ = await shake(*streams)
        assert words in str(at_device)


async def test_one_file_may_hold_the_lists_of_several_authorities(
    authority: TestAuthority, pair: Pair, tmp_path: Path
) -> None:
    own, dismissed = authority.issue_client("monitor"), authority.issue_client("dismissed")
    ours = authority.revoke([dismissed[0]])
    lists = tmp_path / "lists.pem"
    lists.write_bytes(list_of("CN=another", tmp_path).read_bytes() + ours.read_bytes())
    for client, words in ((own, "None"), (dismissed, "CN=dismissed is revoked")):
        async with connected(mutual(pair, authority, crls=(lists,)), client_of(authority, client)) as streams:
            at_device, _ = await shake(*streams)
        assert words in str(at_device)


async def test_the_name_asked_for_chooses_the_certificate(authority: TestAuthority, tmp_path: Path) -> None:
    main = authority.issue_device("main", ["atm17.bank.example", "localhost"])
    other = authority.issue_device("other", ["*.branch.example"], kind="rsa")
    settings = config(main, also=(other,))
    for host, expected in (
        ("atm17.bank.example", main),
        ("a.branch.example", other),
        ("localhost", main),
    ):
        async with connected(settings, ca=authority.certificate_file, host=host) as (device, client):
            assert await shake(device, client) == (None, None)
            assert client.identity.fingerprint == fingerprint(load_certificates(expected[0])[0])
    async with connected(settings, ca=authority.certificate_file, host="a.b.branch.example") as streams:
        _, at_client = await shake(*streams)
    assert "is for atm17.bank.example, localhost; you asked for a.b.branch.example" in str(at_client)


async def test_two_kinds_of_keys_serve_two_kinds_of_clients(authority: TestAuthority) -> None:
    ecdsa = authority.issue_device("with ecdsa", HOSTS)
    rsa = authority.issue_device("with rsa", HOSTS, kind="rsa")
    for ciphers, expected in (("ECDHE-RSA-AES256-GCM-SHA384", rsa), ("ECDHE-ECDSA-AES256-GCM-SHA384", ecdsa)):
        context = client_of(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        async with connected(config(ecdsa, also=(rsa,)), context) as (device, client):
            assert await shake(device, client) == (None, None)
            shown = ssl.DER_cert_to_PEM_cert(client.getpeercert(True))
            assert shown.strip() in expected[0].read_text()


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES256-SHA"])
async def test_only_ecdhe_with_aead_is_spoken(authority: TestAuthority, pair: Pair, ciphers: str) -> None:
    context = client_of(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with connected(config(pair), context) as streams:
        at_device, _ = await shake(*streams)
    assert "offers no cipher" in str(at_device)


async def test_only_common_curves_are_spoken(authority: TestAuthority, pair: Pair) -> None:
    for curve, good in (("prime256v1", True), ("secp384r1", True), ("X25519", True), ("secp521r1", False)):
        context = client_of(authority)
        context.set_ecdh_curve(curve)
        async with connected(config(pair), context) as streams:
            at_device, _ = await shake(*streams)
        assert (at_device is None) is good
        assert good or "offers no curve" in str(at_device)


async def test_only_http_1_1_is_spoken_inside(authority: TestAuthority, pair: Pair) -> None:
    context = client_of(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with connected(config(pair), context) as (device, client):
        assert await shake(device, client) == (None, None)
        assert client.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    async with connected(config(pair), context) as streams:
        at_device, at_client = await shake(*streams)
    assert "the client speaks h2, not http/1.1" in str(at_device)
    assert "NO_APPLICATION_PROTOCOL" in reason(at_client).upper().replace(" ", "_")


async def resumes(
    first: Any, second: Any, client: ssl.SSLContext
) -> tuple[bool, Exception | None, tls.Identity | None]:
    """Connect to one context, then to another: whether the session went on, how, and as whom."""
    async with connected(first, client) as (device, peer):
        assert await shake(device, peer) == (None, None)
        session = peer.session
    async with connected(second, client, session=session) as (device, peer):
        at_device, _ = await shake(device, peer)
        return peer.session_reused, at_device, device.identity


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_go_on_with_tickets_and_know_the_client_still(
    authority: TestAuthority, pair: Pair, version: ssl.TLSVersion
) -> None:
    own = authority.issue_client("monitor")
    client = client_of(authority, own)
    client.minimum_version = client.maximum_version = version
    with_tickets = tls.server_context(mutual(pair, authority))
    reused, problem, identity = await resumes(with_tickets, with_tickets, client)
    assert (reused, problem) == (True, None)
    assert identity is not None
    assert identity.subject == "CN=monitor"
    without = tls.server_context(mutual(pair, authority, tickets=False))
    assert await resumes(without, without, client) == (False, None, identity)


async def test_a_reload_ends_the_sessions_of_those_it_revokes(
    authority: TestAuthority, pair: Pair, tmp_path: Path
) -> None:
    own = authority.issue_client("dismissed")
    client = client_of(authority, own)
    crl = tmp_path / "crl.pem"
    shutil.copy(authority.revoke([]), crl)
    credentials = Credentials(mutual(pair, authority, crls=(crl,)))
    before = credentials.context
    shutil.copy(authority.revoke([own[0]]), crl)
    assert credentials.reload()
    reused, problem, _ = await resumes(before, credentials.context, client)
    assert not reused
    assert "CN=dismissed is revoked" in str(problem)


async def ends_after(context: Any, client: ssl.SSLContext, seconds: float) -> str:
    """Begin a session, resume it at once, and again later; what the device then says."""
    assert (await resumes(context, context, client))[:2] == (True, None)
    async with connected(context, client) as (device, peer):
        assert await shake(device, peer) == (None, None)
        session = peer.session
    await trio.sleep(seconds)
    async with connected(context, client, session=session) as (device, peer):
        results: list[Exception | None] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, peer.do_handshake, [])
            await outcome(device.do_handshake, results)
            await device.aclose()
    return str(results[0])


async def test_a_session_ends_with_the_certificate_in_it(authority: TestAuthority, pair: Pair) -> None:
    now = datetime.now(UTC)
    brief = authority.issue_client("brief", begins=now - timedelta(days=1), days=1 + 2.0 / 86400)
    context = tls.server_context(mutual(pair, authority))
    assert "does not hold any more" in await ends_after(context, client_of(authority, brief), 3.1)


async def test_a_session_ends_with_the_revocation_list(authority: TestAuthority, pair: Pair) -> None:
    own = authority.issue_client("switch")
    crl = authority.revoke([], days=2.0 / 86400)
    context = tls.server_context(mutual(pair, authority, crls=(crl,)))
    assert "does not hold any more" in await ends_after(context, client_of(authority, own), 3.1)


async def test_a_session_ends_with_an_authority_in_its_chain(
    authority: TestAuthority, pair: Pair, tmp_path: Path
) -> None:
    root, root_key = signed("root", None, None, days=1)
    between, between_key = signed("between", root, root_key, days=2.0 / 86400)
    leaf, leaf_key = signed("switch", between, between_key, days=1, leaf=True)
    chain, key, ca = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "root.pem"
    chain.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, between)))
    key.write_bytes(leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ca.write_bytes(root.public_bytes(Encoding.PEM))
    context = tls.server_context(mutual(pair, authority, client_ca=ca))
    client = client_of(authority, (chain, key))
    assert "does not hold any more" in await ends_after(context, client, 3.1)


async def test_tickets_cannot_be_chained_for_longer_than_a_session(
    authority: TestAuthority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SESSION_SECONDS", 1)
    context = tls.server_context(mutual(pair, authority))
    client = client_of(authority, authority.issue_client("switch"))
    assert "does not hold any more" in await ends_after(context, client, 1.1)


def signed(
    name: str,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    *,
    days: float,
    leaf: bool = False,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that ends so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None), critical=True)
    )
    return builder.sign(issuer_key or key, hashes.SHA256()), key


async def test_secrets_are_written_only_where_the_operator_says(
    authority: TestAuthority, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "environment"))
    for settings in (config(pair), config(pair, keylog=tmp_path / "keys")):
        async with connected(settings, ca=authority.certificate_file) as (device, peer):
            assert await shake(device, peer) == (None, None)
    assert "SERVER_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "environment").exists()


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (("atm17.bank.example",), "ATM17.bank.example.", True),
        (("*.bank.example",), "atm17.bank.example", True),
        (("*.bank.example",), "a.b.bank.example", False),
        (("*.bank.example",), "bank.example", False),
        (("a*.bank.example",), "atm.bank.example", False),
        (("*.example",), "bank.example", False),
        (("*",), "localhost", False),
        (("bücher.example".encode("idna").decode(),), "bücher.example", True),
        (("10.0.0.1",), "10.0.0.1", True),
        (("10.0.0.*",), "10.0.0.1", False),
        (("::1",), "[::1]", True),
        (("0:0:0:0:0:0:0:1",), "::1", True),
        (("fe80::1",), "fe80::1%eth0", True),
        ((), "localhost", False),
    ],
)
def test_names_are_compared_as_rfc_9525_says(names: tuple[str, ...], host: str, fits: bool) -> None:
    assert is_for(names, host) is fits
