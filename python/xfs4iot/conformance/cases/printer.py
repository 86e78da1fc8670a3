"""Printer: forms and media that are there, and paper that is not."""

from __future__ import annotations

import base64
from typing import Any

from xfs4iot.conformance.attended import seen
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import refuses
from xfs4iot.conformance.target import OLDEST, Target
from xfs4iot.protocol import versions

_NOTHING = {"printer.media": ("notPresent", "notSupported")}
_NO_FORM = "formNotThere"

refuses(
    "PRT-FORM-01N", "A form that is not there is formNotFound",
    "Printer.GetQueryForm", {"formName": _NO_FORM}, "formNotFound",
)  # fmt: skip
refuses(
    "PRT-FORM-02N", "A field of a form that is not there is formNotFound",
    "Printer.GetQueryField", {"formName": _NO_FORM, "fieldName": "fieldNotThere"}, "formNotFound",
)  # fmt: skip


async def _no_media(target: Target) -> dict[str, str]:
    return {"mediaName" if target.specification == OLDEST else "name": "mediaNotThere"}


refuses(
    "PRT-MEDIA-01N", "A media that is not there is mediaNotFound",
    "Printer.GetQueryMedia", _no_media, "mediaNotFound",
)  # fmt: skip
refuses(
    "PRT-PRINT-01N", "A form that is not there cannot be printed",
    "Printer.PrintForm", {"formName": _NO_FORM, "mediaName": "mediaNotThere", "fields": {}},
    "formNotFound", "mediaNotFound", level="moves",
)  # fmt: skip


async def _eject(target: Target) -> dict[str, Any]:
    """The payload of ControlMedia that ejects: since 2024-3 what moves is one choice."""
    return {"mediaControl": {"move": "eject"} if target.specification == versions.NEWEST else {"eject": True}}


refuses(
    "PRT-CONTROL-01N", "What was not printed cannot be ejected",
    "Printer.ControlMedia", _eject, "noMediaPresent", "invalidData", "unsupportedData",
    level="moves", state=_NOTHING,
)  # fmt: skip
refuses(
    "PRT-RETRACT-01N", "Nothing can be retracted when nothing is there",
    "Printer.RetractMedia", {}, "noMediaPresent", "invalidData", level="moves", state=_NOTHING,
)  # fmt: skip
refuses(
    "PRT-LOAD-01N", "A definition that is none is refused",
    "Printer.LoadDefinition", {"definition": "this is no definition", "overwrite": False},
    "formInvalid", "mediaInvalid", level="destructive",
)  # fmt: skip


@case("PRT-FORMLIST-01P", "Each form that is listed can be asked for",
      cites="CWA 17852, Printer.GetFormList and GetQueryForm", interface="Printer",
      command="Printer.GetFormList")  # fmt: skip
async def forms(target: Target) -> None:
    await _listed(target, "Printer.GetFormList", "formList", "Printer.GetQueryForm", "formName")


@case("PRT-MEDIALIST-01P", "Each media that is listed can be asked for",
      cites="CWA 17852, Printer.GetMediaList and GetQueryMedia", interface="Printer",
      command="Printer.GetMediaList")  # fmt: skip
async def media(target: Target) -> None:
    name = "mediaName" if target.specification == OLDEST else "name"
    await _listed(target, "Printer.GetMediaList", "mediaList", "Printer.GetQueryMedia", name)


async def _listed(target: Target, listing: str, property: str, query: str, argument: str) -> None:
    target.requires(query)
    async with target.conversation() as talk:
        names = (await talk.call(listing)).payload.get(property) or []
        if not names:
            raise NotApplicable(f"{listing} lists none")
        for name in names[:20]:
            answer = await talk.call(query, {argument: name})
            if answer.code != "success":
                raise Deviates(f"{query} of {name} to succeed", answer.told())


@case("PRT-TAKE-01P", "What was printed, ejected and taken is told by MediaTakenEvent, and in the status",
      cites="CWA 17852, Printer.MediaTakenEvent", interface="Printer", level="moves",
      moves="a line is printed and ejected", command="Printer.PrintRaw",
      attended="takes what is printed")  # fmt: skip
async def printout_taken(target: Target) -> None:
    target.requires("Printer.ControlMedia")
    text = base64.b64encode(b"conformance\n").decode()
    async with target.conversation() as talk:
        if (media := await talk.status("printer", "media")) not in _NOTHING["printer.media"]:
            raise NotApplicable(f"media is {media}")
        printed = await talk.call("Printer.PrintRaw", {"inputData": "no", "data": text})
        if printed.code != "success":
            raise NotApplicable(f"plain text cannot be printed: {printed.told()}: {printed.description}")
        answer = await talk.call("Printer.ControlMedia", await _eject(target))
        if answer.code != "success":
            raise NotApplicable(f"it cannot be ejected: {answer.told()}: {answer.description}")
        await seen(target, talk, Act("takePrintout", "take what was printed"), "Printer.MediaTakenEvent")
        if (media := await talk.status("printer", "media")) == "present":
            raise Deviates("media notPresent", str(media))
