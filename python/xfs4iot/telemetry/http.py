"""`/metrics`, `/health/live` and `/health/ready` over plain HTTP, on a port of their own.

Nothing but GET is answered, one request a connection, and a client that is slow is hung up on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import h11
import trio

from xfs4iot.telling import logger

__all__ = ["serve_telemetry"]

_SECONDS = 5.0
_LARGEST = 16 * 1024
_AT_ONCE = 16
"""Connections; more wait in the system's queue."""
_log = logger("xfs4iot.telemetry")


async def serve_telemetry(
    metrics: Callable[[], str],
    ready: Callable[[], tuple[int, str]],
    listeners: Sequence[trio.SocketListener],
) -> None:
    """Serve until cancelled.

    Args:
        metrics: gives the text of /metrics.
        ready: gives status and text of /health/ready.
    """
    pages: dict[str, Callable[[], tuple[int, str]]] = {
        "/metrics": lambda: (200, metrics()),
        "/health/live": lambda: (200, "live\n"),
        "/health/ready": ready,
    }
    busy = trio.CapacityLimiter(_AT_ONCE)

    async def handle(stream: trio.SocketStream) -> None:
        async with busy:
            try:
                with trio.move_on_after(_SECONDS):
                    await _answer(stream, pages)
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError) as lost:
                _log.info("a request was not answered: %s", lost)
            finally:
                await trio.aclose_forcefully(stream)

    await trio.serve_listeners(handle, list(listeners))


async def _answer(stream: trio.SocketStream, pages: dict[str, Callable[[], tuple[int, str]]]) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST)
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            break
        connection.receive_data(bytes(await stream.receive_some()))
    if not isinstance(event, h11.Request):
        return
    page = pages.get(event.target.decode(errors="replace").partition("?")[0])
    if event.method not in (b"GET", b"HEAD"):
        status, text = 405, "only GET is answered here\n"
    elif page is None:
        status, text = 404, "".join(f"{path}\n" for path in pages)
    else:
        status, text = page()
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    sent = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    if event.method != b"HEAD":
        sent += connection.send(h11.Data(data=body)) or b""
    await stream.send_all(sent)
    await stream.send_eof()
