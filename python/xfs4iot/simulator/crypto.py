"""A simulated module that does cryptography with the keys of its secure part."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.devices import (
    AuthenticationRequest,
    CommandEvents,
    CryptoRequest,
    KeyKind,
    StartValue,
    VerifyMethods,
)
from xfs4iot.digests import sha1, sha256
from xfs4iot.interfaces.keys.purposes import START_VALUE
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.crypto import (
    CryptoDataEvents,
    GenerateAuthenticationEvents,
    VerifyAuthenticationEvents,
)
from xfs4iot.protocol.messages import key_management
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_device import SecureDevice
from xfs4iot.simulator.secure_part import macs

__all__ = ["SimulatedCrypto"]

_BLOCKS = frozenset({"ecb", "cbc", "cfb", "ofb", "ctr"})
_RSA = frozenset({"rsaesPkcs1V15", "rsaesOaep"})
_MACS: Mapping[str, str] = {**macs.MAC_USAGES, "B0": "TA", "B1": "TA"}
_DIGESTS = {"sha1": sha1, "sha256": sha256}
_SIGNED = VerifyMethods(frozenset({"rsassaPkcs1V15", "rsassaPss"}), frozenset({"sha1", "sha256"}))


def _kinds(table: Mapping[str, str], modes: str) -> list[KeyKind]:
    return [
        (usage, algorithm, mode)
        for usage, algorithms in table.items()
        for algorithm in algorithms
        for mode in ("X" if usage[0] == "B" else modes)
    ]


class SimulatedCrypto(SecureDevice, devices.Crypto):
    """Cryptography for clients."""

    FAULTS: ClassVar = {
        "flippedBit": Fault("once", "one bit of what is made next is wrong"),
    }
    crypts: Mapping[KeyKind, Any] = {
        **dict.fromkeys(_kinds({"D0": "DT", "D2": "T", "D3": "T", "B0": "TA", "B1": "TA"}, "BDE"), _BLOCKS),
        **dict.fromkeys(_kinds({"D0": "A", "D2": "A", "D3": "A"}, "BDE"), _BLOCKS | {"xts"}),
        **dict.fromkeys(_kinds({"D1": "R"}, "E"), _RSA),
    }
    authenticates: Mapping[KeyKind, VerifyMethods] = {
        **dict.fromkeys(_kinds(_MACS, "CG"), VerifyMethods()),
        **dict.fromkeys(_kinds({"S0": "R"}, "S"), _SIGNED),
    }
    verifies: Mapping[KeyKind, VerifyMethods] = {
        **dict.fromkeys(_kinds(_MACS, "CV"), VerifyMethods()),
        **dict.fromkeys(_kinds({"S0": "R"}, "V"), _SIGNED),
    }
    emv_hash_algorithm = frozenset({"sha1Digest", "sha256Digest"})

    def tell_ksn(self, events: CommandEvents[CryptoDataEvents], key: str, ksn: bytes) -> None:
        """Tell the serial number of a transaction, before what was made with its key."""
        events.send(key_management.DUKPTKSNEvent(key=key, ksn=ksn))

    def _start(self, start: StartValue | None) -> bytes | None:
        if start is None:
            return None
        if start.stored_key is not None:
            return bytes(self.secure.held(start.stored_key).value)
        assert start.value is not None
        if start.key is None:
            return start.value
        restricted = self.secure.held(start.key).stored.attributes.restricted_key_usage
        if restricted != "I0":
            raise errors.CommandError("useViolation", "this key may not decrypt a start value")
        return self.secure.crypt(start.key, "decrypt", "ecb", start.value, purpose=START_VALUE)

    def _made(self, data: bytes) -> bytes:
        if self.faults.strikes("flippedBit"):
            data = bytes([data[0] ^ 1]) + data[1:]
        return data

    async def crypto_data(self, request: CryptoRequest, events: CommandEvents[CryptoDataEvents]) -> bytes:
        await self.at_work()
        start = self._start(request.start)
        # Told here, not where it is made: that may be another thread, which must send nothing.
        serials: list[bytes] = []
        work = partial(
            self.secure.crypt,
            request.key,
            "encrypt" if request.encrypting else "decrypt",
            request.method,
            request.data,
            iv=start,
            padding=request.padding,
            told=serials.append,
        )
        try:
            made = await _off_the_loop(work, len(request.data))
        finally:
            for ksn in serials:
                self.tell_ksn(events, request.key, ksn)
        return self._made(made)

    async def generate_authentication(
        self, request: AuthenticationRequest, events: CommandEvents[GenerateAuthenticationEvents]
    ) -> bytes:
        await self.at_work()
        if request.method is not None:
            assert request.hash_algorithm is not None
            signed = self.secure.sign_data(request.key, request.method, request.hash_algorithm, request.data)
            return self._made(signed)
        told = partial(self.tell_ksn, events, request.key)
        start = self._start(request.start)
        return self._made(
            self.secure.mac(request.key, request.data, iv=start, padding=request.padding, told=told)
        )

    async def verify_authentication(
        self, request: AuthenticationRequest, events: CommandEvents[VerifyAuthenticationEvents]
    ) -> bool:
        await self.at_work()
        if request.method is not None:
            assert request.hash_algorithm is not None
            return self.secure.verify_signature(
                request.key, request.method, request.hash_algorithm, request.data, request.given
            )
        return self.secure.verify_mac(
            request.key,
            request.data,
            request.given,
            iv=self._start(request.start),
            padding=request.padding,
            told=partial(self.tell_ksn, events, request.key),
        )

    async def digest(self, algorithm: str, data: bytes) -> bytes:
        await self.at_work()
        return _DIGESTS[algorithm](data)

    async def generate_random(self) -> bytes:
        await self.at_work()
        return self.secure.random(8)


_LONG = 65_536


async def _off_the_loop(work: Any, size: int) -> bytes:
    """Do long work in a thread, so that other clients need not wait for it."""
    made: bytes = await trio.to_thread.run_sync(work) if size > _LONG else work()
    return made
