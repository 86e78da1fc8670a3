"""No property of a form, of its parts or of a media is ignored: each value makes a difference.

What properties there are is the catalogue's list, and the form language's; `form_properties` has a case for
each.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from typing import Any

import pytest
import trio
from form_properties import FIELD, FORM, FRAME, MEDIA, SUB_FORM, Case, placed

from dialogue import Dialogue, outcome
from printers import Receipts
from traffic import catalogue
from vendors import serving
from xfs4iot import devices
from xfs4iot.devices import Paper, PrintFont, PrintPage, PrintStripe
from xfs4iot.interfaces.forms import printer_language
from xfs4iot.interfaces.forms.grammar import Block, CannotBeSaid
from xfs4iot.printing.pages import Head
from xfs4iot.protocol.versions import NEWEST

PARTS: dict[str, dict[str, Case]] = {
    "": FORM,
    "fields.*": FIELD,
    "frames.*": FRAME,
    "subForms.*": SUB_FORM,
    "subForms.*.fields.*": FIELD,
    "subForms.*.frames.*": FRAME,
    "media": MEDIA,
}
"""The cases by the part of a form, or the media, that their properties belong to."""
UNSAID = {"initialGraphic", "order"}
"""What the form language has no keyword for: pictures stand in INITIALVALUE, the order is the text's."""

PLAIN = (False, "none", "standard", "single")
"""Values of styles that are the same as none, which is what the form language says for them."""


class Everything(Receipts):
    """A printer that can do everything, and on which one can look at what was printed."""

    paper_sources = dict.fromkeys(("upper", "lower"), Paper(80_000, 70_000, 2_000, 2_000, 2_000, 2_000))
    barcodes = frozenset({"QR", "CODE39"})
    graphics = frozenset({"png", "bmp"})
    colors = fonts = styles = point_sizes = cpi = None
    reads = frozenset({"ocr", "micr", "msf", "barcode", "pageMark"})
    writes = frozenset({"text", "ocr", "micr", "msf"})
    coercivities = frozenset({"auto", "low", "high"})
    print_sides = "dual"
    multi_page = True
    head = Head(color=True)

    def __init__(self, inserts: bool) -> None:
        super().__init__()
        self.wanted: Any = None
        if inserts:
            self.paper_sources, self.inserted = {}, (Paper(80_000, 70_000),)

    def measure(self, text: str, font: PrintFont) -> int:
        return self.head.measure(text, font)

    async def accept_media(self, events: Any) -> None:
        pass

    async def stop_accepting(self) -> None:
        pass

    async def read_form(self, fields: tuple[devices.ReadWanted, ...], events: Any) -> tuple[str, ...]:
        self.wanted = fields
        return tuple("read" for _ in fields)

    def looks(self, page: PrintPage) -> tuple[str, ...]:
        """What a page looks like, each side."""
        drawn = [self.head.draw(page, side).finished() for side in ("front", "back")]
        return tuple(f"{one.size} {hashlib.sha256(one.tobytes()).hexdigest()}" for one in drawn)


@cache
def properties(part: str) -> Mapping[str, tuple[Any, ...]]:
    """The properties that the catalogue has of a part, with the values that it lists."""
    commands = catalogue(NEWEST)["interfaces"]["Printer"]["commands"]
    if part == "media":
        schema, steps = commands["SetMedia"]["payload"]["properties"]["media"], []
    else:
        schema, steps = commands["SetForm"]["payload"]["properties"]["form"], part.split(".")
    for step in filter(None, steps):
        schema = resolved(schema)
        schema = schema["additionalProperties"] if step == "*" else schema["properties"][step]
    return dict(leaves(schema, ""))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one:
            return resolved(catalogue(NEWEST)["definitions"][one["$ref"].removeprefix("#/definitions/")])
    return schema


def leaves(schema: dict[str, Any], path: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    schema = resolved(schema)
    if "properties" not in schema:
        # Parts by name have cases of their own.
        if "additionalProperties" not in schema:
            yield path, tuple(one for one in schema.get("enum", ()) if one is not None)
        return
    for name, one in schema["properties"].items():
        yield from leaves(one, f"{path}.{name}" if path else name)


def merged(content: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(content)
    for other in others:
        for name, one in other.items():
            found[name] = merged(found[name], one) if isinstance(one, dict) and name in found else one
    return found


def at(path: str, value: Any) -> dict[str, Any]:
    """A definition with one property."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def definitions(part: str, path: str, case: Case, value: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A form, and the media to print it on, in which a property has a value."""
    one = merged(case.around, at(path, value))
    field, frame, sub_form = placed(2, 2, overflow="truncate"), placed(2, 2), placed(0, 0, 70, 60)
    if part.endswith("fields.*"):
        field = merged(field, {} if "overflow" in one else {"overflow": "wordWrap"}, one)
        if "follows" in one:
            del field["position"]
    elif part.endswith("frames.*"):
        frame = merged(frame, one)
        if "frames" in one:
            del frame["position"]
    fields, frames = merged({"f": field}, case.fields), case.frames
    if part.endswith("frames.*"):
        frames = {**frames, "r": frame}
    content: dict[str, Any] = {"fields": fields, **({"frames": frames} if frames else {})}
    if part.startswith("subForms"):
        content = {"subForms": {"s": merged(sub_form, one if part == "subForms.*" else {}, content)}}
    form = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 70, "height": 60}}
    form = merged(form, case.form, one if part == "" else {}, content)
    media = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 75, "height": 65}}
    return form, merged(media, case.media, one) if part == "media" else None


async def shown(
    client: Dialogue, device: Everything, form: Any, media: Any, prints: tuple[Any, ...]
) -> dict[str, Any]:
    """Set, print and read a form: what is seen of it, by where that is."""
    found: dict[str, Any] = {name: [] for name in ("paper", "job", "read", "prompt", "told")}
    name = {"mediaName": "M"} if media is not None else {}
    if media is not None:
        assert (
            outcome(await client.completion("Printer.SetMedia", {"name": "M", "media": media})) == "success"
        )
        found["told"].append((await client.success("Printer.GetQueryMedia", {"name": "M"}))["media"])
    set_ = await client.completion("Printer.SetForm", {"name": "F", "form": form})
    if outcome(set_) != "success":
        assert outcome(set_) == "commandErrorCode", set_
        ended = set_["payload"]["errorCode"]
        return {name: [ended] for name in found}
    found["told"].append((await client.success("Printer.GetQueryForm", {"formName": "F"}))["form"])
    for fields in prints:
        client.passed.clear()
        device.jobs.clear()
        request = {"formName": "F", "fields": fields, **name}
        done = await client.completion("Printer.PrintForm", request)
        ended = [outcome(done), (done.get("payload") or {}).get("errorCode")]
        for one in client.passed:
            if one["header"]["type"] == "event":
                at = "prompt" if "NoMedia" in one["header"]["name"] else "paper"
                found[at].append(one.get("payload"))
        found["paper"].append(ended)
        for job in device.jobs:
            found["paper"].append([device.looks(page) for page in job.pages])
            found["job"].append(repr(job))
            found["job"] += [
                one.data for page in job.pages for one in page.front if isinstance(one, PrintStripe)
            ]
        found["job"].append(ended)
        device.media_at("notPresent")
    client.passed.clear()
    read = await client.completion("Printer.ReadForm", {"formName": "F", "fieldNames": ["f"], **name})
    found["read"] = [*found["paper"], outcome(read)]
    found["read"] += [one.get("payload") for one in client.passed if one["header"]["type"] == "event"]
    device.media_at("notPresent")
    return found


CASES = [(part, path) for part, cases in PARTS.items() for path in cases]


@pytest.mark.parametrize("part", PARTS)
def test_there_is_a_case_for_every_property_of_the_catalogue(part: str) -> None:
    assert set(PARTS[part]) == set(properties(part))
    for path, case in PARTS[part].items():
        listed = properties(part)[path]
        assert case.values or len(listed) > 1, f"{path} has no values that could be told apart"
        assert bool(case.why) == (case.seen != "paper"), path


@pytest.mark.parametrize(("part", "path"), CASES)
async def test_every_value_of_a_property_makes_a_difference(
    part: str, path: str, nursery: trio.Nursery
) -> None:
    case = PARTS[part][path]
    device = Everything(inserts=case.seen in ("prompt", "read"))
    client = await serving(device, nursery)
    found = {}
    for value in case.values or properties(part)[path]:
        form, media = definitions(part, path, case, value)
        found[value] = await shown(client, device, form, media, case.prints)
    for one, other in combinations(found, 2):
        assert found[one][case.seen] != found[other][case.seen], (one, other)
    if case.seen != "paper":
        # What is said of these is true: there are two that look the same.
        assert any(found[one]["paper"] == found[other]["paper"] for one, other in combinations(found, 2))


def said(block: Block) -> set[str]:
    """The keywords of a block that mean something."""
    return {one.name for one in block.keywords if not one.ignored}


@pytest.mark.parametrize("part", PARTS)
def test_every_keyword_of_the_form_language_says_a_property_and_can_be_read_again(part: str) -> None:
    keywords: set[str] = set()
    for path, case in PARTS[part].items():
        for value in case.values or properties(part)[path]:
            form, media = definitions(part, path, case, value)
            content = form if media is None else media
            write = printer_language.form_text if media is None else printer_language.media_text
            try:
                text = write("N", content)
            except CannotBeSaid:
                assert path in UNSAID
                continue
            assert path not in UNSAID or path == "order", path
            keywords |= {line.split()[0] for line in text.splitlines() if line.split()}
            again = printer_language.read_definition(text).content
            back = value_at(again, part, path)
            unsaid = path == "order" or (path.startswith("style.") and value in PLAIN)
            assert back == value or (unsaid and back is None), text
    blocks = {
        "": printer_language.FORM,
        "media": printer_language.MEDIA,
        "subForms.*": printer_language.SUBFORM,
        "fields.*": printer_language.FIELD,
        "frames.*": printer_language.FRAME,
    }
    block = blocks.get(part) or blocks[part.removeprefix("subForms.*.")]
    assert said(block) <= keywords


def value_at(content: dict[str, Any], part: str, path: str) -> Any:
    for kind, name in (("fields", "f"), ("frames", "r"), ("subForms", "s")):
        part = part.replace(f"{kind}.*", f"{kind}.{name}")
    found: Any = content
    for step in filter(None, f"{part.removeprefix('media')}.{path}".split(".")):
        found = found.get(step) if isinstance(found, dict) else None
    return found
