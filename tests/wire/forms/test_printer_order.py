"""Printer over the wire: the order of its checks, and payloads of nobody's making."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio

from dialogue import another, outcome
from order import Break, Command, Pair, Walk, pairs, walks
from printers import ReceiptsWithBins, Scribe, form
from vendors import serving
from xfs4iot import devices
from xfs4iot.interfaces.forms.printer import Printer

MM: dict[str, Any] = {"base": "mm", "x": 1, "y": 1}
GOOD = form({"f": (0, 0, 5, 1), "r": (0, 1, 5, 1, {"access": "read", "fieldType": "ocr"})})
WIDE: dict[str, Any] = {"unit": MM, "size": {"width": 80}}
BOLD = {"f": {"position": {"x": 0, "y": 0}, "size": {"width": 5, "height": 1}, "style": {"bold": True}}}


class Everything(ReceiptsWithBins, Scribe):  # type: ignore[misc]
    """A printer that can do all that any can."""

    paper_sources = {"upper": devices.Paper(80_000)}  # noqa: RUF012
    controls = ReceiptsWithBins.controls | Scribe.controls
    max_media_on_stacker = 2
    styles = frozenset()
    fonts = None
    orientations = frozenset({"portrait"})


def rules(device: Any) -> Printer:
    found: Printer = device._host.interface(Printer)
    return found


async def offline(device: Any) -> None:
    device.status.common.device = "offline"


async def present(device: Any) -> None:
    device.media_at("present")


async def absent(device: Any) -> None:
    device.media_at("notPresent")


async def full_bins(device: Any) -> None:
    for unit in ("unitBIN1", "unitBIN2"):
        device.unit_changed(unit, "inoperative")


async def full_stacker(device: Any) -> None:
    device.status.printer.media_on_stacker = 2


async def narrower(device: Any) -> None:
    device.paper_sources = {"upper": devices.Paper(70_000)}
    device.inserted = ()


async def turned(device: Any) -> None:
    device.orientations = frozenset({"landscape"})
    rules(device)._ready.clear()


async def blind(device: Any) -> None:
    device.extents = frozenset()


READY = Break(before=offline)
FORM = {
    "given formName": Break({"formName": None}, says="formName"),
    "form_exists": Break({"formName": "X"}, says="no such form"),
    "form_fits": Break(before=turned, says="portrait"),
    "media_exists": Break({"mediaName": "X"}, says="no such media"),
    "media_fits": Break({"mediaName": "M"}, before=narrower, says="larger"),
    "control_supported": Break({"mediaControl": {"perforate": True}}),
    "device_ready": READY,
    "bin_has_room": Break({"mediaControl": {"move": "retract"}}, before=full_bins),
    "stacker_has_room": Break({"mediaControl": {"cut": True}}, before=full_stacker),
}
SOURCE = Break({"paperSource": "aux"}, before=absent)
ONE_DEFINITION = "one definition stands where the other would"
ONE_NAME = "one name cannot be missing and be wrong"
ORDER = {
    "Printer.GetQueryForm": Command(FORM, {"formName": "F"}, apart={"given formName": ONE_NAME}),
    "Printer.GetQueryField": Command(
        {**FORM, "field_exists": Break({"fieldName": "x"})},
        {"formName": "F", "fieldName": "f"},
        apart={"given formName": ONE_NAME},
    ),
    "Printer.GetQueryMedia": Command(
        {"given name": Break({"name": None}), "media_exists": Break({"name": "X"})},
        {"name": "M"},
        apart={"given name": ONE_NAME},
    ),
    "Printer.SetForm": Command(
        {
            "given name": Break({"name": None}, says="$.name"),
            "form_whole": Break({"form": {"unit": None}}, says="unit"),
            "form_sound": Break({"form": {"fields": BOLD}}),
            "form_to_delete_exists": Break({"form": None, "name": "X"}),
        },
        {"name": "F", "form": GOOD},
        apart={"form_sound": "a form cannot be given and be deleted"},
        together={"given name": Break({"name": None, "form": {"unit": None}}, says="$.name")},
    ),
    "Printer.SetMedia": Command(
        {
            "given name": Break({"name": None}, says="$.name"),
            "media_whole": Break({"media": {"unit": None}}, says="unit"),
            "media_sound": Break({"media": {"source": "aux"}}),
            "media_to_delete_exists": Break({"media": None, "name": "X"}),
        },
        {"name": "M", "media": WIDE},
        apart={"media_sound": "a media cannot be given and be deleted"},
    ),
    "Printer.LoadDefinition": Command(
        {
            "given definition": Break({"definition": None}),
            "definition_read": Break({"definition": "XFSFORM"}),
            "definition_new": Break({"definition": 'XFSMEDIA "M" BEGIN UNIT MM, 1, 1 SIZE 80, 0 END'}),
        },
        apart={"given definition": ONE_DEFINITION, "definition_read": ONE_DEFINITION},
    ),
    "Printer.PrintForm": Command(
        {
            **FORM,
            "resolution_supported": Break({"resolution": "veryHigh"}, says="$.resolution"),
            "source_exists": SOURCE,
            "values_fit": Break({"fields": {"x": "y"}}, code="fieldError"),
            "form_on_media": Break({"alignment": "topLeft", "offsetX": 1000}),
        },
        {"formName": "F", "fields": {}},
        apart={"given formName": ONE_NAME, "form_exists": "a form that does not exist fits nothing",
               "media_exists": ONE_NAME},
    ),
    "Printer.PrintRaw": Command(
        {"raw_data_given": Break({"data": None}), "device_ready": READY}, {"data": "AAAA"}
    ),
    "Printer.PrintNative": Command(
        {**FORM, "native_data_given": Break({"data": None}, says="$.data"), "source_exists": SOURCE},
        {"data": "AAAA"},
    ),
    "Printer.ReadForm": Command(
        {**FORM, "fields_readable": Break({"fieldNames": ["f"]}, code="fieldError")},
        {"formName": "F"},
        apart={"given formName": ONE_NAME, "form_exists": "a form that does not exist fits nothing",
               "media_exists": ONE_NAME},
    ),
    "Printer.ReadImage": Command(
        {"images_possible": Break({"passportDataGroup1": None}), "device_ready": READY},
        {"passportDataGroup1": True},
    ),
    "Printer.MediaExtents": Command(
        {
            "unit_given": Break({"unit": None}),
            "device_ready": READY,
            "extents_measured": Break(before=blind),
        },
        {"unit": MM},
    ),
    "Printer.ControlMedia": Command(
        {
            **FORM,
            "control_given": Break({"mediaControl": None}, says="names nothing"),
            "media_there": Break(before=absent),
        },
        {"mediaControl": {"move": "eject"}},
        before=present,
        apart={"control_given": "nothing that is wanted cannot be impossible"},
    ),
    "Printer.DispensePaper": Command(
        {
            "device_ready": READY,
            "source_to_draw_from": Break({"paperSource": "aux"}),
            "no_sheet_there": Break(before=present),
        },
        {"paperSource": "upper"},
    ),
    "Printer.RetractMedia": Command(
        {
            "place_known": Break({"mediaControl": "unitX"}),
            "device_ready": READY,
            "media_to_retract": Break(before=absent),
            "place_has_room": Break({"mediaControl": "unitBIN1"}, before=full_bins),
        },
        {"mediaControl": "unitBIN2"},
        before=present,
    ),
    "Printer.Reset": Command(
        {
            "place_known": Break({"mediaControl": "unitX"}),
            "place_has_room": Break({"mediaControl": "unitBIN1"}, before=full_bins),
            "device_ready": READY,
        },
        apart={"place_known": "a bin that does not exist cannot be full"},
    ),
    "Printer.ResetCount": Command(
        {"device_ready": READY, "bin_exists": Break({"binNumber": 7})},
    ),
    "Printer.ControlPassbook": Command(
        {
            "action_possible": Break({"action": "closeBackward"}),
            "device_ready": READY,
            "passbook_there": Break(before=absent),
        },
        {"action": "forward"},
        before=present,
    ),
    "Printer.SetBlackMarkMode": Command(
        {"given blackMarkMode": Break({"blackMarkMode": None}), "device_ready": READY},
        {"blackMarkMode": True},
    ),
    "Printer.SupplyReplenish": Command(
        {"supplies_named": Break({"aux": True}), "device_ready": READY}, {"upper": True}
    ),
}  # fmt: skip


@pytest.fixture
def device() -> Everything:
    return Everything()


@pytest.mark.parametrize("pair", pairs(Printer, ORDER), ids=str)
async def test_the_first_of_two_failing_checks_answers(
    pair: Pair, device: Everything, nursery: trio.Nursery
) -> None:
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": GOOD})
    await client.success("Printer.SetMedia", {"name": "M", "media": WIDE})
    await pair.prove(client, device)


APART = {
    "Printer.LoadDefinition success": "older clients name a file, newer ones give the form itself",
    "Printer.MediaExtents": "nobody inserts a medium",
    "Printer.ReadForm": "nobody inserts a medium",
}
"""What an older client is not answered here, and why."""


@pytest.mark.parametrize("walk", walks(Printer, ORDER, APART), ids=str)
async def test_older_clients_are_answered_alike(
    walk: Walk, device: Everything, nursery: trio.Nursery
) -> None:
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": GOOD})
    await client.success("Printer.SetMedia", {"name": "M", "media": WIDE})
    await walk.prove(client, device, device)


WORDS: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 1.5, "", "F", "M", "upper", "unitBIN1", "eject", "AAAA"),
    *([], ["f"], {}, {"f": "x"}, {"f": ["x", "y"]}, {"move": "eject"}, {"flush": False}),
    *(MM, GOOD, WIDE, {"width": 1, "height": 1}),
]
NAMES = """
    formName mediaName fieldName fieldNames name form media mediaControl paperSource fields alignment offsetX
    offsetY resolution data inputData unit frontImage backImage action count blackMarkMode upper toner lamp
    binNumber definition overwrite
"""


@pytest.mark.parametrize("seed", range(4))
async def test_no_payload_stops_the_service(seed: int, device: Everything, nursery: trio.Nursery) -> None:
    chance = random.Random(seed)
    device.inserted_media.set()
    client = await serving(device, nursery)
    await client.success("Printer.SetForm", {"name": "F", "form": GOOD})
    commands = [mark.command for mark in Printer.handled()]
    for _ in range(150):
        names = chance.sample(NAMES.split(), chance.randint(0, 5))
        payload = {name: chance.choice(WORDS) for name in names}
        if chance.random() < 0.7:
            payload["formName"] = "F"
        completion = await client.completion(chance.choice(commands), payload)
        assert outcome(completion) not in ("internalError",), (completion, payload)
    other = await another(client, nursery)
    assert await other.success("Common.Status")
