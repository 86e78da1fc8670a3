"""What interfaces declare of their commands agrees with the standard's catalogue, and with their files."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import xfs4iot
from traffic import catalogue
from xfs4iot import devices
from xfs4iot.interfaces import MODULES, interface
from xfs4iot.protocol import registry
from xfs4iot.protocol.adapters import WITHDRAWN
from xfs4iot.protocol.adapters.changes import STILL_SERVED
from xfs4iot.protocol.versions import SPECIFICATIONS
from xfs4iot.server.handler import Handled

PACKAGE = Path(xfs4iot.__file__).parent
SERVED = [
    name for name in MODULES if (PACKAGE / "interfaces" / f"{MODULES[name].replace('.', '/')}.py").exists()
]
COMMANDS = [mark for name in SERVED for mark in interface(name).handled()]


def codes_of_completions() -> set[str]:
    return set(catalogue("2024-3")["completionCodes"])


@pytest.mark.parametrize("mark", COMMANDS, ids=lambda mark: mark.command)
def test_the_codes_of_a_command_are_the_catalogues(mark: Handled) -> None:
    known = set(registry.command(mark.command).error_codes)
    strange = set(mark.codes) - known - codes_of_completions()
    assert not strange, f"{mark.command} does not know {strange}"
    given = set(mark.codes) & known
    assert given | mark.never.keys() == known
    assert not given & mark.never.keys()
    assert all(mark.never.values())


@pytest.mark.parametrize("mark", COMMANDS, ids=lambda mark: mark.command)
def test_the_checks_of_a_command_have_names_of_their_own_and_say_what_they_look_at(mark: Handled) -> None:
    names = [one.name for one in mark.checks]
    assert len(set(names)) == len(names)
    assert all(one.text and one.codes for one in mark.checks)


@pytest.mark.parametrize("name", SERVED)
def test_the_docstring_of_a_handler_names_its_command_and_no_other_version_than_there_is(name: str) -> None:
    kind = interface(name)
    for mark in kind.handled():
        text = inspect.getdoc(getattr(kind, mark.method)) or ""
        # Handlers are written against the newest version; what another has otherwise names that one.
        assert re.search(rf"\b{re.escape(mark.command)}\b", text), f"{mark.command}: say it in the docstring"
        assert set(re.findall(r"\b20\d\d-\d\b", text)) <= set(SPECIFICATIONS), mark.command


@pytest.mark.parametrize("name", [name for name in SERVED if name != "Common"])
def test_an_interface_has_the_same_name_in_every_room(name: str) -> None:
    module = MODULES[name].rpartition(".")[2]
    assert registry.message_module(name).__name__.endswith(f".{module}")
    device = getattr(devices, name)
    assert device.__module__ == f"xfs4iot.devices.{module}"
    assert interface(name).__name__ == interface(name).name == name


def test_every_command_of_an_interface_is_handled() -> None:
    handled = {mark.command for mark in COMMANDS}
    wanted = {
        f"{name}.{command}"
        for name in SERVED
        for command, parts in catalogue("2024-3")["interfaces"][name]["commands"].items()
        if parts.get("registered", True)
    }
    still = {name for (_, name), reason in WITHDRAWN.items() if reason.startswith(STILL_SERVED)}
    assert handled - still == wanted
