"""A simulated module that holds keys: loads and verifies them, gives their check values, forgets them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import msgspec
import trio
from cryptography.hazmat.primitives import hashes

from xfs4iot import devices
from xfs4iot.devices import (
    Authentication,
    DataToSign,
    DeviceSignedItem,
    ImportedKey,
    ImportedToken,
    IssuerSignedItem,
    KeyAttributes,
    KeyDerivation,
    KeyImport,
    KeyKind,
    KeyTokenImport,
    LoadedCertificate,
    RsaKeyPairRequest,
    StoredKey,
    VerifyMethods,
)
from xfs4iot.devices._keys import AuthenticationMethod, SignatureAlgorithm
from xfs4iot.interfaces.keys.authentication import MAC_METHODS
from xfs4iot.interfaces.keys.purposes import DERIVE, LEAST_HOST_MAC, VERIFY_SIGNATURE
from xfs4iot.interfaces.keys.ways_in import BY_TOKEN
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.simulator.commands import Completion, Request, command
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_device import SecureDevice, SecureSettings
from xfs4iot.simulator.secure_part import ciphers, factory, macs, rsa_keys
from xfs4iot.simulator.secure_part.certificates import (
    Certificates,
    der,
    revocation_list,
    signed,
)

__all__ = ["SimulatedKeyManagement"]

_KINDS: Mapping[str, Mapping[str, str]] = {
    "B0": {"T": "X", "A": "X"},
    "B1": {"T": "X", "A": "X"},
    "D0": {"D": "BDE", "T": "BDE", "A": "BDE"},
    "D1": {"R": "E"},
    "D2": {"T": "BDE", "A": "BDE"},
    "D3": {"T": "BDE", "A": "BDE"},
    **{f"E{number}": {"R": "V"} for number in range(7)},
    "E7": {"R": "E"},
    "I0": {"D": "BDN", "T": "BDN", "A": "BDN"},
    "K0": {"T": "BDEX", "A": "BDE"},
    "K1": {"T": "BDE", "A": "BDE"},
    "K3": {"R": "E"},
    **{usage: dict.fromkeys(algorithms, "CGV") for usage, algorithms in macs.MAC_USAGES.items()},
    "P0": {"T": "BE", "A": "BE"},
    "S0": {"R": "V"},
    "V0": {"T": "CV"},
    "V1": {"T": "CV"},
    "V2": {"T": "CV"},
}
"""What keys the module takes: usage, algorithm, modes of use."""
_MACS = macs.MAC_USAGES.keys()
_SIGNED = VerifyMethods(frozenset({"rsassaPkcs1V15", "rsassaPss"}), frozenset({"sha1", "sha256"}))


_AUTHENTICATION_METHODS: frozenset[AuthenticationMethod] = frozenset({"sigHost", "cbcmac", "cmac"})


_SIGNED_BY: SignatureAlgorithm = "rsassaPkcs1V15"


class ShownKeys(Completion):
    """Names of the keys that the module has."""

    keys: list[str]


class SignAsManufacturer(Request):
    """The manufacturer signs something.

    Attributes:
        data: what.
    """

    data: bytes | None = None


class SignedByManufacturer(Completion):
    """What the manufacturer has signed.

    Attributes:
        signature: RSASSA-PKCS1-v1_5 by SHA-256.
        issuer_key: the manufacturer's public key, PKCS#1.
    """

    signature: bytes
    issuer_key: bytes


class IssueHostCertificate(Request):
    """The authority signs a certificate.

    Attributes:
        public_key: of the host, PKCS#1 or SubjectPublicKeyInfo in DER.
        days: for which it is valid from now on; without, to 2060; below 0: it is over.
        revoked: the revocation list names it.
        signer: `ca`, or `hl` for the higher-level authority.
    """

    public_key: bytes | None = None
    days: int | None = None
    revoked: bool | None = None
    signer: Literal["ca", "hl"] | None = None


class IssuedHostCertificate(Completion):
    """A certificate, that of the authority, and its revocation list, all in DER.

    Attributes:
        message: the certificate as LoadCertificate takes it for a new host, with the revocation list.
    """

    certificate: bytes
    authority: bytes
    revocation_list: bytes
    message: bytes


class SignAsAuthority(Request):
    """An authority signs a message, such as that of IssueHostCertificate.

    Attributes:
        data: what.
        signer: `ca`, or `hl` for the higher-level authority.
        random: of StartKeyExchange, that the message is to have.
    """

    data: bytes | None = None
    signer: Literal["ca", "hl"] | None = None
    random: bytes | None = None


class SignedByAuthority(Completion):
    """What an authority has signed, PKCS #7."""

    message: bytes


class LoseKey(Request):
    """The module loses a key.

    Attributes:
        key: its name.
    """

    key: str | None = None


class SimulatedKeyManagement(SecureDevice, devices.KeyManagement):
    """A module for keys."""

    FAULTS: ClassVar = {
        "powerCut": Fault("once", "the power fails after the next key was stored, before the module answers"),
    }
    key_check_modes = frozenset({"self", "zero"})
    importable: frozenset[KeyKind] = frozenset(
        (usage, algorithm, mode)
        for usage, algorithms in _KINDS.items()
        for algorithm, modes in algorithms.items()
        for mode in modes
    )
    decrypts: Mapping[str, Any] = {
        "T": frozenset({"ecb", "cbc", "cfb", "ofb", "ctr"}),
        "A": frozenset({"ecb", "cbc", "cfb", "ofb", "ctr"}),
        "R": frozenset({"rsaesPkcs1V15", "rsaesOaep"}),
    }
    import_verifies: Mapping[KeyKind, VerifyMethods] = {
        **{kind: VerifyMethods() for kind in importable if kind[0] in _MACS and kind[2] == "V"},
        ("S0", "R", "V"): _SIGNED,
    }
    key_block_import_formats = frozenset({"A", "B", "C", "D"})
    des_key_length = frozenset({"single", "double", "triple"})
    rsa_authentication_scheme = frozenset({"twoPartySig", "threePartyCert", "threePartyCertTr34"})
    rsa_key_check_mode = frozenset({"sha256"})
    # What `epiCA` signs itself is described in a document that is not public.
    emv_import_schemes = frozenset({"plainCA", "chksumCA", "issuer", "icc", "iccPin", "pkcsv15CA"})
    certificate_types = frozenset({"encKey", "verificationKey", "hostKey"})
    certificate_signers: Mapping[Any, Any] = {
        "certHost": frozenset({"replaceHost"}),
        "sigHost": frozenset({"replaceHost"}),
        "hl": frozenset({"newHost", "replaceHost"}),
        "certHostTr34": frozenset({"replaceHost"}),
        "caTr34": frozenset({"newHost", "replaceHost"}),
        "hlTr34": frozenset({"newHost", "replaceHost"}),
    }
    crkl_load_options = frozenset({"random", "randomCrl", "noRandom", "noRandomCrl"})
    rsa_signature_algorithm = frozenset({"pkcs1V15", "pss"})
    rsa_crypt_algorithm = frozenset({"pkcs1V15", "oaep"})
    signature_scheme = frozenset({"randomNumber", "exportDeviceId"})
    symmetric_key_management_methods = frozenset({"masterKey", "tdesDukpt"})

    _to_sign: bytes | None = None

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(SecureSettings)
        self.key_num = settings.key_room
        self._makers = trio.CapacityLimiter(1)
        self.deletion_needs_authentication = settings.deletion_needs_authentication
        factory.make(self.secure)
        self.certificates = Certificates(self.secure, name)
        self._show_certificates()

    async def stored_keys(self) -> Mapping[str, StoredKey]:
        return self.secure.keys

    async def import_key(self, request: KeyImport) -> ImportedKey:
        await self.at_work()
        imported = self.loading.import_key(request)
        if self.faults.strikes("powerCut"):
            raise errors.HardwareError("the power failed; see Common.Status")
        return imported

    def _keep_made(self, name: str, stored: StoredKey, value: Any) -> StoredKey:
        """Keep a key that the module has made itself.

        Raises:
            CommandError: `duplicateKey`, `useViolation`.
            NotEnoughSpace: there is no room; the commands that make keys have no code for that.
        """
        try:
            self.secure.put(name, stored, value)
        except errors.CommandError as full:
            if full.error_code == "noKeyRam":
                raise errors.NotEnoughSpace(full.description) from None
            raise
        return stored

    async def import_key_part(self, name: str, number: int) -> None:
        await self.at_work()
        self.loading.store_part(name, number)

    async def forget_key_parts(self) -> None:
        self.loading.forget()

    async def generate_kcv(self, name: str, mode: Literal["self", "zero"]) -> bytes:
        await self.at_work()
        return self.secure.check_value(name, mode)

    async def start_key_exchange(self) -> bytes:
        await self.at_work()
        return self.loading.start_exchange()

    async def get_certificate(self, kind: Literal["enckey", "verificationkey", "hostkey"]) -> bytes:
        await self.at_work()
        return der(self.certificates.own(kind))

    async def load_certificate(
        self, option: Literal["newHost", "replaceHost"], signer: Literal["certHost", "ca", "hl"], data: bytes
    ) -> LoadedCertificate:
        await self.at_work()
        messages = self._asn1("certificate_messages").CertificateMessages(self.certificates)
        certificate = messages.load(option, signer, data, self.loading.take_random())
        self._show_certificates()
        return LoadedCertificate("sha256", certificate.fingerprint(hashes.SHA256()))

    async def replace_certificate(self, data: bytes) -> bytes:
        await self.at_work()
        messages = self._asn1("certificate_messages").CertificateMessages(self.certificates)
        digest: bytes = messages.replace_authority(data)
        self._show_certificates()
        return digest

    def _show_certificates(self) -> None:
        """Say whether the authority is still the first one, as it was before a loss of power."""
        if self.certificates.replaced:
            self.status.key_management.certificate_state = "secondary"
        elif self.certificates.host is not None:
            self.status.key_management.certificate_state = "primary"

    async def import_key_token(self, request: KeyTokenImport) -> ImportedToken:
        await self.at_work()
        tokens = self._asn1("key_tokens").KeyTokens(
            self.secure, self.certificates, BY_TOKEN.of(self.importable)
        )
        taken: ImportedToken = tokens.take(request, self.loading.take_random())
        return taken

    @staticmethod
    def _asn1(module: str) -> Any:
        """A module of the secure part that reads messages of CMS.

        Raises:
            HardwareError: what it needs is not installed.
        """
        try:
            return importlib.import_module(f"xfs4iot.simulator.secure_part.{module}")
        except ImportError:
            raise errors.HardwareError(
                "the simulated module cannot read certificates and tokens: pip install 'xfs4iot[simulator]'"
            ) from None

    async def import_emv_public_key(
        self, name: str, usage: str, scheme: str, value: bytes, verify_key: str | None
    ) -> StoredKey:
        await self.at_work()
        # Here, for few ever import such keys.
        from xfs4iot.simulator.secure_part.emv_keys import EmvKeys

        return EmvKeys(self.secure).take(name, usage, scheme, value, verify_key)

    async def derive_key(self, request: KeyDerivation) -> StoredKey:
        await self.at_work()
        held = self.secure.held(request.key, DERIVE)
        data = macs.padded(request.input_data, 8, request.padding)
        if len(data) < 16:
            raise errors.CommandError("invalidKeyLength", "$.inputData: 9 bytes or more make a TDES key")
        made = ciphers.encrypt_key("T", held.value, data, "cbc", request.start)
        value = ciphers.parity_adjusted(memoryview(made)[:16])
        stored = StoredKey(KeyAttributes(usage="D0", algorithm="T", mode_of_use="B"), 128)
        return self._keep_made(request.name, stored, value)

    async def generate_rsa_key_pair(self, request: RsaKeyPairRequest) -> StoredKey:
        await self.at_work()
        bits = request.modulus_length or 2048
        if bits not in (2048, 3072, 4096):
            raise errors.CommandError("invalidModulusLength", "$.modulusLength: 2048, 3072 or 4096 bits")
        make = partial(rsa_keys.generate, bits, request.exponent or 65537)
        try:
            # In a thread of its own kind: one that was given up goes on, and must take none from the ledger.
            key = await trio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=self._makers)
        except ValueError:
            raise errors.CommandError(
                "keyGenerationError", "$.exponentValue: the module makes keys of exponent 3 or 65537"
            ) from None
        both = request.use == "rsaPrivate"
        attributes = KeyAttributes(
            usage="K3" if both else "S0", algorithm="R", mode_of_use="T" if both else "S"
        )
        stored = StoredKey(attributes, bits)
        return self._keep_made(request.name, stored, rsa_keys.stored(key))

    async def export_rsa_issuer_signed_item(self, name: str | None) -> IssuerSignedItem:
        await self.at_work()
        if name not in (None, factory.CRYPT_KEY, factory.SIGNING_KEY):
            raise errors.CommandError("accessDenied", "$.name: the manufacturer has not signed this key")
        value = self._item(name)
        issuer = factory.issuer(self.secure)
        return IssuerSignedItem(value, _SIGNED_BY, rsa_keys.sign(issuer, _SIGNED_BY, "sha256", value))

    async def export_rsa_device_signed_item(
        self, name: str | None, signing_key: str | None, algorithm: SignatureAlgorithm
    ) -> DeviceSignedItem:
        await self.at_work()
        value = self._item(name)
        own = None
        if name is not None:
            key = rsa_keys.private_key(self.secure.held(name).value)
            own = rsa_keys.sign(key, _SIGNED_BY, "sha256", value)
        signature = None
        if signing_key is not None:
            signature = self.secure.sign(signing_key, algorithm, "sha256", value)
        return DeviceSignedItem(value, own, signature)

    def _item(self, name: str | None) -> bytes:
        """The device's id, or a public key."""
        if name is None:
            return f"xfs4iot simulated {self.name}".encode()
        return rsa_keys.exported(rsa_keys.public_of(self.secure.held(name).value))

    async def start_authenticate(self, key: str | None, initialization: bool) -> DataToSign:
        self._to_sign = self.secure.random(32)
        return DataToSign(self._to_sign, _AUTHENTICATION_METHODS)

    def _authenticate(self, given: Authentication | None) -> None:
        """See that a host has signed what it was given last, which is void then."""
        to_sign, self._to_sign = self._to_sign, None
        if given is None:
            return
        if to_sign is None:
            raise errors.CommandError("randomInvalid", "there is nothing to be signed")
        if given.method in MAC_METHODS:
            whole = given.key is not None and len(given.data) >= LEAST_HOST_MAC
            if not whole or not self.secure.verify_mac(given.key or "", to_sign, given.data):
                raise errors.CommandError("macInvalid", "$.authentication.data is not the MAC")
            return
        if given.key is None:
            raise errors.CommandError("keyNoValue", "$.authentication.key: name the public key of the host")
        held = self.secure.held(given.key, VERIFY_SIGNATURE)
        key = rsa_keys.public_of(held.value)
        if not rsa_keys.verify(key, "rsassaPkcs1V15", "sha256", to_sign, given.data):
            raise errors.CommandError("signatureInvalid", "$.authentication.data is not the signature")

    async def delete_key(self, name: str | None, authentication: Authentication | None) -> None:
        await self.at_work()
        self._authenticate(authentication)
        self.secure.erase(name)

    async def initialization(self, authentication: Authentication | None) -> None:
        await self.at_work(5 * self.seconds)
        self._authenticate(authentication)
        self._to_sign = None
        self.loading.forget()
        self.loading.take_random()
        self.secure.erase(None)

    async def reset_key_management(self) -> None:
        await self.at_work()
        self._to_sign = None
        self.loading.forget()
        self.loading.take_random()

    @command
    def sign_as_manufacturer(self, request: SignAsManufacturer) -> SignedByManufacturer:
        """The manufacturer signs something, such as the public key of a host."""
        if not request.data:
            raise errors.InvalidData("$.data is missing; give what is to be signed, base64")
        issuer = factory.issuer(self.secure)
        return SignedByManufacturer(
            signature=rsa_keys.sign(issuer, _SIGNED_BY, "sha256", request.data),
            issuer_key=rsa_keys.exported(issuer.public_key()),
        )

    @command
    def issue_host_certificate(self, request: IssueHostCertificate) -> IssuedHostCertificate:
        """An authority signs a certificate of a host's public key."""
        by = self.certificates.issuing(request.signer or "ca")
        try:
            key = rsa_keys.read_public(request.public_key or b"")
        except rsa_keys.NotRsa as wrong:
            raise errors.InvalidData(f"$.publicKey: {wrong}") from None
        authority = self.certificates.higher if request.signer == "hl" else self.certificates.authority
        made = signed("host", key, by, days=request.days)
        crl = revocation_list(by, [made.serial_number] if request.revoked else [])
        return IssuedHostCertificate(
            certificate=der(made),
            authority=der(authority),
            revocation_list=crl,
            message=self._asn1("signed_data").degenerate(der(made), crl),
        )

    @command
    def sign_as_authority(self, request: SignAsAuthority) -> SignedByAuthority:
        """An authority signs a message, PKCS #7."""
        if not request.data:
            raise errors.InvalidData("$.data is missing; give what is to be signed, base64")
        _, key = self.certificates.issuing(request.signer or "ca")
        authority = self.certificates.higher if request.signer == "hl" else self.certificates.authority
        made = self._asn1("signed_data").made_by(key, authority, request.data, request.random)
        return SignedByAuthority(message=made)

    @command
    def lose_key(self, request: LoseKey) -> None:
        """The module loses a key, as by a flat battery; the service learns of it when it asks again."""
        if request.key is None or request.key not in self.secure.keys:
            raise errors.InvalidData(f"$.key: the module has {', '.join(self.secure.keys) or 'no keys'}")
        self.secure.store.remove(request.key)

    @command
    def initialize_by_hand(self, request: Request) -> None:
        """Somebody initializes the module by its own means: all keys but the preloaded ones are gone."""
        self.secure.erase(None)
        self.send(messages.InitializedEvent())

    def shown_truth(self) -> msgspec.Struct | None:
        return ShownKeys(keys=sorted(self.secure.keys))
