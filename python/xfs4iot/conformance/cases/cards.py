"""CardReader: cards that are not there, chips that cannot be asked, and reads that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xfs4iot.conformance.attended import done, seen
from xfs4iot.conformance.case import case
from xfs4iot.conformance.outcome import Deviates, NotApplicable
from xfs4iot.conformance.person import Act
from xfs4iot.conformance.rules import holds, refuses, waits
from xfs4iot.conformance.target import Answer, Conversation, Target

_NO_CARD = {"cardReader.media": ("notPresent",)}
_IF_A_CARD = "nothing, unless somebody puts a card in"
_INSERT = Act("insertCard", "put a card with a magnetic stripe in")
_TAKE = Act("takeCard", "take the card")
_CARD = "a card is drawn in, read and given back"
_SOMEBODY = "puts a card in and takes it back"

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


@asynccontextmanager
async def _card(target: Target) -> AsyncIterator[tuple[Conversation, Answer]]:
    """A conversation while a card is in the reader, and how it was read; it is given back at the end."""
    async with target.conversation() as talk:
        await holds(talk, _NO_CARD)
        answer = await done(
            target, talk, _INSERT, "CardReader.ReadRawData", {"track2": True},
            asks="CardReader.InsertCardEvent",
        )  # fmt: skip
        try:
            answer.require_success("a card that is read")
            yield talk, answer
        finally:
            if await talk.status("cardReader", "media") == "present":
                await talk.call("CardReader.Move", {"from": "transport", "to": "exit"})
                if target.person is not None:
                    await target.person.please(_TAKE)
                    await talk.event("CardReader.MediaRemovedEvent", target.person.seconds)


async def _held(talk: Conversation) -> None:
    """Go on only if the card is kept until it is given back.

    Raises:
        NotApplicable: it is not: the reader is one for dipping or swiping.
    """
    if (media := await talk.status("cardReader", "media")) in ("notPresent", None):
        raise NotApplicable(f"a card is not kept by this reader: media is {media}")


@case("CR-CARD-01P", "Of a card that is put in, the tracks are read that were asked for, and no others",
      cites="CWA 17852, CardReader.ReadRawData", interface="CardReader", level="moves", moves=_CARD,
      command="CardReader.ReadRawData", attended=_SOMEBODY)  # fmt: skip
async def tracks(target: Target) -> None:
    async with _card(target) as (_, answer):
        track = answer.payload.get("track2")
        if not track or (track.get("status") in (None, "ok") and not track.get("data")):
            raise Deviates("track2, with its data or why there is none", f"{list(answer.payload)}")
        if others := {"track1", "track3", "chip"} & {
            name for name, told in answer.payload.items() if told is not None
        }:
            raise Deviates("track2 alone", f"also {', '.join(sorted(others))}")


@case("CR-CARD-02P", "A card that is put in is told by MediaInsertedEvent, and in the status",
      cites="CWA 17852, CardReader.MediaInsertedEvent", interface="CardReader", level="moves", moves=_CARD,
      command="CardReader.ReadRawData", attended=_SOMEBODY)  # fmt: skip
async def inserted(target: Target) -> None:
    async with _card(target) as (talk, answer):
        if "CardReader.MediaInsertedEvent" not in [name for name, _ in answer.events]:
            raise Deviates("CardReader.MediaInsertedEvent", f"{[name for name, _ in answer.events]}")
        await _held(talk)
        if (media := await talk.status("cardReader", "media")) != "present":
            raise Deviates("media present", str(media))


@case("CR-CARD-03P", "A card that is taken is told by MediaRemovedEvent, and in the status",
      cites="CWA 17852, CardReader.MediaRemovedEvent", interface="CardReader", level="moves", moves=_CARD,
      command="CardReader.Move", attended=_SOMEBODY)  # fmt: skip
async def removed(target: Target) -> None:
    async with _card(target) as (talk, _):
        await _held(talk)
        answer = await talk.call("CardReader.Move", {"from": "transport", "to": "exit"})
        answer.require_success("the card to be given back")
        await seen(target, talk, _TAKE, "CardReader.MediaRemovedEvent")
        if (media := await talk.status("cardReader", "media")) != "notPresent":
            raise Deviates("media notPresent", str(media))
