"""Printer between the versions of the standard.

2021-1 gives a retract bin by its number, 2023-2 in one text with where else the medium may go
(`unit1`), so that a bin of another name is told by the number at the end of its name; both take every
control of the medium as a flag of its own, where 2024-3 has one `move` and one `turnPage`. 2024-3 describes
forms and media as they are stored, 2023-2 only in part. 2021-1 alone has code lines, which are kept for it.
"""

from __future__ import annotations

import re
from typing import Any

from xfs4iot.protocol.adapters.changes import (
    Adapter,
    Changes,
    Kept,
    Left,
    Moved,
    Plain,
    Reshaped,
    Values,
    Withdrawn,
)
from xfs4iot.protocol.adapters.text_terminal import FORM_NAME, version_numbers

__all__ = ["CHANGES", "WITHDRAWN"]

_MOVES = ("eject", "retract", "park", "expel", "ejectToTransport", "stack")
_PAGES = ("forward", "backward")
_BIN = re.compile(r"^unit.*?(\d+)$")


def _control_up(old: Plain) -> Plain:
    """Flags become the move and the turn that are asked for; several become one that is refused."""
    found = {name: value for name, value in old.items() if name not in (*_MOVES, *_PAGES)}
    for target, flags in (("move", _MOVES), ("turnPage", _PAGES)):
        asked = [flag for flag in flags if old.get(flag) is True]
        if asked:
            found[target] = " and ".join(asked)
    return found


_CLEAR = "the buffer is cleared by Printer.ClearBuffer in 2024-3"
_FLAGS = tuple(f"mediaControl.{flag}" for flag in (*_MOVES, *_PAGES))
_CONTROL = (
    Reshaped(_FLAGS, up=_control_up, at="mediaControl"),
    Kept(("mediaControl.clearBuffer",), f"still served: {_CLEAR}"),
)


def _bin_number(text: Any) -> int | None:
    found = _BIN.match(text) if isinstance(text, str) else None
    return int(found[1]) if found else None


def _bin_named(name: str) -> Adapter:
    """A bin by its number, which is all that its name may say before 2024-3."""

    def adapter(new: Plain) -> Plain:
        place = new.get(name)
        if not isinstance(place, str) or not place.startswith("unit"):
            return new
        number = _bin_number(place)
        return {**new, name: None if number is None else f"unit{number}"}

    return adapter


def _bin_unit(number: Any) -> Any:
    """The unit of a retract bin; what is no number of one stays, to be refused as in the newest version."""
    good = isinstance(number, int) and not isinstance(number, bool) and number > 0
    return f"unit{number}" if good else number


def _reset_up(old: Plain) -> Plain:
    number = old.get("retractBinNumber")
    found = {name: value for name, value in old.items() if name != "retractBinNumber"}
    unit = _bin_unit(number)
    if number is not None and (old.get("mediaControl") == "retract" or unit is number):
        found["mediaControl"] = unit
    return found


def _retract_up(old: Plain) -> Plain:
    number = old.get("binNumber")
    return {} if number is None else {"mediaControl": _bin_unit(number)}


def _retract_down(new: Plain) -> Plain:
    return {"errorCode": new.get("errorCode"), "binNumber": _bin_number(new.get("result"))}


def _auto_retracted_down(new: Plain) -> Plain:
    result = new.get("result")
    return {"retractResult": "jammed" if result == "jammed" else "ok", "binNumber": _bin_number(result)}


def _detected_down(new: Plain) -> Plain:
    number = _bin_number(new.get("position"))
    return new if number is None else {"position": "retracted", "retractBinNumber": number}


def _form_down(new: Plain) -> Plain:
    form: Any = new.get("form")
    if not isinstance(form, dict):
        return new
    unit, size, place = (form.get(name) or {} for name in ("unit", "size", "alignment"))
    # Those of sub forms are fields of the form to who knows of no sub forms, and GetQueryField tells them.
    parts: list[Any] = [form, *(form.get("subForms") or {}).values()]
    major, minor = version_numbers(form.get("version"))
    return {
        "errorCode": new.get("errorCode"),
        "formName": new.get("formName"),
        "base": unit.get("base"),
        "unitX": unit.get("x"),
        "unitY": unit.get("y"),
        "width": size.get("width"),
        "height": size.get("height"),
        "alignment": place.get("relative"),
        "offsetX": place.get("x"),
        "offsetY": place.get("y"),
        "orientation": form.get("orientation"),
        "versionMajor": major,
        "versionMinor": minor,
        "userPrompt": form.get("userPrompt"),
        "fields": [name for part in parts for name in part.get("fields") or ()],
    }


def _fields_down(fields: Plain) -> Plain:
    """A field that repeats is one property for each of its places: `name[0]`."""
    found: Plain = {}
    for name, value in fields.items():
        if isinstance(value, list):
            found |= {f"{name}[{index}]": one for index, one in enumerate(value)}
        else:
            found[name] = value
    return found


def _height_down(new: Plain) -> Plain:
    """Endless paper has a height of 0, where the newest version says none."""
    media = new.get("media")
    size = media.get("size") if isinstance(media, dict) else None
    if not isinstance(size, dict):
        return new
    return {**new, "sizeHeight": size.get("height") or 0}


_AREAS = tuple(
    Moved(f"{older}{name}", f"media.{newer}.{name.lower()}")
    for older, newer in (("printArea", "printArea"), ("restrictedArea", "restricted"))
    for name in ("X", "Y", "Width", "Height")
)
_UNIT = (Moved("base", "unit.base"), Moved("unitX", "unit.x"), Moved("unitY", "unit.y"))
_PASSED = "text passes as it is; a field that repeats by a list of its own needs a client of 2024-3"

_FORMS = (
    "still served: definitions in the form language are read; the newest version has SetForm and SetMedia"
)

_BINS = "still served: retract bins are storage units since 2024-3"

_CODELINES = "still served: printers read code lines; no later version has any"

CHANGES: Changes = {
    ("2021-1", "request", "Printer.ReadImage"): (
        Left(
            ("imageSource.front", "imageSource.back"),
            "2023-2 asks for a side by giving its type",
        ),
        Kept(("codelineFormat", "imageSource.codeline"), _CODELINES),
    ),
    ("2021-1", "completion", "Printer.ReadImage"): (Kept(("images.codeline",), _CODELINES),),
    ("2021-1", "request", "Printer.Reset"): (Reshaped(("mediaControl", "retractBinNumber"), up=_reset_up),),
    ("2021-1", "request", "Printer.RetractMedia"): (Reshaped(("binNumber",), up=_retract_up),),
    ("2021-1", "completion", "Printer.RetractMedia"): (Reshaped(("binNumber",), down=_retract_down),),
    ("2021-1", "event", "Printer.MediaAutoRetractedEvent"): (
        Reshaped(("binNumber", "retractResult"), down=_auto_retracted_down),
    ),
    ("2021-1", "event", "Printer.MediaDetectedEvent"): (
        Reshaped(("position", "retractBinNumber"), down=_detected_down),
    ),
    ("2021-1", "completion", "Printer.GetQueryField"): (
        Values("fields.*.coercivity", up={}, down={"na": None}),
    ),
    ("2021-1", "completion", "Printer.GetQueryForm"): tuple(
        Values(name, up={}, down={"na": None}) for name in ("alignment", "base", "orientation")
    ),
    ("2021-1", "completion", "Common.Capabilities"): (
        Kept(("printer.codelineFormat", "printer.imageSource.codeLine"), _CODELINES),
    ),
    ("2023-2", "request", "Printer.ControlMedia"): _CONTROL,
    ("2023-2", "request", "Printer.PrintForm"): (*_CONTROL, Left(("fields",), _PASSED)),
    ("2023-2", "request", "Printer.PrintNative"): _CONTROL,
    ("2023-2", "request", "Printer.ReadForm"): _CONTROL,
    ("2023-2", "completion", "Printer.ReadForm"): (Reshaped(("fields",), down=_fields_down, at="fields"),),
    ("2023-2", "completion", "Printer.RetractMedia"): (Reshaped(("result",), down=_bin_named("result")),),
    ("2023-2", "event", "Printer.MediaAutoRetractedEvent"): (
        Reshaped(("result",), down=_bin_named("result")),
    ),
    ("2023-2", "event", "Printer.MediaDetectedEvent"): (
        Reshaped(("position",), down=_bin_named("position")),
    ),
    ("2023-2", "request", "Printer.GetQueryMedia"): (Moved("mediaName", "name"),),
    ("2023-2", "completion", "Printer.GetQueryField"): (
        Moved("fields.*.type", "fields.*.fieldType"),
        Moved("fields.*.indexCount", "fields.*.index.repeatCount"),
    ),
    ("2023-2", "completion", "Printer.GetQueryForm"): (
        Kept(("formName",), FORM_NAME),
        Reshaped(
            (
                "alignment",
                "base",
                "fields[]",
                "height",
                "offsetX",
                "offsetY",
                "orientation",
                "unitX",
                "unitY",
                "userPrompt",
                "versionMajor",
                "versionMinor",
                "width",
            ),
            down=_form_down,
        ),
    ),
    ("2023-2", "completion", "Printer.GetQueryMedia"): (
        Values("base", up={}, down={"rowColumn": "rowcolumn"}),
        Moved("mediaType", "media.mediaType"),
        Moved("base", "media.unit.base"),
        Moved("unitX", "media.unit.x"),
        Moved("unitY", "media.unit.y"),
        Moved("sizeWidth", "media.size.width"),
        Reshaped(("sizeHeight",), down=_height_down),
        *_AREAS,
        Moved("foldType", "media.fold"),
        Moved("stagger", "media.staggering"),
        Moved("pageCount", "media.page"),
        Moved("lineCount", "media.lines"),
        Left(("paperSources",), "2024-3 names one source as text, which need not be one of the flags"),
    ),
    ("2023-2", "request", "Printer.MediaExtents"): (
        Values("base", up={"inches": "inch"}, down={}),
        *_UNIT,
    ),
    ("2023-2", "completion", "Printer.MediaExtents"): (Moved("sizeX", "x"), Moved("sizeY", "y")),
    ("2023-2", "request", "Printer.ReadImage"): (
        Values("frontImageType", up={"none": None}, down={}),
        Moved("frontImageType", "frontImage.imageType"),
        Moved("frontImageColorFormat", "frontImage.colorFormat"),
        Moved("backImageType", "backImage.imageType"),
        Moved("backImageColorFormat", "backImage.colorFormat"),
    ),
    ("2023-2", "completion", "Common.Status"): (
        Left(("printer.retractBins",), "retract bins are storage units in 2024-3; see Storage.GetStorage"),
    ),
    ("2023-2", "event", "Common.StatusChangedEvent"): (
        Left(("printer.retractBins",), "retract bins are storage units in 2024-3; see Storage.GetStorage"),
    ),
    ("2023-2", "completion", "Common.Capabilities"): (
        Left(
            ("printer.maxRetract", "printer.retractBins"),
            "retract bins are storage units in 2024-3; see Storage.GetStorage",
        ),
    ),
}

WITHDRAWN: Withdrawn = {
    ("2021-1", "Printer.GetCodelineMapping"): _CODELINES,
    ("2023-2", "Printer.DefinitionLoadedEvent"): _FORMS,
    ("2023-2", "Printer.LoadDefinition"): _FORMS,
    ("2023-2", "Printer.ResetCount"): f"{_BINS}: Storage.SetStorage sets their counts",
    ("2023-2", "Printer.RetractBinStatusEvent"): f"{_BINS}: Storage.StorageChangedEvent tells their status",
    ("2023-2", "Printer.RetractBinThresholdEvent"): f"{_BINS}: Storage.StorageThresholdEvent tells it",
}
