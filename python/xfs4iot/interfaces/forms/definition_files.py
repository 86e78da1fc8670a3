"""Files with forms and media, in the form language or as JSON: read, looked at, and written in the other one.

A file of the form language has one definition or several. One of JSON has the payload of SetForm or SetMedia
(`{"name": ..., "form": ...}`), a list of such, or a form or a media alone, whose name is that of the file.
Forms of printers have units, those of text terminals have none.

What is wrong is told with its line and column. Whether a certain device can print or show a form is what that
device says when the form is set; here it only has to be one that any could.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast, get_args

import msgspec

from xfs4iot import devices
from xfs4iot.close_matches import close_matches
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import GraphicFormat, PrintSymbology
from xfs4iot.interfaces.forms import (
    grammar,
    media_definitions,
    printer_forms,
    printer_language,
    terminal_forms,
    terminal_language,
)
from xfs4iot.interfaces.forms.json_places import JsonPath, read_json
from xfs4iot.interfaces.forms.tokens import DefinitionError, shown, tokens
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import printer, text_terminal

__all__ = [
    "AnyPrinter",
    "FileDefinition",
    "Interface",
    "Problem",
    "as_json",
    "as_text",
    "problems_of",
    "read_file",
]

Interface = Literal["Printer", "TextTerminal"]
_KINDS: Mapping[tuple[Interface, str], Any] = {
    ("Printer", "form"): printer.SetFormForm,
    ("Printer", "media"): printer.SetMediaMedia,
    ("TextTerminal", "form"): text_terminal.SetFormForm,
}
_REQUESTS: Mapping[tuple[Interface, str], Any] = {
    ("Printer", "form"): printer.SetForm,
    ("Printer", "media"): printer.SetMedia,
    ("TextTerminal", "form"): text_terminal.SetForm,
}
_NAMED = {"field": "fields", "frame": "frames", "sub form": "subForms"}
"""What messages about forms begin with, and where in a form that is."""


class AnyPrinter(devices.Printer):
    """A printer that prints whatever a form can ask for."""

    print_sides = "dual"
    multi_page = True
    colors = None
    barcodes = frozenset(get_args(PrintSymbology))
    graphics = frozenset(get_args(GraphicFormat))
    writes = frozenset({"text", "ocr", "micr", "msf"})
    reads = frozenset({"ocr", "micr", "msf", "barcode", "pageMark"})
    coercivities = frozenset({"low", "high", "auto"})

    async def print_pages(self, job: devices.PrintJob, events: Any) -> devices.Printed:
        raise NotImplementedError

    async def read_image(self, wanted: Any, events: Any) -> Any:
        raise NotImplementedError


class _AnyTerminal(devices.TextTerminal):
    """A text terminal as large as a form can be."""

    resolutions = ((2**31 - 1, 2**31 - 1),)
    shows_graphics = True

    async def show(self, runs: Any, cursor: Any) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Problem:
    """What is wrong with a definition.

    Attributes:
        line, column: where, from 1.
        text: what it is.
        severity: an `error` is refused when the definition is set; of a `warning` something gets lost.
    """

    line: int
    column: int
    text: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class FileDefinition:
    """One definition of a file.

    Attributes:
        interface: whose it is.
        what: a `form` or a `media`.
        name: its name.
        content: it, as SetForm or SetMedia has it.
        places: line and column of what is in it, by path; the empty path is the whole.
        ignored: keywords of the form language that mean nothing today.
        is_json: whether it is JSON, or in the form language.
    """

    interface: Interface
    what: Literal["form", "media"]
    name: str
    content: dict[str, Any]
    places: Mapping[JsonPath, tuple[int, int]]
    ignored: tuple[str, ...] = ()
    is_json: bool = False

    def place_of(self, path: JsonPath) -> tuple[int, int]:
        """Line and column of what is at a path, or of the nearest around it that is known."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read_file(text: str, stem: str, interface: Interface | None = None) -> list[FileDefinition]:
    """The definitions of a file.

    Args:
        text: its content.
        stem: its name without directory and ending, for a definition that has none itself.
        interface: whose forms they are; None: that is seen from what they have.

    Raises:
        DefinitionError: it cannot be read.
    """
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return list(_from_json(text.removeprefix("\ufeff"), stem, interface))
    interface = interface or _interface_of(text)
    kinds: tuple[grammar.Block, ...] = (printer_language.FORM, printer_language.MEDIA)
    if interface == "TextTerminal":
        kinds = (terminal_language.FORM,)
    return [
        FileDefinition(
            interface,
            "media" if one.kind == "XFSMEDIA" else "form",
            one.name,
            one.content,
            cast("Mapping[JsonPath, tuple[int, int]]", one.places),
            one.ignored,
        )
        for one in grammar.read_all(text, kinds)
    ]


def _words_of(block: grammar.Block) -> Iterator[str]:
    yield block.word
    yield from (keyword.name for keyword in block.keywords)
    for inner in block.blocks.values():
        yield from _words_of(inner)


_ONLY_PRINTERS = {
    word for block in (printer_language.FORM, printer_language.MEDIA) for word in _words_of(block)
} - set(_words_of(terminal_language.FORM))


def _interface_of(text: str) -> Interface:
    """Whose form it is, by its first word that only printers know."""
    for token in tokens(text):
        if token.kind == "word" and token.text in _ONLY_PRINTERS:
            return "Printer"
    return "TextTerminal"


def _from_json(text: str, stem: str, interface: Interface | None) -> Iterator[FileDefinition]:
    content, places = read_json(text)
    if isinstance(content, list):
        if not content:
            raise DefinitionError(*places[()], "the list is empty; give one form or media at least")
        parts: list[tuple[JsonPath, Any]] = [((number,), one) for number, one in enumerate(content)]
    else:
        parts = [((), content)]
    for path, one in parts:
        if not isinstance(one, dict):
            raise DefinitionError(*places[path], "expected an object with a form or a media")
        name = one.get("name", stem)
        if not isinstance(name, str) or not name.strip():
            raise DefinitionError(*places[(*path, "name")], "the name is not a text")
        what: Literal["form", "media"] = "media" if "media" in one else "form"
        held, inner = (one[what], (*path, what)) if what in one else (one, path)
        if not isinstance(held, dict):
            raise DefinitionError(*places[inner], f"expected the {what} as an object")
        if held is one and "size" not in one:
            raise DefinitionError(
                *places[path], "expected a form or a media; there is none, nor a size of one"
            )
        of_printers = what == "media" or "unit" in held
        own = {at[len(inner) :]: place for at, place in places.items() if at[: len(inner)] == inner}
        yield FileDefinition(
            interface or ("Printer" if of_printers else "TextTerminal"), what, name, held, own, is_json=True
        )


def problems_of(one: FileDefinition) -> Iterator[Problem]:
    """What is wrong with a definition, the first thing that is refused last."""
    kind = _KINDS.get((one.interface, one.what))
    if kind is None:
        yield Problem(*one.place_of(()), f"a {one.interface} has no media definitions")
        return
    for keyword in sorted(set(one.ignored)):
        yield Problem(*one.place_of(()), f"{keyword} means nothing any more; take it out", "warning")
    for path, text in _unknown(msgspec.inspect.type_info(kind), one.content, ()):
        yield Problem(*one.place_of(path), text, "warning")
    try:
        # As a client would send it, so that the text is the one that the client would get.
        request = wire.decode(
            _REQUESTS[one.interface, one.what], json.dumps({"name": one.name, one.what: one.content}).encode()
        )
        _require_sound(one.interface, getattr(request, one.what))
    except errors.XfsError as wrong:
        yield refusal(one, wrong)


def refusal(one: FileDefinition, wrong: errors.XfsError) -> Problem:
    """What a definition was refused for, where it says so."""
    path, text = _located(one, wrong.description)
    return Problem(*one.place_of(path), text)


def _require_sound(interface: Interface, definition: Any) -> None:
    """Refuse what every device would.

    Raises:
        XfsError: what is wrong.
    """
    if isinstance(definition, printer.SetMediaMedia):
        media_definitions.require_whole_media(definition)
        media_definitions.sheet_of(definition, AnyPrinter("any"))
    elif interface == "TextTerminal":
        terminal_forms.require_whole(definition)
        terminal_forms.sound(definition, _AnyTerminal("any"))
    else:
        printer_forms.require_whole(definition)
        form = printer_forms.ready(definition, AnyPrinter("any"))
        if form.misfit is not None:
            name, why = form.misfit
            what = "frame" if any(frame.name == name for frame in form.frames) else "field"
            raise errors.CommandError("formInvalid", why if name is None else f"{what} {name}: {why}")


def _unknown(kind: Any, content: Any, path: JsonPath) -> Iterator[tuple[JsonPath, str]]:
    """Properties that the standard does not have: a service ignores them, and they are mostly misspelt."""
    if isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            if not isinstance(one, msgspec.inspect.NoneType):
                yield from _unknown(one, content, path)
    elif isinstance(kind, msgspec.inspect.DictType) and isinstance(content, dict):
        for name, value in content.items():
            yield from _unknown(kind.value_type, value, (*path, name))
    elif isinstance(kind, msgspec.inspect.StructType) and isinstance(content, dict):
        known = {one.encode_name: one.type for one in kind.fields}
        for name, value in content.items():
            if name in known:
                yield from _unknown(known[name], value, (*path, name))
                continue
            near = close_matches(name[:32], list(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            yield (*path, name), f"{shown(name)} is no property here, and is ignored; {hint}"


def _located(one: FileDefinition, text: str) -> tuple[JsonPath, str]:
    """What a message is about, and the message without where that is."""
    prefix = f"$.{one.what}"
    if text.startswith("$."):
        # Keys are as clients write them, so that a path is known by what it begins with only.
        paths = {prefix + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path): path
                 for path in one.places}  # fmt: skip
        for known in sorted(paths, key=len, reverse=True):
            if text.startswith((f"{known}:", f"{known}.", f"{known} ", f"{known}[")):
                return paths[known], text.replace(f"{prefix}.", "", 1).replace(f"{prefix}:", "the whole:", 1)
        return (), text
    about = [
        (f"{word} {printer_forms.named(str(path[-1]))}", path)
        for path in one.places
        for word, holder in _NAMED.items()
        if len(path) > 1 and path[-2] == holder
    ]
    for known, path in sorted(about, key=lambda pair: len(pair[0]), reverse=True):
        if text.startswith(known):
            return path, text
    return (), text


def as_json(definitions: Iterable[FileDefinition]) -> str:
    """Definitions as JSON: the payload of SetForm or SetMedia, of several a list of them."""
    found = [{"name": one.name, one.what: one.content} for one in definitions]
    return json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False) + "\n"


def as_text(one: FileDefinition) -> tuple[str, list[Problem]]:
    """A definition in the form language, and what of it gets lost because the language has no words for it.

    Raises:
        DefinitionError: without that, something else would be printed.
    """
    try:
        if one.what == "media":
            text = printer_language.media_text(one.name, one.content)
        elif one.interface == "Printer":
            text = printer_language.form_text(one.name, one.content)
        else:
            text = terminal_language.form_text(one.name, one.content)
    except grammar.CannotBeSaid as wrong:
        raise DefinitionError(*one.place_of(()), str(wrong)) from None
    (again,) = read_file(text, one.name, one.interface)
    lost = [
        Problem(
            *one.place_of(path),
            f"{'.'.join(map(str, path))}: the form language has no word for it",
            "warning",
        )
        for path in _lost(one.content, again.content, ())
    ]
    return text, lost


_SAID_OTHERWISE = {"order"}
"""What the language says by the sequence of fields."""
_PLAIN: tuple[Any, ...] = ({}, False, "none", "single", "standard")
"""What is so without being said."""


def _lost(before: Any, after: Any, path: JsonPath) -> Iterator[JsonPath]:
    """Where a definition has something that another has not, or has otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if value is not None and name not in _SAID_OTHERWISE:
                yield from _lost(value, after.get(name), (*path, name))
    elif before != after and before not in _PLAIN and after != f"{before}.0":
        # A version 1 comes back as 1.0.
        yield path
