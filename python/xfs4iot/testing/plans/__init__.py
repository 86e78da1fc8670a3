"""What is asked of the devices of each interface: `<interface>.toml`, found by its name.

A step has the command, its payload (in which `$currency`, `$amount` and `$unit` stand for what the device
has to dispense, `$item` for an item, `$acceptingUnit` and `$refill` for units), its timeout in milliseconds,
and in `ends` the outcomes that are good besides success, in which `commandErrorCode` stands for every
error code of the command. A step without `ends` may end with any of these as well. If an interface has
no file, all of its commands that need no payload are sent.
"""

from __future__ import annotations

import tomllib
from dataclasses import field
from importlib.resources import files
from typing import Any

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.index import COMMANDS

__all__ = ["Step", "Unfilled", "filled", "steps"]


class Unfilled(Exception):
    """The device has nothing of what a placeholder stands for."""


@dataclass(frozen=True)
class Step:
    """One command of a plan."""

    command: str
    payload: Any = None
    timeout: int = 0
    ends: tuple[str, ...] = field(default=())

    @property
    def good(self) -> tuple[str, ...]:
        """What it may end with."""
        return tuple(dict.fromkeys(("success", *(self.ends or ("commandErrorCode",)))))

    def allows(self, outcome: str) -> bool:
        """Whether an outcome, without faults, is a good one."""
        codes = COMMANDS[self.command][4] if "commandErrorCode" in self.good else ()
        return outcome in self.good or outcome in codes or not self.ends


def steps(module: str) -> list[Step] | None:
    """The plan of the interface with this file name; None if there is no such file."""
    file = files(__package__) / f"{module}.toml"
    if not file.is_file():
        return None
    return [
        Step(**{**step, "ends": tuple(step.get("ends", ()))})
        for step in tomllib.loads(file.read_text("utf-8"))["step"]
    ]


def filled(payload: Any, values: dict[str, Any]) -> Any:
    """A payload with what its placeholders stand for.

    Raises:
        Unfilled: there is no such thing; the text names it.
    """
    if isinstance(payload, dict):
        # Keys as well: units are keys of a payload.
        return {filled(key, values): filled(value, values) for key, value in payload.items()}
    if isinstance(payload, list):
        return [filled(one, values) for one in payload]
    if isinstance(payload, str) and payload.startswith("$"):
        if payload[1:] not in values:
            raise Unfilled(payload[1:])
        return values[payload[1:]]
    return payload
