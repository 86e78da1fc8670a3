"""Clients that we did not write reach a device over TLS; each test needs its client on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

import xfs4iot
from frames import frame
from secured import HOSTS, Pair, config, for_threads, secure_atm
from xfs4iot.server.access import Access
from xfs4iot.transport.certificates import TestAuthority, test_authority
from xfs4iot.transport.pairs import load_certificates
from xfs4iot.transport.tls import TLSConfig

FOREIGN = Path(__file__).parent / "foreign"
STATUS = json.dumps(
    {"header": {"type": "command", "name": "Common.Status", "requestId": 1, "version": "2.0"}, "payload": {}}
)
PATIENCE = 60


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return test_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: TestAuthority) -> Pair:
    return authority.issue_device("atm17", HOSTS)


@pytest.fixture
async def secure(nursery: trio.Nursery, pair: Pair) -> xfs4iot.Publisher:
    return await secure_atm(nursery, config(pair))


@pytest.fixture
def mutual(authority: TestAuthority, pair: Pair) -> TLSConfig:
    return config(pair, client_certificates="required", client_ca=authority.certificate_file)


async def kill_group(process: trio.Process) -> None:
    """Some of these programs are scripts that start the real one: end it, too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def run(*command: object, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(PATIENCE):
        return await trio.run_process(
            [str(part) for part in command],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
            start_new_session=True,
            deliver_cancel=kill_group,
        )


def completed(lines: str) -> bool:
    """Whether the lines hold the good completion of the status command."""
    answers = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    kinds = [answer["header"]["type"] for answer in answers]
    assert kinds == ["acknowledge", "completion"], lines
    return bool(answers[1]["payload"]["common"]["device"])


async def s_client(
    publisher: xfs4iot.Publisher, authority: TestAuthority, *options: object, stdin: bytes = b""
) -> tuple[int, str]:
    result = await run(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{publisher.port}", "-servername", "localhost"),
        *("-CAfile", authority.certificate_file, "-verify_return_error", "-verify_hostname", "localhost"),
        *options,
        stdin=stdin,
    )
    return result.returncode or 0, (result.stdout + result.stderr).decode("utf-8", "replace")


UPGRADE = (
    b"GET /xfs4iot/v1.0/CashDispenser HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_s_client_talks_over_both_versions(
    secure: xfs4iot.Publisher, authority: TestAuthority, version: str
) -> None:
    talk = UPGRADE + frame(STATUS) + frame(b"\x03\xe8", 8)
    _, said = await s_client(secure, authority, version, "-ign_eof", "-alpn", "http/1.1", stdin=talk)
    assert "Verification: OK" in said
    assert "ALPN protocol: http/1.1" in said
    assert "Secure Renegotiation IS NOT supported" in said or "Secure Renegotiation IS supported" in said
    assert "Compression: NONE" in said
    assert "HTTP/1.1 101 Switching Protocols" in said
    assert '"type":"completion"' in said
    assert "completionCode" not in said


@needs("openssl")
async def test_openssl_s_client_may_not_renegotiate(
    secure: xfs4iot.Publisher, authority: TestAuthority
) -> None:
    _, said = await s_client(secure, authority, "-tls1_2", stdin=b"R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said.lower()


@needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_s_client_resumes_its_session(
    secure: xfs4iot.Publisher, authority: TestAuthority, version: str, tmp_path: Path
) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    session = tmp_path / "session"
    _, first = await s_client(secure, authority, version, "-ign_eof", "-sess_out", session, stdin=request)
    _, second = await s_client(secure, authority, version, "-ign_eof", "-sess_in", session, stdin=request)
    assert "New, TLSv1" in first
    assert "Reused, TLSv1" in second


@needs("openssl")
async def test_openssl_s_client_is_told_that_it_needs_a_certificate(
    nursery: trio.Nursery, authority: TestAuthority, mutual: TLSConfig
) -> None:
    publisher = await secure_atm(nursery, mutual)
    own = authority.issue_client("monitor")
    talk = UPGRADE + frame(STATUS) + frame(b"\x03\xe8", 8)
    _, refused = await s_client(publisher, authority, "-ign_eof", stdin=talk)
    assert "certificate required" in refused
    given = ("-cert", own[0], "-key", own[1])
    _, said = await s_client(publisher, authority, "-ign_eof", *given, stdin=talk)
    assert "CN = xfs4iot test authority" in said.partition("Acceptable client certificate CA names")[2]
    assert '"type":"completion"' in said
    assert "completionCode" not in said


@needs("curl")
async def test_curl_is_told_what_this_port_is(secure: xfs4iot.Publisher, authority: TestAuthority) -> None:
    at = f"https://localhost:{secure.port}/xfs4iot/v1.0"
    result = await run("curl", "-sS", "-i", "--cacert", authority.certificate_file, at)
    assert result.returncode == 0, result.stderr
    assert b"426 Upgrade Required" in result.stdout
    assert b"connect with a ws:// or wss:// URI" in result.stdout
    plain = await run("curl", "-sS", f"http://localhost:{secure.port}/")
    assert b"This port speaks TLS only" in plain.stdout


@needs("curl")
async def test_curl_tells_wrong_authorities_names_and_missing_certificates_apart(
    nursery: trio.Nursery, authority: TestAuthority, mutual: TLSConfig, tmp_path: Path
) -> None:
    publisher = await secure_atm(nursery, mutual)
    own = authority.issue_client("monitor")
    given = ("--cert", own[0], "--key", own[1])
    stranger = test_authority(tmp_path).certificate_file
    ours = authority.certificate_file

    async def curl(ca: Path, host: str, *options: object) -> tuple[int, str]:
        at = f"https://{host}:{publisher.port}/xfs4iot/v1.0"
        pinned = ("--resolve", f"{host}:{publisher.port}:127.0.0.1", "--tlsv1.2", "--tls-max", "1.2")
        result = await run("curl", "-sS", "-o", "/dev/null", "--cacert", ca, *pinned, *options, at)
        return result.returncode or 0, result.stderr.decode()

    assert (await curl(ours, "localhost", *given))[0] == 0
    assert (await curl(stranger, "localhost", *given))[0] == 60
    assert (await curl(ours, "atm18.bank.example", *given))[0] == 60
    code, said = await curl(ours, "localhost")
    assert code != 0
    assert "alert" in said


async def test_python_websockets_talks(
    nursery: trio.Nursery, authority: TestAuthority, mutual: TLSConfig
) -> None:
    publisher = await secure_atm(nursery, mutual)
    context = for_threads(ssl.create_default_context(cafile=authority.certificate_file))
    context.load_cert_chain(*authority.issue_client("monitor"))

    def talk() -> str:
        with connect(publisher.uri("CashDispenser"), ssl=context, open_timeout=PATIENCE) as connection:
            connection.send(STATUS)
            return f"{connection.recv(PATIENCE)}\n{connection.recv(PATIENCE)}"

    assert completed(await trio.to_thread.run_sync(talk))


@needs("java")
async def test_java_http_client_talks(secure: xfs4iot.Publisher, authority: TestAuthority) -> None:
    uri = secure.uri("CashDispenser")
    result = await run("java", FOREIGN / "Status.java", uri, authority.certificate_file, STATUS)
    assert result.returncode == 0, result.stderr
    assert completed(result.stdout.decode())


def node_has_websocket() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(
        ["node", "--experimental-websocket", "-e", "new WebSocket"], capture_output=True, check=False
    )
    return b"bad option" not in asked.stderr and b"not defined" not in asked.stderr


@pytest.mark.skipif(not node_has_websocket(), reason="no Node with a WebSocket client is installed")
async def test_node_talks(secure: xfs4iot.Publisher, authority: TestAuthority) -> None:
    script = ("--experimental-websocket", FOREIGN / "status.mjs", secure.uri("CashDispenser"), STATUS)
    trust = {"NODE_EXTRA_CA_CERTS": str(authority.certificate_file)}
    result = await run("node", *script, **trust)
    assert result.returncode == 0, result.stderr
    assert completed(result.stdout.decode())
    stranger = await run("node", *script)
    assert stranger.returncode != 0


CHROMIUM = next(filter(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome")), "chromium")


async def open_in_browser(publisher_at: Callable[[str], str], pair: Pair, profile: Path) -> str:
    """Serve the page, open it in the browser, and return what it reports.

    Args:
        publisher_at: gives the service's URI for the page's origin.
    """
    reported, report = trio.open_memory_channel[str](1)

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            head, _, body = request.partition(b"\r\n\r\n")
            page = b""
            if head.startswith(b"POST /report"):
                length = next(
                    int(line[15:])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                while len(body) < length:
                    body += await stream.receive_some()
                reported.send_nowait(body.decode())
            elif head.startswith(b"GET / "):
                template = (FOREIGN / "status.html").read_text()
                page = template.replace("URI", publisher_at(origin)).replace("MESSAGE", STATUS).encode()
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
            await stream.send_all(answer + page)

    public = load_certificates(pair[0])[0].public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}")
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        origin = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        nursery.start_soon(
            run,
            CHROMIUM,
            *options,
            f"--ignore-certificate-errors-spki-list={pin}",
            "--remote-debugging-port=0",
            origin,
        )
        with trio.fail_after(PATIENCE):
            text = await report.receive()
        nursery.cancel_scope.cancel()
    return text


@needs(CHROMIUM)
async def test_a_page_in_a_browser_may_drive_a_device_only_if_its_origin_is_listed(
    nursery: trio.Nursery, pair: Pair, tmp_path: Path
) -> None:
    plain = await secure_atm(nursery, config(pair))
    assert await open_in_browser(lambda _: plain.uri("CashDispenser"), pair, tmp_path / "a") == "failed"
    access = Access()
    listed = await secure_atm(nursery, config(pair), access=access)

    def allow(origin: str) -> str:
        access._origins = frozenset({origin})
        return listed.uri("CashDispenser")

    assert completed(await open_in_browser(allow, pair, tmp_path / "b"))
