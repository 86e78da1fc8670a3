"""Keys that are loaded from afar, with RSA: key pairs, signed items, certificates and tokens."""

from __future__ import annotations

import trio

from xfs4iot import devices
from xfs4iot.devices import RsaKeyPairRequest
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import importing, remote_loading, reported
from xfs4iot.interfaces.keys.checks import name_given
from xfs4iot.interfaces.keys.key_state import KeyState
from xfs4iot.interfaces.keys.ways_in import BY_EMV, BY_TOKEN
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles

__all__ = ["RemoteKeys"]

_EXPONENTS = {"device": None, "exponent1": 3, "exponent4": 17, "exponent16": 65537}


class RemoteKeys(KeyState):
    """The commands of remote key loading."""

    @handles(
        "KeyManagement.GenerateRSAKeyPair",
        checks=(
            name_given(),
            device_ready,
            remote_loading.pair_supported,
            remote_loading.pair_replaceable,
            importing.made_key_has_room,
        ),
        device=("accessDenied", "invalidModulusLength", "keyGenerationError"),
        asks="generate_rsa_key_pair",
    )
    async def generate_rsa_key_pair(self, request: messages.GenerateRSAKeyPair, command: Command) -> None:
        """`KeyManagement.GenerateRSAKeyPair` 2.0."""
        assert request.key is not None
        wanted = RsaKeyPairRequest(
            request.key,
            request.use or "rsaPrivateSign",
            request.modulus_length or 0,
            _EXPONENTS[request.exponent_value or "device"],
        )
        async with self._computing():
            stored = await self._changed_by(
                # Making a key pair takes long and moves nothing: it can be cancelled, only the booking
                # cannot.
                lambda: self.ask(
                    devices.KeyManagement.generate_rsa_key_pair,
                    wanted,
                    believe=reported.pair_made_as_asked("T" if wanted.use == "rsaPrivate" else "S"),
                )
            )
            with trio.CancelScope(shield=True):
                await self.book(request.key, stored)

    @handles(
        "KeyManagement.ExportRSAIssuerSignedItem",
        checks=(
            given("export_item_type", "deviceId or publicKey"),
            device_ready,
            remote_loading.exported_key_exists,
        ),
        device=("accessDenied",),
        asks="export_rsa_issuer_signed_item",
    )
    async def export_rsa_issuer_signed_item(
        self, request: messages.ExportRSAIssuerSignedItem, command: Command
    ) -> messages.ExportRSAIssuerSignedItemCompletion:
        """`KeyManagement.ExportRSAIssuerSignedItem` 2.0, completion 3.0."""
        item = await self.ask(
            devices.KeyManagement.export_rsa_issuer_signed_item,
            remote_loading.exported_name(request),
            believe=reported.item_signed,
        )
        return messages.ExportRSAIssuerSignedItemCompletion(
            value=item.value, rsa_signature_algorithm=item.algorithm, signature=item.signature
        )

    @handles(
        "KeyManagement.ExportRSADeviceSignedItem",
        checks=(
            given("export_item_type", "deviceId or publicKey"),
            device_ready,
            remote_loading.id_exportable,
            remote_loading.exported_key_exists,
            remote_loading.signing_key_usable,
        ),
        asks="export_rsa_device_signed_item",
    )
    async def export_rsa_device_signed_item(
        self, request: messages.ExportRSADeviceSignedItem, command: Command
    ) -> messages.ExportRSADeviceSignedItemCompletion:
        """`KeyManagement.ExportRSADeviceSignedItem` 2.0, completion 3.0."""
        algorithm = request.signature_algorithm or "na"
        by = None if algorithm == "na" else request.sig_key
        item = await self.ask(
            devices.KeyManagement.export_rsa_device_signed_item,
            remote_loading.exported_name(request),
            by,
            algorithm,
            believe=reported.item_signed_as_asked(by),
        )
        return messages.ExportRSADeviceSignedItemCompletion(
            value=item.value, self_signature=item.self_signature, signature=item.signature
        )

    @handles(
        "KeyManagement.GetCertificate",
        checks=(given("get_certificate"), device_ready, remote_loading.certificate_kind_supported),
        device=("accessDenied", "invalidCertificateState", "keyNotFound"),
    )
    async def get_certificate(
        self, request: messages.GetCertificate, command: Command
    ) -> messages.GetCertificateCompletion:
        """`KeyManagement.GetCertificate` 2.0, completion 3.0."""
        certificate = await self.ask(devices.KeyManagement.get_certificate, request.get_certificate)
        return messages.GetCertificateCompletion(certificate=certificate)

    @handles(
        "KeyManagement.LoadCertificate",
        checks=(
            given("load_option", "newHost or replaceHost"),
            given("signer"),
            given("certificate_data"),
            device_ready,
            remote_loading.signer_supported,
        ),
        device=(
            "accessDenied",
            "formatInvalid",
            "invalidCertificateState",
            "signatureInvalid",
            "randomInvalid",
        ),
    )
    async def load_certificate(
        self, request: messages.LoadCertificate, command: Command
    ) -> messages.LoadCertificateCompletion:
        """`KeyManagement.LoadCertificate` 3.0."""
        async with self._change():
            loaded = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.load_certificate,
                    request.load_option,
                    request.signer,
                    request.certificate_data,
                    moving=True,
                )
            )
        await self._reconcile()
        return messages.LoadCertificateCompletion(rsa_key_check_mode=loaded.check_mode, rsa_data=loaded.data)

    @handles(
        "KeyManagement.ReplaceCertificate",
        checks=(given("replace_certificate"), device_ready),
        device=("accessDenied", "formatInvalid", "invalidCertificateState"),
    )
    async def replace_certificate(
        self, request: messages.ReplaceCertificate, command: Command
    ) -> messages.ReplaceCertificateCompletion:
        """`KeyManagement.ReplaceCertificate` 3.0: the other authority is the one from now on, and everybody
        told."""
        async with self._change():
            digest = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.replace_certificate, request.replace_certificate, moving=True
                )
            )
        await self._reconcile()
        self.device.status.key_management.certificate_state = "secondary"
        self.service.broadcast(messages.CertificateChangeEvent(certificate_change="secondary"))
        return messages.ReplaceCertificateCompletion(new_certificate_data=digest)

    @handles(
        "KeyManagement.StartKeyExchange",
        checks=(device_ready, remote_loading.exchange_supported),
    )
    async def start_key_exchange(
        self, request: None, command: Command
    ) -> messages.StartKeyExchangeCompletion:
        """`KeyManagement.StartKeyExchange` 2.0, completion 3.0: a random for the next token or signature."""
        item = await self.ask(devices.KeyManagement.start_key_exchange)
        return messages.StartKeyExchangeCompletion(random_item=item)

    @handles(
        "KeyManagement.ImportKeyToken",
        checks=(
            given("key_token"),
            given("load_option"),
            remote_loading.token_named,
            device_ready,
            remote_loading.load_option_supported,
            remote_loading.token_usage_supported,
            remote_loading.token_key_replaceable,
            remote_loading.token_has_room,
        ),
        device=(
            "accessDenied", "invalidKeyLength", "formatInvalid", "contentInvalid", "randomInvalid",
            "signatureInvalid", "invalidCertState",
        ),
    )  # fmt: skip
    async def import_key_token(
        self, request: messages.ImportKeyToken, command: Command
    ) -> messages.ImportKeyTokenCompletion:
        """`KeyManagement.ImportKeyToken` 3.0."""
        wanted = remote_loading.token_import(request)
        kinds = BY_TOKEN.of(self.device.importable)
        async with self._change():
            imported = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.import_key_token,
                    wanted,
                    moving=True,
                    believe=reported.token_taken_as_asked(wanted, self.table, kinds),
                )
            )
            await self.book(imported.name, imported.key)
        return messages.ImportKeyTokenCompletion(
            key_length=imported.key.length or None,
            key_accept_algorithm=imported.accept_algorithm,
            key_accept_data=imported.accept_data,
            key_check_mode=imported.check_mode,
            key_check_value=imported.check_value,
        )

    @handles(
        "KeyManagement.ImportEmvPublicKey",
        checks=(
            name_given(),
            given("key_usage"),
            given("import_scheme"),
            given("value"),
            device_ready,
            remote_loading.emv_scheme_supported,
            remote_loading.emv_usage_supported,
            remote_loading.emv_verify_key_usable,
            remote_loading.emv_key_replaceable,
            remote_loading.emv_key_has_room,
        ),
        device=("accessDenied", "emvVerifyFailed"),
    )
    async def import_emv_public_key(
        self, request: messages.ImportEmvPublicKey, command: Command
    ) -> messages.ImportEmvPublicKeyCompletion:
        """`KeyManagement.ImportEmvPublicKey` 3.0, completion 2.0."""
        assert request.key is not None
        async with self._change():
            stored = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.import_emv_public_key,
                    request.key,
                    request.key_usage,
                    request.import_scheme,
                    request.value,
                    request.verify_key,
                    moving=True,
                    believe=reported.public_key_taken_as_asked(
                        request.key_usage, BY_EMV.of(self.device.importable)
                    ),
                )
            )
            await self.book(request.key, stored)
        # MMYY on the wire, as the standard has it, unlike the dates of GetKeyDetail.
        day = stored.expiry_date
        return messages.ImportEmvPublicKeyCompletion(expiry_date=None if day is None else day[4:6] + day[2:4])
