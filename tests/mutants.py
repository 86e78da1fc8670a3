"""Services that break one rule each: a proxy before a good one that changes what it says.

Each mutant is a function of the proxy's `Passing`: what the client sent, and one frame of the service;
it gives the frames that go to the client instead.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import trio

from frames import CLOSE, PONG, TEXT, frame
from mutant_proxy import Mutant, Passing, proxied, text_frame
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.rules import REFUSED, WAITING

for _module in WRITTEN:
    import_module(f"xfs4iot.conformance.cases.{_module}")

__all__ = ["MUTANTS", "mutated"]


def _when(condition: Callable[[Passing], bool], change: Callable[[Passing], list[bytes]]) -> Mutant:
    return lambda passing: change(passing) if condition(passing) else passing.unchanged()


def _succeeds(name: str) -> Mutant:
    """A service that does what it must refuse."""
    return _when(lambda p: p.completes(name), lambda p: p.completed(None))


def _fails(name: str, code: str = "internalError", after: str = "") -> Mutant:
    """A service that fails, if something was asked before."""
    return _when(lambda p: p.completes(name) and (not after or p.sent(after)), lambda p: p.completed(code))


def _fails_later(sign: Callable[[Passing], bool]) -> Mutant:
    """A service that fails for everybody after something has happened."""

    def mutant(passing: Passing) -> list[bytes]:
        spoilt = passing.memory.get("spoilt", False)
        if sign(passing):
            passing.memory["spoilt"] = True
        if spoilt and passing.completes("Status"):
            return passing.completed("internalError")
        return passing.unchanged()

    return mutant


def _takes(passing: Passing) -> list[bytes]:
    """A service that acknowledges and completes what is no command."""
    if passing.header.get("type") != "acknowledge" or "status" not in passing.header:
        return passing.unchanged()
    header = {"name": "Common.Status", "requestId": 1, "version": "2.0"}
    return [text_frame({"header": {**header, "type": kind}}) for kind in ("acknowledge", "completion")]


_drops_pongs = _when(lambda p: p.opcode == PONG, lambda p: [])
_drops_closes = _when(lambda p: p.opcode == CLOSE, lambda p: [])
_closes_otherwise = _when(
    lambda p: p.opcode == CLOSE, lambda p: [frame((1000).to_bytes(2, "big"), CLOSE, mask=None)]
)


def _units(change: Callable[[dict[str, Any]], None]) -> Mutant:
    return _when(
        lambda p: p.completes("GetStorage"),
        lambda p: p.with_payload(lambda payload: change(payload["storage"])),
    )


def _rename_unit(units: dict[str, Any]) -> None:
    units["cassette 1"] = units.pop("unit1")


def _negative(units: dict[str, Any]) -> None:
    units["unit1"]["cash"]["status"]["initial"] = {"unrecognized": -3}


def _forget(path: str) -> Callable[[dict[str, Any]], None]:
    outer, _, inner = path.partition(".")

    def change(payload: dict[str, Any]) -> None:
        del payload[outer][inner]

    return change


def _capabilities(change: Callable[[dict[str, Any]], None]) -> Mutant:
    def every(payload: dict[str, Any]) -> None:
        for interface in payload["interfaces"]:
            change(interface["commands"])

    return _when(lambda p: p.completes("Capabilities"), lambda p: p.with_payload(every))


def _invent(commands: dict[str, Any]) -> None:
    commands["Dance"] = next(iter(commands.values()))


def _without_versions(commands: dict[str, Any]) -> None:
    for told in commands.values():
        told["versions"] = []


def _addresses(change: Callable[[str], str]) -> Mutant:
    def every(payload: dict[str, Any]) -> None:
        for service in payload["services"]:
            service["serviceURI"] = change(service["serviceURI"])

    return _when(lambda p: p.completes("GetServices"), lambda p: p.with_payload(every))


def _counts_stay(passing: Passing) -> list[bytes]:
    """A service whose counts never change."""
    if not passing.completes("GetStorage"):
        return passing.unchanged()
    storage = passing.memory.setdefault("storage", passing.message["payload"])
    return passing.with_payload(lambda payload: payload.update(storage))


def _others_change(passing: Passing) -> list[bytes]:
    """A service that changes everybody's status when one connection chooses versions."""
    if passing.sent('"Common.Status":1') or passing.sent('"Common.Status":2'):
        passing.memory["chosen"] = True
    if passing.completes("Common.Status") and passing.memory.get("chosen"):
        return passing.with_payload(lambda payload: payload.pop("cashDispenser"))
    return passing.unchanged()


def _same_nonce(passing: Passing) -> list[bytes]:
    if not passing.completes("GetCommandNonce"):
        return passing.unchanged()
    return passing.with_payload(lambda payload: payload.update(commandNonce="AB" * 16))


def _more(payload: dict[str, Any]) -> None:
    values = payload["result"]["values"]
    values[next(iter(values))] += 1


def _one_of_many(passing: Passing) -> list[bytes]:
    return (
        passing.completed("internalError")
        if passing.completes("Status") and passing.connection == 7
        else passing.unchanged()
    )


def _ends_otherwise(name: str, code: str) -> Mutant:
    """A service that ends a command that waits in another way."""
    ends = ("timeOut", "canceled")
    return _when(
        lambda p: p.completes(name) and p.header.get("completionCode") in ends, lambda p: p.completed(code)
    )


def _without_event(name: str) -> Mutant:
    return _when(lambda p: p.header.get("name") == name, lambda p: [])


def _payload(name: str, change: Callable[[dict[str, Any]], None]) -> Mutant:
    """A service that answers a command with something else in the payload."""
    return _when(lambda p: p.completes(name), lambda p: p.with_payload(change))


def _one_key_more(payload: dict[str, Any]) -> None:
    payload["keyDetails"]["another"] = next(iter(payload["keyDetails"].values()))


def _show_values(payload: dict[str, Any]) -> None:
    for told in payload["keyDetails"].values():
        told["value"] = "AAAA"


def _without_currency(payload: dict[str, Any]) -> None:
    for told in payload["items"].values():
        told.get("cashItem", told).pop("currency")


def _always_off(passing: Passing) -> list[bytes]:
    """A service whose lights look as if nothing had set them."""
    if not passing.completes("Common.Status"):
        return passing.unchanged()
    lights = passing.memory.setdefault("lights", passing.message["payload"]["lights"])
    return passing.with_payload(lambda payload: payload.update(lights=lights))


def _event_payload(name: str, change: Callable[[dict[str, Any]], None]) -> Mutant:
    """A service that tells something else in an event."""
    return _when(lambda p: p.header.get("name") == name, lambda p: p.with_payload(change))


def _media(place: str, told: str) -> Mutant:
    """A service whose status always tells the same of what is in it."""

    def change(payload: dict[str, Any]) -> None:
        payload[place]["media"] = told

    # Before something is there, the truth is told: else nothing would be tried.
    return _when(
        lambda p: p.completes("Common.Status") and p.memory.get("inserted", False),
        lambda p: p.with_payload(change),
    )


def _after(event: str, mutant: Mutant) -> Mutant:
    """A service that goes wrong once it has told an event."""

    def changed(passing: Passing) -> list[bytes]:
        if passing.header.get("name") == event:
            passing.memory["inserted"] = True
        return mutant(passing)

    return changed


def _forget_units(passing: Passing) -> list[bytes]:
    """A service whose books know nothing of what came in."""

    def change(payload: dict[str, Any]) -> None:
        for unit in payload["storage"].values():
            unit.get("cash", {}).get("status", {}).pop("in", None)

    return passing.with_payload(change) if passing.completes("GetStorage") else passing.unchanged()


def _counts_what_went_back(passing: Passing) -> list[bytes]:
    """A service that counts what it gave back as if it had kept it."""

    def change(payload: dict[str, Any]) -> None:
        status = next(unit["cash"]["status"] for unit in payload["storage"].values() if "cash" in unit)
        status["in"] = {**(status.get("in") or {}), "deposited": {"unrecognized": 4}}

    if passing.completes("CashInRollback"):
        passing.memory["rolledBack"] = True
    if passing.completes("GetStorage") and passing.memory.get("rolledBack"):
        return passing.with_payload(change)
    return passing.unchanged()


def _modes_stay(passing: Passing) -> list[bytes]:
    """A service whose modes look as if nothing had set them."""
    if not passing.completes("Common.Status"):
        return passing.unchanged()
    mixed = passing.memory.setdefault("mixedMedia", passing.message["payload"]["mixedMedia"])
    return passing.with_payload(lambda payload: payload.update(mixedMedia=mixed))


def _off_with_the_other(passing: Passing) -> list[bytes]:
    """A service that takes a mode that is not named for one that is to be off."""

    def change(payload: dict[str, Any]) -> None:
        modes = payload["mixedMedia"]["modes"]
        if not all(modes.values()):
            modes.update(dict.fromkeys(modes, False))

    return passing.with_payload(change) if passing.completes("Common.Status") else passing.unchanged()


def _never_open(payload: dict[str, Any]) -> None:
    payload["auxiliaries"]["safeDoor"] = "closed"


def _never_pending(payload: dict[str, Any]) -> None:
    if payload["vendorMode"]["service"] == "enterPending":
        payload["vendorMode"]["service"] = "inactive"


def _refused(name: str, code: str) -> Mutant:
    """A service that does what it must refuse with a code."""
    return _when(lambda p: p.completes(name) and code in p.header.values(), lambda p: p.completed(None))


def _never_empty(payload: dict[str, Any]) -> None:
    for place in payload["cashDispenser"]["positions"]:
        place["positionStatus"] = "notEmpty"


def _other_order(payload: dict[str, Any]) -> None:
    payload["pinKeys"].reverse()


MUTANTS: dict[str, Mutant] = {
    **{case: _succeeds(f".{command.partition('.')[2]}") for case, command in REFUSED.items()},
    **{case: _ends_otherwise(command, "userError") for case, command in WAITING.items()},
    "WS-PING-01P": _drops_pongs,
    "WS-FRAGMENT-01P": _when(
        lambda p: p.opcode == TEXT and any(one[:1] == "{" and one[-1:] != "}" for one in p.asked),
        lambda p: [],
    ),
    "WS-CLOSE-01P": _drops_closes,
    **dict.fromkeys(
        ("WS-MASK-01N", "WS-RESERVED-01N", "WS-OPCODE-01N", "WS-CONTROL-01N", "WS-UTF8-01N", "WS-BINARY-01N"),
        _closes_otherwise,
    ),
    "WS-NEIGHBOUR-01P": _fails_later(lambda p: p.opcode == CLOSE),
    "MSG-ACKNOWLEDGE-01P": _when(lambda p: p.completes("Status"), lambda p: p.unchanged() * 2),
    "MSG-SUCCESS-01P": _when(
        lambda p: p.completes("Status"), lambda p: p.with_header(completionCode="success")
    ),
    "MSG-ORDER-01P": _when(lambda p: p.header.get("requestId") == 5, lambda p: p.with_header(requestId=4)),
    "MSG-UNKNOWN-01P": _fails("Status", "invalidData", "somethingOfTomorrow"),
    "MSG-LARGE-ID-01P": _when(
        lambda p: p.header.get("requestId", 0) > 2**20, lambda p: p.with_header(requestId=-1)
    ),
    **dict.fromkeys(
        (
            "MSG-JSON-01N",
            "MSG-JSON-02N",
            "MSG-HEADER-01N",
            "MSG-HEADER-02N",
            "MSG-TYPE-01N",
            "MSG-REQUESTID-01N",
            "MSG-REQUESTID-02N",
            "MSG-REQUESTID-03N",
        ),
        _takes,
    ),
    "MSG-NAME-01N": _succeeds("DoNothing"),
    "MSG-PAYLOAD-01N": _when(
        lambda p: p.header.get("requestId") == 2 and p.header["type"] in ("acknowledge", "completion"),
        lambda p: [
            text_frame({"header": {"name": "Common.Cancel", "requestId": 2, "version": "2.0", "type": kind}})
            for kind in ("acknowledge", "completion")
        ],
    ),
    "MSG-DEEP-01N": _fails_later(lambda p: p.sent("[[[[[[[[")),
    "MSG-BREAK-01P": _fails_later(lambda p: p.connection > 1),
    "SP-SERVICES-01P": _addresses(lambda uri: uri.replace("ws:", "http:")),
    "SP-REACH-01P": _addresses(lambda uri: "ws://127.0.0.1:1/xfs4iot/v1.0/Nobody"),
    "SP-PATH-01N": lambda passing: passing.unchanged(),
    "SP-UNKNOWN-01N": _succeeds("GetMixTypes"),
    "COM-STATUS-01P": _when(
        lambda p: p.completes("Status"), lambda p: p.with_payload(_forget("common.device"))
    ),
    "COM-CAPABILITIES-01P": _capabilities(_invent),
    "COM-CAPABILITIES-02P": _capabilities(_without_versions),
    "COM-SETVERSIONS-01N": _succeeds("SetVersions"),
    "COM-SETVERSIONS-02P": _others_change,
    "COM-CANCEL-01N": _succeeds("Cancel"),
    "COM-CANCEL-02N": _succeeds("Cancel"),
    "COM-NONCE-01P": _same_nonce,
    "COM-TIMEOUT-01P": _fails("Status", "timeOut", "60000"),
    "COM-TIMEOUT-02N": _fails_later(lambda p: p.sent('"timeout":-1')),
    "COM-EVERYBODY-01P": _one_of_many,
    "ST-GETSTORAGE-01P": _units(_rename_unit),
    "ST-GETSTORAGE-02P": _units(_negative),
    "ST-SETSTORAGE-01N": _succeeds("SetStorage"),
    "ST-EXCHANGE-01N": _succeeds("EndExchange"),
    "ST-EXCHANGE-02P": _succeeds("StartExchange"),
    "CD-DENOMINATE-01P": _when(lambda p: p.completes("Denominate"), lambda p: p.with_payload(_more)),
    **dict.fromkeys(("CD-DENOMINATE-02N", "CD-DENOMINATE-03N", "CD-DENOMINATE-04N"), _succeeds("Denominate")),
    "CD-MIXES-01P": _fails("GetMixTypes"),
    "CD-MIXES-02N": _succeeds("GetMixTable"),
    "CD-PRESENT-01N": _succeeds("Present"),
    "CD-DISPENSE-01P": _counts_stay,
    "CR-READ-01P": _without_event("CardReader.InsertCardEvent"),
    "CR-CARD-01P": _payload("ReadRawData", lambda payload: payload.update(track1={"data": "AAAA"})),
    "CR-CARD-02P": _after("CardReader.MediaInsertedEvent", _media("cardReader", "entering")),
    "CR-CARD-03P": _without_event("CardReader.MediaRemovedEvent"),
    "CA-NOTES-01P": _payload(
        "GetCashInStatus", lambda payload: payload.update(noteNumberList={"unrecognized": 9})
    ),
    "CA-NOTES-02P": _counts_what_went_back,
    "CA-NOTES-03P": _without_event("CashManagement.ItemsTakenEvent"),
    "CA-NOTES-04P": _forget_units,
    "CD-TAKE-01P": _when(
        lambda p: p.completes("Common.Status") and p.sent("CashDispenser.Present"),
        lambda p: p.with_payload(_never_empty),
    ),
    "CD-LEAVE-01P": _forget_units,
    "KB-KEYS-01P": _payload("DataEntry", _other_order),
    "KB-KEYS-02P": _event_payload("Keyboard.KeyEvent", lambda payload: payload.update(digit="four")),
    "KB-KEYS-03P": _payload("DataEntry", lambda payload: payload.update(completion="enter")),
    "TT-KEYS-01P": _payload("TextTerminal.Read", lambda payload: payload.update(input="?")),
    "BR-CODE-01P": _payload(
        "BarcodeReader.Read", lambda payload: payload["readOutput"][0].pop("barcodeData")
    ),
    "BIO-FINGER-01P": _payload(
        "Biometric.Read", lambda payload: payload["dataRead"][0]["type"].update(format="reservedTemplate1")
    ),
    "CHK-MEDIA-01P": _without_event("Check.MediaInsertedEvent"),
    "CHK-MEDIA-02P": _without_event("Check.MediaTakenEvent"),
    "DEP-ENVELOPE-01P": _without_event("Deposit.EnvDepositedEvent"),
    "PRT-TAKE-01P": _without_event("Printer.MediaTakenEvent"),
    "CR-QUERYIFM-01P": _fails("QueryIFMIdentifier"),
    "CA-START-01N": _succeeds("CashInStart"),
    "CA-START-02N": _succeeds("ConfigureNoteTypes"),
    "CA-STATUS-01P": _payload("GetCashInStatus", lambda payload: payload.update(status="active")),
    "CM-NOTES-01P": _payload("GetBankNoteTypes", _without_currency),
    "KM-DETAIL-02P": _payload("GetKeyDetail", _one_key_more),
    "KM-DETAIL-03P": _payload("GetKeyDetail", _show_values),
    "CRY-USAGE-01N": _succeeds("CryptoData"),
    "CRY-RANDOM-01P": _payload("GenerateRandom", lambda payload: payload.update(randomNumber="AAAA")),
    "CRY-DIGEST-01P": _payload("Digest", lambda payload: payload.update(digest="AAAA")),
    "KB-LAYOUT-01P": _payload("GetLayout", lambda payload: payload.update(layout={})),
    "PRT-FORMLIST-01P": _fails("GetQueryForm", "commandErrorCode"),
    "PRT-MEDIALIST-01P": _fails("GetQueryMedia", "commandErrorCode"),
    "CHK-STATUS-01P": _payload("GetTransactionStatus", lambda payload: payload.update(mediaOnStacker="3")),
    "LT-SET-02P": _always_off,
    "AUX-DOOR-01P": _payload("Common.Status", _never_open),
    "AUX-DOOR-02P": _without_event("Common.StatusChangedEvent"),
    "VM-MODE-01P": _payload("Common.Status", _never_pending),
    "VM-MODE-02P": _without_event("VendorMode.ModeEnteredEvent"),
    "VM-MODE-03P": _event_payload(
        "VendorMode.ModeExitedEvent", lambda payload: payload.update(connectedApplications=[])
    ),
    "VM-MODE-04N": _refused("VendorMode.EnterModeRequest", "sequenceError"),
    "VA-SHOW-01P": _payload("GetActiveInterface", lambda payload: payload.update(activeInterface="consumer")),
    "VA-SHOW-02P": _without_event("VendorApplication.InterfaceChangedEvent"),
    "MM-MODE-01P": _modes_stay,
    "MM-MODE-02P": _off_with_the_other,
    "MM-TRANSACTION-01N": _succeeds("MixedMedia.SetMode"),
    "AUX-STARTUP-01P": _payload("GetAutoStartupTime", lambda payload: payload.update(mode="weekly")),
    "PM-SAVE-01P": _fails("PowerSaveControl"),
    "TT-CLEAR-01P": _fails("ClearScreen"),
    "VA-INTERFACE-01P": _payload("GetActiveInterface", lambda payload: payload.pop("activeInterface")),
    "DK-STATUS-01P": _payload("GetHSMTData", lambda payload: payload.pop("hsmStatus")),
}
"""By the case that must find it."""


async def mutated(
    case: str, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve the mutant of a case before a good publisher; started, it tells its port."""
    path = (b"NoSuchService", b"CashDispenser") if case == "SP-PATH-01N" else None
    await proxied(MUTANTS[case], host, port, path, task_status=task_status)
