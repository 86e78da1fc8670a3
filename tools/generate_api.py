"""The API as pages, from the docstrings: docs/api/.

python tools/generate_api.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from current import keep_current
from docstring_sections import paragraphs

import xfs4iot
from xfs4iot import _core, client, denominate, devices, testing, tokens
from xfs4iot.server import publisher, service

PAGES = Path(__file__).resolve().parent.parent / "docs" / "api"
_WIDTH = 100
_SERVICES = ("Service", "Publisher", "EndToEndSecurity", "Ledger")
_CLIENTS = "What applications use: `from xfs4iot import client`; the everyday ones are in `xfs4iot`, too."
_PARTS = {
    "_cards": "card_reader", "_cashing_in": "cash_acceptor", "_keys": "key_management",
    "_pages": "printer", "_printing": "printer", "_device": "device", "_operation": "device",
}  # fmt: skip
"""Modules of types, and the page of the devices that they belong to."""
_TITLES = {"device": "every device", "storage": "storage units"}
"""Of pages of no device class of their own."""


_STUB = {
    one.name: ast.get_docstring(one)
    for one in ast.parse(Path(_core.__file__ or "").with_name("_core.pyi").read_text("utf-8")).body
    if isinstance(one, ast.ClassDef | ast.FunctionDef)
}
"""What the stub says of the core, so that pages are those of the tree, whenever the core was built."""


class _Told:
    """Something of which this is told."""

    def __init__(self, text: str | None) -> None:
        self.__doc__ = text


def signature_of(thing: Any, name: str) -> str:
    """A call as it is declared, in lines that are not too long."""
    try:
        declared = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    parameters = [one for one in declared.parameters.values() if one.name not in ("self", "cls")]
    shown = [_parameter(one) for one in parameters]
    kinds = [one.kind for one in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    back = declared.return_annotation
    returns = "" if back is inspect.Signature.empty or inspect.isclass(thing) else f" -> {_plain(back)}"
    line = f"{name}({', '.join(shown)}){returns}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + f"){returns}"


def _parameter(one: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(one.kind, "")
    said = f"{stars}{one.name}"
    typed = one.annotation is not one.empty
    if typed:
        said += f": {_plain(one.annotation)}"
    if one.default is not one.empty:
        said += f"{' = ' if typed else '='}{_default(one.default)}"
    return said


def _default(value: Any) -> str:
    if isinstance(value, frozenset) and value:
        # Sets have an order of their own in each run.
        return f"frozenset({{{', '.join(sorted(map(repr, value)))}}})"
    if isinstance(value, type):
        return value.__name__
    # What is made anew for each, or a function without a name, nobody can write.
    if inspect.isfunction(value):
        return "…"
    return "…" if repr(value) == "<factory>" else repr(value)


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class has itself and tells about, in their order."""
    if kind is service.Service:
        # Its arguments are told of; the rest is for sessions and interfaces.
        return
    for name, member in vars(kind).items():
        function = getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.getdoc(function):
            continue
        if inspect.isfunction(function) or isinstance(function, property):
            yield name, function


def said_of_constant(name: str, value: object) -> str:
    """The text under the assignment of a constant, in the module of ours that makes it."""
    for home, module in sorted(sys.modules.items()):
        if home.partition(".")[0] != "xfs4iot" or vars(module).get(name) is not value:
            continue
        body = ast.parse(inspect.getsource(module)).body
        for made, told in pairwise(body):
            if (
                isinstance(made, ast.Assign)
                and [ast.unparse(one) for one in made.targets] == [name]
                and isinstance(told, ast.Expr)
                and isinstance(told.value, ast.Constant)
            ):
                return inspect.cleandoc(str(told.value.value))
    raise ValueError(f"{name} has no text under its assignment; write what it is")


def entry(name: str, thing: Any, level: str) -> Iterator[str]:
    """A name with all that is said of it."""
    yield f"{level} `{name}`"
    if inspect.isclass(thing) or inspect.isroutine(thing):
        asynchronous = "async " if inspect.iscoroutinefunction(thing) else ""
        # Nobody makes the objects of device classes: the service's owner gives them a name only.
        if not (inspect.isclass(thing) and issubclass(thing, devices.Device)):
            yield f"```python\n{asynchronous}{signature_of(thing, name)}\n```"
    elif not isinstance(thing, property):
        yield f"`{thing!r}`" if isinstance(thing, str | int | float) else ""
        yield said_of_constant(name, thing)
        if isinstance(thing, dict):
            yield "\n".join(f"- `{key}`: {text}" for key, text in thing.items())
        return
    yield from paragraphs(_Told(_STUB[name]) if vars(_core).get(name) is thing else thing)
    if inspect.isclass(thing):
        for inner, member in members(thing):
            yield from entry(inner, member, f"{level}#")


def page(title: str, things: Mapping[str, object], head: str = "") -> str:
    """A page of these things, by their names."""
    parts = [f"# {title}", head]
    for name, thing in things.items():
        parts += entry(name, thing, "##")
    return "\n\n".join(part.rstrip() for part in parts if part.strip()) + "\n"


def _of(home: object, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(home, name) for name in names}


def _head(module: ModuleType) -> str:
    return "\n\n".join(paragraphs(module))


def pages() -> Iterator[tuple[str, str]]:
    """The pages, by their names."""
    # What is not public as such tells what the arguments of those that are mean.
    behind = {f"{kind.__module__}.{kind.__name__}": kind for kind in (service.Service, publisher.Publisher)}
    served = _of(xfs4iot, _SERVICES) | behind
    yield "services", page("xfs4iot: services", served, "What serves devices: `import xfs4iot`.")
    own = {name: thing for name, thing in _of(client, client.__all__).items() if inspect.getdoc(thing)}
    yield "clients", page("xfs4iot: clients", own, _CLIENTS)
    for name, module in (("denominate", denominate), ("tokens", tokens), ("testing", testing)):
        yield name, page(f"xfs4iot.{name}", _of(module, module.__all__), _head(module))
    grouped: dict[str, list[str]] = {}
    for name, home in sorted(devices._MODULES.items()):
        if isinstance(getattr(devices, name), type):
            grouped.setdefault(_PARTS.get(home, home), []).append(name)
    for home, names in sorted(grouped.items()):
        # The class that is written comes first, then what it is given and returns.
        names.sort(key=lambda name: (not issubclass(getattr(devices, name), devices.Device), name))
        module = import_module(f"xfs4iot.devices.{'_device' if home == 'device' else home}")
        title = f"xfs4iot.devices: {_TITLES.get(home, names[0])}"
        yield f"devices_{home}", page(title, _of(devices, names), _head(module))


def main() -> int:
    """Write the pages, or with `--check` look whether they are current."""
    PAGES.mkdir(exist_ok=True)
    wanted = dict(pages())
    wrong = [keep_current(PAGES / f"{name}.md", text) for name, text in wanted.items()]
    for strange in {one.stem for one in PAGES.glob("*.md")} - wanted.keys():
        print(f"docs/api/{strange}.md is no page of the API: delete it", file=sys.stderr)
        wrong.append(1)
    return max(wrong)


if __name__ == "__main__":
    sys.exit(main())
