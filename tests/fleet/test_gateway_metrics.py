"""What a gateway tells Prometheus: counted from what it carries, whatever a device makes of that."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import xfs4iot
from conftest import Tenant
from dialogue import dialogue
from xfs4iot import _core
from xfs4iot.fleet.metrics import GATEWAY_METRICS, GatewayMetrics
from xfs4iot.fleet.overhearing import Overheard

DOCS = Path(__file__).parents[2] / "docs"


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found.setdefault(one.name, {})[tuple(one.labels.values())] = one.value
    return found


async def test_sessions_and_commands_are_counted_as_they_pass(
    tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    metrics = GatewayMetrics()
    gateway = await tenant.gateway(metrics=metrics)
    await tenant.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    for _ in range(3):
        await client.success("Common.Status")
    await client.failure("CashDispenser.Denominate", {"request": {}})
    await client.failure("Made.Up")
    await client.send("Common.Status", requestId=0)
    await client.until("acknowledge")
    with pytest.raises(xfs4iot.Disconnected):
        async with xfs4iot.connect(gateway.uri("atm18", "CashDispenser")):
            pass
    async with xfs4iot.connect(gateway.uri("atm17", "CashDispenser"), version="2021-1") as older:
        await older.call("CashDispenser.GetMixTypes")
    with trio.fail_after(20):
        while not metrics.ended or not (metrics._devices or {}).get("online"):  # noqa: ASYNC110
            await trio.sleep(0.05)
    found = samples(metrics.text(gateway))
    commands = found["xfs4iot_gateway_commands_total"]
    assert commands["Common.Status", "success"] == 3
    assert commands["CashDispenser.Denominate", "invalidData"] == 1
    assert commands["unknown", "unsupportedCommand"] == 1
    assert commands["CashDispenser.GetMixTypes", "success"] == 1
    assert found["xfs4iot_gateway_command_seconds_count"]["Common.Status",] == 3
    assert sum(found["xfs4iot_gateway_refused_total"].values()) == 1
    assert found["xfs4iot_gateway_openings_total"] == {("opened",): 2, ("404",): 1}
    assert found["xfs4iot_gateway_opening_seconds_count"][()] == 2
    assert found["xfs4iot_gateway_sessions"][()] == 1
    assert found["xfs4iot_gateway_ended_total"]["in order",] == 1
    assert found["xfs4iot_gateway_devices"] == {("online",): 1, ("offline",): 0}
    assert found["xfs4iot_gateway_broker_connected"][()] == 1
    assert "atm17" not in metrics.text(gateway)


async def test_a_broker_that_is_lost_is_seen(
    own_tenant: Tenant, atm: xfs4iot.Publisher, nursery: trio.Nursery
) -> None:
    metrics = GatewayMetrics()
    gateway = await own_tenant.gateway(metrics=metrics)
    await own_tenant.device(atm)
    client = await nursery.start(dialogue, gateway.uri("atm17", "CashDispenser"))
    own_tenant.broker.kill()
    with trio.fail_after(20):
        while gateway.connected:  # noqa: ASYNC110
            await trio.sleep(0.02)
    request = await client.send("Common.Status")
    with trio.fail_after(20):
        while not metrics.dropped:  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert samples(metrics.text(gateway))["xfs4iot_gateway_broker_connected"][()] == 0
    await own_tenant.broker.start()
    assert await client.until("completion", request)
    found = samples(metrics.text(gateway))
    assert found["xfs4iot_gateway_broker_connected"][()] == 1
    assert found["xfs4iot_gateway_broker_connections_total"][()] == 2
    assert found["xfs4iot_gateway_commands_total"]["Common.Status", "success"] == 1


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, float | None]] = []
        self.refused: list[str] = []
        self.own = Overheard(lambda *one: self.said.append(one), self.refused.append)

    def feed(self, data: bytes, piece: int, now: float = 0.0) -> None:
        for at in range(0, len(data), piece):
            self.own.feed(data[at : at + piece], now)


def frame(message: bytes, first: int = 0x81) -> bytes:
    size = len(message)
    if size < 126:
        return bytes([first, size]) + message
    if size < 65536:
        return bytes([first, 126]) + size.to_bytes(2, "big") + message
    return bytes([first, 127]) + size.to_bytes(8, "big") + message


def completion(number: int, padding: int = 0, name: str = "Common.Status") -> bytes:
    header = {"type": "completion", "name": name, "requestId": number, "version": "2.0"}
    return json.dumps(
        {"header": {**header, "completionCode": "success"}, "payload": {"x": "y" * padding}}
    ).encode()


@pytest.mark.parametrize("piece", [1, 7, 4096, 1_000_000])
def test_frames_are_read_however_they_are_cut(piece: int) -> None:
    heard = Heard()
    acknowledge = _core.acknowledge("Common.Status", 1, "2.0", None)
    whole = completion(4, 300)
    heard.feed(acknowledge, piece, 1.0)
    heard.feed(
        frame(completion(1)) + frame(b"ping", 0x89) + frame(completion(2, 1000))
        + frame(completion(3, 200_000))
        + frame(whole[:100], 0x01) + frame(b"", 0x8A) + frame(whole[100:], 0x80) + frame(b"") + frame(b"{}"),
        piece, 3.0,
    )  # fmt: skip
    assert heard.said == [("Common.Status", "success", 2.0)] + [("Common.Status", "success", None)] * 3
    assert len(heard.own._message) == 0


@given(st.binary(max_size=300), st.integers(1, 50))
def test_whatever_a_device_says_is_only_carried(data: bytes, piece: int) -> None:
    heard = Heard()
    heard.feed(data, piece)
    assert len(heard.own._message) <= 65536


def test_what_a_device_makes_up_makes_no_labels_and_takes_no_room() -> None:
    metrics = GatewayMetrics()
    session = metrics.session()
    for number in range(1, 20_000):
        session.feed(_core.acknowledge(f"Made.Up{number}", number, "1.0", None), 0.0)
    assert len(session._began) <= 10_000
    for number in range(200):
        said: dict[str, Any] = {
            "type": "completion", "name": f"Made.Up{number}", "requestId": number + 1, "version": "1.0",
            "completionCode": f"code{number}\n",
        }  # fmt: skip
        session.feed(frame(json.dumps({"header": said}).encode()), 1.0)
        status = {
            "type": "acknowledge",
            "name": "a.b",
            "requestId": 1,
            "version": "1.0",
            "status": f"s{number}",
        }
        session.feed(frame(json.dumps({"header": status}).encode()), 1.0)
    assert set(metrics._commands) == {("unknown", "unknown")}
    assert set(metrics._refused) == {"unknown"}
    session.feed(b"\x82\x7f" + b"\xff" * 8 + b"x" * 1_000_000, 2.0)
    assert len(session._message) <= 65536


async def test_the_command_serves_them(server: str) -> None:
    import subprocess
    from http.client import HTTPConnection

    from xfs4iot.fleet.broker import free_port

    port, broker = free_port(), free_port()
    started = subprocess.Popen(  # noqa: ASYNC220
        [
            sys.executable, "-m", "xfs4iot", "gateway", "--embedded-broker", "--broker-port", str(broker),
            "--port", "0", "--json", "--metrics", f"127.0.0.1:{port}",
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout is not None
    try:
        await trio.to_thread.run_sync(started.stdout.readline)

        def get(path: str) -> tuple[int, str]:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            with answer:
                return answer.status, answer.read().decode()

        status, text = await trio.to_thread.run_sync(get, "/metrics")
        assert (status, samples(text)["xfs4iot_gateway_broker_connected"]) == (200, {(): 1.0})
        assert (await trio.to_thread.run_sync(get, "/health/ready"))[0] == 200
    finally:
        started.terminate()
        await trio.to_thread.run_sync(started.wait)
        started.stdout.close()


def test_the_dashboard_and_the_page_know_all_that_is_told() -> None:
    content = (DOCS / "grafana_gateways.json").read_text("utf-8")
    asked = {re.sub("_(bucket|sum|count)$", "", one) for one in re.findall(r"xfs4iot_\w+", content)}
    assert asked == {*GATEWAY_METRICS} - {
        "xfs4iot_gateway_refused_total",
        "xfs4iot_gateway_broker_connections_total",
    }
    page = (DOCS / "fleet.md").read_text("utf-8")
    for name in GATEWAY_METRICS:
        assert f"`{name}`" in page
