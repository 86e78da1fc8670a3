"""TextTerminal between the versions of the standard.

2021-1 gives the active keys as one text of characters, later versions as a list in which the digits
are words. 2024-3 describes a form and its fields as they are stored, 2023-2 only in part.
"""

from __future__ import annotations

from typing import Any

from xfs4iot.protocol.adapters.changes import Changes, Kept, Moved, Plain, Reshaped, Values, Withdrawn

__all__ = ["CHANGES", "FORM_NAME", "WITHDRAWN"]

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _keys_up(old: Plain) -> Plain:
    keys = old.get("activeKeys")
    if not isinstance(keys, str):
        return old
    return {**old, "activeKeys": [_DIGITS[int(key)] if key in "0123456789" else key for key in keys]}


def _key_detail_down(new: Plain) -> Plain:
    found = dict(new)
    if isinstance(keys := new.get("keys"), list):
        found["keys"] = "".join(str(_DIGITS.index(key)) if key in _DIGITS else key for key in keys)
    if isinstance(commands := new.get("commandKeys"), dict):
        found["commandKeys"] = list(commands)
    return found


def _access_down(field: Plain) -> Plain:
    """What may be done with a field, as one flag each."""
    access = field.get("access")
    if not isinstance(access, str):
        return field
    return {
        **field,
        "access": {"read": access in ("read", "readWrite"), "write": access in ("write", "readWrite")},
    }


FORM_NAME = "still served: the name that was asked for; the newest version does not say it again"


def _form_down(new: Plain) -> Plain:
    form = new.get("form")
    if not isinstance(form, dict):
        return new
    size: Any = form.get("size") or {}
    major, minor = version_numbers(form.get("version"))
    return {
        "errorCode": new.get("errorCode"),
        "formName": new.get("formName"),
        "width": size.get("width"),
        "height": size.get("height"),
        "versionMajor": major,
        "versionMinor": minor,
        "fields": list(form.get("fields") or ()),
    }


_MOST_DIGITS = 9
"""Of a number that always fits 32 bits."""


def version_numbers(version: Any) -> tuple[int | None, int | None]:
    """`{"version": "1.2"}` as two numbers."""
    text = version.get("version") if isinstance(version, dict) else None
    if not isinstance(text, str):
        return None, None
    major, _, minor = text.partition(".")
    if max(len(major), len(minor)) > _MOST_DIGITS:
        # Kept from before such were refused; no client has numbers so large.
        return None, None
    return (int(major) if major.isdigit() else None), (int(minor) if minor.isdigit() else 0)


_STILL = "still served: forms in the form language are read; the newest version has SetForm"

CHANGES: Changes = {
    ("2021-1", "request", "TextTerminal.ClearScreen"): (
        Moved("positionX", "screen.positionX"),
        Moved("positionY", "screen.positionY"),
        Moved("width", "screen.width"),
        Moved("height", "screen.height"),
    ),
    ("2021-1", "request", "TextTerminal.DefineKeys"): (Reshaped(("activeKeys",), up=_keys_up),),
    ("2021-1", "request", "TextTerminal.Read"): (Reshaped(("activeKeys",), up=_keys_up),),
    ("2021-1", "completion", "TextTerminal.GetKeyDetail"): (
        Reshaped(("keys", "commandKeys[]"), down=_key_detail_down),
    ),
    ("2021-1", "event", "TextTerminal.KeyEvent"): (
        Values("key", up={}, down={word: str(digit) for digit, word in enumerate(_DIGITS)}),
    ),
    ("2023-2", "completion", "TextTerminal.GetQueryField"): (
        Moved("fields.*.type", "fields.*.fieldType"),
        Reshaped(("fields.*.access",), down=_access_down, at="fields.*"),
    ),
    ("2023-2", "completion", "TextTerminal.GetQueryForm"): (
        Kept(("formName",), FORM_NAME),
        Reshaped(("fields[]", "height", "versionMajor", "versionMinor", "width"), down=_form_down),
    ),
}

WITHDRAWN: Withdrawn = {
    ("2023-2", "TextTerminal.FormLoadedEvent"): _STILL,
    ("2023-2", "TextTerminal.LoadForm"): _STILL,
}
