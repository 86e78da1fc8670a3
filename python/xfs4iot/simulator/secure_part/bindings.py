"""What each value is for: a value that was a key for one purpose is none for another.

What is merely encrypted does not say what it is for. A client that has recorded how a PIN key was loaded
could otherwise load it again, or before, as a data key, and decrypt PIN blocks.

Two values that do the same are the same here, however they are written: DES ignores the lowest bit of each
byte, K1 K2 K1 does what K1 K2 does, and of two equal neighbours nothing is left. Where nothing holds the
parts of a value together, as under ECB, none of its DES keys may be part of a key for anything else: one by
one, they are found by 2^56 tries each.

Only fingerprints are kept, and of so many values: those that are no longer in the device give way first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from xfs4iot._core import Secret
from xfs4iot.devices import KeyAttributes
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import macs
from xfs4iot.simulator.secure_part.ciphers import Key, readable, wipe
from xfs4iot.simulator.secure_part.store import KeyStore

__all__ = ["SYMMETRIC", "Bindings"]

SYMMETRIC = frozenset("DTAH")
"""Algorithms of the keys that are bound; those of RSA differ in what is public of them."""
REMEMBERED = 4096
"""Of how many values it is remembered what they were for."""
_PURPOSE = "purpose:"
_DES_KEY = 8


def canonical(value: Key) -> Secret:
    """A symmetric key as it is written in the shortest way, without parity."""
    made = bytearray(byte & 0xFE for byte in memoryview(value))
    whole = memoryview(made)
    try:
        first, second, third = (whole[at : at + _DES_KEY] for at in (0, 8, 16))
        if len(whole) == 24:
            if first == second:
                return Secret(third)
            if second == third:
                return Secret(first)
            if first == third:
                return Secret(whole[:16])
        if len(whole) == 16 and first == second:
            return Secret(first)
        return Secret(whole)
    finally:
        wipe(made)


def _purpose(attributes: KeyAttributes) -> bytes:
    """What a key of this kind is bound to."""
    usage, mode = attributes.usage, attributes.mode_of_use
    if usage[0] == "M" and mode == "V":
        # Who makes MACs by a key that is only to verify passes for the host.
        return b"verify"
    if usage[0] not in "KPBV":
        # Among data and MACs a value may change.
        return b"data"
    # What is derived from a key must not be decrypted by it, either.
    derives = "/X" if usage[0] == "K" and mode == "X" else ""
    return f"{usage}/{attributes.restricted_key_usage}{derives}".encode()


class Bindings:
    """Remembers what values were for.

    Args:
        store: that holds the keys, and keeps what is remembered.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def fingerprint(self, value: Key, more: bytes = b"") -> str:
        """The same for all values that do the same as keys, and of no use to find one of them."""
        by = self._store.secrets.setdefault("fingerprints", os.urandom(32))
        return macs.mac("M7", "H", by, readable(Secret(canonical(value), more))).hex()

    def bind(self, attributes: KeyAttributes, value: Key, *, loose: bool = False) -> None:
        """See that a value was never a key for anything else, and remember what it is for.

        Args:
            loose: nothing says that its parts belong together.

        Raises:
            CommandError: `useViolation`; `noKeyRam`: no more can be remembered.
        """
        kept = self._store.secrets
        name, purpose = _PURPOSE + self.fingerprint(value), _purpose(attributes)
        before = kept.get(name)
        if before is not None:
            if before.split()[0] != purpose:
                raise errors.CommandError("useViolation", "the device has had this key for another purpose")
            return
        parts = tuple(self._parts(value))
        if loose:
            self._require_parts_of_no_other(parts, purpose)
        self._make_room()
        kept[name] = b" ".join((purpose, *parts))

    def _parts(self, value: Key) -> Iterator[bytes]:
        """Fingerprints of the DES keys that a value has, which may be parts of others."""
        view = memoryview(canonical(value))
        for at in range(0, len(view) - _DES_KEY + 1, _DES_KEY):
            yield self.fingerprint(view[at : at + _DES_KEY])[:32].encode()

    def _require_parts_of_no_other(self, parts: tuple[bytes, ...], purpose: bytes) -> None:
        for name, record in self._store.secrets.items():
            if not name.startswith(_PURPOSE):
                continue
            of, *own = record.split()
            if of != purpose and not set(own).isdisjoint(parts):
                raise errors.CommandError(
                    "useViolation", "the device has had a part of this key for another purpose"
                )

    def _make_room(self) -> None:
        """Forget the oldest value that is no key of the device any more, if too many are remembered.

        Encrypted garbage makes keys, too: it must not drive out what the device still has.
        """
        kept = self._store.secrets
        known = [one for one in kept if one.startswith(_PURPOSE)]
        if len(known) < REMEMBERED:
            return
        held = {
            _PURPOSE + self.fingerprint(key.value)
            for key in self._store.keys.values()
            if key.stored.attributes.algorithm in SYMMETRIC
        }
        gone = next((one for one in known if one not in held), None)
        if gone is None:
            raise errors.CommandError("noKeyRam", f"the device has {REMEMBERED} keys; delete some")
        del kept[gone]
