"""RSA: keys as they are stored and travel, encryption and signatures.

A private key is stored as PKCS#8, a public one as SubjectPublicKeyInfo; what travels is the PKCS#1 form of a
public key, and both forms are taken. OAEP uses SHA-256 unless a device says otherwise, PSS a salt
as long as the digest. PKCS#1 v1.5 decryption is that of OpenSSL 3.2 and later, which returns
random data for wrong padding, so that it cannot serve as a padding oracle.

What EMV encrypts and signs has paddings of its own, for which `cryptography` offers nothing: `raw` is the
bare operation with a public key (RFC 8017, 5.1.1 and 5.2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from xfs4iot.simulator.secure_part.ciphers import readable

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "NotRsa",
    "decrypt",
    "encrypt",
    "exported",
    "generate",
    "length",
    "private_key",
    "public_of",
    "raw",
    "read_public",
    "require_usable",
    "sign",
    "stored",
    "verify",
]

_LONGEST_MODULUS, _LONGEST_EXPONENT = 4096, 32
"""Bits of a public key: the time of one operation grows with the cube of the one and with the other. Keys of
any client are used, and while they are, nothing else runs.
"""
HashAlgorithm = Literal["sha1", "sha256"]
_HASHES: dict[str, type[hashes.SHA1 | hashes.SHA256]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}


class NotRsa(ValueError):
    """What should be an RSA key is not one."""


def generate(bits: int, exponent: int) -> rsa.RSAPrivateKey:
    """A new key pair.

    Raises:
        ValueError: no key is made of this length or exponent.
    """
    return rsa.generate_private_key(public_exponent=exponent, key_size=bits)


def stored(key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> bytes:
    """As a key is stored."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def exported(key: rsa.RSAPublicKey) -> bytes:
    """As a public key travels."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def private_key(value: Buffer) -> rsa.RSAPrivateKey:
    """A private key that was stored.

    Raises:
        NotRsa: it is none.
    """
    try:
        key = serialization.load_der_private_key(readable(value), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotRsa("not a private key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise NotRsa("not an RSA key")
    return key


def read_public(value: Buffer) -> rsa.RSAPublicKey:
    """A public key that came: PKCS#1 or SubjectPublicKeyInfo.

    Raises:
        NotRsa: it is none.
    """
    try:
        key = serialization.load_der_public_key(readable(value))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotRsa("not a public key in DER, as PKCS#1 or SubjectPublicKeyInfo") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise NotRsa("not an RSA key")
    require_usable(key)
    return key


def require_usable(key: rsa.RSAPublicKey) -> None:
    """See that a public key that came is not so long that its use stops everything else.

    Raises:
        NotRsa: it is.
    """
    if key.key_size > _LONGEST_MODULUS or key.public_numbers().e.bit_length() > _LONGEST_EXPONENT:
        raise NotRsa(
            f"modulus or exponent are too long: {_LONGEST_MODULUS} and {_LONGEST_EXPONENT} bits at most"
        )


def public_of(value: Buffer) -> rsa.RSAPublicKey:
    """The public part of a key that was stored.

    Raises:
        NotRsa: it is none.
    """
    try:
        # Private form first: either may be stored, and only trying tells which.
        return private_key(value).public_key()
    except NotRsa:
        return read_public(value)


def length(key: rsa.RSAPublicKey) -> int:
    """Bytes of the modulus, which are those of a signature."""
    return (key.key_size + 7) // 8


def raw(key: rsa.RSAPublicKey, block: bytes) -> bytes:
    """Encrypt a block that has its padding, or recover one that was signed.

    Raises:
        ValueError: the block is not below the modulus.
    """
    numbers, value = key.public_numbers(), int.from_bytes(block, "big")
    if value >= numbers.n:
        raise ValueError("the block is not below the modulus")
    return pow(value, numbers.e, numbers.n).to_bytes(length(key), "big")


def _padding(method: str, oaep_hash: HashAlgorithm) -> padding.PKCS1v15 | padding.OAEP:
    if method == "rsaesPkcs1V15":
        return padding.PKCS1v15()
    hashed = _HASHES[oaep_hash]()
    return padding.OAEP(padding.MGF1(hashed), hashed, None)


def encrypt(key: rsa.RSAPublicKey, method: str, data: bytes, oaep_hash: HashAlgorithm = "sha256") -> bytes:
    """Encrypt by `rsaesPkcs1V15` or `rsaesOaep`.

    Raises:
        ValueError: the data is too long.
    """
    return key.encrypt(data, _padding(method, oaep_hash))


def decrypt(key: rsa.RSAPrivateKey, method: str, data: bytes, oaep_hash: HashAlgorithm = "sha256") -> bytes:
    """Decrypt what `encrypt` gave.

    Raises:
        ValueError: it does not decrypt.
    """
    return key.decrypt(data, _padding(method, oaep_hash))


def _signature(method: str, hashed: hashes.HashAlgorithm) -> padding.PKCS1v15 | padding.PSS:
    if method == "rsassaPkcs1V15":
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH)


def sign(key: rsa.RSAPrivateKey, method: str, hash_algorithm: str, data: bytes) -> bytes:
    """Sign by `rsassaPkcs1V15` or `rsassaPss`."""
    hashed = _HASHES[hash_algorithm]()
    return key.sign(data, _signature(method, hashed), hashed)


def verify(key: rsa.RSAPublicKey, method: str, hash_algorithm: str, data: bytes, signature: bytes) -> bool:
    """Whether a signature is one of data."""
    hashed = _HASHES[hash_algorithm]()
    try:
        key.verify(signature, data, _signature(method, hashed), hashed)
    except InvalidSignature:
        return False
    return True
