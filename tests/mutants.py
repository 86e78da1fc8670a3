"""Services that break one rule each: a proxy before a good one that changes what it says.

Each mutant is a function of the proxy's `Passing`: what the client sent, and one frame of the service;
it gives the frames that go to the client instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import trio

from frames import CLOSE, PONG, TEXT, frame
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.rules import REFUSED, WAITING

for _module in WRITTEN:
    import_module(f"xfs4iot.conformance.cases.{_module}")

__all__ = ["MUTANTS", "Passing", "mutated"]


@dataclass
class Passing:
    """What a mutant knows.

    Attributes:
        opcode, payload: of the frame that the service sends.
        asked: what the client has sent on this connection, each frame as text.
        connection: number of the connection, from 1.
        memory: shared by all connections of the proxy.
    """

    opcode: int
    payload: bytes
    asked: list[str]
    connection: int
    memory: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload) if self.opcode == TEXT else {"header": {}}
        return found

    @property
    def header(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message["header"]
        return found

    def completes(self, name: str = "") -> bool:
        """Whether it is a completion, of a command if one is named."""
        return self.header.get("type") == "completion" and self.header.get("name", "").endswith(name)

    def sent(self, text: str) -> bool:
        return any(text in one for one in self.asked)

    def unchanged(self) -> list[bytes]:
        return [frame(self.payload, self.opcode, mask=None)]

    def with_header(self, **changed: Any) -> list[bytes]:
        message = self.message
        message["header"] |= changed
        message["header"] = {name: value for name, value in message["header"].items() if value is not None}
        return [told(message)]

    def with_payload(self, change: Callable[[dict[str, Any]], None]) -> list[bytes]:
        message = self.message
        change(message.setdefault("payload", {}))
        return [told(message)]

    def completed(self, code: str | None) -> list[bytes]:
        """The completion with another code, and without payload; None is success."""
        message = {"header": {**self.header, "completionCode": code}}
        if code is None:
            del message["header"]["completionCode"]
        return [told(message)]


Mutant = Callable[[Passing], list[bytes]]


def told(message: dict[str, Any]) -> bytes:
    return frame(json.dumps(message), TEXT, mask=None)


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
    return [told({"header": {**header, "type": kind}}) for kind in ("acknowledge", "completion")]


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
    return _when(lambda p: p.header.get("name") == name and p.header.get("type") == "event", lambda p: [])


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
            told({"header": {"name": "Common.Cancel", "requestId": 2, "version": "2.0", "type": kind}})
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
    "AUX-STARTUP-01P": _payload("GetAutoStartupTime", lambda payload: payload.update(mode="weekly")),
    "PM-SAVE-01P": _fails("PowerSaveControl"),
    "TT-CLEAR-01P": _fails("ClearScreen"),
    "VA-INTERFACE-01P": _payload("GetActiveInterface", lambda payload: payload.pop("activeInterface")),
    "DK-STATUS-01P": _payload("GetHSMTData", lambda payload: payload.pop("hsmStatus")),
}
"""By the case that must find it."""


@dataclass
class _Proxy:
    mutant: Mutant
    host: str
    port: int
    path: tuple[bytes, bytes] | None = None
    connections: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    async def serve(self, near: trio.SocketStream) -> None:
        self.connections += 1
        connection, asked = self.connections, list[str]()
        far = await trio.open_tcp_stream(self.host, self.port)
        async with near, far, trio.open_nursery() as nursery:

            async def requests() -> None:
                head, rest = await _head(near)
                if self.path is not None:
                    head = head.replace(*self.path)
                await far.send_all(head + rest)
                data = bytearray(rest)
                while True:
                    for _, payload in _frames(data):
                        asked.append(payload.decode(errors="replace"))
                    more = await near.receive_some()
                    data += more
                    # Noted before it is passed on: the answer may come before the next line runs.
                    for _, payload in _frames(data):
                        asked.append(payload.decode(errors="replace"))
                    if not more:
                        await far.send_eof()
                        return
                    await far.send_all(more)

            async def answers() -> None:
                head, rest = await _head(far)
                await near.send_all(head)
                data = bytearray(rest)
                while True:
                    for opcode, payload in _frames(data):
                        for one in self.mutant(Passing(opcode, payload, asked, connection, self.memory)):
                            await near.send_all(one)
                    more = await far.receive_some()
                    if not more:
                        nursery.cancel_scope.cancel()
                        return
                    data += more

            nursery.start_soon(_quietly, requests)
            nursery.start_soon(_quietly, answers)


async def _quietly(function: Callable[[], Any]) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await function()


async def _head(stream: trio.SocketStream) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _frames(data: bytearray) -> Iterator[tuple[int, bytes]]:
    """Whole frames, taken from the beginning of what was received."""
    while len(data) >= 2:
        size, start = data[1] & 0x7F, 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        mask = b""
        if data[1] & 0x80:
            mask, start = bytes(data[start : start + 4]), start + 4
        if len(data) < start + size:
            return
        payload = bytes(data[start : start + size])
        if mask:
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        opcode = data[0] & 0x0F
        del data[: start + size]
        yield opcode, payload


async def mutated(
    case: str, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve the mutant of a case before a good publisher; started, it tells its port."""
    path = (b"NoSuchService", b"CashDispenser") if case == "SP-PATH-01N" else None
    proxy = _Proxy(MUTANTS[case], host, port, path)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(proxy.serve, listeners)
