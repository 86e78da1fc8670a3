"""Contactless transactions of a reader with kernels inside.

    state           is left by
    unconfigured    EMVClessConfigure: idle
    idle            EMVClessPerformTransaction: idle, or awaitingUpdate
    awaitingUpdate  EMVClessIssuerUpdate, EMVClessPerformTransaction, EMVClessConfigure, Reset: idle

The configuration is replaced as a whole or not at all. It is kept and given to the device at every start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from xfs4iot import devices
from xfs4iot.devices import (
    ContactlessApplication,
    ContactlessConfiguration,
    ContactlessKey,
    ContactlessOutcome,
)
from xfs4iot.digests import sha1
from xfs4iot.interfaces.cards import tlv
from xfs4iot.ledger import Document
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.exact import Mismatch
from xfs4iot.protocol.messages import card_reader as messages
from xfs4iot.server.command import Connection
from xfs4iot.server.service import Service

__all__ = ["Contactless", "require_configuration", "require_data", "told"]

State = Literal["unconfigured", "idle", "awaitingUpdate"]
Step = Literal["configured", "performed", "updateNeeded", "updated", "reset"]

STEPS: Mapping[tuple[State, Step], State] = {
    ("unconfigured", "configured"): "idle",
    # A device that was opened again meanwhile, and has lost its configuration, goes on without one.
    ("unconfigured", "performed"): "unconfigured",
    ("unconfigured", "updateNeeded"): "unconfigured",
    ("unconfigured", "updated"): "unconfigured",
    ("unconfigured", "reset"): "unconfigured",
    ("idle", "configured"): "idle",
    ("idle", "performed"): "idle",
    ("idle", "updateNeeded"): "awaitingUpdate",
    ("idle", "updated"): "idle",
    ("idle", "reset"): "idle",
    ("awaitingUpdate", "configured"): "idle",
    ("awaitingUpdate", "performed"): "idle",
    ("awaitingUpdate", "updateNeeded"): "awaitingUpdate",
    ("awaitingUpdate", "updated"): "idle",
    ("awaitingUpdate", "reset"): "idle",
}
"""The transaction: state, what has happened, state afterwards."""

_KEPT = Document("CardReader.contactless", read=lambda kept: wire.decode(messages.EMVClessConfigure, kept))
_UPDATE_OUTCOMES = ("approve", "decline", "multipleCards", "tryAgain", "tryAnotherInterface")
# Hash and signature algorithm indicator of EMV: the only one whose checksum can be verified here.
_SHA1_WITH_RSA = 1
# EMV Book 2, 11.1, and Book B, 3.3 (tag 9F2A).
_LONGEST_MODULUS, _LONGEST_EXPONENT, _LONGEST_CHECKSUM, _LONGEST_KERNEL = 248, 3, 64, 8


class Contactless:
    """The contactless part of one reader.

    Attributes:
        state: the state of the transaction.
        owner: the client whose transaction it is; None if nobody's.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.owner: Connection | None = None
        self.state: State = "unconfigured"

    def happened(self, step: Step) -> None:
        """Make the transition that the table gives for this step."""
        self.state = STEPS[self.state, step]

    async def start(self) -> None:
        """Give the device the configuration that is in force."""
        request = _KEPT.of(self.service.ledger)
        if request is None or not self.service.operations.opened:
            return
        try:
            await self.service.operations.ask(devices.CardReader.emv_cless_configure, configuration(request))
        except errors.XfsError as fault:
            self.service.log.error("the device does not take the contactless configuration it had: %s", fault)
            # Not a step of the table: whatever was going on, the device has no configuration now.
            self.state = "unconfigured"
        else:
            self.happened("configured")

    async def keep(self, request: messages.EMVClessConfigure) -> None:
        """The device has taken a configuration."""
        await self.service.ledger.put_document(_KEPT.name, wire.encode(request))
        self.happened("configured")


def configuration(request: messages.EMVClessConfigure) -> ContactlessConfiguration:
    """A checked configuration, as the device takes it."""
    return ContactlessConfiguration(
        terminal=request.terminal_data or b"",
        applications=tuple(
            ContactlessApplication(
                aid=one.aid or b"",
                kernel=one.kernel_identifier,
                partial_selection=bool(one.partial_selection),
                transaction_type=one.transaction_type or 0,
                configuration=one.config_data or b"",
            )
            for one in request.aid_data or ()
        ),
        keys=tuple(
            ContactlessKey(
                rid=one.rid or b"",
                index=key.index or 0,
                algorithm=key.algorithm_indicator or 0,
                exponent=key.exponent or b"",
                modulus=key.modulus or b"",
                checksum=key.checksum or b"",
            )
            for one in request.key_data or ()
            if (key := one.ca_public_key) is not None
        ),
    )


def require_configuration(request: messages.EMVClessConfigure) -> None:
    """Check that a configuration is complete and that its parts are what they claim to be.

    Raises:
        InvalidData: something is missing.
        CommandError: `invalidTerminalData`, `invalidAidData`, `invalidKeyData`.
    """
    _require_objects("invalidTerminalData", "$.terminalData", request.terminal_data)
    seen: dict[tuple[Any, ...], str] = {}
    for number, application in enumerate(request.aid_data or ()):
        path = f"$.aidData[{number}]"
        _require_aid(path, application)
        which = application.aid, application.kernel_identifier, application.transaction_type
        _require_first("invalidAidData", seen, which, path)
    for number, key in enumerate(request.key_data or ()):
        path = f"$.keyData[{number}]"
        _require_key(path, key)
        _require_first("invalidKeyData", seen, (key.rid, getattr(key.ca_public_key, "index", None)), path)


def _require_first(code: str, seen: dict[tuple[Any, ...], str], which: tuple[Any, ...], path: str) -> None:
    """Refuse what is configured twice: which of the two holds would be the device's guess."""
    if (first := seen.setdefault(which, path)) != path:
        raise errors.CommandError(code, f"{path} is for the same as {first}; give one of them")


def require_data(data: bytes | None) -> None:
    """Check that data of a transaction are TLV objects.

    Raises:
        InvalidData: they are not.
    """
    if (wrong := _no_objects(data)) is not None:
        raise errors.InvalidData(f"$.data: {wrong}; give BER-TLV objects")


def _no_objects(data: bytes | None) -> ValueError | None:
    """Why bytes are no TLV objects; None if they are."""
    try:
        deque(tlv.objects(data or b""), 0)
    except ValueError as wrong:
        return wrong
    return None


def require_members(request: messages.EMVClessConfigure) -> None:
    """Check that each part has all its mandatory members.

    Raises:
        InvalidData: one is missing.
    """
    for number, application in enumerate(request.aid_data or ()):
        for field, name in (
            ("aid", "aid"),
            ("partial_selection", "partialSelection"),
            ("transaction_type", "transactionType"),
        ):
            _require(getattr(application, field), f"$.aidData[{number}].{name}")
    for number, key in enumerate(request.key_data or ()):
        _require(key.rid, f"$.keyData[{number}].rid")
        _require(key.ca_public_key, f"$.keyData[{number}].caPublicKey")
        for field, name in (
            ("index", "index"),
            ("algorithm_indicator", "algorithmIndicator"),
            ("exponent", "exponent"),
            ("modulus", "modulus"),
            ("checksum", "checksum"),
        ):
            _require(getattr(key.ca_public_key, field), f"$.keyData[{number}].caPublicKey.{name}")


def _require(value: Any, path: str) -> None:
    if value is None:
        raise errors.InvalidData(f"{path} is missing")


def _require_objects(code: str, path: str, data: bytes | None) -> None:
    if (wrong := _no_objects(data)) is not None:
        raise errors.CommandError(code, f"{path}: {wrong}")


def _require_aid(path: str, application: messages.EMVClessConfigureAidDataItem) -> None:
    size = len(application.aid or b"")
    if not 5 <= size <= 16:
        raise errors.CommandError("invalidAidData", f"{path}.aid: {size} bytes; an AID has 5 to 16")
    if (application.transaction_type or 0) > 0xFF:
        raise errors.CommandError("invalidAidData", f"{path}.transactionType is one byte")
    if application.kernel_identifier is not None and not (
        1 <= len(application.kernel_identifier) <= _LONGEST_KERNEL
    ):
        raise errors.CommandError(
            "invalidAidData", f"{path}.kernelIdentifier has 1 to {_LONGEST_KERNEL} bytes"
        )
    _require_objects("invalidAidData", f"{path}.configData", application.config_data)


def _require_key(path: str, item: messages.EMVClessConfigureKeyDataItem) -> None:
    """A key's checksum is the SHA-1 of RID, index, modulus and exponent (EMV Book 2, 11.2)."""
    key, rid = item.ca_public_key, item.rid or b""
    assert key is not None
    if len(rid) != 5:
        raise errors.CommandError("invalidKeyData", f"{path}.rid: {len(rid)} bytes; a RID has 5")
    if (key.index or 0) > 0xFF or (key.algorithm_indicator or 0) > 0xFF:
        raise errors.CommandError(
            "invalidKeyData", f"{path}.caPublicKey: index and algorithmIndicator are one byte each"
        )
    for name, value, most in (
        ("modulus", key.modulus, _LONGEST_MODULUS),
        ("exponent", key.exponent, _LONGEST_EXPONENT),
        ("checksum", key.checksum, _LONGEST_CHECKSUM),
    ):
        if not value or len(value) > most:
            raise errors.CommandError(
                "invalidKeyData",
                f"{path}.caPublicKey.{name}: {len(value or b'')} bytes; it has 1 to {most}",
            )
    signed = rid + bytes([key.index or 0]) + (key.modulus or b"") + (key.exponent or b"")
    if key.algorithm_indicator == _SHA1_WITH_RSA:
        # EMV prescribes SHA-1 for this checksum.
        digest = sha1(signed)
        if digest != key.checksum:
            raise errors.CommandError(
                "invalidKeyData",
                f"{path}.caPublicKey.checksum is not the SHA-1 of RID, index, modulus, exponent",
            )


def possible_outcomes(outcomes: Mapping[Any, ContactlessOutcome]) -> None:
    """See that a transaction has one outcome, whatever was read. Raises Mismatch."""
    names = sorted({one.outcome for one in outcomes.values()})
    if len(names) > 1:
        raise Mismatch("one outcome for all that was read", " and ".join(names))


def possible_update(outcome: ContactlessOutcome | None) -> None:
    """See that an IssuerUpdate can end so. Raises Mismatch."""
    if outcome is not None and outcome.outcome not in _UPDATE_OUTCOMES:
        raise Mismatch(f"one of {', '.join(_UPDATE_OUTCOMES)}", outcome.outcome, "outcome")


def told(outcome: ContactlessOutcome) -> dict[str, Any]:
    """The properties of an outcome on the wire."""
    details = outcome.details
    if details is not None and outcome.outcome != "tryAnotherInterface":
        details = msgspec.structs.replace(details, alternate_interface=None)
    if details is not None and not details.discretionary_data:
        details = msgspec.structs.replace(details, discretionary_data=None)
    return {
        "tx_outcome": outcome.outcome,
        "cardholder_action": outcome.action,
        "data_read": outcome.data or None,
        "cless_outcome": details,
    }
