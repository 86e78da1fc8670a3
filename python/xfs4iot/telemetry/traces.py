"""Commands as spans and durations of OpenTelemetry, sent over OTLP (HTTP, protobuf).

Names follow OpenTelemetry's conventions for RPC. A span is made of a command when it has completed, and of
so many a second at most: making one costs more than most commands do. Durations are of all commands: they
are taken from what `Metrics` has counted, once a minute. Both are sent by threads; a collector that is not
there costs nothing but a line in the log.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, Status, StatusCode

from xfs4iot import __version__
from xfs4iot.protocol import registry
from xfs4iot.telemetry.exposition import BUCKETS
from xfs4iot.telemetry.metrics import Metrics, service_label
from xfs4iot.telling import logger

__all__ = ["Traces"]

_SYSTEM = "xfs4iot"
_UNKNOWN = cast("float", None)
"""The least and the greatest duration: nobody keeps them, and OTLP may be without them, but not the SDK's
types."""
_INTERVAL = 60.0
"""Seconds from one sending of the durations to the next."""


def _attributes(service: str, command: str, code: str) -> dict[str, str]:
    found = {
        "rpc.system.name": _SYSTEM,
        # What a client makes up is not repeated, though the conventions have an attribute for it.
        "rpc.method": command if registry.is_command(command) else "_OTHER",
        "rpc.response.status_code": code,
        "xfs4iot.service": service_label(service),
    }
    return found if code == "success" else {**found, "error.type": code}


def _resource() -> Resource:
    """Who tells; the variables `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have the last word."""
    own = {"service.name": _SYSTEM, "service.version": __version__, "host.name": socket.gethostname()}
    return Resource.create(own).merge(OTELResourceDetector().detect())


class Traces:
    """Sends what `Metrics` has counted, and of some commands a span, to a collector.

    Args:
        endpoint: the collector's address, without a path.
        metrics: what counts durations, and tells of commands.
        spans_per_second: how many spans are made at most.
    """

    def __init__(self, endpoint: str, metrics: Metrics, spans_per_second: int) -> None:
        # What the exporters have to say belongs into our log, and in its format.
        logger("opentelemetry").parent = logger("xfs4iot")
        self._resource = _resource()
        self._metrics = metrics
        base = endpoint.rstrip("/")
        self._spans = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
        self._tracer = self._spans.get_tracer("xfs4iot", __version__)
        self._durations = OTLPMetricExporter(endpoint=f"{base}/v1/metrics")
        self._most = spans_per_second
        metrics.span, metrics.one_by_one = self._span, spans_per_second
        self._ended = threading.Event()
        self._sender = threading.Thread(target=self._send_durations, name="xfs4iot-otlp", daemon=True)
        self._sender.start()

    def _span(self, service: str, command: str, code: str, seconds: float) -> None:
        attributes = _attributes(service, command, code)
        ended = time.time_ns()
        span = self._tracer.start_span(
            command if attributes["rpc.method"] == command else _SYSTEM,
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=ended - int(seconds * 1e9),
        )
        if code != "success":
            span.set_status(Status(StatusCode.ERROR, code))
        span.end(ended)

    def _send_durations(self) -> None:
        ended, due = False, time.monotonic() + _INTERVAL
        while not ended:
            ended = self._ended.wait(1.0)
            self._metrics.one_by_one = 0 if ended else self._most
            if ended or time.monotonic() >= due:
                due = time.monotonic() + _INTERVAL
                self._durations.export(self._told())

    def _told(self) -> MetricsData:
        histogram = Histogram(tuple(self._points()), AggregationTemporality.CUMULATIVE)
        metric = Metric(
            "rpc.server.call.duration", "From receipt to completion of a command.", "s", histogram
        )
        scope = ScopeMetrics(InstrumentationScope("xfs4iot", __version__), [metric], "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _points(self) -> Iterator[HistogramDataPoint]:
        started, now = int(self._metrics.started * 1e9), time.time_ns()
        # A copy: commands are counted by another thread meanwhile.
        for (service, command, code), one in list(self._metrics.durations.items()):
            buckets = one.buckets
            yield HistogramDataPoint(
                _attributes(service, command, code),
                started,
                now,
                sum(buckets),
                one.total,
                buckets,
                BUCKETS,
                _UNKNOWN,
                _UNKNOWN,
            )

    def end(self) -> None:
        """Send what is left, and stop."""
        self._ended.set()
        self._sender.join()
        self._durations.shutdown()
        self._spans.shutdown()
