"""What `xfs4iot serve` can be configured to do, from the settings themselves: docs/configuration.md.

python tools/generate_configuration.py [--check]
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec.inspect as inspect
from current import keep_current
from docstring_sections import described, one_line

from xfs4iot.cli import settings
from xfs4iot.server.access import ClientRule

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
_HEAD = """\
# The configuration file

Every table and key of the file that `xfs4iot serve` reads. What is in no table stands at the top of the file.
An unknown key is a mistake, and so is a value of another kind: `xfs4iot serve FILE --check` names each with
its line. Paths are relative to the file. An example of the whole is in [operations.md](operations.md).
"""
_TABLES = (
    ("", settings.Configuration),
    ("[publisher]", settings.PublisherSettings),
    ("[tls]", settings.TLSSettings),
    ("[[tls.also]]", settings.SNISettings),
    ("[access]", settings.AccessSettings),
    ("[[access.client]]", ClientRule),
    ("[ledger]", settings.LedgerSettings),
    ("[log]", settings.LogSettings),
    ("[limits]", settings.LimitSettings),
    ("[telemetry]", settings.TelemetrySettings),
    ("[console]", settings.ConsoleSettings),
    ("[uplink]", settings.UplinkSettings),
    ("[[service]]", settings.ServiceSettings),
    ("[service.end_to_end_security]", settings.EndToEndSettings),
)
_NAMES = {
    inspect.IntType: "whole number", inspect.FloatType: "number", inspect.StrType: "text",
    inspect.BoolType: "`true` or `false`", inspect.DictType: "table", inspect.AnyType: "anything",
}  # fmt: skip


def kind_of(kind: inspect.Type) -> str:
    """A type in words, with its bounds."""
    match kind:
        case inspect.Metadata():
            return kind_of(kind.type)
        case inspect.UnionType():
            return " or ".join(kind_of(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.VarTupleType() | inspect.ListType():
            return f"list of {kind_of(kind.item_type)}"
        case inspect.DataclassType():
            return "table"
        case inspect.CustomType():
            return "path" if kind.cls is Path else kind.cls.__name__
        case inspect.IntType() | inspect.FloatType():
            return _NAMES[type(kind)] + _bounds(kind)
    return _NAMES[type(kind)]


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    said = [
        f"{word} {bound:g}"
        for word, bound in (("from", kind.ge), ("above", kind.gt), ("to", kind.le), ("below", kind.lt))
        if bound is not None
    ]
    return f", {' '.join(said)}" if said else ""


def default_of(one: dataclasses.Field[Any]) -> str:
    """What a key is that is not given."""
    if one.default_factory is not dataclasses.MISSING:
        return "none"
    if one.default is dataclasses.MISSING:
        return "**needed**"
    if one.default is None or one.default == ():
        return "none"
    if isinstance(one.default, bool):
        return f"`{str(one.default).lower()}`"
    if isinstance(one.default, tuple):
        return ", ".join(f"`{value}`" for value in one.default)
    return f"`{one.default}`"


def lines() -> Iterator[str]:
    """The page behind its head."""
    for title, kind in _TABLES:
        said = described(kind)
        info: Any = inspect.type_info(kind)
        types = {field.name: field.type for field in info.fields}
        if title:
            yield f"\n## `{title}`\n"
        else:
            yield ""
        yield "| key | what it takes | default | |"
        yield "|---|---|---|---|"
        for one in dataclasses.fields(kind):
            takes = kind_of(types[one.name])
            if kind is settings.Configuration and takes.endswith("table"):
                # It stands further down.
                continue
            if one.name not in said:
                raise SystemExit(f"{kind.__name__} does not say what {one.name} is: add it to its docstring")
            yield f"| `{one.name}` | {one_line(takes)} | {default_of(one)} | {said[one.name]} |"


if __name__ == "__main__":
    sys.exit(keep_current(PAGE, "\n".join([_HEAD.rstrip(), *lines()]) + "\n"))
