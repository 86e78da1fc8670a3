"""CardReader: cards that are not there, chips that cannot be asked, and reads that wait."""

from __future__ import annotations

from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.rules import refuses, waits
from xfs4iot.conformance.target import Target

_NO_CARD = {"cardReader.media": ("notPresent",)}
_IF_A_CARD = "nothing, unless somebody puts a card in"

waits("CR-READ", "CardReader.ReadRawData", {"track2": True}, level="moves", moves=_IF_A_CARD, state=_NO_CARD)
refuses(
    "CR-MOVE-01N", "No card can be moved when none is there",
    "CardReader.Move", {"from": "transport", "to": "exit"}, "noMedia", "unsupportedData", "invalidData",
    level="moves", moves="nothing, unless there is a card", state=_NO_CARD,
)  # fmt: skip
refuses(
    "CR-MOVE-02N", "A card cannot be moved to a unit that is not there",
    "CardReader.Move", {"from": "exit", "to": "unitNotThere"}, "invalidData", "unsupportedData",
    level="moves", moves="nothing, unless there is a card", state=_NO_CARD,
)  # fmt: skip
refuses(
    "CR-CHIPIO-01N", "A chip cannot be asked when no card is there",
    "CardReader.ChipIO", {"chipProtocol": "chipT1", "chipData": "AKQEAA=="},
    "noMedia", "protocolNotSupported", "unsupportedData",
    level="moves", state=_NO_CARD,
)  # fmt: skip
refuses(
    "CR-CHIPPOWER-01N", "A chip cannot be reset when no card is there",
    "CardReader.ChipPower", {"chipPower": "warm"}, "noMedia", "chipPowerNotSupported", "unsupportedData",
    level="moves", state=_NO_CARD,
)  # fmt: skip


@case("CR-READ-01P", "A read that waits tells the application to ask for a card",
      cites="CWA 17852, CardReader.InsertCardEvent", interface="CardReader", level="moves", moves=_IF_A_CARD,
      command="CardReader.ReadRawData")  # fmt: skip
async def asks_for_a_card(target: Target) -> None:
    async with target.conversation() as talk:
        if await talk.status("cardReader", "media") != "notPresent":
            raise NotApplicable("there is a card, or it cannot be known")
        number = await talk.begin("CardReader.ReadRawData", {"track2": True}, 300)
        answer = await talk.answer(number)
    if answer.code != "timeOut":
        raise NotApplicable(f"it did not wait: {answer.told()}")
    if "CardReader.InsertCardEvent" not in [name for name, _ in answer.events]:
        raise Deviates("CardReader.InsertCardEvent", f"{[name for name, _ in answer.events]}")


@case("CR-QUERYIFM-01P", "The identifiers of the chip reader are told",
      cites="CWA 17852, CardReader.QueryIFMIdentifier", interface="CardReader",
      command="CardReader.QueryIFMIdentifier")  # fmt: skip
async def identifiers(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("CardReader.QueryIFMIdentifier")
    if answer.code != "success":
        raise Deviates("success", answer.told())
