"""Public keys of card schemes, issuers and chips (EMV Book 2, clauses 5, 6 and 11).

    authority  ── plainCA, checksumCA: by nobody ── pkcsV1_5_CA: signed by a key that the device has
        │
        └── issuer ── icc, iccPIN

A certificate is an RSA signature from which its content is recovered: a head, what of the key has room, a
hash by SHA-1, and `BC`. What of the key has no room is the remainder, which comes apart.

A chip's key encrypts PINs (usage E7) only if the authority at the end of its chain was verified by a key that
the device has. Otherwise any host could bring an authority of its own, have a key certified, and read PINs.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.constant_time import bytes_eq

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.interfaces.keys.purposes import VERIFY_SIGNATURE
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part import rsa_keys
from xfs4iot.simulator.secure_part.part import SecurePart
from xfs4iot.simulator.secure_part.store import Held

__all__ = ["EmvKeys"]

_PIN_KEY = "E7"
_RANDOM_BYTES = 8
_HASH_BYTES = 20
_EXPONENTS = (b"\x03", b"\x01\x00\x01")
_CENTURY = 2000


class _Kept(msgspec.Struct):
    """What is kept of a key beside its value.

    Attributes:
        role: what it may sign.
        digest: of the value: another key of the same name is another key.
        verified: the authority at the end of its chain was.
    """

    role: Literal["authority", "issuer", "chip"]
    digest: bytes
    verified: bool


@dataclass(frozen=True)
class _Format:
    """A format of certificates.

    Attributes:
        number: that it has.
        number_bytes: of the issuer's number, or of the PAN.
        signs: role of the key that signs it.
        role: of the key in it.
    """

    number: int
    number_bytes: int
    signs: Literal["authority", "issuer"]
    role: Literal["issuer", "chip"]


_ISSUER = _Format(2, 4, "authority", "issuer")
_CHIP = _Format(4, 10, "issuer", "chip")


def _failed(why: str) -> errors.CommandError:
    return errors.CommandError("emvVerifyFailed", f"$.value: {why}")


class _Reader:
    """Takes parts from the front of a value, each after a byte that says its length."""

    def __init__(self, value: bytes) -> None:
        self._left = value

    def part(self) -> bytes:
        if not self._left or len(self._left) <= self._left[0]:
            raise _failed("a part is longer than what is there")
        end = self._left[0] + 1
        made, self._left = self._left[1:end], self._left[end:]
        return made

    def end(self) -> None:
        if self._left:
            raise _failed(f"{len(self._left)} bytes are left over")


def _digits(number: bytes) -> str:
    """The digits of a number in BCD, filled up with `F`."""
    return number.hex().rstrip("f")


def _expiry(month_year: bytes) -> str:
    """The last day of the month MMYY in BCD.

    Raises:
        CommandError: `emvVerifyFailed`: there is no such month, or it is over.
    """
    text = month_year.hex()
    if not text.isdecimal() or not 1 <= int(text[:2]) <= 12:
        raise _failed("the certificate has no readable expiry date")
    month, year = int(text[:2]), _CENTURY + int(text[2:])
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    if datetime.now(UTC) >= after:
        raise _failed("the certificate has expired")
    last = datetime.fromtimestamp(after.timestamp() - 1, UTC)
    return f"{last:%Y%m%d}"


class EmvKeys:
    """Takes public keys of card schemes into a secure part.

    Args:
        part: that holds them.
    """

    def __init__(self, part: SecurePart) -> None:
        self._part = part

    def take(self, name: str, usage: str, scheme: str, value: bytes, verify_key: str | None) -> StoredKey:
        """Take a key.

        Raises:
            CommandError: any of ImportEmvPublicKey's.
        """
        role: Literal["authority", "issuer", "chip"] = "authority"
        verified, expiry = False, None
        match scheme:
            case "plainCA":
                key = self._plain(value)
            case "checksumCA":
                key = self._of_authority(value)
            case "pkcsV1_5_CA":
                key, verified = self._signed(value, verify_key or "")
            case "issuer" | "icc" | "iccPIN":
                how = _ISSUER if scheme == "issuer" else _CHIP
                key, expiry, verified = self._certified(value, verify_key or "", how)
                role = how.role
            case _:
                raise errors.UnsupportedData(f"$.importScheme: the module does not know {scheme}")
        if usage == _PIN_KEY and not (role == "chip" and verified):
            raise errors.CommandError(
                "accessDenied",
                "$.keyUsage: only a chip's key encrypts PINs, and only if the authority of its scheme was "
                "imported by pkcsV1_5_CA",
            )
        attributes = KeyAttributes(usage=usage, algorithm="R", mode_of_use="E" if usage == _PIN_KEY else "V")
        stored = StoredKey(attributes, key.key_size, expiry_date=expiry)
        kept = rsa_keys.stored(key)
        record = _Kept(role, hashlib.sha256(kept).digest(), verified)
        # Set first: `put` saves the key and what is kept of it together.
        self._part.store.secrets[f"emv:{name}"] = msgspec.json.encode(record)
        self._part.put(name, stored, kept)
        return stored

    def _kept(self, name: str, held: Held) -> _Kept | None:
        found = self._part.store.secrets.get(f"emv:{name}")
        if found is None:
            return None
        kept = msgspec.json.decode(found, type=_Kept)
        return kept if kept.digest == hashlib.sha256(held.value).digest() else None

    @staticmethod
    def _plain(value: bytes) -> rsa.RSAPublicKey:
        try:
            return rsa_keys.read_public(value)
        except rsa_keys.NotRsa as wrong:
            raise _failed(str(wrong)) from None

    @staticmethod
    def _of_authority(value: bytes) -> rsa.RSAPublicKey:
        """An authority's key with its checksum: RID, index, two algorithms, modulus, exponent, SHA-1."""
        text, checksum = value[:-_HASH_BYTES], value[-_HASH_BYTES:]
        exponent = next((one for one in _EXPONENTS if text.endswith(one)), None)
        if exponent is None or len(text) < 8 + 64:
            raise _failed("it is not the key of an authority with its checksum")
        modulus = text[8 : -len(exponent)]
        made = hashlib.sha1(text[:6] + modulus + exponent, usedforsecurity=False).digest()
        if text[6:8] != b"\x01\x01" or not bytes_eq(made, checksum):
            raise _failed(
                "the checksum is not that of the key, or its algorithms are others than SHA-1 and RSA"
            )
        return _public(modulus, exponent)

    def _signed(self, value: bytes, by: str) -> tuple[rsa.RSAPublicKey, bool]:
        """An authority's key, signed by RSASSA-PKCS1-v1_5 and SHA-256, and whether who signed is verified."""
        held = self._part.held(by)
        kept = self._kept(by, held)
        signs = held.stored.attributes.usage in VERIFY_SIGNATURE.usages
        if not signs and (kept is None or kept.role != "authority"):
            raise errors.CommandError("useViolation", "$.verifyKey: this key verifies no authorities")
        signer = rsa_keys.public_of(held.value)
        size = rsa_keys.length(signer)
        covered, signature = value[:-size], value[-size:]
        if not rsa_keys.verify(signer, "rsassaPkcs1V15", "sha256", covered, signature):
            raise _failed("it is not signed by $.verifyKey")
        key = self._of_authority(covered[:-_RANDOM_BYTES])
        return key, signs or (kept is not None and kept.verified)

    def _certified(self, value: bytes, by: str, how: _Format) -> tuple[rsa.RSAPublicKey, str, bool]:
        """A key from its certificate, the day on which that expires, and whether its chain is verified."""
        reader = _Reader(value)
        exponent, certificate, remainder = reader.part(), reader.part(), reader.part()
        static = reader.part() if how is _CHIP else b""
        pan = _digits(reader.part())
        reader.end()
        held = self._part.held(by)
        kept = self._kept(by, held)
        if kept is None or kept.role != how.signs:
            raise errors.CommandError("useViolation", f"$.verifyKey: this is not the key of an {how.signs}")
        signer = rsa_keys.public_of(held.value)
        try:
            found = rsa_keys.raw(signer, certificate)
        except ValueError:
            raise _failed("it is not signed by $.verifyKey") from None
        head = 2 + how.number_bytes + 9
        content, made = found[1 : -_HASH_BYTES - 1], found[-_HASH_BYTES - 1 : -1]
        hashed = hashlib.sha1(content + remainder + exponent + static, usedforsecurity=False).digest()
        good = len(certificate) == len(found) >= head + _HASH_BYTES + 1
        good = good and found[:1] == b"\x6a" and found[-1:] == b"\xbc" and content[:1] == bytes([how.number])
        if not good or not bytes_eq(hashed, made):
            raise _failed("it is not signed by $.verifyKey, or was changed")
        number, rest = _digits(content[1 : 1 + how.number_bytes]), content[1 + how.number_bytes :]
        expiry, (hash_algorithm, algorithm, size, exponent_size) = rest[:2], rest[5:9]
        fits = pan.startswith(number) and len(number) >= 3 if how is _ISSUER else pan == number
        if not fits or not pan:
            raise _failed("the certificate is for another PAN")
        if (
            (hash_algorithm, algorithm) != (1, 1)
            or exponent_size != len(exponent)
            or exponent not in _EXPONENTS
        ):
            raise _failed("the certificate is of other algorithms than SHA-1 and RSA, or of another exponent")
        modulus = (rest[9:] + remainder)[:size] if remainder else rest[9 : 9 + size]
        if len(modulus) != size or (remainder and len(rest[9:]) + len(remainder) != size):
            raise _failed("modulus and remainder have another length than the certificate says")
        return _public(modulus, exponent), _expiry(expiry), kept.verified


def _public(modulus: bytes, exponent: bytes) -> rsa.RSAPublicKey:
    try:
        numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        return numbers.public_key()
    except ValueError:
        raise _failed("it is no RSA key") from None
