"""A device gets a certificate for a code, once; nobody else does, and everybody is told what to do."""

from __future__ import annotations

import json
import os
import ssl
import stat
import sys
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.cli.fleet_trust import _told
from xfs4iot.fleet.authority import Authority, NotSigned, OwnSigning, ProgramSigning, RequestRefused, Signing
from xfs4iot.fleet.broker import free_port
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.code import Code
from xfs4iot.fleet.credential import Credential, due
from xfs4iot.fleet.deployment import deploy
from xfs4iot.fleet.enroll import Enrolled, EnrolmentFailed, enroll
from xfs4iot.fleet.enrolment import Enrolment, Facts
from xfs4iot.fleet.names import AUTHORITY, DEVICE, DEVICE_HOST, GATEWAY
from xfs4iot.fleet.signatures import Authorities, Forged, sign
from xfs4iot.fleet.store import MemoryStore
from xfs4iot.fleet.trust import WRONG_CODES, Trust, hash_code, key_of
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import make_request, new_key, write_key
from xfs4iot.transport.certificates import test_authority as authority_in
from xfs4iot.transport.pairs import load_certificates
from xfs4iot.transport.rotation import Credentials


class Office:
    """The authority of a fleet, where devices are enrolled."""

    def __init__(self, keys: Path, signing: Signing | None = None, roots: Path | None = None) -> None:
        self.keys, self.root = keys, load_certificates(keys / "ca.pem")[0]
        self.trust = Trust(MemoryStore())
        self.signing = signing or OwnSigning(authority_in(keys / "devices"))
        self.authority = Authority(self.trust, self.signing, roots or keys / "ca.pem")
        self.enrolment: Enrolment

    async def open(self, nursery: trio.Nursery, port: int = 0) -> None:
        credentials = Credentials(tls.TLSConfig(self.keys / "authority.pem", self.keys / "authority.key"))
        facts = Facts("bank", ("tls://broker:4222",), (self.keys / "ca.pem").read_text())
        self.enrolment = Enrolment(self.authority, facts, credentials=credentials, port=port)
        await nursery.start(self.enrolment.serve)

    async def invite(self, device: str, seconds: float = 60, *, replacing: bool = False) -> Code:
        code = Code.new(device, self.root)
        hashed = hash_code(device, code.secret)
        await self.trust.invite(device, hashed, seconds, replacing=replacing)
        return code

    async def enroll(self, code: Code, directory: Path, *, replacing: bool = False) -> Enrolled:
        assert self.enrolment.port is not None
        return await enroll(code, "127.0.0.1", self.enrolment.port, directory, replacing=replacing)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy(tmp_path_factory.mktemp("fleet") / "fleet", "bank", ["127.0.0.1"]).keys


@pytest.fixture
async def office(keys: Path, nursery: trio.Nursery) -> Office:
    one = Office(keys)
    await one.open(nursery)
    return one


def request_for(device: str, *sans: str, key: object = None) -> str:
    key = key or new_key()
    return make_request(device, sans or [DEVICE + device], key).decode()  # type: ignore[arg-type]


async def test_a_device_is_enrolled_by_a_code(office: Office, tmp_path: Path) -> None:
    code = await office.invite("atm17")
    done = await office.enroll(Code.read(str(code).lower().replace("-", " ")), tmp_path / "atm17")
    said = tomllib.loads(done.configuration.read_text())["uplink"]
    assert (said["device"], said["tenant"], said["servers"]) == ("atm17", "bank", ["tls://broker:4222"])
    assert said["certificate"] == said["key"] == str(done.credential)
    assert load_certificates(Path(said["gateway_ca"])) == (office.root,)
    pair = Credential(done.credential, "atm17").load()
    known = await office.trust.get("atm17")
    assert known is not None
    assert known.keys == {key_of(pair.certificate)}
    assert known.until == pair.certificate.not_valid_after_utc.timestamp()
    assert sorted(one.name for one in (tmp_path / "atm17").iterdir()) == [
        "ca.pem",
        "device.pem",
        "uplink.toml",
    ]


@pytest.mark.posix
async def test_the_key_is_its_owners_alone_and_stays_on_the_device(office: Office, tmp_path: Path) -> None:
    asked: list[bytes] = []
    sign = office.signing.sign

    async def seen(request: x509.CertificateSigningRequest, device: str) -> tuple[x509.Certificate, ...]:
        asked.append(request.public_bytes(Encoding.PEM))
        return await sign(request, device)

    office.signing.sign = seen  # type: ignore[method-assign]
    before = os.umask(0)
    try:
        done = await office.enroll(await office.invite("atm17"), tmp_path / "atm17")
    finally:
        os.umask(before)
    assert stat.S_IMODE(done.credential.stat().st_mode) == 0o600
    (request,) = asked
    assert b"PRIVATE" not in request


async def test_a_code_is_used_once(office: Office, tmp_path: Path) -> None:
    """Stolen, and used by somebody else before or after: the second key gets nothing, and both are told."""
    code = await office.invite("atm17")
    await office.enroll(code, tmp_path / "first")
    with pytest.raises(EnrolmentFailed, match=r"was used already, by another key.*fleet revoke atm17"):
        await office.enroll(code, tmp_path / "second")
    # What the first was given stands.
    known = await office.trust.get("atm17")
    assert known is not None
    assert known.keys == {key_of(Credential(tmp_path / "first" / "device.pem", "atm17").load().certificate)}


async def test_a_code_gives_no_certificate_for_a_key_that_was_replaced(
    office: Office, tmp_path: Path
) -> None:
    """The code is open for a day, and whoever has an old copy of the disk may have read it there."""
    code = await office.invite("atm17")
    credential = Credential(tmp_path / "device.pem", "atm17")
    request = credential.request(credential.next_key())
    await office.authority.enroll("atm17", code.secret, request)
    first = await office.trust.get("atm17")
    assert first is not None
    await office.trust.renew("atm17", first.key, "ab" * 32)
    with pytest.raises(RequestRefused, match="was used already"):
        await office.authority.enroll("atm17", code.secret, request)


async def test_of_two_who_come_at_once_one_is_enrolled(office: Office, tmp_path: Path) -> None:
    code = await office.invite("atm17")
    done, refused = list[Enrolled](), list[str]()

    async def come(number: int) -> None:
        try:
            done.append(await office.enroll(code, tmp_path / str(number)))
        except EnrolmentFailed as failed:
            refused.append(str(failed))

    async with trio.open_nursery() as coming:
        for number in range(5):
            coming.start_soon(come, number)
    assert (len(done), len(refused)) == (1, 4)


async def test_an_answer_that_was_lost_is_given_again(office: Office, tmp_path: Path) -> None:
    code = await office.invite("atm17")
    credential = Credential(tmp_path / "device.pem", "atm17")
    await office.authority.enroll("atm17", code.secret, credential.request(credential.next_key()))
    assert (await office.enroll(code, tmp_path)).device == "atm17"


@pytest.mark.parametrize("what", ["expired", "never", "replaced", "revoked"])
async def test_a_code_that_is_not_open_is_refused_with_what_to_do(
    office: Office, tmp_path: Path, what: str
) -> None:
    code = Code.new("atm17", office.root)
    if what != "never":
        code = await office.invite("atm17", -1 if what == "expired" else 60)
    if what == "replaced":
        await office.invite("atm17")
    if what == "revoked":
        await office.trust.revoke("atm17")
    with pytest.raises(EnrolmentFailed, match=r"ask your operator for a new one|see that it is typed right"):
        await office.enroll(code, tmp_path)
    assert not (tmp_path / "device.pem").exists()


async def test_guessing_ends_the_code_and_then_the_guesser(office: Office) -> None:
    code = await office.invite("atm17")
    request = request_for("atm17")
    for _ in range(WRONG_CODES):
        with pytest.raises(RequestRefused, match="not the code"):
            await office.authority.enroll("atm17", Code.new("atm17", office.root).secret, request)
    with pytest.raises(RequestRefused, match="too many wrong codes"):
        await office.authority.enroll("atm17", code.secret, request)
    again = await office.invite("atm17")
    await office.authority.enroll("atm17", again.secret, request)


async def test_an_address_that_is_refused_too_often_must_wait(office: Office) -> None:
    answers = [
        await post(office, json.dumps({"device": f"a{n}", "code": "x", "request": ""})) for n in range(25)
    ]
    assert {status for status, _ in answers[:20]} == {403}
    assert {status for status, _ in answers[21:]} == {429}
    assert "try again in" in answers[-1][1]


async def test_a_code_is_told_to_nobody_but_its_own_authority(
    office: Office, tmp_path: Path, nursery: trio.Nursery
) -> None:
    code = await office.invite("atm17")
    other = Office(deploy(tmp_path / "other", "bank", ["127.0.0.1"]).keys)
    await other.open(nursery)
    heard: list[str] = []

    async def listening(device: str, secret: str, request: str) -> str:
        heard.append(secret)
        raise RequestRefused("no")

    other.authority.enroll = listening  # type: ignore[method-assign]
    with pytest.raises(EnrolmentFailed, match=r"not the authority of this code.*The code was not told"):
        await other.enroll(code, tmp_path / "atm17")
    assert heard == []


async def test_a_node_of_the_broker_is_not_taken_for_the_authority(
    office: Office, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """It has a certificate of the same root, and may have been taken over."""
    root = (office.keys / "ca.pem").read_bytes()
    (tmp_path / "node.pem").write_bytes((office.keys / "node1.pem").read_bytes() + root)
    credentials = Credentials(tls.TLSConfig(tmp_path / "node.pem", office.keys / "node1.key"))
    false = Enrolment(office.authority, Facts("bank", (), ""), credentials=credentials, port=0)
    await nursery.start(false.serve)
    assert false.port is not None
    with pytest.raises(EnrolmentFailed, match="but not its authority"):
        await enroll(await office.invite("atm17"), "127.0.0.1", false.port, tmp_path / "atm17")
    known = await office.trust.get("atm17")
    assert known is not None
    assert not known.keys


async def test_who_cannot_be_reached_is_named_with_what_to_do(office: Office, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentFailed, match=r"cannot be reached: .*is `xfs4iot fleet authority`"):
        await enroll(await office.invite("atm17"), "127.0.0.1", 1, tmp_path)


async def test_an_authority_that_comes_late_is_waited_for(
    keys: Path, tmp_path: Path, nursery: trio.Nursery
) -> None:
    office = Office(keys)
    code = await office.invite("atm17")
    port = free_port()
    told: list[str] = []

    def late(why: str) -> None:
        told.append(why)
        nursery.start_soon(office.open, nursery, port)

    done = await enroll(code, "127.0.0.1", port, tmp_path, patience=20, late=late)
    assert done.device == "atm17"
    assert told == ["Connection refused"]


async def test_an_enrolled_device_is_not_enrolled_anew_by_mistake(office: Office, tmp_path: Path) -> None:
    await office.enroll(await office.invite("atm17"), tmp_path)
    with pytest.raises(ValueError, match="--replace"):
        await office.invite("atm17")
    code = await office.invite("atm17", replacing=True)
    with pytest.raises(EnrolmentFailed, match=r"is there already(.|\n)*say --replace"):
        await office.enroll(code, tmp_path)
    await office.enroll(code, tmp_path / "new")


async def test_a_device_that_was_revoked_is_enrolled_over_what_it_has(office: Office, tmp_path: Path) -> None:
    done = await office.enroll(await office.invite("atm17"), tmp_path)
    before = done.credential.read_bytes()
    await office.trust.revoke("atm17")
    code = await office.invite("atm17")
    wrong = Code.new("atm17", office.root)
    with pytest.raises(EnrolmentFailed, match="not the code"):
        await office.enroll(wrong, tmp_path, replacing=True)
    # What it has stays until there is the new one.
    assert done.credential.read_bytes() == before
    await office.enroll(code, tmp_path, replacing=True)
    known = await office.trust.get("atm17")
    assert known is not None
    assert known.keys == {key_of(Credential(done.credential, "atm17").load().certificate)}
    assert done.credential.read_bytes() != before


async def test_what_has_ended_is_enrolled_anew_without_a_word(office: Office, tmp_path: Path) -> None:
    """It cannot be used for anything; that of another device may be in the wrong directory."""
    for device in ("atm17", "atm18"):
        begins = datetime.now(UTC) - timedelta(days=100)
        asked = x509.load_pem_x509_csr(request_for(device).encode())
        ended = authority_in(office.keys / "devices").sign(asked, "client", days=90, begins=begins)
        (tmp_path / "device.pem").write_bytes(ended)
        code = await office.invite("atm17")
        if device == "atm17":
            await office.enroll(code, tmp_path)
            await office.trust.revoke("atm17")
        else:
            with pytest.raises(EnrolmentFailed, match="device/atm18, and the code is for atm17"):
                await office.enroll(code, tmp_path)


@pytest.mark.parametrize("days", [0.01, 0.04, 1, 90])
async def test_however_short_it_is_a_certificate_is_good_now_and_not_due(
    keys: Path, nursery: trio.Nursery, tmp_path: Path, days: float
) -> None:
    office = Office(keys, OwnSigning(authority_in(keys / "devices"), days))
    await office.open(nursery)
    done = await office.enroll(await office.invite("atm17"), tmp_path)
    pair, now = Credential(done.credential, "atm17").load(), datetime.now(UTC)
    assert abs((pair.not_after - now) / timedelta(days=days) - 1) < 0.05
    assert due(pair, -0.05) > now


async def test_a_device_whose_request_was_not_signed_is_not_called_enrolled(
    keys: Path, nursery: trio.Nursery, tmp_path: Path
) -> None:
    office = Office(keys, OwnSigning(authority_in(keys / "devices"), 0))
    await office.open(nursery)
    code = await office.invite("atm17")
    with pytest.raises(EnrolmentFailed, match="cannot sign at present"):
        await office.enroll(code, tmp_path)
    known = await office.trust.get("atm17")
    assert known is not None
    assert _told(known)["state"] == "unsigned"


REQUESTS = {
    "of another device": lambda: request_for("atm18"),
    "of another device beside": lambda: request_for("atm17", DEVICE + "atm17", DEVICE + "atm18"),
    "of a gateway": lambda: request_for("atm17", "xfs4iot://gateway"),
    "with a host": lambda: request_for("atm17", DEVICE + "atm17", "bank.example"),
    "of another subject": lambda: request_for("CN=atm17,O=Bank", DEVICE + "atm17"),
    "of nobody": lambda: request_for("atm17", "atm17.example"),
    "with a weak key": lambda: request_for("atm17", key=rsa.generate_private_key(65537, 1024)),
    "with a huge key": lambda: request_for("atm17", key=ec.generate_private_key(ec.SECP192R1())),
    "damaged": lambda: request_for("atm17").replace("A", "B", 9),
    "no request": lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "too long": lambda: "x" * 10_000,
    "empty": lambda: "",
    "surrogates": lambda: "\ud800",
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_request_is_for_this_device_and_nothing_else(office: Office, what: str) -> None:
    code = await office.invite("atm17")
    with pytest.raises(RequestRefused, match=r"request|key"):
        await office.authority.enroll("atm17", code.secret, REQUESTS[what]())
    # Nothing was used up by it.
    await office.authority.enroll("atm17", code.secret, request_for("atm17"))


@pytest.mark.parametrize("name", ["", "a.b", "*", "x" * 65, "../ca", "atm17\n"])
async def test_no_device_can_have_a_name_that_is_more_than_a_name(office: Office, name: str) -> None:
    with pytest.raises(RequestRefused, match="1 to 64 letters"):
        await office.authority.enroll(name, "x", request_for("atm17"))


async def post(office: Office, body: str, head: str | None = None) -> tuple[int, str]:
    context = tls.client_context(ca=office.keys / "ca.pem")
    assert office.enrolment.port is not None
    plain = await trio.open_tcp_stream("127.0.0.1", office.enrolment.port)
    stream = tls.TLSStream(plain, context, server_side=False)
    head = head or f"POST /xfs4iot/enroll HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    await stream.send_all(head.encode() + body.encode())
    answer = b""
    try:
        while data := await stream.receive_some():
            answer += data
    except trio.BrokenResourceError:
        pass
    await trio.aclose_forcefully(stream)
    first, _, rest = answer.decode().partition("\r\n")
    return int(first.split(" ")[1]) if first else 0, rest


@pytest.mark.parametrize(
    ("body", "head", "status"),
    [
        ("", None, 400),
        ("[]", None, 400),
        ("{}", None, 400),
        ('{"device": 1, "code": [], "request": {}}', None, 400),
        ("[" * 8000, None, 400),
        ("x", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        ("x", "GET /xfs4iot/enroll HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("x", "POST /xfs4iot/enroll HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", 413),
        ("x", "POST /xfs4iot/enroll HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        ("x", "\x00\x01\x02\x03\r\n\r\n", 400),
        ("x", f"POST /xfs4iot/enroll HTTP/1.1\r\nHost: a\r\nA: {'b' * 100_000}\r\n\r\n", 431),
    ],
)
async def test_malformed_and_huge_requests_are_answered(
    office: Office, body: str, head: str | None, status: int, tmp_path: Path
) -> None:
    found, text = await post(office, body, head)
    assert found == status, text
    await office.enroll(await office.invite("atm17"), tmp_path)


def test_codes_are_read_as_people_type_them(keys: Path) -> None:
    root = load_certificates(keys / "ca.pem")[0]
    code = Code.new("atm-17", root)
    assert Code.read(str(code)) == code
    assert code.trusts(root)
    assert not code.trusts(load_certificates(keys / "gateway.pem")[0])
    assert Code.read("atm-17." + str(code).partition(".")[2].replace("O", "0").replace("I", "1")) == code
    assert code.secret not in repr(code)
    for wrong in ("", "atm17", str(code)[:-1], str(code) + "A", "a/b" + str(code), ".AAAAA" * 8, "ä" * 50):
        with pytest.raises(ValueError, match=r"code|letters"):
            Code.read(wrong)


async def test_the_authority_of_devices_can_make_no_gateway(keys: Path, tmp_path: Path) -> None:
    """Not by a chain that TLS verifies, nor by a signature that a device checks."""
    devices = authority_in(keys / "devices")
    request = x509.load_pem_x509_csr(make_request("gateway", [GATEWAY], key := new_key()))
    below = keys / "devices" / "ca.pem"
    chain = (devices.sign(request, "client") + below.read_bytes()).decode()
    with pytest.raises(Forged, match="authority"):
        Authorities(keys / "ca.pem").check(b"x", sign(key, b"x"), chain, GATEWAY)
    with pytest.raises(Forged, match="authority"):
        Authorities(below).check(b"x", sign(key, b"x"), chain, GATEWAY)
    assert DEVICE_HOST in str(load_certificates(below)[0].extensions)


SIGNS = """
import sys
from pathlib import Path
from cryptography import x509
from xfs4iot.transport.certificates import test_authority
what, directory, device = sys.argv[1:]
asked = x509.load_pem_x509_csr(sys.stdin.buffer.read())
if what == "fails":
    sys.exit(3)
if what == "nonsense":
    sys.exit(print("no"))
if what == "other":
    from xfs4iot.transport.certificates import make_request, new_key, write_key
    asked = x509.load_pem_x509_csr(make_request("atm18", ["xfs4iot://device/atm18"], new_key()))
assert device == "atm17"
use = "device" if what == "server" else "client"
sys.stdout.buffer.write(test_authority(Path(directory)).sign(asked, use, days=30))
"""


async def test_an_external_authority_signs(keys: Path, tmp_path: Path, nursery: trio.Nursery) -> None:
    authority_in(tmp_path / "bank")
    (tmp_path / "signs.py").write_text(SIGNS)

    def signing(what: str) -> Signing:
        return ProgramSigning((sys.executable, str(tmp_path / "signs.py"), what, str(tmp_path / "bank")))

    office = Office(keys, signing("signs"), tmp_path / "bank" / "ca.pem")
    await office.open(nursery)
    code = await office.invite("atm17")
    for what, said in (
        ("fails", "ended with code 3"), ("nonsense", "no certificate in PEM"), ("other", "is not for"),
        ("server", "will not do"),
    ):  # fmt: skip
        office.authority._signing = signing(what)
        with pytest.raises(EnrolmentFailed, match=f"{said}.*try again, by the same code"):
            await office.enroll(code, tmp_path / "atm17")
    office.authority._signing = ProgramSigning(("/no/such/program",))
    credential = Credential(tmp_path / "atm17" / "device.pem", "atm17")
    request = credential.request(credential.next_key())
    with pytest.raises(NotSigned, match="cannot be run"):
        await office.authority.enroll("atm17", code.secret, request)
    office.authority._signing = signing("signs")
    done = await office.enroll(code, tmp_path / "atm17")
    issuer = Credential(done.credential, "atm17").load().certificate.issuer
    assert issuer == load_certificates(tmp_path / "bank" / "ca.pem")[0].subject


async def test_a_device_whose_clock_is_wrong_is_told_so(office: Office, tmp_path: Path) -> None:
    """What the authority gives has not begun by the device's clock, or has ended."""
    credential = Credential(tmp_path / "device.pem", "atm17")
    request = credential.request(key := credential.next_key())
    asked = x509.load_pem_x509_csr(request.encode())
    authority = office.signing._authority  # type: ignore[attr-defined]
    for begins, said in ((10, "not valid before .* is this machine's clock right"), (-400, "expired")):
        at = datetime.now(UTC) + timedelta(days=begins)
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        made = authority._certify(asked.subject, asked.public_key(), "client", names, 90, at)
        with pytest.raises(tls.CredentialsRefused, match=said):
            credential.take(made.public_bytes(Encoding.PEM).decode(), key)
        assert not credential.file.exists()


async def test_a_store_that_cannot_be_asked_uses_up_nothing(office: Office, tmp_path: Path) -> None:
    code = await office.invite("atm17")
    really: Callable[[str], Awaitable[object]] = office.trust._store.get

    async def lost(key: str) -> object:
        raise CarrierLost("there is no connection to the broker")

    office.trust._store.get = lost  # type: ignore[method-assign,assignment]
    with pytest.raises(EnrolmentFailed, match=r"cannot sign at present: .*try again, by the same code"):
        await office.enroll(code, tmp_path)
    office.trust._store.get = really  # type: ignore[method-assign,assignment]
    await office.enroll(code, tmp_path)


async def test_a_device_that_lives_in_the_past_tells_nobody_its_code_and_is_told_to_set_its_clock(
    office: Office, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """By its clock the authority's certificate has not begun."""
    begins = datetime.now(UTC) + timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(AUTHORITY)])
    key, root = new_key(), authority_in(office.keys)
    name = x509.Name.from_rfc4514_string("CN=authority")
    made = root._certify(name, key.public_key(), "node", names, 90, begins)
    write_key(tmp_path / "late.key", key)
    (tmp_path / "late.pem").write_bytes(
        made.public_bytes(Encoding.PEM) + office.root.public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "late.pem", tmp_path / "late.key")
    heard: list[bytes] = []

    async def hear(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):
            heard.append(bytes(await stream.receive_some()))

    async def serve(*, task_status: trio.TaskStatus[int]) -> None:
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        task_status.started(listeners[0].transport_listener.socket.getsockname()[1])  # type: ignore[attr-defined]
        await trio.serve_listeners(hear, listeners)

    port = await nursery.start(serve)
    with pytest.raises(EnrolmentFailed, match=r"not valid yet; see .* the clock of this machine"):
        await enroll(await office.invite("atm17"), "127.0.0.1", port, tmp_path / "atm17")
    assert b"".join(heard) == b""
