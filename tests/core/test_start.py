"""What is imported when: a service loads the modules of its own interfaces, and no client.

Counted, not timed: what is not imported costs neither time nor memory, on any machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

MOST_OF_ITS_OWN = 40
"""MiB that a whole ATM has of its own, in the CPython that this was measured with: 36.5. What is resident of
the files of libraries comes on top, some 22 MiB; how much of each that is, kernels decide differently."""
MOST_OF_A_SMALL_SERVICE = 150
"""Modules of ours, messages of all interfaces among them: Common.Status names each. A whole ATM has 400."""

SMALL = """
import json, sys
import xfs4iot
from xfs4iot import devices

class Fascia(devices.Lights):
    async def set_light(self, wanted): ...

xfs4iot.Service(Fascia("Fascia"))
print(json.dumps([name for name in sys.modules if name.startswith("xfs4iot.")]))
"""
SIMULATE = """
import json, sys
from xfs4iot.cli import simulate
print(json.dumps([name for name in sys.modules]))
"""
RUNNING = """
import xfs4iot.cli
import json, sys, tempfile
from pathlib import Path
import trio
import xfs4iot.cli.simulate
import xfs4iot.cli.serve
from xfs4iot.cli.hosting import simulated_atm

async def main():
    with tempfile.TemporaryDirectory() as state:
        async with simulated_atm(Path(state), port=0):
            modules = [name for name in sys.modules]
            memory = Path("/proc/self/smaps_rollup")
            lines = memory.read_text().splitlines() if memory.exists() else []
            own = [int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:")]
            print(json.dumps([modules, *own]))

trio.run(main)
"""
LATER = {
    "rich": "output for people",
    "wcwidth": "text that is not ASCII",
    "difflib": "a name that is misspelt",
    "xfs4iot.printing.escpos.interpreter": "bytes in a printer's own language",
    "xfs4iot.printing.plain_text": "bytes in a printer's own language",
    "xfs4iot.interfaces.forms.form_pages": "a form that is printed",
    "xfs4iot.interfaces.forms.text_layout": "a form that is printed",
    "xfs4iot.interfaces.forms.terminal_form_work": "a form on the display",
    "xfs4iot.simulator.check.codelines": "a code line that is read",
    "xfs4iot.simulator.biometric.minutiae_records": "a finger that is read",
    "html": "a drawing of the screen or the lights",
    "PIL": "a picture",
    "zxingcpp": "a bar code",
    "orjson": "a call",
    "email.message": "nothing",
    "zipfile": "nothing",
    "importlib.metadata": "a device that a package offers by name",
    "logging.handlers": "a log file",
    "xfs4iot.cli.log_file": "a log file",
    "xfs4iot.protocol.adapters.changes": "a client of an older version",
    "xfs4iot.protocol.adapters.common": "a client of an older version",
    "xfs4iot.printing.canvas": "something that is printed",
    "xfs4iot.printing.pages": "something that is printed",
    "xfs4iot.interfaces.forms.grammar": "a form in the form language",
    "xfs4iot.simulator.card_reader.chip": "a chip that is powered",
    "xfs4iot.simulator.secure_part.emv_keys": "the key of a card scheme",
    "xfs4iot.client": "a call",
    "trio_websocket": "a call",
    "wsproto": "a call",
    "asn1crypto": "a key that comes by certificate",
    "asyncio": "nothing",
    "_ssl": "a library that uses it; ours is that of cryptography",
    "_hashlib": "a library that uses it; ours is that of cryptography",
    "xfs4iot.telemetry": "metrics",
    "xfs4iot.console": "--console",
    "xfs4iot.fleet": "--uplink",
    "xfs4iot.stories": "a story",
    "xfs4iot.conformance": "a test of conformance",
}
"""What an ATM that is ready has not loaded, and what loads it."""


def said(program: str) -> list[Any]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return list(json.loads(done.stdout))


def imported(program: str) -> set[str]:
    return set(said(program))


def below(modules: set[str], *packages: str) -> set[str]:
    return {name for name in modules if name.startswith(packages)}


def test_a_service_imports_the_modules_of_its_own_interfaces() -> None:
    modules = imported(SMALL)
    assert "xfs4iot.interfaces.lights" in modules
    for room in ("interfaces", "devices"):
        families = tuple(f"xfs4iot.{room}.{name}" for name in ("cash", "keys", "forms", "documents", "cards"))
        assert not below(modules, *families), room
    assert not below(modules, "xfs4iot.simulator", "xfs4iot.client", "xfs4iot.cli", "xfs4iot.printing")
    assert len(modules) < MOST_OF_A_SMALL_SERVICE


def test_an_atm_imports_no_client_before_something_is_called() -> None:
    modules = imported(SIMULATE)
    assert "xfs4iot.cli.simulate" in modules
    assert not modules & {"xfs4iot.client", "trio_websocket", "wsproto", "PIL", "zxingcpp", "asn1crypto"}
    assert not modules & {"xfs4iot.cli.settings", "xfs4iot.cli.broker", "xfs4iot.cli.uplink"}, "for --uplink"


@pytest.mark.parametrize(
    "later",
    # What pretends to be Windows has loaded ssl.
    [pytest.param(one, marks=pytest.mark.posix) if one == "_ssl" else one for one in LATER],
)
def test_a_whole_atm_that_is_ready_has_loaded_only_what_it_needs(later: str, running: set[str]) -> None:
    assert not below(running, f"{later}.") | ({later} & running), f"it is for {LATER[later]}"


def test_a_whole_atm_that_is_ready_has_loaded_no_command_s_messages(running: set[str]) -> None:
    messages = below(running, "xfs4iot.protocol.messages.")
    assert len(messages) > 20
    assert not {name for name in messages if name.endswith("_commands")}


def test_a_whole_atm_that_is_ready_has_little_memory_of_its_own(ready: list[Any]) -> None:
    if sys.version_info[:2] != (3, 11) or len(ready) == 1:
        pytest.skip("what a class and a function take differs between versions of Python")
    assert ready[1] < MOST_OF_ITS_OWN


@pytest.fixture(scope="module")
def ready() -> list[Any]:
    """Of a whole simulated ATM, over TLS, that is ready for clients, its modules, and its memory in MiB."""
    return said(RUNNING)


@pytest.fixture(scope="module")
def running(ready: list[Any]) -> set[str]:
    """Its modules."""
    modules = set(ready[0])
    assert "xfs4iot.simulator.deposit.device" in modules
    return modules
