"""What Prometheus itself says of /metrics, the dashboards and the alerts; skipped where it is missing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import xfs4iot
from xfs4iot.fleet.metrics import GATEWAY_METRICS, GatewayMetrics
from xfs4iot.telemetry.metrics import METRICS, Metrics

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docs" / "alerts.yml"
DASHBOARDS = ("grafana.json", "grafana_gateways.json")
PROMTOOL = shutil.which("promtool")
judged = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool: it comes with Prometheus")


def promtool(*arguments: str, given: str = "") -> str:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


class Carrying:
    sessions = 1
    connected = True


@judged
async def test_metrics_are_as_prometheus_wants_them(atm: xfs4iot.Publisher) -> None:
    metrics, gateway = Metrics(atm), GatewayMetrics()
    for service in (atm.endpoint, *atm.services.values()):
        service.observer = metrics
    try:
        async with xfs4iot.connect(atm.uri("CashDispenser")) as dispenser:
            with pytest.raises(xfs4iot.CommandFailed):
                await dispenser.call("CashDispenser.Reject")
        metrics.refused("CashDispenser", 'invalid"\\\n')
    finally:
        for service in (atm.endpoint, *atm.services.values()):
            service.observer = None
    gateway.opened(0.1)
    gateway.openings["opened"] += 1
    gateway.ended["lost"] += 1
    gateway.looked({})
    for text in (metrics.text(), gateway.text(Carrying())):
        assert promtool("check", "metrics", given=text) == ""


@judged
def test_prometheus_understands_what_the_dashboards_ask(tmp_path: Path) -> None:
    rules = []
    for name in DASHBOARDS:
        for panel in json.loads((ROOT / "docs" / name).read_text())["panels"]:
            for target in panel["targets"]:
                asked = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                assert "$" not in asked
                rules.append({"record": f"asked:{len(rules)}", "expr": asked})
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


@judged
def test_prometheus_takes_the_alerts_and_the_configuration() -> None:
    promtool("check", "rules", str(ALERTS))
    configuration = ROOT / "deploy" / "container" / "prometheus.yml"
    promtool("check", "config", "--syntax-only", str(configuration))


@judged
def test_alerts_come_when_they_should(tmp_path: Path) -> None:
    """Values of each minute, and which alerts there are then."""
    state = 'xfs4iot_device_state{instance="a",service="CashDispenser",state="online"}'
    error = 'xfs4iot_commands_total{instance="a",command="CashDispenser.Dispense",code="hardwareError"}'
    certificate = 'xfs4iot_certificate_seconds{instance="a"}'
    cases: list[tuple[str, str, str, str, bool]] = [
        (state, "1 1 0 0 0 0 0 0 0 0", "DeviceNotOnline", "9m", True),
        (state, "1 1 0 0 1 1 1 1 1 1", "DeviceNotOnline", "9m", False),
        # The first that there ever was.
        (error, "_x20 1x20", "HardwareErrors", "22m", True),
        (error, "5x40", "HardwareErrors", "30m", False),
        (error, "5x20 6x20", "HardwareErrors", "25m", True),
        (certificate, "1209599x3", "CertificateEnds", "2m", True),
        (certificate, "1209601x3", "CertificateEnds", "2m", False),
        ('up{instance="a",job="xfs4iot"}', "1 0x9", "ServicesSilent", "9m", True),
        ('xfs4iot_unit_items{unit="u",replenishment="empty"}', "0x20", "UnitToReplenish", "18m", True),
        ("xfs4iot_gateway_alarms", "0x20", "DeviceSeenTwice", "18m", False),
    ]
    tests = []
    for series, values, alert, at, comes in cases:
        # As a value that has no alert: whether there is one at all, not how it is worded.
        sample = {"labels": f'{{alertname="{alert}"}}', "value": 1}
        tests.append(
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": values}],
                "promql_expr_test": [
                    {
                        "expr": f'count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                        "eval_time": at,
                        "exp_samples": [sample] if comes else [],
                    }
                ],
            }
        )
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))


def test_alerts_ask_only_for_what_is_told() -> None:
    asked = set(re.findall(r"xfs4iot_\w+", ALERTS.read_text()))
    assert asked
    assert asked <= {*METRICS, *GATEWAY_METRICS}
