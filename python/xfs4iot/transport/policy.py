"""Which TLS is spoken, and who is trusted: contexts for the device and for clients.

TLS 1.3 and 1.2; ECDHE (X25519, also hybrid with ML-KEM, P-256, P-384) with AEAD and nothing
else; OpenSSL's security level 2 (keys and signatures of 112 bits and more); no compression,
no renegotiation. Session tickets are encrypted under keys that live in the context alone, so
a new context, made at every rotation, ends all earlier ones; no session is kept in memory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL, crypto

from xfs4iot.dataclass import dataclass
from xfs4iot.transport.failures import CredentialsRefused, TLSError, explain, explain_verification
from xfs4iot.transport.pairs import (
    Pair,
    PrivateKey,
    is_for,
    load_certificates,
    load_crls,
    load_pair,
    names_of,
    subject_of,
)
from xfs4iot.transport.sessions import SESSION_SECONDS, Sessions

__all__ = ["Handshake", "Material", "TLSConfig", "client_context", "observing_context", "server_context"]

_CIPHERS_1_2 = b"ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
# `?` marks a group that may be unknown; OpenSSL versions that do not know the mark take the second list.
_GROUPS = (b"?X25519MLKEM768:X25519:P-256:P-384", b"X25519:P-256:P-384")
_CIPHERS_1_3 = b"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
_ALPN = b"http/1.1"
_LOOKS = b"x-xfs4iot-look"
"""Offered besides by who only looks at the device's certificate, so that its log tells no failure."""
_NO_AUTO_CHAIN = 0x8
"""SSL_MODE_NO_AUTO_CHAIN: without it OpenSSL builds the chain anew in every handshake."""


@dataclass(frozen=True)
class Material:
    """What the files of a `TLSConfig` hold, read once and found good.

    Attributes:
        pairs: the device's certificates with their keys.
        authorities: who signs clients.
        crls: their revocation lists, each with the file it came from.
    """

    pairs: tuple[Pair, ...]
    authorities: tuple[x509.Certificate, ...] = ()
    crls: tuple[tuple[Path, x509.CertificateRevocationList], ...] = ()


@dataclass(frozen=True)
class TLSConfig:
    """TLS of one device.

    Attributes:
        certificate: PEM file: the device's certificate, then those of its authorities, without the root.
        key: PEM file of its key.
        client_certificates: `none` asks clients for none, `optional` checks what a client
            gives, `required` turns away a client that gives none.
        client_ca: PEM file of the authorities that sign clients.
        crls: revocation lists of these authorities; when any is given, each authority needs one.
        tickets: whether sessions can be resumed.
        keylog: file to which the secrets of every connection are written, for debugging only.
        also: further certificates with their keys: for other names (SNI), or of another
            kind of key for the same names.
    """

    certificate: str | Path
    key: str | Path
    client_certificates: Literal["none", "optional", "required"] = "none"
    client_ca: str | Path | None = None
    crls: tuple[str | Path, ...] = ()
    tickets: bool = True
    keylog: str | Path | None = None
    also: tuple[tuple[str | Path, str | Path], ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        trust = () if self.client_ca is None else (self.client_ca,)
        pairs = (one for pair in ((self.certificate, self.key), *self.also) for one in pair)
        return tuple(Path(one) for one in (*pairs, *trust, *self.crls))

    def load(self) -> Material:
        """Read and check every file.

        Raises:
            CredentialsRefused: there is any doubt about one of them.
        """
        if self.client_certificates != "none" and self.client_ca is None:
            raise CredentialsRefused("client certificates are asked for, but client_ca names no authority")
        pairs = ((self.certificate, self.key), *self.also)
        return Material(
            pairs=tuple(load_pair(Path(certificate), Path(key), "device") for certificate, key in pairs),
            authorities=() if self.client_ca is None else load_certificates(Path(self.client_ca)),
            crls=tuple((Path(file), crl) for file in self.crls for crl in load_crls(Path(file))),
        )


class Handshake:
    """What the verification of one handshake needs and finds; app data of the connection.

    Attributes:
        host: the name that a client asked for; None at the device, and when names do not matter.
        refusal: why the peer's certificate was refused.
        until: when the first certificate of the chain that was verified ends; None as long as none
            was, as in a resumed session.
        looks: whether a client says that it only looks at the device's certificate.
        peer: what to call the other side.
    """

    __slots__ = ("host", "looks", "peer", "refusal", "until")

    def __init__(self, host: str | None, peer: str = "the device") -> None:
        self.host, self.peer = host, peer
        self.refusal: str | None = None
        self.until: datetime | None = None
        self.looks = False


def server_context(config: TLSConfig, material: Material | None = None) -> SSL.Context:
    """A context for the device's side, with ticket keys of its own.

    Args:
        material: what `config.load()` gave, if it was called already.

    Raises:
        CredentialsRefused: there is any doubt about a file.
    """
    if material is None:
        material = config.load()
    ends = [crl.next_update_utc for _, crl in material.crls if crl.next_update_utc is not None]
    sessions = Sessions(min(ends, default=None))
    contexts: list[tuple[SSL.Context, list[Pair]]] = []
    for pair in material.pairs:
        for context, held in contexts:
            # A context holds one certificate for each kind of key, not two of the same kind.
            if set(held[0].names) == set(pair.names) and type(held[0].key) is not type(pair.key):
                _use(context, pair)
                held.append(pair)
                break
        else:
            context = _device_context(config, material)
            context.set_app_data(sessions)
            _use(context, pair)
            contexts.append((context, [pair]))
    first = contexts[0][0]
    if len(contexts) > 1:
        by_name = [(held[0].names, context) for context, held in contexts]
        first.set_tlsext_servername_callback(_choose(by_name))
    return first


def client_context(
    *,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    crls: Iterable[str | Path] = (),
) -> SSL.Context:
    """A context for a client; `TLSStream` checks the device's name with it.

    Args:
        ca: PEM file of the authorities to trust; None trusts the platform's.
        certificate: PEM file of the client's own certificate with its chain.
        key: PEM file of its key.
        crls: revocation lists of the authorities.

    Raises:
        CredentialsRefused: there is any doubt about a file.
    """
    context = _context(SSL.TLS_CLIENT_METHOD)
    authorities = () if ca is None else load_certificates(Path(ca))
    if ca is None:
        _trust_platform(context)
    else:
        _trust(context, authorities)
    _revoke(context, authorities, tuple((Path(file), crl) for file in crls for crl in load_crls(Path(file))))
    context.set_verify(SSL.VERIFY_PEER, _verify)
    context.set_alpn_protos([_ALPN])
    if certificate is not None:
        if key is None:
            raise CredentialsRefused(f"the key of {certificate} is missing")
        _use(context, load_pair(Path(certificate), Path(key), "client"))
    elif key is not None:
        raise CredentialsRefused(f"the certificate of {key} is missing")
    return context


def observing_context(found: dict[int, x509.Certificate], key: PrivateKey | None = None) -> SSL.Context:
    """A context of a client that trusts every device and notes the certificates that it shows.

    Args:
        found: filled in by the handshake, even by one that fails later: by depth, the
            device's own at 0.
        key: ask for a certificate for a key of this kind, of a device that has several.
    """
    context = _context(SSL.TLS_CLIENT_METHOD)
    context.set_alpn_protos([_ALPN, _LOOKS])
    if key is not None:
        # Only in TLS 1.2 does the cipher suite decide the kind of the device's key.
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        kind = b"aRSA" if isinstance(key, rsa.RSAPrivateKey) else b"aECDSA"
        context.set_cipher_list(b"ECDHE+AESGCM+%b:ECDHE+CHACHA20+%b:@SECLEVEL=2" % (kind, kind))

    def note(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
        found[depth] = certificate.to_cryptography()
        return True

    context.set_verify(SSL.VERIFY_PEER, note)
    return context


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_CIPHERS_1_2)
    context.set_tls13_ciphersuites(_CIPHERS_1_3)
    _restrict_groups(context)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    # An idle connection then holds no record buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _NO_AUTO_CHAIN)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def _restrict_groups(context: SSL.Context) -> None:
    """Leave out finite-field groups and curves that nobody else uses.

    pyOpenSSL has no call for it, so this reaches for OpenSSL's own, as bound by cryptography; where
    that is missing, OpenSSL's defaults hold, which are good, too.
    """
    try:
        from OpenSSL._util import lib

        for groups in _GROUPS:
            if lib.SSL_CTX_set1_curves_list(context._context, groups) == 1:
                return
            lib.ERR_clear_error()
    except (ImportError, AttributeError):
        return


def _device_context(config: TLSConfig, material: Material) -> SSL.Context:
    context = _context(SSL.TLS_SERVER_METHOD)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    # OpenSSL resumes no session with a verified client unless an id is set.
    context.set_session_id(b"xfs4iot")
    context.set_timeout(SESSION_SECONDS)
    context.set_alpn_select_callback(_select_protocol)
    if not config.tickets:
        context.set_options(SSL.OP_NO_TICKET)
    if config.keylog is not None:
        context.set_keylog_callback(_keylog(Path(config.keylog)))
    if config.client_certificates != "none":
        _trust(context, material.authorities)
        for authority in material.authorities:
            context.add_client_ca(authority)
        _revoke(context, material.authorities, material.crls)
        mode = SSL.VERIFY_PEER
        if config.client_certificates == "required":
            mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        context.set_verify(mode, _verify)
    return context


def _use(context: SSL.Context, pair: Pair) -> None:
    try:
        context.use_certificate(pair.certificate)
        context.use_privatekey(pair.key)
        context.check_privatekey()
        for authority in pair.chain[1:]:
            context.add_extra_chain_cert(authority)
    except SSL.Error as problem:
        raise CredentialsRefused(f"{pair.file} cannot be used: {explain(problem, 'OpenSSL')}") from None


def _trust(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    store = context.get_cert_store()
    assert store is not None
    for authority in authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))


def _trust_platform(context: SSL.Context) -> None:
    if sys.platform == "win32":
        import ssl

        store = context.get_cert_store()
        assert store is not None
        for encoded, kind, _ in ssl.enum_certificates("ROOT"):
            if kind == "x509_asn":
                store.add_cert(crypto.X509.from_cryptography(x509.load_der_x509_certificate(encoded)))
    else:
        context.set_default_verify_paths()


def _revoke(
    context: SSL.Context,
    authorities: tuple[x509.Certificate, ...],
    crls: tuple[tuple[Path, x509.CertificateRevocationList], ...],
) -> None:
    """Check certificates against these lists.

    A list that bears an authority's name and not its signature would turn every client away
    without a word before; it is refused here.
    """
    store = context.get_cert_store()
    assert store is not None
    for file, crl in crls:
        named = [one for one in authorities if one.subject == crl.issuer]
        if named and not any(crl.is_signature_valid(one.public_key()) for one in named):  # type: ignore[arg-type]
            raise CredentialsRefused(f"{file}: this revocation list was not signed by {subject_of(named[0])}")
        store.add_crl(crl)
    if crls:
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


def _verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
    """Take over OpenSSL's verdict and note the reason; at the certificate itself, check the name, too."""
    handshake = connection.get_app_data()
    if not good:
        if isinstance(handshake, Handshake):
            handshake.refusal = explain_verification(certificate, error)
        return False
    if not isinstance(handshake, Handshake):
        return True
    try:
        verified = certificate.to_cryptography()
        ends = verified.not_valid_after_utc
    except Exception as problem:
        # OpenSSL takes certificates that are not well formed. The device turns their owner away after the
        # handshake; an exception that leaves a callback would never be seen.
        handshake.refusal = f"the certificate cannot be read: {problem}"
        return handshake.host is None
    handshake.until = ends if handshake.until is None else min(handshake.until, ends)
    if depth == 0 and handshake.host is not None:
        names = names_of(verified)
        if not is_for(names, handshake.host):
            listed = ", ".join(names) or "no host at all"
            handshake.refusal = (
                f"{handshake.peer}'s certificate is for {listed}; you asked for {handshake.host}"
            )
            return False
    return True


def _choose(by_name: list[tuple[tuple[str, ...], SSL.Context]]) -> Callable[[SSL.Connection], None]:
    """A callback that takes the context whose certificate is for the name asked for, else the first."""

    def choose(connection: SSL.Connection) -> None:
        asked = connection.get_servername()
        if asked is None:
            return
        name = asked.decode("ascii", "replace")
        for names, context in by_name:
            if is_for(names, name):
                if context is not by_name[0][1]:
                    connection.set_context(context)
                return

    return choose


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    handshake = connection.get_app_data()
    if isinstance(handshake, Handshake):
        handshake.looks = _LOOKS in offered
    if _ALPN not in offered:
        raise TLSError(f"the client speaks {b', '.join(offered).decode('latin-1')}, not http/1.1")
    return _ALPN


def _keylog(file: Path) -> Callable[[SSL.Connection, bytes], None]:
    def write(connection: SSL.Connection, line: bytes) -> None:
        with file.open("ab") as log:
            log.write(line + b"\n")

    # Created here with its mode; the first write would leave it to the umask.
    file.touch(mode=0o600)
    return write
