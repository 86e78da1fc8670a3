"""Forms and media of nobody's making: taken or refused for a reason, kept as they are, and printed.

What is taken is told again as it was set, in every version; what the form language can say of it is loaded
again from text, and is the same then.
"""

from __future__ import annotations

import re
from typing import Any

import hypothesis
import trio
from hypothesis import strategies

from dialogue import Dialogue, another, outcome
from printers import Receipts as Plain
from printers import Scribe
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.forms.grammar import CannotBeSaid
from xfs4iot.interfaces.forms.printer_language import form_text, media_text

SET, SET_MEDIA, LOAD = "Printer.SetForm", "Printer.SetMedia", "Printer.LoadDefinition"
REASONS = {"formInvalid", "mediaInvalid"}
"""What a definition may be refused for, besides `invalidData`."""
PRINTED = {"success", "fieldError", "fieldSpecFailure", "charSetData", "mediaOverflow", "formNotFound"}


class Everything(Plain, Scribe):  # type: ignore[misc]
    """A printer that takes what any takes."""

    paper_sources = {"upper": devices.Paper(2_000_000)}  # noqa: RUF012
    controls = Plain.controls
    reads = frozenset({"ocr", "micr", "msf", "barcode", "pageMark"})
    writes = frozenset({"text", "ocr", "micr", "msf"})
    styles = fonts = point_sizes = cpi = lpi = colors = None


def one_of(*values: Any) -> strategies.SearchStrategy[Any]:
    return strategies.sampled_from(values)


SMALL = strategies.integers(0, 12)
LARGE = one_of(0, 99, 1_000, 65_536, 10**9, 2**31, 2**53, 2**63 - 1)
NUMBER = strategies.integers(0, 40).flatmap(lambda chance: LARGE if chance == 40 else SMALL)
SIZES = strategies.integers(0, 40).flatmap(
    lambda chance: LARGE if chance == 40 else strategies.integers(1, 12)
)
TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = one_of("f", "g", "h", "name[0]", "x" * 300, "שם", "") | TEXT
COLORS = one_of("black", "yellow", "0,10,255", "255,255,255")
PAGES = one_of("ALL", "0", "1-2", "0,3-4,7", "7-3")
ODD_PAGES = one_of("99999999999999999999", "0-99999", "99,98")
PLACE = strategies.fixed_dictionaries({"x": SMALL, "y": SMALL}, optional={"z": NUMBER})
SIZE = strategies.fixed_dictionaries({"width": SIZES, "height": SIZES})
STYLE = strategies.fixed_dictionaries(
    {},
    optional={
        "bold": strategies.booleans(),
        "underline": one_of("none", "single", "double"),
        "width": one_of("single", "double", "quadruple"),
        "rotate": one_of("none", "ninety", "upsideDown", "twoSeventy"),
        "lineSpacing": one_of("standard", "triple"),
        "script": one_of("superscript", "subscript"),
    },
)
FONT = strategies.fixed_dictionaries(
    {},
    optional={
        "name": one_of("Sans", "QR", "EAN13", "") | TEXT,
        **dict.fromkeys(("pointSize", "cpi", "lpi"), NUMBER),
    },
)
FIELD = strategies.fixed_dictionaries(
    {"position": PLACE, "size": SIZE},
    optional={
        "order": NUMBER,
        "follows": NAMES,
        "header": PAGES,
        "footer": PAGES | PAGES | PAGES | ODD_PAGES,
        "side": one_of("front", "back"),
        "index": strategies.fixed_dictionaries({"repeatCount": SIZES}, optional={"x": NUMBER, "y": NUMBER}),
        "fieldType": one_of("text", "text", "micr", "ocr", "msf", "barcode", "graphic", "pagemark"),
        "scaling": one_of("bestFit", "asIs", "maintainAspect"),
        "coercivity": one_of("auto", "low", "high"),
        "class": one_of("optional", "static", "required"),
        "access": one_of("read", "write", "readWrite"),
        "overflow": one_of("terminate", "truncate", "bestFit", "overwrite", "wordWrap"),
        "style": STYLE,
        "case": one_of("noChange", "upper", "lower"),
        "horizontal": one_of("left", "right", "center", "justify"),
        "vertical": one_of("bottom", "center", "top"),
        "color": COLORS,
        "font": FONT,
        "format": one_of("PNG", "") | TEXT,
        "initialValue": TEXT,
        "initialGraphic": one_of("iVBORw0KGgo=", "AAAA"),
    },
)
FRAME = strategies.fixed_dictionaries(
    {"position": PLACE, "size": SIZE},
    optional={
        "frames": NAMES,
        "header": PAGES,
        "repeat": strategies.fixed_dictionaries(
            dict.fromkeys(("repeatCountX", "offsetX", "repeatCountY", "offsetY"), NUMBER)
        ),
        "fieldType": one_of("rectangle", "roundedCorner", "ellipse"),
        "class": one_of("static", "optional"),
        "overflow": one_of("terminate", "truncate", "bestFit"),
        "fillStyle": one_of("none", "solid", "cross"),
        "fillColor": COLORS,
        "substSign": one_of("*", "\n*", "𝄞"),
        "title": TEXT,
    },
)
ALIGNMENT = strategies.fixed_dictionaries(
    {"relative": one_of("topLeft", "topRight", "bottomLeft", "bottomRight")},
    optional={"x": NUMBER, "y": NUMBER},
)
VERSION = strategies.fixed_dictionaries(
    {"version": one_of("1", "1.2", "3.99999999999")}, optional={"date": TEXT, "author": TEXT}
)


@strategies.composite
def fields(draw: strategies.DrawFn) -> dict[str, Any]:
    """Fields of which most can be: they follow another one, and have an order of their own."""
    names = draw(strategies.lists(NAMES.filter(str.strip), min_size=1, max_size=4, unique=True))
    found = {}
    for number, name in enumerate(names):
        one = draw(FIELD)
        if "follows" in one and draw(strategies.integers(0, 9)):
            one["follows"] = draw(one_of(*names[:number] or ["f"]))
        if "order" in one and draw(strategies.integers(0, 9)):
            one["order"] = 7 * number % 4
        if one.get("fieldType") != "graphic":
            one.pop("initialGraphic", None)
        found[name] = one
    return found


FIELDS = fields()
FRAMES = strategies.dictionaries(NAMES, FRAME, max_size=2)
UNIT = strategies.fixed_dictionaries({"base": one_of("mm", "inch", "rowColumn"), "x": SIZES, "y": SIZES})
SUB_FORM = strategies.fixed_dictionaries(
    {"position": PLACE, "size": SIZE}, optional={"fields": FIELDS, "frames": FRAMES}
)
FORM = strategies.fixed_dictionaries(
    {
        "unit": one_of({"base": "mm", "x": 1, "y": 1}, {"base": "rowColumn", "x": 1, "y": 1}) | UNIT,
        "size": one_of({"width": 40, "height": 60}) | SIZE,
        "fields": FIELDS,
    },
    optional={
        "alignment": ALIGNMENT,
        "orientation": one_of("portrait", "landscape"),
        "skew": strategies.integers(0, 359),
        "version": VERSION,
        **dict.fromkeys(("cpi", "lpi", "pointSize"), strategies.integers(1, 20)),
        **dict.fromkeys(("copyright", "title", "comment", "userPrompt"), TEXT),
        "frames": FRAMES,
        "subForms": strategies.dictionaries(NAMES, SUB_FORM, max_size=2),
    },
)  # fmt: skip
AREA = strategies.fixed_dictionaries({"x": NUMBER, "y": NUMBER, "width": SIZES, "height": SIZES})
MEDIA = strategies.fixed_dictionaries(
    {"unit": one_of({"base": "mm", "x": 1, "y": 1}) | UNIT, "size": one_of({"width": 80}) | SIZE},
    optional={
        "mediaType": one_of("generic", "passbook", "multipart"),
        "source": one_of("any", "upper", "aux", "bypassTray"),
        "printArea": AREA,
        "restricted": AREA,
        "fold": one_of("horizontal", "vertical"),
        **dict.fromkeys(("staggering", "page", "lines"), SIZES),
    },
)
SCRAPS = strategies.recursive(
    one_of(None, True, "", -1, 1.5, 2**70, "ALL", []),
    lambda inner: strategies.lists(inner, max_size=2) | strategies.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


def broken(definition: Any, path: float, scrap: Any) -> Any:
    """A definition in which something else stands in the place of one of its parts."""
    if not isinstance(definition, dict) or not definition or path < 0.1:
        return scrap
    names = list(definition)
    name = names[int(path * 7919) % len(names)]
    return {**definition, name: broken(definition[name], path * 7.919 % 1, scrap)}


HOSTILE = strategies.builds(broken, FORM | MEDIA, strategies.floats(0, 1, exclude_max=True), SCRAPS)
VALUES = strategies.dictionaries(NAMES, TEXT | strategies.lists(TEXT, max_size=3), max_size=3)


def code_of(completion: dict[str, Any]) -> str:
    code = outcome(completion)
    return str(completion["payload"]["errorCode"]) if code == "commandErrorCode" else code


def without_order(form: dict[str, Any]) -> dict[str, Any]:
    """As the form language has it: the order of fields is that in which they stand."""
    found = dict(form)
    if "fields" in found:
        found["fields"] = {
            name: {key: value for key, value in one.items() if key != "order"}
            for name, one in found["fields"].items()
        }
    if "subForms" in found:
        found["subForms"] = {name: without_order(one) for name, one in found["subForms"].items()}
    return found


_SILENT = {"none", "standard", False, None}
_FILLED: dict[str, dict[str, Any]] = {
    "alignment": {"x": 0, "y": 0},
    "version": {"date": "", "author": ""},
    "index": {"x": 0, "y": 0},
}
"""What the form language writes where other values of a keyword stand behind or before it."""


def said(content: Any) -> Any:
    """A definition as the form language says it: what is as if it were not there is the same as nothing."""
    if not isinstance(content, dict):
        return content
    found = {name: said(value) for name, value in content.items()}
    for name, absent in _FILLED.items():
        if isinstance(found.get(name), dict):
            found[name] = absent | found[name]
    version = found.get("version")
    if isinstance(version, dict) and "." not in version.get("version", "."):
        found["version"] = {**version, "version": version["version"] + ".0"}
    if isinstance(found.get("style"), dict):
        style = {name: one for name, one in found["style"].items() if one not in _SILENT}
        found["style"] = {name: one for name, one in style.items() if (name, one) != ("width", "single")}
    return {name: value for name, value in found.items() if value != {}}


async def loaded_again(client: Dialogue, older: Dialogue, form: dict[str, Any]) -> bool:
    """Load a form that was taken from text, and see that it is the same; whether it can be said."""
    try:
        text = form_text("again", form)
    except CannotBeSaid:
        return False
    load = {"definition": text, "overwrite": True}
    done = await older.completion(LOAD, load)
    assert code_of(done) == "success", (text, done)
    again = (await client.success("Printer.GetQueryForm", {"formName": "again"}))["form"]
    assert said(without_order(again)) == said(without_order(form)), text
    return True


async def printed(client: Dialogue, form: str, values: Any) -> None:
    done = await client.completion("Printer.PrintForm", {"formName": form, "fields": values})
    assert code_of(done) in PRINTED, done
    client.passed.clear()


@hypothesis.given(strategies.lists(strategies.tuples(FORM, VALUES), min_size=1, max_size=8))
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_forms_are_refused_for_a_reason_or_kept_as_they_are(forms: list[tuple[Any, Any]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            device = Everything()
            device.media_inserted()
            client = await serving(device, nursery)
            older = [await another(client, nursery, version) for version in ("2021-1", "2023-2")]
            for form, values in forms:
                done = await client.completion(SET, {"name": "F", "form": form})
                if code_of(done) != "success":
                    assert code_of(done) in REASONS | {"invalidData"}, done
                    assert len(done["header"]["errorDescription"]) < 1_000
                    continue
                hypothesis.event("taken")
                told = (await client.success("Printer.GetQueryForm", {"formName": "F"}))["form"]
                assert told == form
                fields = await client.success("Printer.GetQueryField", {"formName": "F"})
                assert form["fields"].items() <= fields["fields"].items()
                for one in older:
                    for name in ("Printer.GetQueryForm", "Printer.GetQueryField"):
                        await one.success(name, {"formName": "F"})
                await printed(client, "F", values)
                if await loaded_again(client, older[1], form):
                    hypothesis.event("said")
                    await printed(client, "again", values)
            nursery.cancel_scope.cancel()

    trio.run(main)


@hypothesis.given(strategies.lists(MEDIA, min_size=1, max_size=8))
@hypothesis.settings(max_examples=40, deadline=None)
def test_media_are_refused_for_a_reason_or_kept_as_they_are(media: list[Any]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client = await serving(Everything(), nursery)
            older = await another(client, nursery, "2023-2")
            for one in media:
                done = await client.completion(SET_MEDIA, {"name": "M", "media": one})
                if code_of(done) != "success":
                    assert code_of(done) in REASONS | {"invalidData"}, done
                    continue
                assert (await client.success("Printer.GetQueryMedia", {"name": "M"}))["media"] == one
                await older.success("Printer.GetQueryMedia", {"mediaName": "M"})
                try:
                    text = media_text("again", one)
                except CannotBeSaid:
                    continue
                await older.success(LOAD, {"definition": text, "overwrite": True})
                again = (await client.success("Printer.GetQueryMedia", {"name": "again"}))["media"]
                assert again == one
            nursery.cancel_scope.cancel()

    trio.run(main)


@hypothesis.given(strategies.lists(HOSTILE, min_size=1, max_size=10))
@hypothesis.settings(max_examples=40, deadline=None)
def test_definitions_with_something_else_in_them_are_refused_or_kept(definitions: list[Any]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client = await serving(Everything(), nursery)
            for definition in definitions:
                for name, key in ((SET, "form"), (SET_MEDIA, "media")):
                    done = await client.completion(name, {"name": "F", key: definition})
                    allowed = {"success", "invalidData", "formNotFound", "mediaNotFound", *REASONS}
                    assert code_of(done) in allowed, done
            names = (await client.success("Printer.GetFormList"))["formList"]
            assert names in ([], ["F"])
            for name in names:
                assert re.search(
                    "unit", str(await client.success("Printer.GetQueryForm", {"formName": name}))
                )
            nursery.cancel_scope.cancel()

    trio.run(main)
