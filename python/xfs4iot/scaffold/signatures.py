"""How a vendor's file writes the signature of an operation: read from the abstract class.

The annotations there are names of the module in which the class stands. In a vendor's file a public one is
`devices.CardMoved`, one of a messages module is imported from there, and a name that is private to our
module (`Unit`, a pattern of `str`) is written out as the type that it stands for.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.protocol.messages import interface_module

__all__ = ["Imports", "Signature", "annotation", "operations", "signature"]

_WIDTH = 110
_STANDARD = ("typing", "collections.abc", "decimal")


@dataclass
class Imports:
    """What a file imports: names by module; a module of its own has the name "*"."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, module: str, name: str) -> str:
        """Import a name; returns it."""
        self.names.setdefault(module, set()).add(name)
        return name

    def take(self, line: str) -> None:
        """Import what a line such as `from decimal import Decimal` or `import trio` says."""
        for node in ast.parse(line).body:
            if isinstance(node, ast.ImportFrom):
                for one in node.names:
                    self.add(node.module or "", one.name)
            elif isinstance(node, ast.Import):
                for one in node.names:
                    self.add(one.name, "*")

    def lines(self, own: str) -> str:
        """The text, sorted as ruff wants it: the standard library, others, the package's own."""
        blocks: list[list[str]] = [[], [], []]
        for module in sorted(self.names, key=lambda one: (("*" not in self.names[one]), one)):
            top = module.partition(".")[0]
            block = blocks[2 if top == own else 0 if top in sys.stdlib_module_names else 1]
            names = self.names[module]
            if "*" in names:
                block.append(f"import {module}")
            if plain := sorted(names - {"*"}, key=_import_order):
                line = f"from {module} import {', '.join(plain)}"
                if len(line) > _WIDTH:
                    line = f"from {module} import (\n" + "".join(f"    {one},\n" for one in plain) + ")"
                block.append(line)
        return "\n\n".join("\n".join(block) for block in blocks if block)


def _import_order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@dataclass(frozen=True)
class Signature:
    """An operation as a vendor's class writes it.

    Attributes:
        text: from `async def` to the colon, indented for a class.
        doc: the first sentence of what it does.
        parameters: their names, without `self`.
    """

    text: str
    doc: str
    parameters: tuple[str, ...]


def operations(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The operations of an abstract device class, those of its bases last, each once."""
    seen = set()
    for base in kind.__mro__:
        for name, one in vars(base).items():
            if getattr(one, "__xfs_operation__", False) and name not in seen:
                seen.add(name)
                yield name, one


def signature(function: Callable[..., Any], imports: Imports) -> Signature:
    """How `function` is overridden; what its annotations need is added to `imports`."""
    module = sys.modules[function.__module__]
    writer = _Writer(module, imports)
    parts = []
    for name, one in inspect.signature(function).parameters.items():
        parts.append(name if name == "self" else f"{name}: {writer.text(one.annotation)}")
    returned = writer.text(inspect.signature(function).return_annotation)
    start = f"    async def {function.__name__}("
    end = f") -> {returned}:"
    text = start + ", ".join(parts) + end
    if len(text) > _WIDTH:
        text = f"{start}\n        {', '.join(parts)}\n    {end}"
        if max(map(len, text.split("\n"))) > _WIDTH:
            text = start + "\n" + "".join(f"        {one},\n" for one in parts) + f"    {end}"
    doc = inspect.getdoc(function) or ""
    first = doc.partition("\n\n")[0].replace("\n", " ")
    return Signature(text, _sentence(first), tuple(inspect.signature(function).parameters)[1:])


def annotation(kinds: Iterable[type[Any]], name: str, imports: Imports) -> str:
    """The type of a class attribute of one of the abstract classes."""
    for kind in kinds:
        for base in kind.__mro__:
            if name in inspect.get_annotations(base):
                written = inspect.get_annotations(base)[name]
                return _Writer(sys.modules[base.__module__], imports).text(written)
    raise LookupError(f"no device class has an attribute {name}")


def _sentence(text: str) -> str:
    """The first sentence, or as much of it as a line of a class has room for."""
    room = _WIDTH - len('        """."""')
    for end in (". ", "; ", ", "):
        if len(text) > room:
            text = text.partition(end)[0]
    return text.rstrip(".") + "."


class _Writer(ast.NodeTransformer):
    def __init__(self, module: ModuleType, imports: Imports) -> None:
        self.module = module
        self.imports = imports

    def text(self, annotation: str) -> str:
        return ast.unparse(self.visit(ast.parse(annotation, mode="eval").body)).replace("'", '"')

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated":
            assert isinstance(node.slice, ast.Tuple)
            return self.visit(node.slice.elts[0])
        if isinstance(node.value, ast.Name) and node.value.id == "Literal":
            self.imports.add("typing", "Literal")
            return node
        # A protocol of events with nothing to send is an annotation without brackets as well.
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        assert isinstance(node.value, ast.Name)
        name: str = vars(self.module)[node.value.id].__name__
        short = name.rpartition(".")[2]
        self.imports.add(name.rpartition(".")[0], short)
        return ast.parse(f"{short}.{node.attr}", mode="eval").body

    def visit_Name(self, node: ast.Name) -> Any:
        name = node.id
        found = vars(self.module).get(name, getattr(builtins, name, None))
        return ast.parse(self._written(name, found), mode="eval").body

    def _written(self, name: str, found: Any) -> str:
        if getattr(devices, name, None) is found and name in devices.__all__:
            self.imports.add("xfs4iot", "devices")
            return f"devices.{name}"
        if hasattr(builtins, name):
            return name
        for module in _STANDARD:
            if getattr(sys.modules.get(module), name, None) is found:
                return self.imports.add(module, name)
        events = self._events(name)
        return self.imports.add(events, name) if events else self._of_type(found)

    def _events(self, name: str) -> str | None:
        """The module of the events of commands that our module has the name from."""
        short = self.module.__name__.rpartition(".")[2]
        for module in (short, "card_reader"):
            home = f"xfs4iot.protocol.command_events.{module}"
            if name.endswith("Events") and hasattr(sys.modules.get(home), name):
                return home
        return None

    def _of_type(self, kind: Any) -> str:
        """A type that our module has a name for and others have not."""
        origin, arguments = get_origin(kind), get_args(kind)
        if kind in (None, NoneType):
            return "None"
        if origin is Annotated:
            return self._of_type(arguments[0])
        if origin is Literal:
            self.imports.add("typing", "Literal")
            return f"Literal[{', '.join(map(repr, arguments))}]"
        if origin in (Union, UnionType):
            return " | ".join(map(self._of_type, arguments))
        if origin is not None:
            inner = ", ".join(map(self._of_type, arguments))
            return f"{self._of_type(origin)}[{inner}]"
        return self._of_class(kind)

    def _of_class(self, kind: type[Any]) -> str:
        if kind.__module__ == "builtins":
            return kind.__name__
        if getattr(devices, kind.__name__, None) is kind:
            return self._written(kind.__name__, kind)
        if kind.__module__.startswith("xfs4iot.protocol.messages."):
            package, _, short = interface_module(kind).rpartition(".")
            self.imports.add(package, short)
            return f"{short}.{kind.__name__}"
        return self.imports.add(kind.__module__, kind.__name__)
