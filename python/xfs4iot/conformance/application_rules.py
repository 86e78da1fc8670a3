"""What is asked of applications: the rules, and the tables that they rest on."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from xfs4iot.conformance.case import Verdict
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.rules import WAITING

__all__ = ["ENDS", "RULES", "STEPS", "Rule", "untimely", "waits_for_somebody"]


class Rule(NamedTuple):
    """What is asked of applications.

    Attributes:
        title: what it says.
        gravity: how grave it is to break it.
        remedy: what an application that breaks it does instead.
    """

    title: str
    gravity: Verdict
    remedy: str


RULES: dict[str, Rule] = {
    "APP-DISCOVERY-01": Rule(
        "The publisher is asked for the services, before one is connected to",
        "warn",
        "send ServicePublisher.GetServices to the publisher, and connect to the addresses that it gives",
    ),
    "APP-CONNECTIONS-01": Rule(
        "Few connections to one service are open at a time",
        "warn",
        "keep one connection to each service, and close it when it is not needed any more",
    ),
    "APP-CLOSE-01": Rule(
        "Connections are ended by a close frame",
        "fail",
        "send a close frame (the close() of a WebSocket library), and wait for that of the service",
    ),
    "APP-READ-01": Rule(
        "What the service sends is read: a ping is answered",
        "fail",
        "read from each connection all the time, in a task or thread of its own, also while nothing is asked",
    ),
    "APP-MESSAGE-01": Rule(
        "Every message is a JSON object with the header of a command",
        "fail",
        'send {"header": {"type": "command", "name": …, "requestId": …, "version": …}, "payload": …}',
    ),
    "APP-HEADER-01": Rule(
        "Every header has type, name and requestId, and version unless none has",
        "fail",
        "put all of them into the header of every command",
    ),
    "APP-NAME-01": Rule(
        "Every command is one of the standard",
        "fail",
        "write its name as the standard does, with the interface: CashDispenser.Dispense",
    ),
    "APP-SCHEMA-01": Rule(
        "Header and payload of every command are what their schema says",
        "fail",
        "send each property under the name and with the type that the standard has in that version",
    ),
    "APP-OFFERED-01": Rule(
        "Only commands that the service offers are sent",
        "warn",
        "send what Common.Capabilities lists under `interfaces`, and nothing else",
    ),
    "APP-VERSION-01": Rule(
        "Only versions of commands that the service offers are sent",
        "fail",
        "take the version of each command from Common.Capabilities, or agree on them by Common.SetVersions",
    ),
    "APP-REQUESTID-01": Rule(
        "No request id is used again while its command runs",
        "fail",
        "count request ids up by one with each command of a connection",
    ),
    "APP-REQUESTID-02": Rule(
        "Request ids rise",
        "warn",
        "count request ids up by one with each command of a connection",
    ),
    "APP-REQUESTID-03": Rule(
        "No request id is used twice on a connection",
        "warn",
        "count request ids up by one with each command of a connection",
    ),
    "APP-REFUSED-01": Rule(
        "No message is refused by an acknowledge",
        "fail",
        "nothing was done: see which message it was, and send it right",
    ),
    "APP-DATA-01": Rule(
        "No command is completed invalidData, invalidCommand or invalidRequestID",
        "fail",
        "nothing was done: see the path in the error's description, and send what the standard has there",
    ),
    "APP-ERROR-01": Rule(
        "No command is answered that it is not its time: the application knows the state",
        "warn",
        "keep the state by events and completions, or ask for it (Common.Status) before the command",
    ),
    "APP-ORDER-01": Rule(
        "Nothing that moves something is sent before what moves is acknowledged",
        "warn",
        "wait for the acknowledge before the next command that moves something",
    ),
    "APP-ORDER-02": Rule(
        "No step is sent before the one that it needs is completed",
        "fail",
        "wait for the completion, and look at its completion code, before the next step",
    ),
    "APP-CODE-01": Rule(
        "No step is sent after the one that it needs has failed or timed out",
        "fail",
        "look at the completion code of each command, and go on only after success",
    ),
    "APP-CODE-02": Rule(
        "What has failed is not sent again and again",
        "warn",
        "look at the error code: what is wrong does not become right by sending it again",
    ),
    "APP-TIMEOUT-01": Rule(
        "What waits for somebody has a timeout",
        "warn",
        "put `timeout`, in milliseconds, into the header; without it the service waits for ever",
    ),
    "APP-CANCEL-01": Rule(
        "Only commands that run are cancelled",
        "warn",
        "send Common.Cancel with request ids of this connection that were not completed yet",
    ),
    "APP-WAIT-01": Rule(
        "No connection is ended while a command that moves something runs",
        "fail",
        "wait for its completion: what became of it cannot be known otherwise",
    ),
    "APP-WAIT-02": Rule(
        "What waits for somebody is cancelled before its connection is ended",
        "fail",
        "send Common.Cancel, and wait for the completion of what waits",
    ),
    "APP-WAIT-03": Rule(
        "What was begun is ended before the service is left",
        "warn",
        "end it, also after an error, before the last connection is closed",
    ),
}
"""Each rule for applications."""

STEPS: dict[str, str] = {
    "Biometric.Match": "Biometric.Read",
    "CashAcceptor.CashIn": "CashAcceptor.CashInStart",
    "CashAcceptor.CashInEnd": "CashAcceptor.CashInStart",
    "CashAcceptor.CashInRollback": "CashAcceptor.CashInStart",
    "CashDispenser.Present": "CashDispenser.Dispense",
    "Check.ActionItem": "Check.MediaIn",
    "Check.GetNextItem": "Check.MediaIn",
    "Check.MediaInEnd": "Check.MediaIn",
    "PinPad.GetPinBlock": "Keyboard.PinEntry",
    "PinPad.LocalDES": "Keyboard.PinEntry",
    "PinPad.LocalVisa": "Keyboard.PinEntry",
    "PinPad.PresentIDC": "Keyboard.PinEntry",
    "Storage.EndExchange": "Storage.StartExchange",
}
"""Steps that mean something only after another has succeeded, and that other."""


ENDS: dict[str, tuple[str, ...]] = {
    "CashAcceptor.CashInStart": (
        "CashAcceptor.CashInEnd", "CashAcceptor.CashInRollback",
        "CashManagement.Reset", "CashManagement.Retract",
    ),
    "CashDispenser.Dispense": (
        "CashDispenser.Present", "CashDispenser.Reject",
        "CashManagement.Reset", "CashManagement.Retract",
    ),
    "Check.MediaIn": (
        "Check.MediaInEnd", "Check.MediaInRollback", "Check.Reset", "Check.RetractMedia",
    ),
    "Storage.StartExchange": ("Storage.EndExchange",),
}  # fmt: skip
"""What is not whole without another command, and what ends it."""

_UNTIMELY = {"itemsLeft", "noCashInActive", "noChipTransactionActive", "noExchangeActive", "noPin"}
_UNTIMELY_OF = {
    "CashAcceptor.CashInStart": "cashInActive",
    "CashDispenser.Present": "noItems",
    "CashDispenser.Reject": "noItems",
}
"""Error codes that tell that the application does not know the state: of every command, and of one. Where
a customer may have been faster, as with Retract, they tell nothing."""


def untimely(command: str, code: str, error: object) -> bool:
    """Whether a completion says that it was not the time for its command."""
    if code == "commandErrorCode":
        return isinstance(error, str) and (error in _UNTIMELY or _UNTIMELY_OF.get(command) == error)
    return code == "sequenceError"


def waits_for_somebody(command: str) -> bool:
    """Whether a command waits for a customer or an operator."""
    for module in WRITTEN:
        import_module(f"xfs4iot.conformance.cases.{module}")
    return command in WAITING.values()
