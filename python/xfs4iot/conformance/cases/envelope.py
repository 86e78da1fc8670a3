"""The envelope: what a message looks like, how it is acknowledged and completed."""

from __future__ import annotations

from typing import Any

from xfs4iot.conformance.case import case
from xfs4iot.conformance.frames import frame, frames
from xfs4iot.conformance.outcome import Advises, Deviates, NotApplicable
from xfs4iot.conformance.target import OLDEST, Conversation, Target, command_text
from xfs4iot.protocol import wire

_REFUSED = "invalidMessage"
_BAD_ID = "invalidRequestID"
_CITES = "CWA 17852, message header and acknowledge"


async def _refusal(talk: Conversation, text: str, status: str) -> None:
    """A message is acknowledged with an error status, and nothing follows; the connection stays.

    Raises:
        Deviates: it is taken, or the connection ends.
    """
    await talk.send(text)
    message = await talk.receive()
    while message["header"]["type"] in ("unsolicited", "event"):
        message = await talk.receive()
    said = {**(message.get("payload") or {}), **message["header"]}
    if said["type"] != "acknowledge" or said.get("status") in (None, "ok"):
        raise Deviates(f"an acknowledge with status {status}", f"{said['type']} {said.get('status') or ''}")
    await talk.nothing_more()
    answer = await talk.call("Common.Status")
    if answer.code != "success":
        raise Deviates("the connection to go on", answer.told())
    if said.get("status") != status:
        raise Advises(f"status {status}", str(said.get("status")))


def _header(target: Target, **changed: Any) -> str:
    header: dict[str, Any] = {"type": "command", "name": "Common.Status", "requestId": 1}
    if target.specification != OLDEST:
        header["version"] = "2.0"
    header |= changed
    content = {"header": {name: value for name, value in header.items() if value is not None}, "payload": {}}
    return wire.encode(content).decode()


@case("MSG-ACKNOWLEDGE-01P", "A command is acknowledged once, then completed once, with its request id",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def once(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.Status")
        if answer.code != "success":
            raise Deviates("Common.Status to be answered", answer.told())
        await talk.nothing_more()


@case("MSG-SUCCESS-01P", "Without an error there is no completionCode, and no status in the acknowledge",
      cites="CWA 17852 (2023-2 and 2024-3), completion header", interface="Envelope")  # fmt: skip
async def silent_success(target: Target) -> None:
    if target.specification == OLDEST:
        raise NotApplicable("2021-1 says success in the payload")
    async with target.conversation() as talk:
        await talk.send(command_text(target.specification, "Common.Status", 1))
        while True:
            header = (await talk.receive())["header"]
            for name in ("status", "completionCode"):
                if name in header and header[name] is not None:
                    raise Advises(f"no {name} where there is no error", f"{name} {header[name]}")
            if header["type"] == "completion":
                return


@case("MSG-ORDER-01P", "Several commands at once are each answered under their own request id",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def several(target: Target) -> None:
    async with target.conversation() as talk:
        numbers = [talk.next_id() for _ in range(8)]
        for number in numbers:
            await talk.send(command_text(target.specification, "Common.Status", number))
        for number in numbers:
            answer = await talk.answer(number)
            if answer.code != "success":
                raise Deviates("each of eight commands to be answered", answer.told())


@case("MSG-UNKNOWN-01P", "Properties that the standard does not name are ignored",
      cites="CWA 17852, extensibility of messages", interface="Envelope")  # fmt: skip
async def unknown_property(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Common.Status", {"somethingOfTomorrow": [1, {"a": None}]})
    if answer.code != "success":
        raise Deviates("the unknown property to be ignored", answer.told())


@case("MSG-LARGE-ID-01P", "A request id may be any positive integer of 31 bits",
      cites="CWA 17852, requestId", interface="Envelope")  # fmt: skip
async def large_id(target: Target) -> None:
    async with target.conversation() as talk:
        await talk.send(command_text(target.specification, "Common.Status", 2**31 - 1))
        answer = await talk.answer(2**31 - 1)
    if answer.code != "success":
        raise Deviates("Common.Status to be answered", answer.told())


@case("MSG-JSON-01N", "A text that is not JSON is acknowledged invalidMessage",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def not_json(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, "{not JSON", _REFUSED)


@case("MSG-JSON-02N", "A JSON text that is no object is acknowledged invalidMessage",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def no_object(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, '["header"]', _REFUSED)


@case("MSG-HEADER-01N", "A message without header is acknowledged invalidMessage",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def no_header(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, '{"payload":{}}', _REFUSED)


@case("MSG-HEADER-02N", "A header without name is acknowledged invalidMessage",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def no_name(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, _header(target, name=None), _REFUSED)


@case("MSG-TYPE-01N", "A client's message that is no command is acknowledged invalidMessage",
      cites=_CITES, interface="Envelope")  # fmt: skip
async def no_command(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, _header(target, type="completion"), _REFUSED)


@case("MSG-REQUESTID-01N", "A request id of 0 is acknowledged invalidRequestID",
      cites="CWA 17852, requestId", interface="Envelope")  # fmt: skip
async def zero_id(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, _header(target, requestId=0), _BAD_ID)


@case("MSG-REQUESTID-02N", "A request id that is a text is acknowledged invalidRequestID",
      cites="CWA 17852, requestId", interface="Envelope")  # fmt: skip
async def text_id(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, _header(target, requestId="one"), _BAD_ID)


@case("MSG-REQUESTID-03N", "A negative request id is acknowledged invalidRequestID",
      cites="CWA 17852, requestId", interface="Envelope")  # fmt: skip
async def negative_id(target: Target) -> None:
    async with target.conversation() as talk:
        await _refusal(talk, _header(target, requestId=-5), _BAD_ID)


@case("MSG-NAME-01N", "A command of no interface is not carried out, and the connection stays",
      cites="CWA 17852, unsupportedCommand", interface="Envelope")  # fmt: skip
async def unknown_command(target: Target) -> None:
    async with target.conversation() as talk:
        answer = await talk.call("Nothing.DoNothing")
        if answer.refused != _REFUSED and answer.code not in ("unsupportedCommand", "invalidCommand"):
            raise Deviates("completion unsupportedCommand or invalidCommand", answer.told())
        if (after := await talk.call("Common.Status")).code != "success":
            raise Deviates("the connection to go on", after.told())


@case("MSG-PAYLOAD-01N", "A payload that is no object is not carried out",
      cites="CWA 17852, payload; invalidData", interface="Envelope")  # fmt: skip
async def payload_no_object(target: Target) -> None:
    async with target.conversation() as talk:
        number = talk.next_id()
        text = command_text(target.specification, "Common.Cancel", number, payload=[1, 2])
        await talk.send(text)
        answer = await talk.answer(number)
        if answer.code == "success":
            raise Deviates("invalidMessage or invalidData", answer.told())
        if not answer.refused and answer.code != "invalidData":
            raise Advises("invalidMessage or invalidData", answer.told())


@case("MSG-DEEP-01N", "A message of very deep nesting does no harm",
      cites="CWA 17852; robustness", interface="Envelope")  # fmt: skip
async def deep(target: Target) -> None:
    async with target.conversation() as talk:
        number = talk.next_id()
        text = command_text(target.specification, "Common.Status", number, payload={"deep": 0})
        await talk.send(text.replace('"deep":0', '"deep":' + "[" * 5000 + "]" * 5000))
        await talk.answer(number)
    await target.is_well()


@case("MSG-BREAK-01P", "A connection that ends without a word takes nothing with it",
      cites="CWA 17852, connections are independent", interface="Envelope")  # fmt: skip
async def broken(target: Target) -> None:
    async with frames(target) as on:
        await on.send(frame(command_text(target.specification, "Common.Status")))
    await target.is_well()
