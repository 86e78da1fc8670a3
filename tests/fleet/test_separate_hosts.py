"""A fleet on hosts of their own, set up as docs/fleet.md says, with a branch behind a router.

Prints what it takes: seconds of ways, and after how long things are noticed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from separate_hosts import Hosts, possible
from xfs4iot.fleet.broker import find_server
from xfs4iot.transport.certificates import test_authority as authority_in

pytestmark = [pytest.mark.long, pytest.mark.posix]
OURS = (sys.executable, "-m", "xfs4iot")
URI = "wss://gateway.bank.example:8443/xfs4iot/v1.0/{}/CashDispenser"
PATIENCE = 180
PROXY = Path(__file__).parents[1] / "tunnelling_proxy.py"


class Fleet:
    """Three nodes, callout and authority, a gateway, an office that asks, and a branch with ATMs."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    def begin(self) -> None:
        hosts = self.hosts
        nodes = [f"broker{number}.bank.example" for number in (1, 2, 3)]
        named = [part for node in nodes for part in ("--node", node)]
        hosts.xfs4iot("office", "fleet", "--tenant", "bank", "init", "fleet", *named)
        for number, node in enumerate(nodes, 1):
            hosts.start(node.partition(".")[0], find_server(), "-c", f"fleet/node{number}.conf", ready=False)
        fleet = ("fleet", "--fleet", "fleet")
        hosts.start("enroll", *OURS, *fleet, "callout", "--json")
        hosts.start("enroll", *OURS, *fleet, "authority", "--host", "0.0.0.0", "--json")
        authority_in(hosts.directory / "shown").issue_node("gateway", ["gateway.bank.example"])
        brokers = [part for node in nodes for part in ("--broker", f"tls://{node}:4222")]
        # As on a host that has no more of the fleet than it needs.
        keys = ("--certificate", "fleet/keys/gateway.pem", "--key", "fleet/keys/gateway.key",
                "--ca", "fleet/keys/ca.pem")  # fmt: skip
        shown = ("--tls-certificate", "shown/gateway.pem", "--tls-key", "shown/gateway.key")
        hosts.start(
            "gateway", *OURS, "gateway", *brokers, "--tenant", "bank", "--replicas", "3", *keys, *shown,
            "--host", "0.0.0.0", "--port", "8443", "--advertise", "gateway.bank.example", "--json",
        )  # fmt: skip

    def device(self, name: str, *options: str) -> None:
        """Invite a device, enrol it at the branch, and start it."""
        hosts = self.hosts
        hosts.xfs4iot("office", "fleet", "--fleet", "fleet", "invite", name, "--directory", "codes")
        code, to = f"@codes/{name}.code", "enroll.bank.example"
        hosts.xfs4iot("atm", "enroll", code, to, "--directory", name, *options)
        link = ("--uplink", f"{name}/uplink.toml", "--state", name)
        hosts.start("atm", *OURS, "simulate", "--plain", "--port", "0", *link, "--json")
        self.until(lambda: self.answers(name))

    def answers(self, name: str) -> bool:
        """Whether a device answers an application."""
        said = self.hosts.xfs4iot(
            "office", "call", URI.format(name), "Common.Status", "--ca", "shown/ca.pem", "--json", check=False
        )
        return '"success"' in said

    def online(self, name: str) -> bool:
        """What the fleet takes a device for."""
        listed = json.loads(self.hosts.xfs4iot("office", "fleet", "--fleet", "fleet", "list", "--json"))
        return next(bool(one["online"]) for one in listed if one["device"] == name)

    def until(self, what: Callable[[], bool]) -> float:
        """Wait for it; how many seconds that took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.2)
        return time.monotonic() - began

    def ways(self, name: str) -> dict[str, float]:
        """Milliseconds that an opening and an answer take at the office, medians."""
        asking = Path(__file__).parents[1] / "asking_from_afar.py"
        said = self.hosts.on("office", sys.executable, str(asking), URI.format(name), "shown/ca.pem")
        found: dict[str, float] = json.loads(said)
        return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if why := possible():
        pytest.skip(why)
    with Hosts(tmp_path_factory.mktemp("hosts")) as hosts:
        one = Fleet(hosts)
        one.begin()
        one.device("atm1")
        yield one


def test_a_device_behind_a_router_is_asked_over_a_slow_line(fleet: Fleet) -> None:
    for delay in (0, 0.01, 0.05):
        fleet.hosts.line(f"delay {delay}")
        took = fleet.ways("atm1")
        print(f"\n{1000 * delay:g} ms each way: {took}")
        assert took["answer"] >= 2000 * delay
    fleet.hosts.line("delay 0.01")


def test_a_line_of_small_packets_carries_all(fleet: Fleet) -> None:
    ends = [("-n", f"x4-{name}", "link", "set", "line", "mtu") for name in ("provider", "router")]
    try:
        for end in ends:
            fleet.hosts.ip(*end, "600")
        fleet.device("atm2")
        print("\n600 bytes:", fleet.ways("atm1"))
    finally:
        for end in ends:
            fleet.hosts.ip(*end, "1500")


def test_a_line_that_is_cut_for_long_is_noticed_and_mended_by_itself(fleet: Fleet) -> None:
    fleet.hosts.line("cut")
    try:
        cut = time.monotonic()
        assert not fleet.answers("atm1")
        fleet.until(lambda: not fleet.online("atm1"))
        print(f"\noffline after {time.monotonic() - cut:.0f} s")
        time.sleep(max(0.0, 90 - (time.monotonic() - cut)))
    finally:
        fleet.hosts.line("mend")
    print(f"answers {fleet.until(lambda: fleet.answers('atm1')):.0f} s after it was mended")
    fleet.until(lambda: fleet.online("atm1"))


def test_a_branch_that_gets_another_address_is_back_at_once(fleet: Fleet) -> None:
    before = fleet.hosts.on("router", "ip", "-4", "-o", "address", "show", "dev", "line").split()[3]
    for command in (
        f"ip address del {before} peer 10.99.0.1/32 dev line",
        "ip address add 10.99.0.9 peer 10.99.0.1/32 dev line",
        "ip route replace default dev line",
    ):
        fleet.hosts.on("router", "sh", "-c", command)
    print(f"\nanswers {fleet.until(lambda: fleet.answers('atm1')):.1f} s after that")


def test_a_branch_without_a_way_out_but_a_proxy_is_in_the_fleet(fleet: Fleet) -> None:
    hosts = fleet.hosts
    rule = ("FORWARD", "-i", "eth0", "-j", "DROP")
    hosts.on("router", "iptables", "-A", *rule)
    try:
        hosts.start("router", sys.executable, str(PROXY), "192.168.7.1", "3128", "atm3:secret")
        # Names are the proxy's to look up.
        fleet.device("atm3", "--proxy", "http://atm3:secret@proxy.branch.example:3128")
        assert not fleet.answers("atm1")
    finally:
        hosts.on("router", "iptables", "-D", *rule)
    fleet.until(lambda: fleet.answers("atm1"))
