"""What devices that hold keys are given and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.protocol import exact
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import key_management as messages

__all__ = [
    "Authentication",
    "DataToSign",
    "DecryptMethod",
    "DeviceSignedItem",
    "ImportedKey",
    "ImportedToken",
    "IssuerSignedItem",
    "KeyAttributes",
    "KeyDerivation",
    "KeyImport",
    "KeyKind",
    "KeyTokenImport",
    "KeyVerification",
    "LoadedCertificate",
    "RsaKeyPairRequest",
    "StoredKey",
    "VerifyMethods",
]

_USAGE = r"^(B[0-3]|C0|D[0-3]|E[0-7]|I0|K[0-4]|M[0-8]|P[0-1]|S[0-2]|V[0-5]|[0-9][0-9])\Z"
KeyUsage = Annotated[str, Meta(pattern=_USAGE)]
KeyAlgorithm = Annotated[str, Meta(pattern=r"^[0-9ADEHRST]\Z")]
KeyModeOfUse = Annotated[str, Meta(pattern=r"^[0-9BCDEGNSTVXY]\Z")]
KeyVersionNumber = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z]{2}\Z")]
KeyExportability = Annotated[str, Meta(pattern=r"^[0-9ESN]\Z")]
KeyDate = Annotated[str, Meta(pattern=r"^[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])\Z")]
Bits = Annotated[int, Meta(ge=0)]
Generation = Annotated[int, Meta(ge=0, le=99)]
KeyBytes = Annotated[bytes, exact.Secret]
CheckValue = Annotated[bytes, Meta(min_length=1, max_length=16)]
Something = Annotated[bytes, Meta(min_length=1)]

KeyKind: TypeAlias = tuple[KeyUsage, KeyAlgorithm, KeyModeOfUse]
"""Usage, algorithm and mode of use of a key: `("P0", "T", "E")` encrypts PINs by TDES."""

DecryptMethod = Literal["ecb", "cbc", "cfb", "ofb", "ctr", "xts", "rsaesPkcs1V15", "rsaesOaep"]
VerifyMethod = Literal["kcvNone", "kcvSelf", "kcvZero", "sigNone", "rsassaPkcs1V15", "rsassaPss"]
HashAlgorithm = Literal["sha1", "sha256"]
AuthenticationMethod = messages.AuthenticationMethodEnum
SignatureAlgorithm = messages.RSASignatureAlgorithmEnum
CertificateSigner = Literal["certHost", "ca", "hl"]
LoadOption = Literal["newHost", "replaceHost"]
TokenOption = Literal["noRandom", "random", "noRandomCrl", "randomCrl"]
EmvScheme = Literal["plainCA", "checksumCA", "epiCA", "issuer", "icc", "iccPIN", "pkcsV1_5_CA"]


@dataclass(frozen=True, kw_only=True)
class KeyAttributes:
    """What a key is for; the letters are those of ANSI X9.143.

    Attributes:
        usage: `P0` encrypts PINs, `K0` other keys, `M3` makes MACs, and so on.
        algorithm: `A` AES, `D` DES, `T` triple DES, `R` RSA, `H` HMAC, `E` elliptic curves.
        mode_of_use: `E` encrypts, `D` decrypts, `B` both, `G` makes MACs, `V` verifies, `C` both, `S` signs,
            `T` signs and decrypts, `X` derives, `N` has no restriction.
        restricted_key_usage: what keys a key that encrypts keys may bring, by their usage; None for any.
        key_version_number: two characters; a digit pair may only rise.
        exportability: `E` under a trusted key, `N` never, `S` under other keys, too.
        optional_block_header: the optional blocks of the key block that brought it, as they stood there.
    """

    usage: KeyUsage
    algorithm: KeyAlgorithm
    mode_of_use: KeyModeOfUse
    restricted_key_usage: KeyUsage | None = None
    key_version_number: KeyVersionNumber = "00"
    exportability: KeyExportability = "N"
    optional_block_header: str | None = None

    @property
    def kind(self) -> KeyKind:
        """Usage, algorithm and mode of use."""
        return self.usage, self.algorithm, self.mode_of_use


@dataclass(frozen=True)
class StoredKey:
    """A key as the device has it.

    Attributes:
        attributes: what it is for.
        length: bits; 0 if the device does not tell.
        preloaded: it was there from the beginning, and stays when keys are deleted.
        generation, version: of the key, where the device keeps count.
        activating_date, expiry_date: `YYYYMMDD`.
    """

    attributes: KeyAttributes
    length: Bits = 0
    preloaded: bool = False
    generation: Generation | None = None
    version: Generation | None = None
    activating_date: KeyDate | None = None
    expiry_date: KeyDate | None = None


@dataclass(frozen=True, kw_only=True)
class KeyVerification:
    """How what is imported is verified.

    Attributes:
        key: that verifies; None for a check value of the imported key itself.
        data: signature, MAC or check value; None: the device is only to tell a check value.
        method: None for a MAC: it follows from the key.
        hash_algorithm: of a signature.
    """

    key: str | None = None
    data: bytes | None = None
    method: VerifyMethod | None = None
    hash_algorithm: HashAlgorithm | None = None


@dataclass(frozen=True, kw_only=True)
class KeyImport:
    """A key to be imported.

    Attributes:
        name: an existing key of this name is replaced when the new one is there, not before.
        attributes: what it is to be for; of a key block, as its header has it.
        value: as it came: encrypted, a key block, or a public key. b"" for parts that were entered.
        decrypt_key: under which the value is encrypted; None for a public key.
        decrypt_method: None for a key block.
        verification: None: nothing is to be verified.
        vendor_attributes: the vendor's own.
    """

    name: str
    attributes: KeyAttributes
    value: bytes = field(default=b"", repr=False)
    decrypt_key: str | None = None
    decrypt_method: DecryptMethod | None = None
    verification: KeyVerification | None = None
    vendor_attributes: str | None = None


@dataclass(frozen=True)
class ImportedKey:
    """A key that was imported.

    Attributes:
        key: as it is stored now.
        verification_data: its check value, or what else proves it to the host.
        method: how that was made.
        hash_algorithm: likewise.
    """

    key: StoredKey
    verification_data: bytes | None = None
    method: VerifyMethod | None = None
    hash_algorithm: HashAlgorithm | None = None


@dataclass(frozen=True)
class Authentication:
    """What authenticates a host that wants to delete keys.

    Attributes:
        method: how.
        data: signature or MAC of what `start_authenticate` gave last.
        key: that verifies it; None where the method has one of its own.
    """

    method: AuthenticationMethod
    data: bytes = field(repr=False)
    key: str | None = None


@dataclass(frozen=True)
class DataToSign:
    """What a host must sign before keys are deleted.

    Attributes:
        data: random, never the same twice; b"" if nothing needs to be signed.
        methods: that are accepted.
    """

    data: bytes
    methods: frozenset[AuthenticationMethod]


@dataclass(frozen=True)
class RsaKeyPairRequest:
    """A key pair to generate.

    Attributes:
        name: of the key.
        use: `rsaPrivate` decrypts and signs, `rsaPrivateSign` only signs.
        modulus_length: bits; 0: the device decides.
        exponent: 3, 17 or 65537; None: the device decides.
    """

    name: str
    use: Literal["rsaPrivate", "rsaPrivateSign"]
    modulus_length: Bits
    exponent: int | None


@dataclass(frozen=True)
class IssuerSignedItem:
    """The device's id, or a public key, signed by the manufacturer of the device.

    Attributes:
        value: the id, or an RSA public key in PKCS#1 DER.
        algorithm: `na` if there is no signature.
        signature: of the value.
    """

    value: Something
    algorithm: SignatureAlgorithm = "na"
    signature: bytes | None = None


@dataclass(frozen=True)
class DeviceSignedItem:
    """The device's id, or a public key, signed by the device.

    Attributes:
        value: the id, or an RSA public key in PKCS#1 DER.
        self_signature: of a public key, by its own private key.
        signature: of the value, by the signing key.
    """

    value: Something
    self_signature: bytes | None = None
    signature: bytes | None = None


@dataclass(frozen=True)
class LoadedCertificate:
    """A host's certificate that was loaded.

    Attributes:
        check_mode: how `data` was made.
        data: digest of the certificate.
    """

    check_mode: Literal["none", "sha1", "sha256"] = "none"
    data: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class KeyTokenImport:
    """A key token to be imported.

    Attributes:
        token: as it came.
        name, usage: of the key; None where the token says them.
        load_option: with or without a random of the device, with or without a revocation list.
    """

    token: bytes = field(repr=False)
    name: str | None
    usage: KeyUsage | None
    load_option: TokenOption


@dataclass(frozen=True)
class ImportedToken:
    """A key that came by a token.

    Attributes:
        name: of the key.
        key: as it is stored now.
        accept_algorithm, accept_data: what proves to the host that it was accepted.
        check_mode, check_value: check value of the key.
    """

    name: str
    key: StoredKey
    accept_algorithm: HashAlgorithm | None = None
    accept_data: bytes | None = None
    check_mode: Literal["kcvSelf", "kcvZero"] | None = None
    check_value: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class KeyDerivation:
    """A key to be derived, for clients older than 2024-3.

    Attributes:
        name: of the new key.
        algorithm: how.
        key: from which.
        start: the start value; None: zeros.
        padding: the byte that fills the input up.
        input_data: what it is derived from.
    """

    name: str
    algorithm: Literal["chipZka"]
    key: str
    start: bytes | None = field(default=None, repr=False)
    padding: Annotated[int, Meta(ge=0, le=255)] = 0
    input_data: bytes = field(repr=False)


@dataclass(frozen=True)
class VerifyMethods:
    """How data can be verified.

    Attributes:
        methods: none for a MAC.
        hash_algorithms: none for a MAC.
    """

    methods: frozenset[str] = frozenset()
    hash_algorithms: frozenset[HashAlgorithm] = frozenset()


def nested(kinds: Mapping[KeyKind, object]) -> dict[str, dict[str, dict[str, object]]] | None:
    """By usage, algorithm and mode of use, as the standard writes it; None if there is nothing."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for (usage, algorithm, mode), value in sorted(kinds.items(), key=lambda item: item[0]):
        found.setdefault(usage, {}).setdefault(algorithm, {})[mode] = value
    return found or None


def verify_attributes(
    kinds: Mapping[KeyKind, VerifyMethods],
    *,
    attributes: Callable[..., object],
    method: type,
    algorithm: type,
) -> object:
    """Methods and hash algorithms of kinds of keys, as a capability of the standard's own types.

    Args:
        kinds: what each kind of key does.
        attributes: makes what is told of one kind, of `crypto_method` and `hash_algorithm`.
        method, algorithm: the messages' types of those two.
    """
    return nested(
        {
            kind: attributes(
                crypto_method=flags(method, found.methods) if found.methods else None,
                hash_algorithm=flags(algorithm, found.hash_algorithms) if found.hash_algorithms else None,
            )
            for kind, found in kinds.items()
        }
    )
