"""A device enrols: it makes its key, shows its code to the fleet's authority, and gets a certificate.

First it looks who answers, and tells the code to nobody but the authority that the code was made for.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h11
import orjson
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.addresses import address
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.code import Code
from xfs4iot.fleet.credential import Credential
from xfs4iot.fleet.enrolment import PATH
from xfs4iot.fleet.names import AUTHORITY, DEVICE, fleet_names
from xfs4iot.reasons import reason
from xfs4iot.telling import told
from xfs4iot.transport import tls
from xfs4iot.transport.certificates import write_pem, write_secret
from xfs4iot.transport.failures import TLSError
from xfs4iot.transport.pairs import load_certificates
from xfs4iot.transport.presented import presented
from xfs4iot.transport.proxy import Proxy, ProxyFailed, dial

__all__ = ["Enrolled", "EnrolmentFailed", "enroll"]

_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
_LARGEST_ANSWER = 256 * 1024


class EnrolmentFailed(Exception):
    """There is no certificate; the text says what to do."""


@dataclass(frozen=True)
class Enrolled:
    """What was written.

    Attributes:
        credential: key and certificate.
        ca: who signs brokers and gateways.
        configuration: `[uplink]` for a configuration file, as a file of its own.
        until: when the certificate ends.
    """

    device: str
    credential: Path
    ca: Path
    configuration: Path
    until: str


async def enroll(
    code: Code,
    host: str,
    port: int,
    directory: Path,
    *,
    proxy: str | None = None,
    replacing: bool = False,
    patience: float = 0.0,
    late: Callable[[str], None] = lambda why: None,
) -> Enrolled:
    """Get a certificate for a code, and write what the device needs to `directory`.

    Args:
        proxy: through which the authority is reached, and later the broker: `http://host:port`.
        replacing: also where there is a certificate that has not ended; it stays until there is the new one.
        patience: seconds for which an authority that does not listen yet is tried again.
        late: told once, with the reason, that this is being done.

    Raises:
        EnrolmentFailed: the authority cannot be reached or refuses, or is not the one of the code.
        CredentialsRefused: what it gave will not do.
        ValueError: `proxy` is none.
        OSError: a file cannot be written.
    """
    way = None if proxy is None else Proxy.read(proxy)
    await trio.Path(directory).mkdir(parents=True, exist_ok=True)
    credential = Credential(directory / "device.pem", code.device)
    if credential.file.exists() and not replacing:
        _ended(credential)
    place = address(host, port)
    # On disk before the code is used up.
    key = credential.next_key()
    with trio.move_on_after(_SECONDS) as all_of_it:
        try:
            root = await _listening(code, host, port, way, patience, late)
            asked = {"device": code.device, "code": code.secret, "request": credential.request(key)}
            answer = await _ask(root, host, port, way, json.dumps(asked).encode())
        except ProxyFailed as problem:
            raise EnrolmentFailed(str(problem)) from None
        except OSError as problem:
            raise EnrolmentFailed(
                f"the authority at {place} cannot be reached: {reason(problem)}; is "
                "`xfs4iot fleet authority` running there, and does a firewall let this through?"
            ) from None
        except (TLSError, trio.BrokenResourceError) as problem:
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            raise EnrolmentFailed(
                f"{place}: {problem}; see that the address is right, and the clock of this machine ({now})"
            ) from None
    if all_of_it.cancelled_caught:
        raise EnrolmentFailed(f"{place} did not answer within {_SECONDS:g} s; try again, by the same code")
    pair = credential.take(str(answer["certificates"]), key)
    ca = directory / "ca.pem"
    write_pem(ca, str(answer["authorities"]).encode())
    configuration = directory / "uplink.toml"
    servers = tuple(map(str, answer["servers"]))
    text = _configuration(code.device, str(answer["tenant"]), servers, credential.file, ca)
    if proxy is not None:
        text += f"proxy = {json.dumps(proxy)}\n"
    # A proxy's password is nobody else's.
    (write_pem if proxy is None else write_secret)(configuration, text.encode())
    until = f"{pair.not_after:%Y-%m-%d %H:%M} UTC"
    return Enrolled(code.device, credential.file, ca, configuration, until)


def _ended(credential: Credential) -> None:
    """Be sure that a certificate which is there already has ended, so that nothing is lost with it.

    Raises:
        EnrolmentFailed: it has not, or is another's.
    """
    try:
        chain = load_certificates(credential.file)
    except TLSError:
        return
    until = min(one.not_valid_after_utc for one in chain)
    names = fleet_names(chain[0])
    if names != [DEVICE + credential.device]:
        raise EnrolmentFailed(
            f"{credential.file} is of {', '.join(names) or 'somebody else'}, and the code is for "
            f"{credential.device}: name another --directory, or say --replace if this machine is that now"
        )
    if until > datetime.now(UTC):
        raise EnrolmentFailed(
            f"{credential.file} is there already, good until {until:%Y-%m-%d}; it is renewed by itself. If "
            "the device was revoked, or is to have another key, say --replace"
        )


async def _listening(
    code: Code, host: str, port: int, way: Proxy | None, patience: float, late: Callable[[str], None]
) -> x509.Certificate:
    """The root of what the authority shows, once there is one."""
    deadline, told_of = trio.current_time() + patience, False
    while True:
        try:
            return await _root(code, host, port, way)
        except OSError as problem:
            if isinstance(problem, (socket.gaierror, ProxyFailed)) or trio.current_time() >= deadline:
                raise
            if not told_of:
                told_of = True
                late(reason(problem))
        await trio.sleep(_PAUSE_SECONDS)


async def _root(code: Code, host: str, port: int, way: Proxy | None) -> x509.Certificate:
    """The root of what the authority shows, which is the one that the code means."""
    shown = await presented(host, port, proxy=way)
    for one in shown:
        if code.trusts(one):
            return one
    raise EnrolmentFailed(
        f"what answers at {address(host, port)} is not the authority of this code; see that code and "
        "address are typed right. The code was not told"
    )


async def _ask(
    root: x509.Certificate, host: str, port: int, way: Proxy | None, body: bytes
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="xfs4iot-") as directory:
        ca = Path(directory) / "ca.pem"
        write_pem(ca, root.public_bytes(Encoding.PEM))
        context = tls.client_context(ca=ca)
    plain = await dial(host, port, way)
    # Known by its name in the fleet: under which address it is reached does not matter.
    stream = tls.TLSStream(plain, context, server_side=False, server_hostname=None, peer="the authority")
    try:
        await stream.do_handshake()
        if stream.identity is None or f"URI:{AUTHORITY}" not in stream.identity.sans:
            raise EnrolmentFailed(
                f"what answers at {address(host, port)} is of this fleet, but not its authority"
            )
        status, said = await _post(stream, address(host, port), body)
    finally:
        await trio.aclose_forcefully(stream)
    if status != 200:
        raise EnrolmentFailed(told(said.decode("utf-8", "replace").strip()) or f"refused with HTTP {status}")
    try:
        answer: dict[str, Any] = orjson.loads(said)
        _ = answer["certificates"], answer["authorities"], answer["servers"], answer["tenant"]
    except (ValueError, KeyError, TypeError) as wrong:
        raise EnrolmentFailed(
            f"the authority's answer cannot be read: {wrong!r}; is it of another version?"
        ) from None
    return answer


async def _post(stream: trio.abc.Stream, host: str, body: bytes) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", host), ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]  # fmt: skip
    sent = connection.send(h11.Request(method="POST", target=PATH, headers=headers)) or b""
    await stream.send_all(sent + (connection.send(h11.Data(data=body)) or b""))
    connection.send(h11.EndOfMessage())
    status, said = 0, b""
    while True:
        try:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some()))
                continue
        except h11.RemoteProtocolError as problem:
            raise EnrolmentFailed(f"the authority's answer is not HTTP: {problem}") from None
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            said += bytes(event.data)
            if len(said) > _LARGEST_ANSWER:
                raise EnrolmentFailed("the authority's answer is too long; is it the right address?")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return status, said


def _configuration(device: str, tenant: str, servers: tuple[str, ...], credential: Path, ca: Path) -> str:
    said: dict[str, object] = {
        "servers": list(servers), "tenant": tenant, "device": device,
        "certificate": str(credential.resolve()), "key": str(credential.resolve()),
        "ca": str(ca.resolve()), "gateway_ca": str(ca.resolve()),
    }  # fmt: skip
    # JSON's strings and lists of strings are TOML's, too.
    return "[uplink]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())
