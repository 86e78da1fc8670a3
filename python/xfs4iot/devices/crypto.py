"""Crypto: what a vendor writes for a device that encrypts, signs and makes MACs with its keys.

class MyModule(devices.KeyManagement, devices.Crypto):
    crypts = {("D0", "A", "B"): frozenset({"cbc"})}

    async def crypto_data(self, request, events):
        return await self.module.crypt(request.key, request.encrypting, request.data)

The keys are those of KeyManagement, and of the same device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, Device
from xfs4iot.devices._keys import (
    DecryptMethod,
    HashAlgorithm,
    KeyBytes,
    KeyKind,
    VerifyMethods,
    nested,
    verify_attributes,
)
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived
from xfs4iot.protocol.command_events.crypto import (
    CryptoDataEvents,
    GenerateAuthenticationEvents,
    VerifyAuthenticationEvents,
)
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import crypto as messages

__all__ = ["AuthenticationRequest", "Crypto", "CryptoRequest", "StartValue"]

SignatureMethod = Literal["rsassaPkcs1V15", "rsassaPss"]


@dataclass(frozen=True, kw_only=True)
class StartValue:
    """The start value of a chain of blocks; one of the first two, or a plain value.

    Attributes:
        stored_key: a key of usage I0 that is the start value.
        key: a key that decrypts `value`, by ECB.
        value: the start value, encrypted if there is a key.
    """

    stored_key: str | None = None
    key: str | None = None
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class CryptoRequest:
    """Data to be encrypted or decrypted.

    Attributes:
        key: that does it.
        encrypting: or else decrypting.
        method: how.
        data: what.
        start: None: zeros.
        padding: the byte that fills data up that is to be encrypted in blocks.
    """

    key: str
    encrypting: bool
    method: DecryptMethod
    data: bytes = field(repr=False)
    start: StartValue | None = None
    padding: Annotated[int, Meta(ge=0, le=255)] = 0


@dataclass(frozen=True, kw_only=True)
class AuthenticationRequest:
    """Data to be signed or given a MAC, or whose signature or MAC is to be verified.

    Attributes:
        key: that does it; its usage says which MAC.
        data: what; blanks are taken out already.
        given: the signature or MAC to be verified; b"" where one is to be made.
        start: of a chain of blocks; None: zeros.
        padding: the byte that fills data up.
        method: of a signature; None for a MAC.
        hash_algorithm: of a signature; None for a MAC.
    """

    key: str
    data: bytes = field(repr=False)
    given: bytes = field(default=b"", repr=False)
    start: StartValue | None = None
    padding: Annotated[int, Meta(ge=0, le=255)] = 0
    method: SignatureMethod | None = None
    hash_algorithm: HashAlgorithm | None = None


def _crypto_attributes(device: Crypto) -> object:
    method = messages.CapabilitiesCryptoAttributesCryptoMethod
    return nested(
        {
            kind: messages.CapabilitiesCryptoAttributes(crypto_method=flags(method, methods))
            for kind, methods in device.crypts.items()
        }
    )


def _authentication_attributes(device: Crypto) -> object:
    return verify_attributes(
        device.authenticates,
        attributes=messages.CapabilitiesAuthenticationAttributes,
        method=messages.CapabilitiesAuthenticationAttributesCryptoMethod,
        algorithm=messages.CapabilitiesAuthenticationAttributesHashAlgorithm,
    )


def _verify_attributes(device: Crypto) -> object:
    return verify_attributes(
        device.verifies,
        attributes=messages.CapabilitiesVerifyAttributes,
        method=messages.CapabilitiesVerifyAttributesCryptoMethod,
        algorithm=messages.CapabilitiesVerifyAttributesHashAlgorithm,
    )


class Crypto(
    Device,
    messages=messages,
    secret="keys",
    capabilities={
        "crypto_attributes": "crypto_attributes_told",
        "authentication_attributes": "authentication_attributes_told",
        "verify_attributes": "crypto_verify_attributes_told",
    },
):
    """A device that does cryptography for its clients, beside `KeyManagement`.

    Attributes:
        crypts: the kinds of keys that encrypt or decrypt data, and how.
        authenticates: the kinds of keys that sign or make MACs, and how.
        verifies: the kinds of keys that verify, and how.
        emv_hash_algorithm: digests: `sha1Digest`, `sha256Digest`.
    """

    crypts: Mapping[KeyKind, frozenset[DecryptMethod]] = {}
    authenticates: Mapping[KeyKind, VerifyMethods] = {}
    verifies: Mapping[KeyKind, VerifyMethods] = {}
    emv_hash_algorithm: frozenset[Literal["sha1Digest", "sha256Digest"]] = frozenset()
    crypto_attributes_told: object = derived(_crypto_attributes)
    authentication_attributes_told: object = derived(_authentication_attributes)
    crypto_verify_attributes_told: object = derived(_verify_attributes)

    @operation
    async def crypto_data(self, request: CryptoRequest, events: CommandEvents[CryptoDataEvents]) -> KeyBytes:
        """`Crypto.CryptoData`: encrypt or decrypt data.

        A key that data keys are derived from (DUKPT) sends `KeyManagement.DUKPTKSNEvent` by `events`.

        Raises:
            CommandError: `invalidKeyLength`, `accessDenied`; `dukptOverflow`: a DUKPT key is at its end.
        """
        raise NotImplementedError

    @operation
    async def generate_authentication(
        self, request: AuthenticationRequest, events: CommandEvents[GenerateAuthenticationEvents]
    ) -> KeyBytes:
        """`Crypto.GenerateAuthentication`: a signature, or a whole MAC.

        Raises:
            CommandError: `invalidKeyLength`, `accessDenied`; `dukptOverflow`: a DUKPT key is at its end.
        """
        raise NotImplementedError

    @operation
    async def verify_authentication(
        self, request: AuthenticationRequest, events: CommandEvents[VerifyAuthenticationEvents]
    ) -> bool:
        """`Crypto.VerifyAuthentication`: whether a signature, or a MAC of 4 bytes or more, is right.

        Compare in constant time.

        Raises:
            CommandError: `invalidKeyLength`, `accessDenied`; `dukptOverflow`: a DUKPT key is at its end.
        """
        raise NotImplementedError

    @operation
    async def digest(self, algorithm: HashAlgorithm, data: bytes) -> bytes:
        """`Crypto.Digest`: the digest of data."""
        raise NotImplementedError

    @operation
    async def generate_random(self) -> Annotated[bytes, Meta(min_length=8)]:
        """`Crypto.GenerateRandom`: random bytes, 8 or more, not to be foreseen."""
        raise NotImplementedError
