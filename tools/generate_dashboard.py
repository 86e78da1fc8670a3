"""Writes dashboards for Grafana over `/metrics` of services and of gateways; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from current import keep_current

DOCS = Path(__file__).parent.parent / "docs"
SOURCE = {"type": "prometheus", "uid": "${source}"}
HOST = 'instance=~"$instance"'

ITEMS = f"xfs4iot_unit_items{{{HOST}"
COMMANDS = f"xfs4iot_commands_total{{{HOST}"
BUCKETS = f"rate(xfs4iot_command_seconds_bucket{{{HOST}}}[$__rate_interval])"
HANDSHAKES = f'xfs4iot_handshakes_total{{{HOST},outcome!~"opened|page|looked"}}'
TO_REPLENISH = 'replenishment=~"low|empty|high|full"'
FAILED = 'code!="success"'

PANELS: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "Devices that cannot be used", "stat",
        f'sum(xfs4iot_device_state{{{HOST},state!="online"}})', "", "none",
    ),
    (
        # Retracted and rejected items are of no currency.
        "Items of cash, by the books", "stat",
        f'sum by (currency) ({ITEMS},kind="cash",currency!=""}})', "{{currency}}", "none",
    ),
    (
        "Units to replenish", "stat",
        f"count({ITEMS},{TO_REPLENISH}}}) or vector(0)", "", "none",
    ),
    ("Certificate ends in", "stat", f"min(xfs4iot_certificate_seconds{{{HOST}}})", "", "s"),
    (
        "Commands", "timeseries",
        f"sum by (service) (rate({COMMANDS}}}[$__rate_interval]))", "{{service}}", "reqps",
    ),
    (
        "Commands that failed", "timeseries",
        f"sum by (command, code) (rate({COMMANDS},{FAILED}}}[$__rate_interval]))",
        "{{command}} {{code}}", "reqps",
    ),
    (
        "95 of 100 commands took less than", "timeseries",
        f"histogram_quantile(0.95, sum by (le, command) ({BUCKETS}))", "{{command}}", "s",
    ),
    (
        "Items in units", "timeseries",
        f"{ITEMS}}}", "{{service}} {{unit}} {{currency}} {{value}}", "none",
    ),
    (
        "Commands that wait", "timeseries",
        f"xfs4iot_queue_commands{{{HOST}}}", "{{service}}", "none",
    ),
    ("Connections", "timeseries", f"xfs4iot_connections{{{HOST}}}", "{{service}}", "none"),
    (
        "Messages that were refused", "timeseries",
        f"sum by (status) (rate(xfs4iot_refused_total{{{HOST}}}[$__rate_interval]))", "{{status}}", "reqps",
    ),
    (
        "Handshakes that failed", "timeseries",
        f"sum by (outcome) (rate({HANDSHAKES}[$__rate_interval]))",
        "{{outcome}}", "reqps",
    ),
    (
        "Movements", "timeseries",
        f"sum by (kind, outcome) (rate(xfs4iot_movements_total{{{HOST}}}[$__rate_interval]))",
        "{{kind}} {{outcome}}", "reqps",
    ),
    (
        "Movements that are not settled", "timeseries",
        f"xfs4iot_ledger_open_movements{{{HOST}}}", "{{service}}", "none",
    ),
)  # fmt: skip
"""Title, kind, query, legend and unit of each."""

CARRIED = f"xfs4iot_gateway_commands_total{{{HOST}"
CARRIED_BUCKETS = f"rate(xfs4iot_gateway_command_seconds_bucket{{{HOST}}}[$__rate_interval])"
OPENING_BUCKETS = f"rate(xfs4iot_gateway_opening_seconds_bucket{{{HOST}}}[$__rate_interval])"

GATEWAY_PANELS: tuple[tuple[str, str, str, str, str], ...] = (
    # Every gateway sees the whole fleet: their numbers are not to be added.
    ("Devices that are there", "stat", f'max(xfs4iot_gateway_devices{{{HOST},state="online"}})', "", "none"),
    ("Devices that are not", "stat", f'max(xfs4iot_gateway_devices{{{HOST},state="offline"}})', "", "none"),
    ("Sessions", "stat", f"sum(xfs4iot_gateway_sessions{{{HOST}}})", "", "none"),
    (
        "Gateways without a broker", "stat",
        f"count(xfs4iot_gateway_broker_connected{{{HOST}}} == 0) or vector(0)", "", "none",
    ),
    (
        "Commands", "timeseries",
        f"sum by (instance) (rate({CARRIED}}}[$__rate_interval]))", "{{instance}}", "reqps",
    ),
    (
        "Commands that failed", "timeseries",
        f"sum by (command, code) (rate({CARRIED},{FAILED}}}[$__rate_interval]))",
        "{{command}} {{code}}", "reqps",
    ),
    (
        "95 of 100 commands took less than", "timeseries",
        f"histogram_quantile(0.95, sum by (le, command) ({CARRIED_BUCKETS}))", "{{command}}", "s",
    ),
    (
        "95 of 100 devices answered an opening within", "timeseries",
        f"histogram_quantile(0.95, sum by (le) ({OPENING_BUCKETS}))", "", "s",
    ),
    (
        "Openings", "timeseries",
        f"sum by (outcome) (rate(xfs4iot_gateway_openings_total{{{HOST}}}[$__rate_interval]))",
        "{{outcome}}", "reqps",
    ),
    (
        "Sessions that ended", "timeseries",
        f"sum by (how) (rate(xfs4iot_gateway_ended_total{{{HOST}}}[$__rate_interval]))", "{{how}}", "reqps",
    ),
    (
        "Messages that could not leave", "timeseries",
        f"rate(xfs4iot_gateway_dropped_total{{{HOST}}}[$__rate_interval])", "{{instance}}", "reqps",
    ),
    ("Devices seen twice", "timeseries", f"max(xfs4iot_gateway_alarms{{{HOST}}})", "", "none"),
)  # fmt: skip
"""The same of gateways."""


def panel(number: int, title: str, kind: str, query: str, legend: str, unit: str) -> dict[str, Any]:
    """One panel: four small ones in the first row, two large ones in each other."""
    small = kind == "stat"
    place = number if small else number - 4
    width, height = (6, 4) if small else (12, 8)
    row = 0 if small else 4 + 8 * (place // 2)
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "datasource": SOURCE,
        "gridPos": {"x": width * (place % (24 // width)), "y": row, "w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": query, "legendFormat": legend}],
    }


def dashboard(
    title: str, uid: str, started: str, label: str, panels: tuple[tuple[str, str, str, str, str], ...]
) -> str:
    """A dashboard as Grafana reads it.

    Args:
        started: metric that each has who is shown.
        label: what those are.
    """
    content = {
        "title": title,
        "uid": uid,
        "schemaVersion": 39,
        "tags": ["xfs4iot"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
                {
                    "name": "instance",
                    "type": "query",
                    "label": label,
                    "datasource": SOURCE,
                    "query": f"label_values({started}, instance)",
                    "includeAll": True,
                    "multi": True,
                },
            ]
        },
        "panels": [panel(number, *each) for number, each in enumerate(panels)],
    }
    return json.dumps(content, indent=2) + "\n"


DEVICES = dashboard("XFS4IoT devices", "xfs4iot-devices", "xfs4iot_start_time_seconds", "Device", PANELS)
GATEWAYS = dashboard(
    "XFS4IoT gateways", "xfs4iot-gateways", "xfs4iot_gateway_start_time_seconds", "Gateway", GATEWAY_PANELS
)

if __name__ == "__main__":
    sys.exit(
        keep_current(DOCS / "grafana.json", DEVICES) or keep_current(DOCS / "grafana_gateways.json", GATEWAYS)
    )
