"""What can be wrong with TLS, in words that say what to do.

OpenSSL has its own reasons for errors, dozens of names for the peer's alerts, and numbers
for certificates that do not verify. Here each becomes one sentence.
"""

from __future__ import annotations

import warnings

import trio
from OpenSSL import SSL
from OpenSSL.crypto import X509
from OpenSSL.SSL import X509VerificationCodes as Codes

__all__ = ["CredentialsRefused", "TLSBroken", "TLSError", "explain", "explain_verification"]


class TLSError(Exception):
    """TLS cannot be established; the text says why."""


class CredentialsRefused(TLSError):
    """A certificate, key, authority or revocation list cannot be used."""


class TLSBroken(TLSError, trio.BrokenResourceError):
    """A connection's TLS failed: in the handshake, or later."""


_ALERTS = {
    "handshake failure": "found no cipher, group or signature that both sides accept",
    "protocol version": "speaks no version of TLS that is accepted here",
    "insufficient security": "wants stronger ciphers than are offered",
    "inappropriate fallback": "saw its protocol version lowered by something in between",
    "bad certificate": "refused our certificate: it is damaged, or not for the name that it asked for",
    "unsupported certificate": "refused our certificate: it is not meant for this use",
    "certificate revoked": "refused our certificate: it is revoked",
    "certificate expired": "refused our certificate: it has expired, or the clocks differ",
    "certificate unknown": "refused our certificate",
    "unknown ca": "does not trust the authority that signed our certificate",
    "access denied": "has no access for our certificate",
    "certificate required": "demands a certificate, and none was given",
    "no certificate": "demands a certificate, and none was given",
    "unrecognized name": "has no certificate for the name that was asked for",
    "no application protocol": "speaks no application protocol in common",
    "decrypt error": "could not verify our signature: certificate and key may not belong together",
    "bad record mac": "received damaged data",
    "record overflow": "received a record that is too long",
    "decode error": "could not read what was sent",
    "illegal parameter": "found a value that is not allowed",
    "unexpected message": "received a message out of turn",
    "internal error": "broke off with an error of its own; it may have refused our certificate",
    "user cancelled": "gave up",
    "no renegotiation": "does not renegotiate",
}
"""What the peer did, by the alert it sent."""

_REASONS = {
    "http request": "{peer} speaks plain HTTP on a TLS port",
    "https proxy request": "{peer} speaks to a proxy; this is none",
    "wrong version number": "{peer} does not speak TLS",
    "packet length too long": "{peer} does not speak TLS",
    "record layer failure": "{peer} does not speak TLS, or its data is damaged",
    "unsupported protocol": "{peer} offers only versions of TLS before 1.2",
    "version too low": "{peer} offers only versions of TLS before 1.2",
    "no shared cipher": "{peer} offers no cipher that is accepted here (ECDHE with AEAD)",
    "no suitable signature algorithm": "{peer} accepts no signature that the certificate here can give",
    "no shared group": "{peer} offers no curve that is accepted here",
    "no suitable key share": "{peer} offers no curve that is accepted here",
    "peer did not return a certificate": "{peer} gave no certificate, and one is required",
    "certificate verify failed": "the certificate of {peer} is not accepted",
    "decryption failed or bad record mac": "data of {peer} is damaged",
    "unexpected eof while reading": "{peer} hung up",
}
"""What we found wrong, by OpenSSL's reason."""


def explain(error: SSL.Error, peer: str) -> str:
    """One sentence for an error of OpenSSL.

    Args:
        peer: what to call the other side: `the client`, `the device`.
    """
    if isinstance(error, SSL.ZeroReturnError):
        return f"{peer} ended the connection"
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(reason) for *_, reason in details if reason]
    for reason in reasons:
        # Such as `tlsv1 alert unknown ca`: what the peer says explains more than what is found here.
        _, alert, name = reason.partition(" alert ")
        if alert:
            return f"{peer} {_ALERTS.get(name, f'ended the connection with alert {name!r}')}"
    for reason in reasons:
        if reason in _REASONS:
            return _REASONS[reason].format(peer=peer)
    return f"TLS with {peer} failed: {'; '.join(reasons) or 'no reason given'}"


_VERIFICATION = {
    Codes.ERR_CERT_NOT_YET_VALID: "is not valid yet",
    Codes.ERR_CERT_HAS_EXPIRED: "has expired",
    Codes.ERR_CERT_REVOKED: "is revoked",
    Codes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "is signed by itself, not by a trusted authority",
    Codes.ERR_SELF_SIGNED_CERT_IN_CHAIN: "comes from an authority that is not trusted here",
    Codes.ERR_UNABLE_TO_GET_ISSUER_CERT: "comes from an authority that is not trusted here",
    Codes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "comes from an authority that is not trusted here",
    Codes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "comes from an authority that is not trusted here",
    Codes.ERR_CERT_SIGNATURE_FAILURE: "has a signature that is wrong",
    Codes.ERR_INVALID_PURPOSE: "is not meant for this use (see its extended key usage)",
    Codes.ERR_INVALID_CA: "was signed by a certificate that is not an authority's",
    Codes.ERR_PATH_LENGTH_EXCEEDED: "has a chain longer than its authority permits",
    Codes.ERR_CERT_CHAIN_TOO_LONG: "has a chain that is too long",
    Codes.ERR_UNABLE_TO_GET_CRL: "cannot be checked: there is no revocation list of its issuer",
    Codes.ERR_CRL_HAS_EXPIRED: "cannot be checked: the revocation list of its issuer has expired",
    Codes.ERR_CRL_NOT_YET_VALID: "cannot be checked: the revocation list of its issuer is not valid yet",
    Codes.ERR_CRL_SIGNATURE_FAILURE: "cannot be checked: its revocation list has a wrong signature",
    # X509_V_ERR_EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL and CA_MD_TOO_WEAK by number.
    66: "or a certificate of its chain has a key that is too weak",
    67: "comes from an authority whose key is too weak",
    68: "or a certificate of its chain has a signature that is too weak",
}


def explain_verification(certificate: X509, error: int) -> str:
    """What is wrong with a certificate that did not verify, with its subject.

    Never raises: the certificate is whatever a stranger sent.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject = certificate.to_cryptography().subject.rfc4514_string() or "without a subject"
    except Exception:
        subject = "that cannot be read"
    return f"certificate {subject} {_VERIFICATION.get(error, f'does not verify (X.509 error {error})')}"
