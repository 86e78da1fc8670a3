"""Signatures of items: what a client may ask to be compared, and what the device may answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xfs4iot.devices import SignatureCreated, SignatureMatch
from xfs4iot.protocol import errors
from xfs4iot.protocol.exact import Mismatch, shown
from xfs4iot.protocol.flags import chosen
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.protocol.messages import cash_management as cash
from xfs4iot.server.handler import check

__all__ = [
    "candidates_given",
    "created_as_asked",
    "matched_as_asked",
    "references_given",
    "signatures_supported",
]


@check("unsupportedData")
def signatures_supported(on: Any, request: object) -> None:
    """whether the device reads signatures: `itemInfoTypes`"""
    if "signature" not in chosen(on.device.capabilities.cash_management.item_info_types):
        raise errors.UnsupportedData("the device reads no signatures; see Common.Capabilities")


def _require(on: Any, given: list[cash.Signature] | None, name: str, code: str) -> None:
    if not given:
        raise errors.CommandError(code, f"$.{name} is missing or empty; give one signature at least")
    for number, one in enumerate(given):
        path = f"$.{name}[{number}]"
        if not one.signature:
            raise errors.CommandError(code, f"{path}.signature is missing")
        if one.note_type is not None and one.note_type not in on.cash.known_items:
            raise errors.CommandError(
                code, f"{path}.noteType: the device does not know {one.note_type}; see GetBankNoteTypes"
            )


@check("invalidReferenceSignature")
def references_given(on: Any, request: messages.CompareSignature) -> None:
    """the reference signatures: one at least, with data, of items that the device knows"""
    _require(on, request.reference_signatures, "referenceSignatures", "invalidReferenceSignature")


@check("invalidTransactionSignature")
def candidates_given(on: Any, request: messages.CompareSignature) -> None:
    """the signatures to be compared with them, likewise"""
    _require(on, request.signatures, "signatures", "invalidTransactionSignature")


def matched_as_asked(candidates: int) -> Callable[[tuple[SignatureMatch, ...]], None]:
    """A comparison names signatures that were given."""

    def require(matches: tuple[SignatureMatch, ...]) -> None:
        for number, match in enumerate(matches):
            if match.index >= candidates:
                raise Mismatch(
                    f"below {candidates}, the number of signatures given",
                    shown(match.index),
                    f"[{number}].index",
                )

    return require


def created_as_asked(known: set[str]) -> Callable[[SignatureCreated], None]:
    """A signature is there, of an item that the device knows, or the device says why not."""

    def require(result: SignatureCreated) -> None:
        made = result.signature
        if result.failure is None and (made is None or not made.signature):
            raise Mismatch("a signature with data, or there must be a failure", "without it", "signature")
        if made is not None and made.note_type is not None and known and made.note_type not in known:
            raise Mismatch(
                "the id of an item in the device's bank_notes", shown(made.note_type), "signature.note_type"
            )

    return require
