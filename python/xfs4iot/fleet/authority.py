"""Who signs devices' certificates: for a code (enrolment), or for the one that a device has (renewal).

The fleet's own authority for devices can sign nothing else (`TestAuthority.issue_authority`). Or a program
asks the bank's; what it gives is looked at as strictly as what a device asks for.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from pathlib import Path
from typing import Protocol

import orjson
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost
from xfs4iot.fleet.names import DEVICE, fleet_names
from xfs4iot.fleet.signatures import Authorities, Forged
from xfs4iot.fleet.subjects import Subjects, check_id
from xfs4iot.fleet.trust import CodeRefused, CodeUsed, Copied, Trust, Unknown, key_of
from xfs4iot.telling import logger, told
from xfs4iot.transport.buckets import TokenBuckets
from xfs4iot.transport.certificates import TestAuthority
from xfs4iot.transport.pairs import doubts

__all__ = [
    "Authority",
    "NotSigned",
    "OwnSigning",
    "ProgramSigning",
    "RequestRefused",
    "Signing",
    "renewal_text",
]

_log = logger("xfs4iot.authority")
_LONGEST_REQUEST = 8 * 1024
_LONGEST_RENEWAL = 64 * 1024
_AT_ONCE = 20
_RENEWALS_A_SECOND, _RENEWALS_AT_ONCE = 1.0, 20.0
"""Of one device; what comes oftener is not answered."""
_RSA_BITS = (2048, 4096)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


class RequestRefused(Exception):
    """A request for a certificate that is not signed; the text says what to do."""


class NotSigned(Exception):
    """The authority did not sign what it should; the text says why."""


class Signing(Protocol):
    """Signs devices' requests."""

    async def sign(
        self, request: x509.CertificateSigningRequest, device: str
    ) -> tuple[x509.Certificate, ...]:
        """The certificate, then those of its authorities without the root.

        Raises:
            NotSigned: there is none.
        """


class OwnSigning:
    """The fleet's own authority for devices.

    Args:
        authority: as `fleet init` has made it.
        days: how long certificates are good.
    """

    def __init__(self, authority: TestAuthority, days: float = 90.0) -> None:
        self._authority, self._days = authority, days

    async def sign(
        self, request: x509.CertificateSigningRequest, device: str
    ) -> tuple[x509.Certificate, ...]:
        signed = self._authority.sign(request, "client", days=self._days)
        return tuple(x509.load_pem_x509_certificates(signed + self._authority.certificate_file.read_bytes()))


class ProgramSigning:
    """A program that has the request signed elsewhere.

    It gets the request (PEM) on standard input and the device's name as its last argument, and prints the
    certificate and those of its authorities (PEM).

    Args:
        command: the program and its first arguments.
        seconds: how long it may take.
    """

    def __init__(self, command: tuple[str, ...], seconds: float = 20.0) -> None:
        self._command, self._seconds = command, seconds

    async def sign(
        self, request: x509.CertificateSigningRequest, device: str
    ) -> tuple[x509.Certificate, ...]:
        try:
            with trio.move_on_after(self._seconds) as patience:
                done = await trio.run_process(
                    [*self._command, device], stdin=request.public_bytes(Encoding.PEM),
                    capture_stdout=True, stderr=subprocess.DEVNULL, check=False,
                )  # fmt: skip
        except OSError as problem:
            raise NotSigned(f"{self._command[0]} cannot be run: {problem.strerror or problem}") from None
        if patience.cancelled_caught:
            raise NotSigned(f"{self._command[0]} gave no certificate within {self._seconds:g} s")
        if done.returncode:
            raise NotSigned(
                f"{self._command[0]} ended with code {done.returncode}; see what it says by itself"
            )
        try:
            return tuple(x509.load_pem_x509_certificates(done.stdout))
        except ValueError as wrong:
            raise NotSigned(f"{self._command[0]} printed no certificate in PEM: {wrong}") from None


def read_request(text: str, device: str) -> x509.CertificateSigningRequest:
    """A device's request, looked at from all sides.

    Raises:
        RequestRefused: it is not what this device may ask for.
    """
    if len(text) > _LONGEST_REQUEST:
        raise RequestRefused(f"the request is longer than {_LONGEST_REQUEST} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            request = x509.load_pem_x509_csr(text.encode())
            key, names, good = request.public_key(), fleet_names(request), request.is_signature_valid
            subject = request.subject.rfc4514_string()
            others = len(request.extensions)
    except Exception as wrong:
        # Whatever a parser raises for what a stranger has sent.
        raise RequestRefused(f"the certificate request cannot be read: {told(str(wrong))}") from None
    if not good:
        raise RequestRefused("the certificate request is damaged: its signature is wrong")
    if names != [DEVICE + device] or subject != f"CN={device}" or others != 1:
        raise RequestRefused(
            f"the certificate request must be for {DEVICE}{device} and nothing else; it is for "
            f"{told(', '.join(names)) or 'nobody'}, subject {told(subject)}"
        )
    alternative = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if len(list(alternative)) != 1:
        raise RequestRefused(f"the certificate request must be for {DEVICE}{device} and nothing else")
    if isinstance(key, rsa.RSAPublicKey):
        if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
            raise RequestRefused(f"an RSA key has {_RSA_BITS[0]} to {_RSA_BITS[1]} bits, not {key.key_size}")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise RequestRefused(f"the key must be RSA, or ECDSA on {', '.join(_CURVES)}")
    return request


def renewal_text(device: str, request: str) -> bytes:
    """What a device signs by the key that it has when it asks for a certificate for another."""
    return f"xfs4iot renewal\0{device}\0{request}".encode()


class Authority:
    """Decides whose request is signed.

    Args:
        trust: who belongs to the fleet.
        signing: who signs.
        roots: PEM file of the authorities that devices' certificates lead to.
    """

    def __init__(self, trust: Trust, signing: Signing, roots: Path) -> None:
        self._trust, self._signing = trust, signing
        self._devices = Authorities(roots, "device")

    async def enroll(self, device: str, code: str, request: str) -> str:
        """The certificate of a device that has a code, and those of its authorities (PEM).

        Raises:
            RequestRefused: the code or the request is not good.
            NotSigned: the authority did not sign.
            CarrierLost: the broker's store cannot be asked.
        """
        try:
            asked = read_request(request, check_id(device, "device"))
        except ValueError as wrong:
            raise RequestRefused(str(wrong)) from None
        try:
            # Before there is a certificate: of two who come with one code at once, one gets one.
            await self._trust.redeem(device, code, key_of(asked))
        except CodeRefused as refused:
            if isinstance(refused, CodeUsed):
                _log.critical("%s", refused)
            raise RequestRefused(str(refused)) from None
        return await self._certify(device, asked)

    async def renew(self, device: str, body: bytes) -> str:
        """The certificate for a device's next key, and those of its authorities (PEM).

        Args:
            body: what it has sent: `request`, `certificates` and `signature`, see `renewal_text`.

        Raises:
            RequestRefused: it may not have one.
            NotSigned: the authority did not sign.
            CarrierLost: the broker's store cannot be asked.
        """
        try:
            if len(body) > _LONGEST_RENEWAL:
                raise ValueError("it is too long")
            said = orjson.loads(body)
            request, shown, signature = (
                said["request"],
                said["certificates"],
                bytes.fromhex(said["signature"]),
            )
            if not isinstance(request, str) or not isinstance(shown, str):
                raise TypeError("request and certificates are texts")
            signed = renewal_text(device, request)
            # The broker says which device it is; only its key proves it.
            by = self._devices.check(signed, signature, shown, DEVICE + device)
        except Forged as forged:
            raise RequestRefused(str(forged)) from None
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            raise RequestRefused(f"the request for renewal cannot be read: {told(str(wrong))}") from None
        asked = read_request(request, device)
        try:
            await self._trust.renew(device, key_of(by), key_of(asked))
        except Copied as copied:
            _log.critical("%s", copied)
            raise RequestRefused(str(copied)) from None
        except Unknown as unknown:
            raise RequestRefused(str(unknown)) from None
        return await self._certify(device, asked)

    async def _certify(self, device: str, request: x509.CertificateSigningRequest) -> str:
        chain = await self._signing.sign(request, device)
        key = key_of(request)
        if fleet_names(chain[0]) != [DEVICE + device] or key_of(chain[0]) != key:
            raise NotSigned(f"the authority's certificate is not for {DEVICE}{device} and its key")
        for doubt in doubts(chain, "client"):
            raise NotSigned(f"the authority's certificate will not do: {doubt}")
        until = min(one.not_valid_after_utc for one in chain)
        await self._trust.certified(device, key, until.timestamp())
        _log.info("device %s has a certificate until %s", device, f"{until:%Y-%m-%d %H:%M} UTC")
        return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)

    def serve_renewals(self, carrier: Carrier, subjects: Subjects, nursery: trio.Nursery) -> None:
        """Answer devices that ask for renewal over the link; each request goes to one authority."""
        at_once = trio.CapacityLimiter(_AT_ONCE)
        often = TokenBuckets(_RENEWALS_A_SECOND, _RENEWALS_AT_ONCE)

        async def answer(device: str, message: Carried) -> None:
            async with at_once:
                try:
                    said = {"certificates": await self.renew(device, message.body)}
                except RequestRefused as refused:
                    _log.warning("device %s gets no new certificate: %s", device, refused)
                    said = {"refused": str(refused)}
                except (NotSigned, CarrierLost, OSError) as problem:
                    _log.error("device %s gets no new certificate yet: %s", device, problem)
                    said = {"later": told(str(problem))}
            carrier.publish(message.reply, json.dumps(said).encode())

        def asked(message: Carried) -> None:
            device = message.subject.split(".")[-2]
            # Elsewhere the authority would say to others what the device may not.
            if message.reply.startswith(f"{subjects.inbox(device)}.") and often.take(device):
                nursery.start_soon(answer, device, message)

        carrier.subscribe(subjects.renew("*"), asked, "authorities")
