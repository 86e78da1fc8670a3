"""What a host of ASC X9 TR-34 sends: key tokens, made as the standard writes them."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms, core, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import load_der_public_key

__all__ = ["token"]

RANDOM = "1.2.840.113549.1.9.25.3"
HEADER = "1.2.840.113549.1.7.1"


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _attribute(oid: str, value: bytes) -> bytes:
    return _tlv(0x30, core.ObjectIdentifier(oid).dump() + _tlv(0x31, value))


def _identity(certificate: bytes) -> bytes:
    found = x509.Certificate.load(certificate)
    made = cms.IssuerAndSerialNumber({"issuer": found.issuer, "serial_number": found.serial_number})
    dumped: bytes = made.dump()
    return dumped


def token(
    key: bytes,
    header: str,
    host: rsa.RSAPrivateKey,
    host_certificate: bytes,
    device_certificate: bytes,
    *,
    random: bytes | None = None,
    time: datetime | None = None,
    crl: bytes | None = None,
    **change: Any,
) -> bytes:
    """A key token.

    Args:
        random: of the device; without it the token has its time of signing.
        change: what is said wrongly: `inner_header`, `host_identity`, `inner`.
    """
    inner_header = change.get("inner_header", header).encode()
    inner = change.get("inner") or _tlv(
        0x30,
        core.Integer(1).dump()
        + change.get("host_identity", _identity(host_certificate))
        + core.OctetString(key).dump()
        + _attribute(HEADER, core.OctetString(inner_header).dump()),
    )
    fill = 16 - len(inner) % 16
    session, start = os.urandom(16), os.urandom(16)
    run = Cipher(AES(session), modes.CBC(start)).encryptor()
    encrypted = run.update(inner + bytes([fill]) * fill) + run.finalize()
    device: Any = load_der_public_key(x509.Certificate.load(device_certificate).public_key.dump())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [
                cms.RecipientInfo(
                    "ktri",
                    {
                        "version": "v0",
                        "rid": cms.RecipientIdentifier(
                            "issuer_and_serial_number",
                            cms.IssuerAndSerialNumber.load(_identity(device_certificate)),
                        ),
                        "key_encryption_algorithm": cms.KeyEncryptionAlgorithm(
                            {
                                "algorithm": "rsaes_oaep",
                                "parameters": algos.RSAESOAEPParams(
                                    {
                                        "hash_algorithm": {"algorithm": "sha256"},
                                        "mask_gen_algorithm": {
                                            "algorithm": "mgf1",
                                            "parameters": {"algorithm": "sha256"},
                                        },
                                    }
                                ),
                            }
                        ),
                        "encrypted_key": device.encrypt(session, oaep),
                    },
                )
            ],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": {"algorithm": "aes128_cbc", "parameters": start},
                "encrypted_content": encrypted,
            },
        }
    ).dump()
    fresh = (
        _attribute(RANDOM, core.OctetString(random).dump())
        if random is not None
        else _attribute("1.2.840.113549.1.9.5", core.UTCTime(time or datetime.now(UTC)).dump())
    )
    attributes = sorted(
        [
            _attribute("1.2.840.113549.1.9.3", core.ObjectIdentifier("1.2.840.113549.1.7.3").dump()),
            _attribute("1.2.840.113549.1.9.4", core.OctetString(hashlib.sha256(enveloped).digest()).dump()),
            _attribute(HEADER, core.OctetString(header.encode()).dump()),
            fresh,
        ]
    )
    covered = _tlv(0x31, b"".join(attributes))
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"}).dump()
    signer = _tlv(
        0x30,
        core.Integer(1).dump()
        + _identity(host_certificate)
        + sha256
        + _tlv(0xA0, b"".join(attributes))
        + algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}).dump()
        + core.OctetString(host.sign(covered, padding.PKCS1v15(), hashes.SHA256())).dump(),
    )
    signed = _tlv(
        0x30,
        core.Integer(3).dump()
        + _tlv(0x31, sha256)
        + _tlv(
            0x30,
            core.ObjectIdentifier("1.2.840.113549.1.7.3").dump()
            + _tlv(0xA0, core.OctetString(enveloped).dump()),
        )
        + (_tlv(0xA1, crl) if crl is not None else b"")
        + _tlv(0x31, signer),
    )
    return _tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump() + _tlv(0xA0, signed))
