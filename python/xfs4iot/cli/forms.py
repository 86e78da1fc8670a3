"""`xfs4iot forms`: look at forms and media in files, convert them, and see what a form looks like.

Complaints begin with file, line and column, as those of compilers do, so that editors jump there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import utf8_output
from xfs4iot.cli.complaint import subcommand
from xfs4iot.cli.connection import print_json
from xfs4iot.cli.extras import require
from xfs4iot.cli.group import Group
from xfs4iot.cli.waiting import waiting
from xfs4iot.interfaces.forms.definition_files import (
    FileDefinition,
    Interface,
    Problem,
    as_json,
    as_text,
    problems_of,
    read_file,
    refusal,
)
from xfs4iot.interfaces.forms.tokens import DefinitionError
from xfs4iot.protocol import errors
from xfs4iot.protocol.visible import visible

__all__ = ["forms"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MOST_BYTES = 16 * 1024 * 1024
"""Of a file: as large as a message with a form may be."""


class _Wrong(Exception):
    """Something in a file, told with its place."""


@click.group(cls=Group)
def forms() -> None:
    """Check, convert and draw forms and media of printers and text terminals.

    A file is text in the XFS form language (XFSFORM, XFSMEDIA; one definition or several), or JSON: the
    payload of SetForm or SetMedia ({"name": …, "form": {…}}), a list of those, or the form or media alone.
    """


_command = subcommand(forms, _Wrong, errors.XfsError, OSError)
_encoding = click.option(
    "--encoding", default="utf-8", show_default=True, callback=arguments.encoding,
    help="Of the files; older form files are often in cp1252.",
)  # fmt: skip
_interface = click.option(
    "--interface",
    type=click.Choice(["Printer", "TextTerminal"]),
    help="Whose forms they are. By default what a form has says so: those of printers have units.",
)
_json = click.option("--json", "as_json_", is_flag=True, help="Print one JSON list.")


def _read(file: Path, encoding: str, interface: Interface | None) -> list[FileDefinition]:
    """The definitions of a file.

    Raises:
        DefinitionError: it cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise DefinitionError(1, 1, f"the file has more than {_MOST_BYTES:,} bytes; no form is so large")
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as wrong:
        before = content[: wrong.start]
        raise DefinitionError(
            before.count(b"\n") + 1,
            wrong.start - before.rfind(b"\n"),
            f"this is not {encoding}; say what the file is in, such as --encoding cp1252",
        ) from None
    return read_file(text, file.stem, interface)


def _good(file: Path, encoding: str, interface: Interface | None) -> list[FileDefinition]:
    """The definitions of a file in which nothing is wrong; warnings are printed.

    Raises:
        _Wrong: something is.
    """
    try:
        found = _read(file, encoding, interface)
    except DefinitionError as wrong:
        raise _refused(file, Problem(wrong.line, wrong.column, wrong.reason)) from None
    for one in found:
        for problem in problems_of(one):
            if problem.severity == "error":
                raise _refused(file, problem, one)
            click.echo(_told(file, problem, one), err=True)
    return found


def _told(
    file: Path, problem: Problem, one: FileDefinition | None = None, severity: str | None = None
) -> str:
    severity = f"{problem.severity}: " if severity is None else severity
    about = "" if one is None else f"{one.what} {one.name}: "
    return f"{file}:{problem.line}:{problem.column}: {severity}{visible(about + problem.text)}"


def _refused(file: Path, problem: Problem, one: FileDefinition | None = None) -> _Wrong:
    """What ends a command; that it is an error, whoever prints it says."""
    return _Wrong(_told(file, problem, one, severity=""))


@_command
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE...")
@_interface
@_encoding
@_json
def check(files: tuple[Path, ...], interface: Interface | None, encoding: str, as_json_: bool) -> int:
    """Say what is wrong with the forms and media in FILE..., with line and column.

    Exit 0 if none is refused by every device; a warning is no reason for 1. What a certain device cannot
    print or show, that device says when the form is set.

    \b
    xfs4iot forms check receipt.form roll.form
    """
    told: list[dict[str, Any]] = []
    wrong = False
    for file in files:
        names: set[tuple[str, str]] = set()
        for one, problem in _looked_at(file, encoding, interface):
            if one is not None and problem is None and (one.what, one.name) in names:
                problem = Problem(*one.place_of(()), "there is another one of this name in the file")
            if one is not None:
                names.add((one.what, one.name))
            wrong |= problem is not None and problem.severity == "error"
            if as_json_:
                told.append(_as_object(file, one, problem))
            elif problem is not None:
                click.echo(_told(file, problem, one))
            elif one is not None:
                click.echo(visible(f"{file}: {one.what} {one.name} of a {one.interface}: good"))
    if as_json_:
        print_json(told)
    return int(wrong)


def _looked_at(
    file: Path, encoding: str, interface: Interface | None
) -> Iterator[tuple[FileDefinition | None, Problem | None]]:
    """Each definition of a file with each of its problems; once with None if it has none."""
    try:
        found = _read(file, encoding, interface)
    except DefinitionError as wrong:
        yield None, Problem(wrong.line, wrong.column, wrong.reason)
        return
    for one in found:
        problems = list(problems_of(one))
        if not problems:
            yield one, None
        for problem in problems:
            yield one, problem


def _as_object(file: Path, one: FileDefinition | None, problem: Problem | None) -> dict[str, Any]:
    said: dict[str, Any] = {"file": str(file)}
    if one is not None:
        said |= {"interface": one.interface, "what": one.what, "name": one.name}
    if problem is None:
        return said | {"severity": None}
    place = {"line": problem.line, "column": problem.column}
    return said | place | {"severity": problem.severity, "text": problem.text}


@_command
@click.argument("file", type=_FILE)
@click.option(
    "--to", type=click.Choice(["json", "language"]),
    help="What to convert to. By default what FILE is not.",
)  # fmt: skip
@click.option(
    "--output", type=arguments.NewFile(streams=True), callback=arguments.new_file,
    help="File to write to, in UTF-8, instead of standard output.",
)  # fmt: skip
@_interface
@_encoding
def convert(
    file: Path, to: str | None, output: Path | None, interface: Interface | None, encoding: str
) -> None:
    """Convert the forms and media in FILE between the XFS form language and JSON.

    JSON is what SetForm and SetMedia take: `xfs4iot call URI Printer.SetForm "$(xfs4iot forms convert
    receipt.form)"`. What gets lost on the way is told on standard error; what would be printed otherwise
    is refused.

    \b
    xfs4iot forms convert receipt.form --output receipt.json
    """
    found = _good(file, encoding, interface)
    is_json = found[0].is_json
    if (to or ("language" if is_json else "json")) == "json":
        text = as_json(found)
    else:
        text = "\n".join(_in_language(file, one) for one in found)
    if output is None:
        utf8_output().write(text)
    else:
        output.write_bytes(text.encode())


def _in_language(file: Path, one: FileDefinition) -> str:
    try:
        text, lost = as_text(one)
    except DefinitionError as wrong:
        raise _refused(file, Problem(wrong.line, wrong.column, wrong.reason), one) from None
    for problem in lost:
        click.echo(_told(file, problem, one), err=True)
    return text


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise click.BadParameter(
            f"{given!r} is not FIELD=VALUE, such as amount='EUR 70.00'", param_hint="--value"
        )
    if value.startswith("@"):
        try:
            return name, base64.b64encode(Path(value[1:]).read_bytes()).decode()
        except OSError as wrong:
            raise click.BadParameter(f"{value[1:]}: {wrong.strerror}", param_hint="--value") from None
    return name, value


def _values(given: Sequence[str], file: Path | None) -> dict[str, str | list[str]]:
    values: dict[str, str | list[str]] = {}
    if file is not None:
        try:
            values = msgspec.json.decode(file.read_bytes(), type=dict[str, str | list[str]])
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise click.BadParameter(
                f"{file} is not a JSON object of texts, or lists of texts, by field: {wrong}",
                param_hint="--values",
            ) from None
    return values | dict(map(_pair, given))


@_command
@click.argument("file", type=_FILE)
@click.option(
    "--output", type=arguments.NewFile(), required=True, callback=arguments.new_file,
    help="File to write: .png, or .pdf in its real size. Of several pages or sides a PNG each: …-2.png.",
)  # fmt: skip
@click.option(
    "--value", "given", multiple=True, metavar="FIELD=VALUE",
    help="What a field prints, or one of its elements (line[0]=…); @FILE is the picture of a graphic.",
)  # fmt: skip
@click.option("--values", type=_FILE, help="A file with values of fields: the `fields` of PrintForm, JSON.")
@click.option("--form", "name", metavar="NAME", help="Which form of FILE, if it has several.")
@click.option(
    "--media", type=_FILE,
    help="File with the media to print on. By default that of FILE, else endless paper as wide as the form.",
)  # fmt: skip
@click.option("--dots", type=click.IntRange(50, 1200), default=203, show_default=True, help="Per inch.")
@click.option("--color", is_flag=True, help="In colours.")
@_encoding
def draw(
    file: Path,
    output: Path,
    given: tuple[str, ...],
    values: Path | None,
    name: str | None,
    media: Path | None,
    dots: int,
    color: bool,
    encoding: str,
) -> None:
    """Draw the form in FILE with values, as the simulated printer and ESC/POS printers print it.

    \b
    xfs4iot forms draw receipt.form --value amount='EUR 70.00' --output x.png
    """
    require("simulator", "drawing", "PIL", "zxingcpp")
    if output.suffix.lower() not in (".png", ".pdf"):
        raise click.BadParameter(f"{output} is neither .png nor .pdf", param_hint="--output")
    found = _of_printers(file, encoding)
    papers = found if media is None else _good(media, encoding, "Printer")
    form = _the_one(file, [one for one in found if one.what == "form"], name)
    paper = next((one for one in papers if one.what == "media"), None)
    if media is not None and paper is None:
        raise _Wrong(f"{media} has no media, but a form")
    try:
        with waiting(f"drawing {visible(str(output))}"):
            warnings = _draw(form, paper, _values(given, values), output, dots, color)
    except errors.CommandError as wrong:
        raise _refused(file, refusal(form, wrong), form) from None
    for warning in warnings:
        click.echo(f"warning: {visible(warning)}", err=True)


def _of_printers(file: Path, encoding: str) -> list[FileDefinition]:
    """The definitions of a file with forms of printers.

    Raises:
        _Wrong: something is wrong with one, or it is a good form of a text terminal.
    """
    try:
        return _good(file, encoding, "Printer")
    except _Wrong:
        for one, problem in _looked_at(file, encoding, None):
            if one is not None and one.interface == "TextTerminal" and problem is None:
                place = Problem(*one.place_of(()), "it is a text terminal's; printers' forms are drawn")
                raise _refused(file, place, one) from None
        raise


def _the_one(file: Path, found: list[FileDefinition], name: str | None) -> FileDefinition:
    names = ", ".join(one.name for one in found)
    if not found:
        raise _Wrong(f"{file} has no form, but media; give the form, and this with --media")
    if name is None and len(found) > 1:
        raise _Wrong(f"{file} has several forms: {names}; say which with --form")
    for one in found:
        if name in (None, one.name):
            return one
    raise click.BadParameter(f"{file} has no form {name}; it has {names}", param_hint="--form")


def _draw(
    form: FileDefinition,
    media: FileDefinition | None,
    values: dict[str, str | list[str]],
    output: Path,
    dots: int,
    color: bool,
) -> list[str]:
    """Write the pictures; says what was cut or replaced on them."""
    from xfs4iot.cli.form_drawing import drawn
    from xfs4iot.printing.pages import Head
    from xfs4iot.printing.pdf import as_pdf

    pictures, warnings = [], list[str]()
    for number, (picture, told) in enumerate(drawn(form, media, values, Head(dots=dots, color=color)), 1):
        warnings += told
        if output.suffix.lower() == ".pdf":
            pictures.append(picture)
        else:
            part = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
            picture.save(part, "PNG", dpi=(dots, dots))
    if pictures:
        output.write_bytes(as_pdf(pictures, dots))
    return warnings
