"""Code lines: what 2021-1 alone has printers read from a document, and how their symbols are written.

A code line is digits and symbols of its font, of CMC7 letters besides. The standard names no characters for
the symbols: each device has its own, and Printer.GetCodelineMapping says which they are, in the order here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xfs4iot import devices
from xfs4iot.devices import CodelineFormat, implements
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.handler import check

__all__ = ["codeline_mapped", "codeline_possible", "codeline_wanted", "maps_codelines", "reads", "symbols_of"]

SYMBOLS: dict[str, tuple[str, ...]] = {
    "e13b": ("transit", "amount", "on us", "dash", "unreadable"),
    "cmc7": ("S1", "S2", "S3", "S4", "S5", "unreadable"),
}
"""The symbols of a font, in the order in which a device tells their characters."""


def reads(device: devices.Printer) -> frozenset[CodelineFormat]:
    """The formats of code lines that a device reads."""
    return frozenset(device.codelines) if implements(device, "read_codeline") else frozenset()


def maps_codelines(on: Any) -> bool:
    """Whether the device reads code lines that have symbols."""
    return not reads(on.device).isdisjoint(SYMBOLS)


@check("invalidData")
def codeline_mapped(on: Any, request: messages.GetCodelineMapping | None) -> None:
    """`codelineFormat`: one that the device reads"""
    known = sorted(reads(on.device) & SYMBOLS.keys())
    if request is None or request.codeline_format not in known:
        raise errors.InvalidData(f"$.codelineFormat: give one that the device reads: {', '.join(known)}")


def codeline_wanted(request: messages.ReadImage) -> CodelineFormat | None:
    """The format in which ReadImage is to give a code line; None if none is wanted.

    Raises:
        InvalidData: it is wanted in no format.
    """
    source = request.image_source
    if source is not None and not source.codeline:
        return None
    if source is not None and request.codeline_format is None:
        raise errors.InvalidData("$.codelineFormat: say in which format the code line is to be read")
    return request.codeline_format


def symbols_of(device: devices.Printer, form: CodelineFormat) -> str:
    """The characters of a font's symbols; none of optical fonts.

    Raises:
        Mismatch: the class of the device states what cannot be.
    """
    told, where = device.codelines[form], f"codelines[{form!r}]"
    names = SYMBOLS.get(form, ())
    if len(told) != len(names):
        raise Mismatch(f"{len(names)} characters", f"{len(told)}", where)
    if len({*told, *"0123456789 "}) != len(told) + 11:
        raise Mismatch("characters that differ, and no digits or spaces", repr(told), where)
    if form == "cmc7" and any("A" <= one <= "Z" for one in told):
        raise Mismatch("no capitals, which are letters of CMC7", repr(told), where)
    return told


def codeline_possible(device: devices.Printer, form: CodelineFormat) -> Callable[[str | None], None]:
    """What sees that a code line of this format can have been read."""

    def possible(line: str | None) -> None:
        symbols = symbols_of(device, form)
        if line is None or form not in SYMBOLS:
            return
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if form == "cmc7" else ""
        if not {*line} <= {*"0123456789 ", *symbols, *letters}:
            raise Mismatch(f"digits and symbols of {form}, see codelines", "a text with others")

    return possible
