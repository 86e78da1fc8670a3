"""What `[telemetry]` of a configuration switches on; nothing of it is imported otherwise."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from xfs4iot.cli.settings import TelemetrySettings, port_of
from xfs4iot.reasons import reason
from xfs4iot.server.observation import Observer
from xfs4iot.server.publisher import Publisher
from xfs4iot.telling import logger
from xfs4iot.transport import tcp

if TYPE_CHECKING:
    from xfs4iot.telemetry.traces import Traces

__all__ = ["listening", "require_protocol", "telemetry"]

_log = logger("xfs4iot.telemetry")
_PROTOCOL = "http/protobuf"
_PROTOCOLS = tuple(f"OTEL_EXPORTER_OTLP_{of}PROTOCOL" for of in ("", "TRACES_", "METRICS_"))
"""Variables by which others may have been told to send otherwise."""
_END_SECONDS = 5.0
"""What sending the last of it may take."""


@asynccontextmanager
async def telemetry(publisher: Publisher, wanted: TelemetrySettings) -> AsyncIterator[None]:
    """Observe the publisher's services while the block lasts, as far as it is wanted.

    Raises:
        ValueError: an address cannot be used, or a package is missing.
    """
    observer: Observer | None = None
    listeners = None if wanted.metrics is None else await listening(wanted.metrics, "telemetry.metrics")
    made = None if wanted.otlp is None else _traces()
    traces = None
    async with trio.open_nursery() as nursery:
        if listeners is not None or wanted.otlp is not None:
            from xfs4iot.telemetry.metrics import Metrics

            metrics = Metrics(publisher)
            observer = metrics
        if listeners is not None:
            from xfs4iot.telemetry.http import serve_telemetry

            nursery.start_soon(serve_telemetry, metrics.text, lambda: _ready(publisher), listeners)
            _log.info("metrics at http://%s/metrics, health at /health/ready", wanted.metrics)
        if wanted.otlp is not None and made is not None:
            traces = made(wanted.otlp, metrics, wanted.traces_per_second)
            _log.info("traces and metrics go to %s", wanted.otlp)
        if observer is not None:
            for service in (publisher.endpoint, *publisher.services.values()):
                service.observer = observer
        failure: Exception | None = None
        try:
            yield
        except Exception as problem:
            # Raised again outside the nursery, which would wrap it in an exception group.
            failure = problem
        finally:
            if traces is not None:
                # What has not been sent yet, in a thread: the collector may be slow, or gone.
                with trio.move_on_after(_END_SECONDS, shield=True):
                    await trio.to_thread.run_sync(traces.end, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _ready(publisher: Publisher) -> tuple[int, str]:
    """Whether every device can be used."""
    states = {
        name: service.device.status.common.device
        for name, service in publisher.services.items()
        if service.device is not None
    }
    wrong = {name: state for name, state in states.items() if state != "online"}
    if wrong:
        return 503, "".join(f"{name}: {state}\n" for name, state in wrong.items())
    return 200, "ready\n"


async def listening(address: str, what: str) -> list[trio.SocketListener]:
    """Listen at `host:port`.

    Args:
        what: the setting that says so, for the complaint.

    Raises:
        ValueError: it cannot be bound.
    """
    port = port_of(address)
    if port is None:
        raise ValueError(
            f"{what}: {address[:80]!r} is not an address and a port up to 65535; "
            "write one such as 127.0.0.1:9464"
        )
    host = address.rpartition(":")[0]
    try:
        return [trio.SocketListener(one) for one in await tcp.open_listener(host, port)]
    except OSError as problem:
        raise ValueError(f"{what}: {address} cannot be bound: {reason(problem)}") from None


def require_protocol() -> None:
    """Refuse an environment that asks for what is not spoken.

    Raises:
        ValueError: says which variable.
    """
    for variable in _PROTOCOLS:
        if (protocol := os.environ.get(variable, _PROTOCOL)) != _PROTOCOL:
            raise ValueError(
                f"telemetry.otlp: {variable} is {protocol[:40]!r}, but only {_PROTOCOL} is sent; "
                "take it out of the environment, and name the collector's port for HTTP, mostly 4318"
            )


def _traces() -> type[Traces]:
    require_protocol()
    try:
        from xfs4iot.telemetry.traces import Traces
    except ModuleNotFoundError as missing:
        raise ValueError(f"telemetry.otlp needs {missing.name}: pip install 'xfs4iot[telemetry]'") from None
    return Traces
