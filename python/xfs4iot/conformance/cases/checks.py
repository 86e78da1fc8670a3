"""Check and Deposit: media that is not there, and transactions that were not begun."""

from __future__ import annotations

from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.rules import Undo, refuses, waits
from xfs4iot.conformance.target import Conversation, Target

_NO_MEDIA = {"check.media": ("notPresent",), "check.stacker": ("empty", "notSupported")}
_IMAGE = {"source": "front", "type": "tif", "colorFormat": "binary", "scanColor": "white"}
_IF_A_CHEQUE = "nothing, unless somebody puts a cheque in"


async def _idle(target: Target) -> dict[str, object]:
    """An empty payload, if no transaction is active."""
    async with target.conversation() as talk:
        told = await talk.call("Check.GetTransactionStatus")
    if told.payload.get("mediaInTransaction") in ("active", "unknown"):
        raise NotApplicable("a transaction is active, or it cannot be known")
    return {}


for _number, (_command, _codes) in enumerate(
    {
        "Check.MediaInEnd": ("noMedia", "sequenceError"),
        "Check.MediaInRollback": ("noMedia", "sequenceError"),
        "Check.PresentMedia": ("noMedia", "sequenceError", "unsupportedCommand", "invalidData"),
        "Check.RetractMedia": ("noMediaPresent", "sequenceError"),
        "Check.ExpelMedia": ("noItems", "sequenceError"),
    }.items(),
    1,
):
    refuses(
        f"CHK-ORDER-0{_number}N", f"{_command} needs media",
        _command, _idle, *_codes, level="moves", state=_NO_MEDIA,
    )  # fmt: skip
refuses(
    "CHK-IMAGE-01N", "An item that is not there has no image",
    "Check.ReadImage",
    {"mediaID": 9999, "image": [_IMAGE]},
    "invalidMediaID", "noMedia", "sequenceError", "unsupportedData", "invalidData", level="moves",
)  # fmt: skip
refuses(
    "CHK-PARAMETERS-01N", "An item that is not there has no destination",
    "Check.SetMediaParameters", {"mediaID": 9999, "destination": "customer"},
    "invalidMediaID", "noItems", "sequenceError", level="moves",
)  # fmt: skip


async def _over(talk: Conversation) -> None:
    told = await talk.call("Check.GetTransactionStatus")
    if told.payload.get("mediaInTransaction") == "active":
        await talk.call("Check.MediaInRollback")


_end: Undo = _over
waits("CHK-MEDIAIN", "Check.MediaIn", {}, level="moves", moves=_IF_A_CHEQUE, state=_NO_MEDIA, after=_end)
waits("DEP-ENTRY", "Deposit.Entry", {}, level="moves", moves="the shutter opens and closes")
refuses(
    "DEP-RETRACT-01N", "No envelope can be retracted when none is there",
    "Deposit.Retract", {}, "noEnv", "unsupportedCommand", "unsupportedData", level="moves",
)  # fmt: skip


@case("CHK-STATUS-01P", "Outside of a transaction nothing is on the stacker",
      cites="CWA 17852, Check.GetTransactionStatus", interface="Check",
      command="Check.GetTransactionStatus")  # fmt: skip
async def nothing_on_the_stacker(target: Target) -> None:
    await _idle(target)
    async with target.conversation() as talk:
        told = await talk.call("Check.GetTransactionStatus")
    if told.code != "success":
        raise Deviates("success", told.told())
    if (count := told.payload.get("mediaOnStacker")) not in (None, "0", "unknown"):
        raise Deviates("mediaOnStacker 0", str(count))
