"""The values of a PrintForm: which field, and which element of it, each of them is for.

    field      a value is            without one
    static     `staticOverwrite`     its initial value, in each element
    required   printed               `required`
    optional   printed               its initial value; nothing if it has none

A repeated field takes its values one by one (`line[0]`, `line[1]`) or as a list, in which an empty one stands
for none. What is wrong ends the command, and the client is told the field.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

from xfs4iot.devices import PrintBarcode, PrintGraphic, PrintText
from xfs4iot.interfaces.forms.printer_forms import named
from xfs4iot.interfaces.forms.ready_form import FormField, ReadyForm, initial_of
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import printer as messages
from xfs4iot.server.command import Command

__all__ = ["Failure", "FieldFailure", "Value", "refused", "target_of", "unprintable_field", "values_of"]

Failure = Literal[
    "required", "staticOverwrite", "overflow", "notFound", "notRead", "notWrite", "hwerror", "graphic"
]
Value = str | bytes
"""Text, or a picture."""
_DIGITS = 9


class FieldFailure(Exception):
    """Something is wrong with a field, and the command ends.

    Args:
        field: its name.
        failure: as the standard's FieldErrorEvent says it; None: the device cannot print it.
        text: for people; never shows a value.
        code: with which the command ends.
    """

    def __init__(self, field: str, failure: Failure | None, text: str, code: str = "fieldError") -> None:
        super().__init__(text)
        self.field, self.failure, self.code = field, failure, code


def values_of(form: ReadyForm, given: Mapping[str, str | list[str]] | None) -> dict[str, list[Value | None]]:
    """The value of each element of each field that can be printed; None for nothing.

    Raises:
        FieldFailure: a value is for no field, or cannot be given; or one is missing.
    """
    found: dict[str, list[Value | None]] = {
        name: [None] * len(one.places) for name, one in form.fields.items() if one.access != "read"
    }
    seen: set[tuple[str, int]] = set()
    for key, value in (given or {}).items():
        field, index = target_of(form, key)
        name = field.name
        if field.access == "read":
            raise FieldFailure(name, "notWrite", "the field can only be read")
        if field.class_ == "static":
            raise FieldFailure(name, "staticOverwrite", "a static field prints its own value")
        for number, text in _elements(field, index, value):
            if (name, number) in seen:
                raise FieldFailure(
                    key, "notFound", f"element {number} of the field is given twice", "fieldSpecFailure"
                )
            seen.add((name, number))
            found[name][number] = _picture(name, text) if field.kind == "graphic" else text
    for name, values in found.items():
        _complete(form.fields[name], values)
    return found


def target_of(form: ReadyForm, key: str) -> tuple[FormField, int | None]:
    """The field that a key names, and the element of it; None for all.

    Raises:
        FieldFailure: there is none.
    """
    # A name may have brackets of its own.
    if key in form.fields:
        return form.fields[key], None
    name, index = _element(key)
    if index is None and ("[" in key or "]" in key):
        raise FieldFailure(
            key, "notFound", "write a field as name, or one of its elements as name[0]", "fieldSpecFailure"
        )
    field = form.fields.get(name)
    if index is None or field is None:
        raise FieldFailure(key, "notFound", "the form has no such field; see Printer.GetQueryForm")
    if not field.indexed:
        raise FieldFailure(key, "notFound", "the field is not repeated; give its name alone")
    count = len(field.places)
    if index >= count:
        raise FieldFailure(key, "notFound", f"the field has elements 0 to {count - 1}")
    return field, index


def _element(key: str) -> tuple[str, int | None]:
    """The field and the number in `name[0]`; no number if it is none so."""
    # Not by a pattern: a client's key can have megabytes.
    name, bracket, index = key.removesuffix("]").rpartition("[")
    if not (key.endswith("]") and bracket and index.isascii() and index.isdigit() and len(index) <= _DIGITS):
        return key, None
    return name, int(index)


def _elements(field: FormField, index: int | None, value: str | list[str]) -> list[tuple[int, str]]:
    """The elements that a value is for."""
    count = len(field.places)
    if index is not None:
        if isinstance(value, list):
            raise FieldFailure(field.name, "notFound", "an element takes one value, not a list")
        return [(index, value)]
    if isinstance(value, list):
        if len(value) > count:
            raise FieldFailure(
                field.name, "notFound", f"{len(value)} values are given, and the field has {count} elements"
            )
        return [(number, one) for number, one in enumerate(value) if one]
    if count > 1:
        raise FieldFailure(
            field.name, "notFound", f"the field has {count} elements; give a list, or name[0], name[1] ..."
        )
    return [(0, value)]


def _picture(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FieldFailure(name, "graphic", "the value is not a picture in base64") from None


def _complete(field: FormField, values: list[Value | None]) -> None:
    """Fill in initial values where none was given."""
    if None not in values:
        return
    if field.class_ == "required":
        raise FieldFailure(
            field.name,
            "required",
            f"a value is required in each of {len(values)} elements"
            if len(values) > 1
            else "a value is required",
        )
    try:
        initial = initial_of(field)
    except ValueError as wrong:
        raise FieldFailure(field.name, "graphic", str(wrong)) from None
    for number, value in enumerate(values):
        if value is None:
            values[number] = initial


def refused(form_name: str, wrong: FieldFailure, command: Command[Any]) -> errors.CommandError:
    """Tell the client the field that is wrong; with what the command ends."""
    command.send(messages.FieldErrorEvent(form_name=form_name, field_name=wrong.field, failure=wrong.failure))
    return errors.CommandError(wrong.code, f"form {named(form_name)}, field {named(wrong.field)}: {wrong}")


def unprintable_field(told: errors.XfsError) -> tuple[str, FieldFailure] | None:
    """The form and the field of what a device cannot print; None if it has not said what that is."""
    item = getattr(told, "item", None)
    if not isinstance(item, PrintText | PrintGraphic | PrintBarcode) or item.origin is None:
        return None
    # A value that a picture cannot be is wrong in itself; one that a barcode cannot hold, for that.
    failure: Failure | None
    failure, code = ("graphic", "fieldError") if isinstance(item, PrintGraphic) else (None, "charSetData")
    return item.origin.form, FieldFailure(item.origin.field, failure, told.description, code)
