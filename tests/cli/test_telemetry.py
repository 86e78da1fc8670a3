"""What `[telemetry]` tells: metrics for Prometheus, health, spans for OpenTelemetry; and what never."""

from __future__ import annotations

import gzip
import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

import xfs4iot
from xfs4iot.cli.settings import TelemetrySettings
from xfs4iot.cli.telemetry import telemetry
from xfs4iot.telemetry.metrics import METRICS, Metrics

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
FIFTY = {"request": {"denomination": {"service": {"currencies": {"EUR": 50}, "mix": "mix1"}}}}


@asynccontextmanager
async def told(publisher: xfs4iot.Publisher, **wanted: Any) -> AsyncIterator[int]:
    """Telemetry of a publisher; the port at which it is served."""
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with telemetry(publisher, TelemetrySettings(metrics=f"127.0.0.1:{port}", **wanted)):
        yield port


async def get(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return await trio.to_thread.run_sync(ask)


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found.setdefault(one.name, []).append((one.labels, one.value))
    return found


async def test_commands_are_counted_by_name_and_code(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port, xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        for amount in (50, 5):
            request = json.loads(json.dumps(FIFTY).replace("50", str(amount)))
            try:
                await dispenser.call("CashDispenser.Denominate", request)
            except xfs4iot.CommandFailed:
                assert amount == 5
        with pytest.raises(xfs4iot.CommandFailed):
            await dispenser.call("Made.Up")
        status, text = await get(port)
    assert status == 200
    found = samples(text)
    counted = {
        (labels["command"], labels["code"]): value
        for labels, value in found["xfs4iot_commands_total"]
        if labels["service"] == "CashDispenser"
    }
    assert counted["CashDispenser.Denominate", "success"] == 1
    assert counted["CashDispenser.Denominate", "commandErrorCode"] == 1
    assert counted["unknown", "unsupportedCommand"] == 1
    assert {labels["service"] for labels, _ in found["xfs4iot_connections"]} == {
        *atm.services,
        "ServicePublisher",
    }
    buckets = [
        value
        for labels, value in found["xfs4iot_command_seconds_bucket"]
        if labels["command"] == "CashDispenser.Denominate"
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 2
    assert {labels["service"]: value for labels, value in found["xfs4iot_connections"]}["CashDispenser"] == 1


def of_status(text: str) -> float:
    """How many times the dispenser was asked for its status, by /metrics."""
    wanted = {"service": "CashDispenser", "command": "Common.Status", "code": "success"}
    counted = samples(text).get("xfs4iot_commands_total", [])
    return sum(value for labels, value in counted if labels == wanted)


async def test_commands_that_are_asked_over_and_over_are_counted_each(atm: xfs4iot.Publisher) -> None:
    async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        # Known before anybody counts, and asked again when nobody counts any more.
        for _ in range(3):
            await dispenser.call("Common.Status")
        async with told(atm) as port:
            for asked in range(1, 5):
                await dispenser.call("Common.Status")
                assert of_status((await get(port))[1]) == asked
        for service in (atm.endpoint, *atm.services.values()):
            service.observer = None
        await dispenser.call("Common.Status")
        async with told(atm) as port:
            await dispenser.call("Common.Status")
            text = (await get(port))[1]
    assert of_status(text) == 1
    seconds = samples(text)["xfs4iot_command_seconds_sum"]
    assert all(value > 0 for labels, value in seconds if labels["command"] == "Common.Status")


async def test_nothing_is_lost_while_others_read(atm: xfs4iot.Publisher) -> None:
    """The sender of durations reads in a thread of its own."""
    async with told(atm), xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        metrics = atm.services["CashDispenser"].observer
        assert isinstance(metrics, Metrics)
        ended = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not ended.is_set():
                seen.append(sum(sum(one.buckets) for one in list(metrics.durations.values())))
                # Others' turn.
                ended.wait(0.001)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for _ in range(200):
                await dispenser.call("Common.Status")
        finally:
            ended.set()
            reader.join()
        assert seen == sorted(seen)
        assert of_status(metrics.text()) == 200


async def test_units_and_devices_are_as_the_books_say(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port, xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        payload = {"denomination": FIFTY["request"]}
        before = samples((await get(port))[1])
        await dispenser.call("CashDispenser.Dispense", payload)
        after = samples((await get(port))[1])

    def items(found: dict[str, list[tuple[dict[str, str], float]]]) -> float:
        return sum(
            value
            for labels, value in found["xfs4iot_unit_items"]
            if labels["unit"] == "unit3" and labels["service"] == "CashDispenser"
        )

    assert items(before) - items(after) == 1
    states = {(labels["service"], labels["state"]): value for labels, value in after["xfs4iot_device_state"]}
    assert states["CashDispenser", "online"] == 1
    assert states["CashDispenser", "hardwareError"] == 0


async def test_movements_are_counted_by_kind_and_outcome(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port, xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
        wanted = {"service": "CashDispenser", "kind": "dispense", "outcome": "done"}
        for dispensed in (0, 1, 2):
            counted = samples((await get(port))[1]).get("xfs4iot_movements_total", [])
            assert sum(value for labels, value in counted if labels == wanted) == dispensed
            await dispenser.call("CashDispenser.Dispense", {"denomination": FIFTY["request"]})
            await dispenser.call("CashDispenser.Reject")


async def test_handshakes_are_counted_by_their_end(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port:
        async with xfs4iot.connect(atm.uri("CashDispenser")):
            pass
        with pytest.raises(xfs4iot.client.Disconnected):
            async with xfs4iot.connect(f"{atm.uri()}/Nobody", version="2024-3"):
                raise AssertionError("there is no such service")
        async with await trio.open_tcp_stream("127.0.0.1", atm.port or 0) as hangs_up:
            await hangs_up.send_all(b"GET / HT")
        ended: dict[str, float] = {}
        with trio.fail_after(10):
            while sum(ended.values()) < 3:
                found = samples((await get(port))[1])["xfs4iot_handshakes_total"]
                ended = {labels["outcome"]: value for labels, value in found}
                await trio.sleep(0.01)
    assert ended == {"opened": 1, "404": 1, "400": 1}


async def test_health_follows_the_devices(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port:
        assert await get(port, "/health/live") == (200, "live\n")
        assert await get(port, "/health/ready") == (200, "ready\n")
        device = atm.services["CashDispenser"].device
        assert device is not None
        device.status.common.device = "hardwareError"
        assert await get(port, "/health/ready") == (503, "CashDispenser: hardwareError\n")


async def test_only_what_is_there_is_answered(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port:
        assert (await get(port, "/"))[0] == 404
        assert (await get(port, "/metrics", "POST"))[0] == 405
        assert await get(port, "/metrics", "HEAD") == (200, "")
        async with await trio.open_tcp_stream("127.0.0.1", port) as nonsense:
            await nonsense.send_all(b"\x16\x03\x01 not HTTP \r\n\r\n")
            assert await nonsense.receive_some() == b""
        assert (await get(port))[0] == 200


async def test_nothing_secret_becomes_a_label(atm: xfs4iot.Publisher) -> None:
    async with told(atm) as port:
        async with xfs4iot.connect(atm.uri("Simulator")) as hands:
            await hands.call("Simulator.InsertCard", {"card": "debit"})
        async with xfs4iot.connect(atm.uri("CardReader")) as reader:
            answer = await reader.call("CardReader.ReadRawData", {"track2": True})
        text = (await get(port))[1]
    assert answer["track2"]["data"] not in text
    assert set(re.findall(r'(\w+)="', text)) <= {
        "service", "command", "code", "le", "event", "status", "state", "unit", "kind", "currency", "value",
        "replenishment", "outcome",
    }  # fmt: skip


async def test_nobody_observes_unless_it_is_wanted(atm: xfs4iot.Publisher) -> None:
    async with telemetry(atm, TelemetrySettings()):
        assert atm.endpoint.observer is None


async def test_a_port_that_is_taken_is_named(atm: xfs4iot.Publisher) -> None:
    with pytest.raises(ValueError, match=r"telemetry\.metrics: 127.* cannot be bound"):
        async with telemetry(atm, TelemetrySettings(metrics=f"127.0.0.1:{atm.port}")):
            raise AssertionError("it was bound")


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A collector of OpenTelemetry: its address, and what it was sent."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not of interest."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


async def test_commands_become_spans(atm: xfs4iot.Publisher) -> None:
    with collector() as (address, received):
        async with (
            telemetry(atm, TelemetrySettings(otlp=address, traces_per_second=1000)),
            xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        ):
            await dispenser.call("CashDispenser.Denominate", FIFTY)
    bodies = [body for path, body in received if path == "/v1/traces"]
    assert bodies
    spans = {}
    for body in bodies:
        request = ExportTraceServiceRequest.FromString(
            gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        )
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                spans |= {span.name: span for span in scope.spans}
    span = spans["CashDispenser.Denominate"]
    attributes = {one.key: one.value.string_value for one in span.attributes}
    assert attributes["rpc.method"] == "CashDispenser.Denominate"
    assert attributes["rpc.response.status_code"] == "success"
    assert span.end_time_unix_nano >= span.start_time_unix_nano
    told_of = b"".join(
        gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        for path, body in received
        if path == "/v1/metrics"
    )
    assert b"rpc.server.call.duration" in told_of
    assert b"CashDispenser.Denominate" in told_of


async def test_spans_follow_the_conventions_for_what_fails(
    atm: xfs4iot.Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "site=main street")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "atm17")
    with collector() as (address, received):
        async with (
            telemetry(atm, TelemetrySettings(otlp=address, traces_per_second=1000)),
            xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        ):
            for command in ("CashDispenser.Reject", "Made.Up"):
                with pytest.raises(xfs4iot.CommandFailed):
                    await dispenser.call(command)
    spans, resource = {}, {}
    for body in (body for path, body in received if path == "/v1/traces"):
        for told in ExportTraceServiceRequest.FromString(unpacked(body)).resource_spans:
            resource = {one.key: one.value.string_value for one in told.resource.attributes}
            spans |= {span.name: span for scope in told.scope_spans for span in scope.spans}
    of = {name: {one.key: one.value.string_value for one in span.attributes} for name, span in spans.items()}
    assert of["CashDispenser.Reject"]["error.type"] == "commandErrorCode"
    assert "error.type" not in of["Common.Capabilities"]
    # What a client makes up is told nowhere.
    assert of["xfs4iot"]["rpc.method"] == "_OTHER"
    assert not any(b"Made.Up" in unpacked(body) for _, body in received)
    assert resource["service.name"] == "atm17"
    assert resource["site"] == "main street"
    assert resource["host.name"]


async def test_durations_are_told_as_far_as_they_are_known(atm: xfs4iot.Publisher) -> None:
    with collector() as (address, received):
        async with (
            telemetry(atm, TelemetrySettings(otlp=address)),
            xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        ):
            await dispenser.call("CashDispenser.GetMixTypes")
    (body,) = [unpacked(body) for path, body in received if path == "/v1/metrics"]
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    points = resource.scope_metrics[0].metrics[0].histogram.data_points
    assert points
    for point in points:
        assert point.count == sum(point.bucket_counts)
        # Kept by nobody; a least and a greatest duration of 0 would be wrong.
        assert not point.HasField("min")
        assert not point.HasField("max")


@pytest.mark.parametrize("which", ["", "TRACES_", "METRICS_"])
async def test_a_protocol_that_is_not_sent_is_refused(
    atm: xfs4iot.Publisher, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{which}PROTOCOL", "grpc")
    with pytest.raises(ValueError, match=r"is 'grpc', but only http/protobuf is sent; take it out"):
        async with telemetry(atm, TelemetrySettings(otlp="http://127.0.0.1:4317")):
            raise AssertionError("it was taken")


async def test_what_is_asked_over_and_over_becomes_spans_too(atm: xfs4iot.Publisher) -> None:
    with collector() as (address, received):
        async with (
            telemetry(atm, TelemetrySettings(otlp=address, traces_per_second=1000)),
            xfs4iot.connect(atm.uri("CashDispenser")) as dispenser,
        ):
            for _ in range(5):
                await dispenser.call("Common.Status")
    spans = b"".join(unpacked(body) for path, body in received if path == "/v1/traces")
    # Each has the name twice: as its own, and as the method.
    assert spans.count(b"Common.Status") == 2 * 5


async def test_what_exporters_say_is_in_the_log(atm: xfs4iot.Publisher) -> None:
    said: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record)

    log, kept = logging.getLogger("xfs4iot"), Kept()
    log.addHandler(kept)
    try:
        with collector() as (address, _):
            async with telemetry(atm, TelemetrySettings(otlp=address)):
                logging.getLogger("opentelemetry.exporter").warning("the collector is gone")
    finally:
        log.removeHandler(kept)
    assert "the collector is gone" in [record.getMessage() for record in said]


async def test_spans_are_limited(atm: xfs4iot.Publisher) -> None:
    from xfs4iot.telemetry.traces import Traces

    with collector() as (address, received):
        metrics = Metrics(atm)
        traces = Traces(address, metrics, 3)
        for _ in range(1000):
            metrics.completed("CashDispenser", "Common.Status", "success", 0.0)
        await trio.to_thread.run_sync(traces.end)
    count = sum(body.count(b"Common.Status") for path, body in received if path == "/v1/traces")
    # The second may have changed once meanwhile; each span has the name twice.
    assert count <= 2 * 2 * 3


def test_the_dashboard_asks_only_for_what_is_told() -> None:
    content = json.loads(DASHBOARD.read_text())
    asked = set(re.findall(r"xfs4iot_\w+", json.dumps(content)))
    known = set(METRICS) | {f"xfs4iot_command_seconds_{end}" for end in ("bucket", "sum", "count")}
    assert asked <= known
    labels = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(content)))
    assert labels <= {"service", "command", "code", "unit", "currency", "value", "status", "outcome", "kind"}
