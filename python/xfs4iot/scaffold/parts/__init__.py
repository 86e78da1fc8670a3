"""What a first version of a device of each interface does: `<interface>.toml`.

`does` ends the sentence "A device that ...", `whole` that of a device which has the parts before it as well.
`imports` and `hardware_imports` are lines of the two files, `attributes` is the text of the class attributes.
`[operations]` has bodies by the name of the operation; `[hardware]` has whole methods of the stand-in, by
name, and `state` the lines of its `__init__`. Of several parts a later one replaces what an earlier one says;
an empty text takes it away.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import field
from importlib.resources import files
from textwrap import dedent

from xfs4iot.dataclass import dataclass

__all__ = ["Part", "part"]


@dataclass
class Part:
    """What the packages of one kind of device have of their own."""

    does: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    hardware_imports: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    operations: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, str] = field(default_factory=dict)


def part(names: Iterable[str]) -> Part:
    """The parts of these names, put together."""
    whole = Part()
    for name in names:
        one = tomllib.loads((files(__package__) / f"{name}.toml").read_text("utf-8"))
        if "whole" in one:
            whole.does = [one["whole"]]
        elif "does" in one:
            whole.does.append(one["does"])
        whole.imports += one.get("imports", [])
        whole.hardware_imports += one.get("hardware_imports", [])
        for key in ("attributes", "state"):
            for line in dedent(one.get(key, "")).strip().split("\n"):
                if line:
                    # A line that goes on, of a value in brackets, belongs to the one before.
                    into = getattr(whole, key)
                    if line[0] in " )]}":
                        last = next(reversed(into))
                        into[last] += f"\n{line}"
                    else:
                        into[line.partition("=")[0].partition(":")[0].strip()] = line
        for key in ("operations", "hardware"):
            getattr(whole, key).update(
                {name: dedent(text).strip() for name, text in one.get(key, {}).items()}
            )
    whole.operations = {name: text for name, text in whole.operations.items() if text}
    return whole
