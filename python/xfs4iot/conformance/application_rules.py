"""What is asked of applications: the rules, and the tables that they rest on."""

from __future__ import annotations

from importlib import import_module

from xfs4iot.conformance.case import Verdict
from xfs4iot.conformance.cases import WRITTEN
from xfs4iot.conformance.rules import WAITING

__all__ = ["RULES", "STEPS", "waits_for_somebody"]

RULES: dict[str, tuple[str, Verdict]] = {
    "APP-DISCOVERY-01": ("The publisher is asked for the services, before one is connected to", "warn"),
    "APP-CONNECTIONS-01": ("Few connections to one service are open at a time", "warn"),
    "APP-CLOSE-01": ("Connections are ended by a close frame", "fail"),
    "APP-READ-01": ("What the service sends is read: a ping is answered", "fail"),
    "APP-MESSAGE-01": ("Every message is a JSON object with the header of a command", "fail"),
    "APP-HEADER-01": ("Every header has type, name and requestId, and version unless none has", "fail"),
    "APP-NAME-01": ("Every command is one of the standard", "fail"),
    "APP-SCHEMA-01": ("Header and payload of every command are what their schema says", "fail"),
    "APP-OFFERED-01": ("Only commands that the service offers are sent", "warn"),
    "APP-VERSION-01": ("Only versions of commands that the service offers are sent", "fail"),
    "APP-REQUESTID-01": ("No request id is used again while its command runs", "fail"),
    "APP-REQUESTID-02": ("Request ids rise", "warn"),
    "APP-REQUESTID-03": ("No request id is used twice on a connection", "warn"),
    "APP-REFUSED-01": ("No message is refused by an acknowledge", "fail"),
    "APP-DATA-01": ("No command is completed invalidData, invalidCommand or invalidRequestID", "fail"),
    "APP-ERROR-01": ("No command is answered sequenceError: the application knows the state", "warn"),
    "APP-ORDER-01": ("Nothing that moves something is sent before what moves is acknowledged", "warn"),
    "APP-ORDER-02": ("No step is sent before the one that it needs is completed", "fail"),
    "APP-CODE-01": (
        "No step is sent after the one that it needs has failed or timed out",
        "fail",
    ),
    "APP-CODE-02": ("What has failed is not sent again and again", "warn"),
    "APP-TIMEOUT-01": ("What waits for somebody has a timeout", "warn"),
    "APP-CANCEL-01": ("Only commands that run are cancelled", "warn"),
    "APP-WAIT-01": ("No connection is ended while a command that moves something runs", "fail"),
    "APP-WAIT-02": ("What waits for somebody is cancelled before its connection is ended", "fail"),
}
"""Each rule for applications: what it says, and how grave it is to break it."""

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


def waits_for_somebody(command: str) -> bool:
    """Whether a command waits for a customer or an operator."""
    for module in WRITTEN:
        import_module(f"xfs4iot.conformance.cases.{module}")
    return command in WAITING.values()
