"""Crypto: data is encrypted and decrypted, signed and given MACs, by the keys of KeyManagement.

A key does here what its usage says, and nothing else: data keys (D0 to D3) encrypt, MAC keys (M0 to M8) make
MACs, signature keys (S0 to S2) sign, and DUKPT keys (B0, B1) do what their derived keys are for. A key that
wraps keys, or encrypts or verifies PINs, never touches a client's data.

Start values: `storedKey` is a key of usage I0 that is one; `iv.key` is a key that decrypts `iv.value`;
`iv.value` alone is one in the clear. Without any, zeros. ECB and RSA have none. Whoever has the data key can
work a start value out. Keys that decrypt start values decrypt nothing else (`restrictedKeyUsage` I0):
otherwise a key that was once sent encrypted could be read by taking it for a start value.
"""

from __future__ import annotations

from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.devices import AuthenticationRequest, CryptoRequest, StartValue, VerifyMethods
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import reported
from xfs4iot.interfaces.keys.checks import illegal, key_exists, name_given
from xfs4iot.interfaces.keys.key_table import Key, decrypts_only_start_values
from xfs4iot.interfaces.keys.purposes import (
    DECRYPT_DATA,
    ENCRYPT_DATA,
    GENERATE_MAC,
    GENERATE_SIGNATURE,
    SIGNATURES,
    START_VALUE,
    VERIFY_MAC,
    VERIFY_SIGNATURE,
)
from xfs4iot.interfaces.keys.with_keys import WithKeys
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import crypto as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import check, handles

__all__ = ["Crypto"]

_WITHOUT_START = frozenset({"ecb", "rsaesPkcs1V15", "rsaesOaep"})
# A MAC may be cut, but one of a byte or two could be guessed by trying.
_LEAST_MAC = 4
_RENAMED = {"dukptOverflow": "accessDenied"}
"""The end of a DUKPT key is told by an event; only GetPinBlock has a code for it, too."""
_NO_CHIP = {
    "noChipTransactionActive": "the keys of a chip's transaction are the chip's, which does "
    "the cryptography itself"
}


def _block(key: Key) -> int:
    return 16 if key.algorithm == "A" else 8


def encrypting(request: messages.CryptoData, key: Key) -> bool:
    """Whether data is to be encrypted, by what the request or else the key says.

    Raises:
        InvalidData: neither says it.
    """
    said = request.mode_of_use or (key.mode if key.mode in "ED" else "D" if key.mode == "T" else None)
    if said is None:
        raise errors.InvalidData(
            f"$.modeOfUse is missing; a key of mode of use {key.mode} does both: say E or D"
        )
    return said == "E"


@check("invalidData")
def start_value_whole(on: Crypto, request: Any) -> None:
    """whether the start value is said one way only: `storedKey`, or `iv` with a value"""
    if request.iv is not None and request.stored_key is not None:
        raise errors.InvalidData("$.storedKey and $.iv are two start values; give one")
    if request.iv is not None and not request.iv.value:
        raise errors.InvalidData("$.iv.value is missing; $.iv.key decrypts it, $.storedKey stands for it")


@check("invalidData")
def direction_known(on: Crypto, request: messages.CryptoData) -> None:
    """`modeOfUse`, if the key does both"""
    assert request.key is not None
    encrypting(request, on.table.loaded(request.key))


@check("useViolation", "modeOfUseNotSupported")
def data_key_usable(on: Crypto, request: messages.CryptoData) -> None:
    """whether the key may encrypt data, or decrypt it; `modeOfUse` may say again what the key is for"""
    assert request.key is not None
    purpose = ENCRYPT_DATA if encrypting(request, on.table.loaded(request.key)) else DECRYPT_DATA
    on.table.for_use(request.key, purpose, mode_code="modeOfUseNotSupported")


@check("cryptoMethodNotSupported")
def method_supported(on: Crypto, request: messages.CryptoData) -> None:
    """whether the device does this with keys of this kind"""
    assert request.key is not None
    known = on.device.crypts.get(on.table.loaded(request.key).stored.attributes.kind, frozenset())
    if request.crypto_method not in known:
        raise errors.CommandError(
            "cryptoMethodNotSupported",
            f"$.cryptoMethod: this key is used by {', '.join(sorted(known)) or 'no method'}; see "
            "crypto.cryptoAttributes in Common.Capabilities",
        )


@check("keyNotFound", "keyNoValue", "useViolation")
def start_keys_usable(on: Crypto, request: Any) -> None:
    """whether the keys of the start value are there and for that"""
    if request.stored_key is not None:
        key = on.table.loaded(request.stored_key, "$.storedKey")
        if key.usage != "I0":
            raise illegal(
                request.stored_key,
                "useViolation",
                f"$.storedKey: a key of usage {key.usage} is not a start value",
            )
        on.table.require_in_time(request.stored_key, "$.storedKey")
    if request.iv is not None and request.iv.key is not None:
        key = on.table.for_use(request.iv.key, START_VALUE, "$.iv.key")
        if not decrypts_only_start_values(key):
            raise illegal(
                request.iv.key,
                "useViolation",
                "$.iv.key: only a key whose restrictedKeyUsage is I0 decrypts start values; one that "
                "brings keys would decrypt them for whoever asks",
            )


@check("invalidData")
def start_value_fits(on: Crypto, request: Any) -> None:
    """whether there may be a start value, and whether it has the length of a block"""
    method = getattr(request, "crypto_method", None)
    key = on.table.loaded(request.key)
    has_one = request.iv is not None or request.stored_key is not None
    if has_one and (method in _WITHOUT_START or key.algorithm == "R"):
        raise errors.InvalidData("$.iv, $.storedKey: what is done has no start value")
    if request.iv is not None and len(request.iv.value) != _block(key):
        raise errors.InvalidData(f"$.iv.value has {len(request.iv.value)} bytes; a block has {_block(key)}")


@check("useViolation", "modeOfUseNotSupported")
def authenticating_key_usable(on: Crypto, request: messages.GenerateAuthentication) -> None:
    """whether the key may sign, or make a MAC"""
    assert request.key is not None
    signs = on.table.loaded(request.key).usage in SIGNATURES
    on.table.for_use(
        request.key, GENERATE_SIGNATURE if signs else GENERATE_MAC, mode_code="modeOfUseNotSupported"
    )


@check("useViolation", "modeOfUseNotSupported")
def verifying_key_usable(on: Crypto, request: messages.VerifyAuthentication) -> None:
    """whether the key may verify a signature, or a MAC"""
    assert request.key is not None
    signs = on.table.loaded(request.key).usage in SIGNATURES
    on.table.for_use(
        request.key, VERIFY_SIGNATURE if signs else VERIFY_MAC, mode_code="modeOfUseNotSupported"
    )


def _how(on: Crypto, request: Any, known: Any) -> None:
    """Check that the device signs or makes MACs in this way."""
    key = on.table.loaded(request.key)
    found: VerifyMethods | None = known.get(key.stored.attributes.kind)
    if found is None:
        raise illegal(
            request.key,
            "algorithmNotSupported",
            f"the device does not do this with keys {' '.join(key.stored.attributes.kind)}; "
            "see Common.Capabilities",
            "algorithmNotSupported",
        )
    if key.usage not in SIGNATURES:
        if request.crypto_method is not None or request.hash_algorithm is not None:
            raise errors.CommandError(
                "cryptoMethodNotSupported",
                "$.cryptoMethod, $.hashAlgorithm: a MAC is made as the usage of its key says; leave them out",
            )
        return
    if request.crypto_method is None or request.hash_algorithm is None:
        raise errors.InvalidData("$.cryptoMethod, $.hashAlgorithm: a signature needs both")
    if request.crypto_method not in found.methods:
        raise errors.CommandError(
            "cryptoMethodNotSupported",
            f"$.cryptoMethod: the device signs by {', '.join(sorted(found.methods))}",
        )
    if request.hash_algorithm not in found.hash_algorithms:
        raise errors.CommandError(
            "algorithmNotSupported",
            f"$.hashAlgorithm: the device signs by {', '.join(sorted(found.hash_algorithms))}",
        )


@check("algorithmNotSupported", "cryptoMethodNotSupported", "invalidData")
def authentication_supported(on: Crypto, request: messages.GenerateAuthentication) -> None:
    """whether the device does this with keys of this kind, and how"""
    _how(on, request, on.device.authenticates)


@check("algorithmNotSupported", "cryptoMethodNotSupported", "invalidData")
def verification_supported(on: Crypto, request: messages.VerifyAuthentication) -> None:
    """whether the device does this with keys of this kind, and how"""
    _how(on, request, on.device.verifies)


@check("unsupportedData")
def digest_supported(on: Crypto, request: messages.Digest) -> None:
    """whether the device makes this digest"""
    if f"{request.hash_algorithm}Digest" not in on.device.emv_hash_algorithm:
        raise errors.UnsupportedData(
            f"$.hashAlgorithm: the device makes {', '.join(sorted(on.device.emv_hash_algorithm)) or 'none'}"
        )


def _filled(field: str, advice: str) -> Any:
    """A check that a property is not empty."""

    def there(on: object, request: Any) -> None:
        if request is None or not getattr(request, field):
            raise errors.InvalidData(f"$.{field} is missing or empty; {advice}")

    # The docstring becomes part of the generated tables, as that of any check.
    there.__doc__ = f"`{field}`"
    return check("invalidData", name=f"given {field}")(there)


_DATA = _filled("data", "give the data, base64")


class Crypto(WithKeys[devices.Crypto]):
    """The interface of cryptography for clients."""

    name: ClassVar[str] = "Crypto"

    @handles(
        "Crypto.CryptoData",
        checks=(
            name_given(),
            _DATA,
            given("crypto_method"),
            start_value_whole,
            device_ready,
            key_exists(),
            direction_known,
            data_key_usable,
            method_supported,
            start_keys_usable,
            start_value_fits,
        ),
        device=("accessDenied", "invalidKeyLength"),
        never=_NO_CHIP,
    )
    async def crypto_data(
        self, request: messages.CryptoData, command: Command
    ) -> messages.CryptoDataCompletion:
        """`Crypto.CryptoData` 3.0."""
        assert request.key is not None
        assert request.crypto_method is not None
        assert request.data is not None
        wanted = CryptoRequest(
            key=request.key,
            encrypting=encrypting(request, self.table.loaded(request.key)),
            method=request.crypto_method,
            data=request.data,
            start=_start(request),
            padding=request.padding or 0,
        )
        believe = reported.data_crypted_as_asked(wanted, self.table.loaded(request.key))
        data = await self.ask(devices.Crypto.crypto_data, wanted, command, believe=believe, rename=_RENAMED)
        return messages.CryptoDataCompletion(data=data)

    @handles(
        "Crypto.GenerateAuthentication",
        checks=(
            name_given(),
            _DATA,
            start_value_whole,
            device_ready,
            key_exists(),
            authenticating_key_usable,
            authentication_supported,
            start_keys_usable,
            start_value_fits,
        ),
        device=("accessDenied", "invalidKeyLength"),
        never=_NO_CHIP,
    )
    async def generate_authentication(
        self, request: messages.GenerateAuthentication, command: Command
    ) -> messages.GenerateAuthenticationCompletion:
        """`Crypto.GenerateAuthentication` 3.0: a signature; or a MAC, cut to the length that is wanted."""
        wanted = _request(request)
        # A signature cannot be cut; slicing with None leaves it whole.
        length = None if wanted.method is not None else request.authentication_datalength
        made = await self.ask(
            devices.Crypto.generate_authentication,
            wanted,
            command,
            believe=reported.data_authenticated_as_asked(wanted, length),
            rename=_RENAMED,
        )
        return messages.GenerateAuthenticationCompletion(authentication_data=made[:length])

    @handles(
        "Crypto.VerifyAuthentication",
        checks=(
            name_given(),
            _DATA,
            given("verify_data", "give the signature or MAC"),
            start_value_whole,
            device_ready,
            key_exists(),
            verifying_key_usable,
            verification_supported,
            start_keys_usable,
            start_value_fits,
        ),
        device=("accessDenied", "invalidKeyLength", "macInvalid", "signatureInvalid"),
        never=_NO_CHIP,
    )
    async def verify_authentication(self, request: messages.VerifyAuthentication, command: Command) -> None:
        """`Crypto.VerifyAuthentication` 3.0, completion 2.0."""
        given = request.verify_data or b""
        signed = request.crypto_method is not None
        # A short MAC is wrong without the device being asked: it might compare no more than is given.
        good = signed or len(given) >= _LEAST_MAC
        if good:
            good = await self.ask(
                devices.Crypto.verify_authentication, _request(request, given), command, rename=_RENAMED
            )
        if not good:
            raise errors.CommandError(
                "signatureInvalid" if signed else "macInvalid", "$.verifyData does not fit $.data"
            )

    @handles(
        "Crypto.Digest",
        checks=(given("hash_algorithm"), _DATA, device_ready, digest_supported),
        device=("accessDenied",),
    )
    async def digest(self, request: messages.Digest, command: Command) -> messages.DigestCompletion:
        """`Crypto.Digest` 3.0."""
        digest = await self.ask(
            devices.Crypto.digest,
            request.hash_algorithm,
            request.data,
            believe=reported.digested_as_asked(request.hash_algorithm),
        )
        return messages.DigestCompletion(digest=digest)

    @handles("Crypto.GenerateRandom", checks=(device_ready,), device=("accessDenied",))
    async def generate_random(self, request: None, command: Command) -> messages.GenerateRandomCompletion:
        """`Crypto.GenerateRandom` 2.0, completion 3.0."""
        return messages.GenerateRandomCompletion(random_number=await self.ask(devices.Crypto.generate_random))


def _start(request: Any) -> StartValue | None:
    if request.stored_key is not None:
        return StartValue(stored_key=request.stored_key)
    if request.iv is not None:
        return StartValue(key=request.iv.key, value=request.iv.value)
    return None


def _request(request: Any, given: bytes = b"") -> AuthenticationRequest:
    """What the device is given; `compression` names the blank that is taken out of the data."""
    data: bytes = request.data
    if request.compression:
        data = data.replace(request.compression.encode(), b"")
    return AuthenticationRequest(
        key=request.key,
        data=data,
        given=given,
        start=_start(request),
        padding=request.padding or 0,
        method=request.crypto_method,
        hash_algorithm=request.hash_algorithm,
    )
