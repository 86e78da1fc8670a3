"""Which devices belong to a fleet, and by which key: one record for each, changed by compare-and-set.

A certificate alone is not enough: an authority's key can be stolen, a disk copied, a device replaced. So the
fleet keeps the hash of the one key that a device has now, and no other is taken. A device that renews has two
until it has come with the new one; whoever comes with the old one afterwards has a copy of an old disk.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.store import Conflict, Store, read_as
from xfs4iot.telling import logger, told

__all__ = [
    "TRUST",
    "WRONG_CODES",
    "CodeRefused",
    "CodeUsed",
    "Copied",
    "Invitation",
    "Trust",
    "Trusted",
    "Unknown",
    "hash_code",
    "key_of",
]

_log = logger("xfs4iot.fleet")
TRUST = "x4-{}-trust"
"""Bucket of a tenant's devices and their keys."""
WRONG_CODES = 10
"""Wrong codes after which an invitation is void."""
_AGAIN = 20


class Unknown(Exception):
    """Whoever shows this certificate is not let in."""


class Copied(Unknown):
    """Somebody comes with a key that is not, or not any more, that of the device."""


class CodeRefused(Exception):
    """A code that opens nothing; the text says what to do."""


class CodeUsed(CodeRefused):
    """Somebody else has used the code before."""


@dataclass(frozen=True)
class Invitation:
    """A device may be enrolled, once.

    Attributes:
        code: hash of the code.
        expires: in seconds since 1970.
        wrong: how many wrong codes were tried.
        key: hash of the key for which it was used; empty as long as it was not.
    """

    code: str
    expires: float
    wrong: int = 0
    key: str = ""


@dataclass(frozen=True)
class Trusted:
    """What is known of a device's key.

    Attributes:
        key: hash of its public key; empty before it is enrolled.
        before: hash of the one that `key` replaces, until the device has come with `key`.
        until: when its latest certificate ends, in seconds since 1970; 0 if that is not known, or there is
            none for this key yet.
        revoked: since when it is not let in any more, in seconds since 1970; 0 if it is.
    """

    key: str = ""
    before: str = ""
    until: float = 0.0
    revoked: float = 0.0
    invitation: Invitation | None = None

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes) -> Trusted:
        """As it was written.

        Raises:
            ValueError: it is none.
        """
        return read_as(_decoder, value)

    @property
    def keys(self) -> frozenset[str]:
        """Those by which the device is let in."""
        return frozenset() if self.revoked else frozenset({self.key, self.before} - {""})

    def admit(self, device: str, key: str) -> None:
        """Be sure that a device may come by this key.

        Raises:
            Unknown: it may not; the text says what to do.
        """
        if self.revoked:
            raise Unknown(
                f"device {device} is revoked; if it is yours and whole, `xfs4iot fleet invite {device}`, and "
                "on it `xfs4iot enroll --replace`"
            )
        if not self.key:
            raise Unknown(f"device {device} is not enrolled; see `xfs4iot enroll`")
        if key not in self.keys:
            raise Copied(
                f"somebody comes as device {device} with a key that it does not have (any more): a copy of "
                f"its disk, or a certificate that another has made. Find out which; "
                f"`xfs4iot fleet revoke {device}` shuts out both"
            )


_decoder = msgspec.json.Decoder(Trusted)


class Trust:
    """The records of one tenant's devices."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, device: str) -> Trusted | None:
        """What is known of a device; None if nothing.

        Raises:
            CarrierLost: the store cannot be asked.
        """
        found = await self._store.get(device)
        return None if found is None else self._read(device, found[0])

    def _read(self, device: str, value: bytes) -> Trusted:
        """A record; one that is spoilt lets nobody in, until the device is invited anew."""
        try:
            return Trusted.decode(value)
        except ValueError as wrong:
            _log.error("the record of device %s cannot be read: %s", told(device), told(str(wrong)))
            return Trusted(revoked=time.time())

    async def everything(self) -> dict[str, Trusted]:
        """What is known of all devices."""
        return {
            device: self._read(device, value) for device, value in (await self._store.everything()).items()
        }

    async def change(self, device: str, changed: Callable[[Trusted | None], Trusted | None]) -> Trusted:
        """Change a record, whoever else does so at the same time.

        Args:
            changed: gives the new record for the old one; None for no change. What it raises is raised, and
                it may be called again.

        Raises:
            CarrierLost: the store cannot be asked, or others change the record all the time.
        """
        for _ in range(_AGAIN):
            found = await self._store.get(device)
            before, revision = (None, 0) if found is None else (self._read(device, found[0]), found[1])
            after = changed(before)
            if after is None or after == before:
                return before or Trusted()
            try:
                await self._store.put(device, after.encode(), revision)
            except Conflict:
                continue
            return after
        raise CarrierLost(f"the record of device {device} is changed by others all the time; try again")

    async def invite(self, device: str, code_hash: str, seconds: float, *, replacing: bool = False) -> None:
        """Let a device be enrolled, within so many seconds; an earlier invitation is void.

        Raises:
            ValueError: it is enrolled, and is not to be replaced.
        """

        def changed(before: Trusted | None) -> Trusted:
            known = before or Trusted()
            if known.keys and not replacing:
                raise ValueError(
                    f"device {device} is enrolled already; to replace it, or its disk, say --replace"
                )
            return replace(known, invitation=Invitation(code_hash, time.time() + seconds))

        await self.change(device, changed)

    async def redeem(self, device: str, code: str, key: str) -> None:
        """Use an invitation for a key; again for the same key, in case the answer was lost.

        Raises:
            CodeRefused: the code is not good, or not any more.
        """
        refused: CodeRefused | None = None

        def changed(before: Trusted | None) -> Trusted | None:
            nonlocal refused
            refused = None
            invitation = None if before is None else before.invitation
            if before is None or invitation is None:
                refused = CodeRefused(f"no code is open for device {device}; {_ASK}")
                return None
            if time.time() > invitation.expires:
                refused = CodeRefused(f"the code of device {device} has expired; {_ASK}")
                return None
            if invitation.wrong >= WRONG_CODES:
                refused = CodeRefused(f"too many wrong codes were tried for device {device}; {_ASK}")
                return None
            if not hmac.compare_digest(hash_code(device, code), invitation.code):
                refused = CodeRefused(f"this is not the code of device {device}; see that it is typed right")
                return replace(before, invitation=replace(invitation, wrong=invitation.wrong + 1))
            # Also one that has renewed since: by the code its former key would get a certificate again.
            if invitation.key and (invitation.key != key or before.key != key):
                refused = CodeUsed(
                    f"the code of device {device} was used already, by another key. If that was not this "
                    f"device, whoever has it is in its place; `xfs4iot fleet revoke {device}`, then {_ASK}"
                )
                return None
            if invitation.key:
                return None
            used = replace(invitation, key=key)
            return replace(before, key=key, before="", until=0.0, revoked=0.0, invitation=used)

        await self.change(device, changed)
        if refused is not None:
            raise refused

    async def renew(self, device: str, by: str, key: str) -> None:
        """Give a device another key in the place of the one that it has.

        Args:
            by: hash of the key with which it asks.
            key: of the new one. Asked for again, in case the answer was lost, it is given again.

        Raises:
            Unknown: it may not have another.
        """

        def changed(before: Trusted | None) -> Trusted | None:
            known = before or Trusted()
            known.admit(device, by)
            if key == known.key:
                return None
            if by == known.key:
                return replace(known, key=key, before=by)
            raise Copied(
                f"device {device} asks for a key with one that it has replaced already: it is there twice, "
                f"or was put back from a copy. Find out which; then `xfs4iot fleet invite {device} --replace`"
            )

        await self.change(device, changed)

    async def came(self, device: str, key: str) -> None:
        """Take note that a device has come with its new key: the one before is good no more."""
        await self.change(
            device,
            lambda before: (
                replace(before, before="")
                if before is not None and before.before and before.key == key
                else None
            ),
        )

    async def certified(self, device: str, key: str, until: float) -> None:
        """Take note of when the certificate of a device's key ends."""
        await self.change(
            device,
            lambda before: replace(before, until=until) if before is not None and before.key == key else None,
        )

    async def admit(self, device: str, key: str, until: float) -> None:
        """Take in a device whose certificate was made elsewhere."""
        await self.change(device, lambda before: Trusted(key=key, until=until))

    async def revoke(self, device: str) -> None:
        """Let a device in no more, by whatever key.

        Raises:
            KeyError: there is none of this name.
        """

        def changed(before: Trusted | None) -> Trusted:
            if before is None:
                raise KeyError(device)
            return replace(before, revoked=before.revoked or time.time(), invitation=None)

        await self.change(device, changed)


_ASK = "ask your operator for a new one (`xfs4iot fleet invite`)"


def hash_code(device: str, code: str) -> str:
    """As it is kept. A code is long and random, so there is no dictionary to try."""
    return hashlib.sha256(f"xfs4iot enrolment\0{device}\0{code}".encode()).hexdigest()


def key_of(holder: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """SHA-256 of a public key (its SubjectPublicKeyInfo in DER), as brokers name it, too."""
    encoded = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()
