"""KeyManagement: what a vendor writes for a device that holds cryptographic keys.

class MyModule(devices.KeyManagement):
    importable = frozenset({("K0", "T", "D"), ("P0", "T", "E")})

    async def import_key(self, request):
        bits = await self.module.load(request.name, request.value, under=request.decrypt_key)
        return devices.ImportedKey(devices.StoredKey(request.attributes, length=bits))

Keys have names, the standard's attributes, and values; values never leave the device. The service keeps a
table of names and attributes and lets a key be used only for its purpose; firmware worth the name
checks that again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from xfs4iot.devices._device import Device
from xfs4iot.devices._keys import (
    Authentication,
    CertificateSigner,
    CheckValue,
    DataToSign,
    DecryptMethod,
    DeviceSignedItem,
    EmvScheme,
    ImportedKey,
    ImportedToken,
    IssuerSignedItem,
    KeyAlgorithm,
    KeyDerivation,
    KeyImport,
    KeyKind,
    KeyTokenImport,
    KeyUsage,
    LoadedCertificate,
    LoadOption,
    RsaKeyPairRequest,
    SignatureAlgorithm,
    Something,
    StoredKey,
    TokenOption,
    VerifyMethods,
    nested,
    verify_attributes,
)
from xfs4iot.devices._operation import operation
from xfs4iot.devices._parts import derived, follows_from
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import key_management as messages

__all__ = ["KeyManagement"]


def _key_attributes(device: KeyManagement) -> object:
    return nested({kind: messages.CapabilitiesKeyAttributes() for kind in device.importable})


def _decrypt_attributes(device: KeyManagement) -> object:
    method = messages.CapabilitiesDecryptAttributesDecryptMethod
    return {
        algorithm: messages.CapabilitiesDecryptAttributes(decrypt_method=flags(method, methods))
        for algorithm, methods in sorted(device.decrypts.items())
    } or None


def _verify_attributes(device: KeyManagement) -> object:
    return verify_attributes(
        device.import_verifies,
        attributes=messages.CapabilitiesVerifyAttributes,
        method=messages.CapabilitiesVerifyAttributesCryptoMethod,
        algorithm=messages.CapabilitiesVerifyAttributesHashAlgorithm,
    )


def _load_cert_options(device: KeyManagement) -> object:
    return {
        signer: flags(messages.CapabilitiesLoadCertOptions, options)
        for signer, options in sorted(device.certificate_signers.items())
    } or None


class KeyManagement(
    Device,
    messages=messages,
    secret="keys",
    status={"encryption_state": "notInitialized"},
    capabilities={
        "key_attributes": "key_attributes_told",
        "decrypt_attributes": "decrypt_attributes_told",
        "verify_attributes": "import_verify_attributes_told",
        "load_cert_options": "load_cert_options_told",
    },
):
    """A device that holds keys. Override `import_key`.

    The service derives `encryption_state` from the keys there are, and checks each use of a key; it allows
    what is stated here.

    Attributes:
        key_num: how many keys there is room for.
        key_check_modes: check values that the device makes: `self`, `zero`.
        importable: the kinds of keys that can be loaded. A usage `00` to `99` or an algorithm or mode that
            is a digit is the vendor's own.
        key_pairs: the kinds of RSA keys that the device makes itself (`generate_rsa_key_pair`), of mode of
            use `T` or `S`. They need not be importable.
        decrypts: by algorithm of the decrypting key, the methods by which imported keys may be encrypted.
        import_verifies: the kinds of keys that verify what is imported, and how.
        key_block_import_formats: versions of key blocks: `A`, `B`, `C`, `D`.
        key_import_through_parts: keys can be entered in parts, at the keyboard.
        certificate_signers: by signer of certificates that can be loaded (`certHost`, `sigHost`, `hl`,
            `certHostTr34`, `caTr34`, `hlTr34`), `newHost` and `replaceHost`.
        deletion_needs_authentication: keys are only deleted for a host that has authenticated itself.
        rsa_authentication_scheme: `twoPartySig`, `threePartyCert`, `threePartyCertTr34`.
        rsa_signature_algorithm: `pkcs1V15`, `pss`.
        rsa_crypt_algorithm: `pkcs1V15`, `oaep`.
        rsa_key_check_mode: `sha1`, `sha256`.
        signature_scheme: `randomNumber`, `exportDeviceId`, `enhancedRkl`.
        emv_import_schemes: of public keys.
        des_key_length: `single`, `double`, `triple`.
        certificate_types: of the device: `encKey`, `verificationKey`, `hostKey`.
        crkl_load_options: of key tokens.
        symmetric_key_management_methods: `fixedKey`, `masterKey`, `tdesDukpt`.
    """

    key_num: Annotated[int, Meta(ge=0)] | None = None
    key_check_modes: frozenset[Literal["self", "zero"]] = frozenset()
    importable: frozenset[KeyKind] = frozenset()
    key_pairs: frozenset[KeyKind] = frozenset({("K3", "R", "T"), ("S0", "R", "S")})
    decrypts: Mapping[KeyAlgorithm, frozenset[DecryptMethod]] = {}
    import_verifies: Mapping[KeyKind, VerifyMethods] = {}
    key_block_import_formats: frozenset[Literal["A", "B", "C", "D"]] = frozenset()
    key_import_through_parts: bool = follows_from("import_key_part")
    certificate_signers: Mapping[
        Literal["certHost", "sigHost", "hl", "certHostTr34", "caTr34", "hlTr34"], frozenset[LoadOption]
    ] = {}
    deletion_needs_authentication: bool = False
    rsa_authentication_scheme: frozenset[str] = frozenset()
    rsa_signature_algorithm: frozenset[str] = frozenset()
    rsa_crypt_algorithm: frozenset[str] = frozenset()
    rsa_key_check_mode: frozenset[str] = frozenset()
    signature_scheme: frozenset[str] = frozenset()
    emv_import_schemes: frozenset[str] = frozenset()
    des_key_length: frozenset[str] = frozenset()
    certificate_types: frozenset[str] = frozenset()
    crkl_load_options: frozenset[TokenOption] = frozenset()
    symmetric_key_management_methods: frozenset[str] = frozenset()
    key_attributes_told: object = derived(_key_attributes)
    decrypt_attributes_told: object = derived(_decrypt_attributes)
    import_verify_attributes_told: object = derived(_verify_attributes)
    load_cert_options_told: object = derived(_load_cert_options)

    @operation
    async def stored_keys(self) -> Mapping[str, StoredKey]:
        """The keys that the device has, by name; asked whenever it was opened.

        What the service's table says otherwise is corrected by it, so that neither a power cut between the
        loading of a key and its booking nor an exchanged module goes unnoticed.
        """
        raise NotImplementedError

    @operation
    async def import_key(self, request: KeyImport) -> ImportedKey:
        """`KeyManagement.ImportKey`: take a key, in one piece or from the parts that were entered.

        Raises:
            CommandError: any of the command's; `invalidValue` for a key block that is not authentic.
        """
        raise NotImplementedError

    @operation
    async def import_key_part(self, name: str, number: Annotated[int, Meta(ge=1)]) -> None:
        """`KeyManagement.ImportKey`, `constructing`: store what was entered last as a part of a key.

        Args:
            name: of the key that is constructed.
            number: of the part, from 1, which begins anew. All are exclusive-ored by `import_key` with an
                empty value; a class that has lost those before raises `keyNoValue`, or the key would have
                fewer parts than its custodians were told.
        """
        raise NotImplementedError

    @operation
    async def forget_key_parts(self) -> None:
        """Forget what was entered, and all parts: the construction of a key was given up."""

    @operation
    async def generate_kcv(self, name: str, mode: Literal["self", "zero"]) -> CheckValue:
        """`KeyManagement.GenerateKCV`: the check value of a key."""
        raise NotImplementedError

    @operation
    async def delete_key(self, name: str | None, authentication: Authentication | None) -> None:
        """`KeyManagement.DeleteKey`: erase a key, or all that were not preloaded (None).

        Raises:
            CommandError: `accessDenied`, `macInvalid`, `signatureInvalid`, `randomInvalid`.
        """
        raise NotImplementedError

    @operation
    async def initialization(self, authentication: Authentication | None) -> None:
        """`KeyManagement.Initialization`: erase all keys that were not preloaded.

        Raises:
            CommandError: as for `delete_key`.
        """
        raise NotImplementedError

    @operation
    async def reset_key_management(self) -> None:
        """`KeyManagement.Reset`: come to a known state; keys stay, parts of keys go."""

    @operation
    async def start_authenticate(self, key: str | None, initialization: bool) -> DataToSign:
        """`KeyManagement.StartAuthenticate`: what a host must sign to have a key, or all, deleted."""
        raise NotImplementedError

    @operation
    async def start_key_exchange(self) -> Something:
        """`KeyManagement.StartKeyExchange`: a random; the next token or signature must have it."""
        raise NotImplementedError

    @operation
    async def generate_rsa_key_pair(self, request: RsaKeyPairRequest) -> StoredKey:
        """`KeyManagement.GenerateRSAKeyPair`: make a key pair.

        Raises:
            CommandError: `invalidModulusLength`, `keyGenerationError`.
        """
        raise NotImplementedError

    @operation
    async def export_rsa_issuer_signed_item(self, name: str | None) -> IssuerSignedItem:
        """`KeyManagement.ExportRSAIssuerSignedItem`: the device's id (None), or a public key."""
        raise NotImplementedError

    @operation
    async def export_rsa_device_signed_item(
        self, name: str | None, signing_key: str | None, algorithm: SignatureAlgorithm
    ) -> DeviceSignedItem:
        """`KeyManagement.ExportRSADeviceSignedItem`: the device's id (None), or a public key.

        Args:
            signing_key: with whose private part it is to be signed; None for no signature.
        """
        raise NotImplementedError

    @operation
    async def get_certificate(self, kind: Literal["enckey", "verificationkey", "hostkey"]) -> Something:
        """`KeyManagement.GetCertificate`: a certificate of the device, or of the host, DER.

        Raises:
            CommandError: `invalidCertificateState`, `keyNotFound`.
        """
        raise NotImplementedError

    @operation
    async def load_certificate(
        self, option: LoadOption, signer: CertificateSigner, data: bytes
    ) -> LoadedCertificate:
        """`KeyManagement.LoadCertificate`: take a host's certificate.

        Raises:
            CommandError: `formatInvalid`, `invalidCertificateState`, `signatureInvalid`, `randomInvalid`.
        """
        raise NotImplementedError

    @operation
    async def replace_certificate(self, data: bytes) -> bytes | None:
        """`KeyManagement.ReplaceCertificate`: take another authority; the digest of its certificate.

        Raises:
            CommandError: `formatInvalid`, `invalidCertificateState`.
        """
        raise NotImplementedError

    @operation
    async def import_key_token(self, request: KeyTokenImport) -> ImportedToken:
        """`KeyManagement.ImportKeyToken`: take a key from a token that a host has signed.

        Raises:
            CommandError: any of the command's.
        """
        raise NotImplementedError

    @operation
    async def import_emv_public_key(
        self, name: str, usage: KeyUsage, scheme: EmvScheme, value: bytes, verify_key: str | None
    ) -> StoredKey:
        """`KeyManagement.ImportEmvPublicKey`: take a public key of a card scheme, an issuer or a card.

        Raises:
            CommandError: `emvVerifyFailed`, `accessDenied`, `noKeyRam`.
        """
        raise NotImplementedError

    @operation
    async def derive_key(self, request: KeyDerivation) -> StoredKey:
        """`KeyManagement.DeriveKey`, which 2024-3 has withdrawn: make a key from another.

        Raises:
            CommandError: `accessDenied`, `invalidKeyLength`.
        """
        raise NotImplementedError
