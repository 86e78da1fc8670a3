"""Certificates are taken up without a stop, and what is in doubt is refused by name."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import shutil
import signal
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secured import HOSTS, Pair, config, connected, shake
from xfs4iot.transport.certificates import TestAuthority, test_authority
from xfs4iot.transport.failures import CredentialsRefused
from xfs4iot.transport.pairs import fingerprint, load_certificates, load_crls
from xfs4iot.transport.rotation import Credentials


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return test_authority(tmp_path / "authority")


@pytest.fixture
def installed(authority: TestAuthority, tmp_path: Path) -> Pair:
    """Where the operator keeps certificate and key."""
    return install(authority.issue_device("atm17", HOSTS), (tmp_path / "tls.pem", tmp_path / "tls.key"))


def install(new: Pair, where: Pair) -> Pair:
    for source, target in zip(new, where, strict=True):
        shutil.copy(source, target)
    where[1].chmod(0o600)
    return where


async def shown(credentials: Credentials, authority: TestAuthority) -> str:
    """Fingerprint of the certificate that a new client sees."""
    async with connected(credentials.context, ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        found: str = client.identity.fingerprint
        return found


async def soon(holds: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not holds():  # noqa: ASYNC110 (a file is not an event)
            await trio.sleep(0.01)


async def test_new_files_serve_new_connections_and_old_connections_go_on(
    authority: TestAuthority, installed: Pair, nursery: trio.Nursery
) -> None:
    credentials = Credentials(config(installed))
    nursery.start_soon(lambda: credentials.watch(look_seconds=0.02))
    before = credentials.context
    async with connected(before, ca=authority.certificate_file) as (device, client):
        assert await shake(device, client) == (None, None)
        install(authority.issue_device("renewed", HOSTS, kind="rsa"), installed)
        await soon(lambda: credentials.context is not before)
        assert await shown(credentials, authority) == fingerprint(load_certificates(installed[0])[0])
        await client.send_all(b"still here")
        assert await device.receive_some() == b"still here"


async def test_a_certificate_whose_key_comes_later_is_taken_up_when_both_are_there(
    authority: TestAuthority, installed: Pair, nursery: trio.Nursery
) -> None:
    credentials = Credentials(config(installed))
    nursery.start_soon(lambda: credentials.watch(look_seconds=0.02))
    before = await shown(credentials, authority)
    new = authority.issue_device("renewed", HOSTS)
    shutil.copy(new[0], installed[0])
    await soon(lambda: credentials.refusal is not None)
    assert await shown(credentials, authority) == before
    install(new, installed)
    await soon(lambda: credentials.refusal is None)
    assert await shown(credentials, authority) == fingerprint(load_certificates(new[0])[0])


@pytest.mark.posix
async def test_hangup_takes_up_new_files(
    authority: TestAuthority, installed: Pair, nursery: trio.Nursery
) -> None:
    credentials = Credentials(config(installed))
    nursery.start_soon(credentials.watch)
    before = credentials.context
    install(authority.issue_device("renewed", HOSTS), installed)
    await trio.testing.wait_all_tasks_blocked()
    os.kill(os.getpid(), signal.SIGHUP)
    await soon(lambda: credentials.context is not before)


def unreadable(authority: TestAuthority, installed: Pair) -> str:
    installed[0].unlink()
    return r"tls\.pem cannot be read: No such file"


def no_certificate(authority: TestAuthority, installed: Pair) -> str:
    installed[0].write_text("nothing")
    return r"tls\.pem holds no certificate in PEM"


def no_key(authority: TestAuthority, installed: Pair) -> str:
    shutil.copy(installed[0], installed[1])
    installed[1].chmod(0o600)
    return r"tls\.key holds no private key in PEM"


def a_key_twice(authority: TestAuthority, installed: Pair) -> str:
    shutil.copy(installed[1], installed[0])
    return r"tls\.pem holds no certificate in PEM, but a private key"


def binary(authority: TestAuthority, installed: Pair) -> str:
    installed[0].write_bytes(load_certificates(installed[0])[0].public_bytes(Encoding.DER))
    return r"tls\.pem holds no certificate in PEM; it may be one in DER \(openssl x509 -inform DER"


def mismatched(authority: TestAuthority, installed: Pair) -> str:
    shutil.copy(authority.issue_device("other", HOSTS)[1], installed[1])
    return r"tls\.key is not the key of .*tls\.pem \(CN=atm17\)"


def readable_by_all(authority: TestAuthority, installed: Pair) -> str:
    installed[1].chmod(0o604)
    return r"tls\.key can be read by every user of this machine: chmod 600"


def expired(authority: TestAuthority, installed: Pair) -> str:
    begins = datetime.now(UTC) - timedelta(days=9)
    install(authority.issue_device("old", HOSTS, days=8, begins=begins), installed)
    return r"CN=old expired on 20"


def not_yet_valid(authority: TestAuthority, installed: Pair) -> str:
    begins = datetime.now(UTC) + timedelta(days=1)
    install(authority.issue_device("early", HOSTS, begins=begins), installed)
    return r"CN=early is not valid before .* clock"


def for_clients(authority: TestAuthority, installed: Pair) -> str:
    install(authority.issue_client("monitor", HOSTS), installed)
    return r"is not for a device: its extended key usage lacks serverAuth"


def nameless(authority: TestAuthority, installed: Pair) -> str:
    install(authority.issue_device("atm17", []), installed)
    return r"names no host: .*subject alternative names"


def in_wrong_order(authority: TestAuthority, installed: Pair) -> str:
    other = authority.issue_device("other", HOSTS)[0]
    installed[0].write_bytes(installed[0].read_bytes() + other.read_bytes())
    return r"was not signed by CN=other, which follows it; put the certificate first"


def encrypted(authority: TestAuthority, installed: Pair) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    installed[1].write_bytes(encoded)
    return r"tls\.key is encrypted; .*openssl pkey"


def weak(authority: TestAuthority, installed: Pair) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    installed[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    installed[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return r"too weak: an RSA key of 1024 bits"


def damaged(authority: TestAuthority, installed: Pair) -> str:
    """Good PEM, and a key inside that is none."""
    der = bytearray(load_certificates(installed[0])[0].public_bytes(Encoding.DER))
    at = der.index(b"\x03\x42\x00\x04")
    der[at + 4 : at + 68] = bytes(64)
    text = base64.encodebytes(der).decode()
    installed[0].write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    return r"tls\.pem holds no certificate in PEM that can be read: "


DOUBTS = [
    damaged,
    unreadable,
    no_certificate,
    no_key,
    a_key_twice,
    binary,
    mismatched,
    pytest.param(readable_by_all, marks=pytest.mark.posix),
    expired,
    not_yet_valid,
    for_clients,
    nameless,
    in_wrong_order,
    encrypted,
    weak,
]


@pytest.mark.parametrize("spoil", DOUBTS, ids=lambda spoil: spoil.__name__)
async def test_on_any_doubt_it_does_not_start_and_what_serves_goes_on(
    authority: TestAuthority,
    installed: Pair,
    spoil: Callable[[TestAuthority, Pair], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    credentials = Credentials(config(installed))
    before = await shown(credentials, authority)
    words = spoil(authority, installed)
    with pytest.raises(CredentialsRefused, match=words):
        Credentials(config(installed))
    assert not credentials.reload()
    assert "the old ones go on serving" in caplog.text
    assert any("not taken up" in warning for warning in credentials.warnings())
    assert await shown(credentials, authority) == before


def test_client_authorities_and_lists_are_beyond_doubt_too(
    authority: TestAuthority, installed: Pair, tmp_path: Path
) -> None:
    def start(**settings: object) -> None:
        Credentials(config(installed, client_certificates="required", **settings))

    with pytest.raises(CredentialsRefused, match="client_ca names no authority"):
        start()
    with pytest.raises(CredentialsRefused, match=r"gone\.pem cannot be read"):
        start(client_ca=tmp_path / "gone.pem")
    with pytest.raises(CredentialsRefused, match="holds no revocation list"):
        start(client_ca=authority.certificate_file, crls=(installed[0],))
    # Both test authorities bear one name: the list is found, and is not the authority's.
    forged = test_authority(tmp_path / "another").revoke([])
    with pytest.raises(CredentialsRefused, match=r"crl\.pem: this revocation list was not signed by CN="):
        start(client_ca=authority.certificate_file, crls=(forged,))


@given(
    label=st.sampled_from(["CERTIFICATE", "X509 CRL"]),
    changes=st.dictionaries(st.integers(0, 500), st.integers(0, 255), max_size=3),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_it_is_taken_up_or_refused(
    authority: TestAuthority, installed: Pair, label: str, changes: dict[int, int]
) -> None:
    crl = authority.revoke([installed[0]])
    if label == "CERTIFICATE":
        changed = bytearray(load_certificates(installed[0])[0].public_bytes(Encoding.DER))
    else:
        changed = bytearray(load_crls(crl)[0].public_bytes(Encoding.DER))
    for at, value in changes.items():
        changed[at % len(changed)] = value
    file = authority.directory / "changed.pem"
    text = base64.encodebytes(changed).decode()
    file.write_text(f"-----BEGIN {label}-----\n{text}-----END {label}-----\n")
    pair, crls = ((file, installed[1]), (crl,)) if label == "CERTIFICATE" else (installed, (file,))
    with contextlib.suppress(CredentialsRefused), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Credentials(
            config(pair, client_certificates="required", client_ca=authority.certificate_file, crls=crls)
        )


def test_a_file_that_breaks_the_reader_does_not_break_the_service(
    authority: TestAuthority,
    installed: Pair,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    credentials = Credentials(config(installed))
    before = credentials.context

    def read(file: Path) -> None:
        raise RuntimeError("never seen before")

    monkeypatch.setattr("xfs4iot.transport.policy.load_pair", lambda *_: read(installed[0]))
    assert not credentials.reload()
    assert "never seen before" in caplog.text
    assert credentials.context is before


def test_expiry_is_told_30_7_and_1_days_ahead_once_each(
    authority: TestAuthority, installed: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    install(authority.issue_device("atm17", HOSTS, days=100), installed)
    credentials = Credentials(config(installed))
    end = credentials.not_after
    told: dict[int, int] = {}
    for hours in range(100 * 24, -48, -6):
        caplog.clear()
        credentials.warn(end - timedelta(hours=hours))
        for record in caplog.records:
            told[hours // 24] = record.levelno
            assert str(installed[0]) in record.message
    assert told == {29: logging.WARNING, 6: logging.WARNING, 0: logging.ERROR, -1: logging.ERROR}
    assert credentials.warnings(end - timedelta(days=31)) == ()
    assert "in 20 days: renew it" in credentials.warnings(end - timedelta(days=20))[0]
    assert "connections fail" in credentials.warnings(end + timedelta(days=1))[0]
    assert credentials.days_left(end - timedelta(days=12, hours=1)) == 12


def test_an_authority_and_a_revocation_list_are_told_of_too(
    authority: TestAuthority, installed: Pair
) -> None:
    """A list that lives for a week is not told of all its life."""
    crl = authority.revoke([], days=7)
    trust = {"client_ca": authority.certificate_file, "crls": (crl,)}
    credentials = Credentials(config(installed, client_certificates="required", **trust))
    now = datetime.now(UTC)
    assert credentials.warnings(now + timedelta(days=5)) == ()
    assert "in 1 day: renew it" in credentials.warnings(now + timedelta(days=5.5))[0]
    assert "in 11 h 59 min: renew it" in credentials.warnings(now + timedelta(days=6.5))[0]
    years = credentials.warnings(now + timedelta(days=3640))
    assert any("authority CN=xfs4iot test authority of" in one for one in years)


async def test_ticket_keys_are_renewed_twice_a_day_whatever_became_of_the_files(
    authority: TestAuthority, installed: Pair, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    crl = authority.revoke([])
    trust = {"client_ca": authority.certificate_file, "crls": (crl,)}
    credentials = Credentials(config(installed, client_certificates="required", **trust))
    nursery.start_soon(lambda: credentials.watch(look_seconds=600))
    contexts = {credentials.context}
    for hour in range(37):
        if hour == 5:
            shutil.copy(installed[0], crl)
        await trio.sleep(3600)
        contexts.add(credentials.context)
    assert credentials.refusal is not None
    assert len(contexts) == 4


def test_the_key_log_is_never_on_in_silence(
    authority: TestAuthority, installed: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Credentials(config(installed, keylog=tmp_path / "keys")).reload()
    assert "secrets of every connection are written to" in caplog.text


def test_keys_are_written_for_their_owner_alone(authority: TestAuthority) -> None:
    for _, key in (authority.issue_device("atm17", HOSTS), authority.issue_client("monitor")):
        assert key.stat().st_mode & 0o777 == 0o600
    assert (authority.directory / "ca.key").stat().st_mode & 0o777 == 0o600
