"""KeyManagement: keys are loaded, described and deleted; their values are never seen.

The service keeps a table of the keys (`key_table`) and lets a key be used for its purpose only (`purposes`).
A key is booked after the device has taken it. The device's own list settles what a loss of power left open;
it is asked for whenever the device is opened and whenever an operation ends unexpectedly. A key that is
entered in parts replaces one of the same name only when it is complete (`components`).

`encryptionState` follows from the symmetric keys of the table: `notInitialized` without keys, `initialized`
with keys for loading keys only, `ready` with others; `busy` while the device changes them. Every refused use
of a key is reported to all clients as IllegalKeyAccessEvent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal, TypeVar

import trio

from xfs4iot import devices
from xfs4iot.devices import ImportedKey, KeyDerivation, RsaKeyPairRequest, StoredKey
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import importing, remote_loading, reported
from xfs4iot.interfaces.keys.authentication import Challenge, Challenges, What, authentication_of
from xfs4iot.interfaces.keys.checks import illegal, key_exists, key_usable, name_given
from xfs4iot.interfaces.keys.components import Components
from xfs4iot.interfaces.keys.deletion import deletion_allowed, initialization_allowed, key_deletable
from xfs4iot.interfaces.keys.key_table import IllegalAccess, Key, KeyTable
from xfs4iot.interfaces.keys.purposes import DERIVE
from xfs4iot.interfaces.keys.ways_in import BY_EMV, BY_TOKEN
from xfs4iot.ledger import LedgerError
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.message import Payload
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.command import Command, Connection
from xfs4iot.server.handler import Interface, check, handles, step
from xfs4iot.server.service import Service

__all__ = ["KeyManagement"]

_Result = TypeVar("_Result")
_AUTHENTICATION = step(
    "authentication",
    "the host's authentication: for this command and key, on this connection, by a method that was offered",
    "sequenceError",
    "accessDenied",
    "randomInvalid",
    "invalidData",
    "keyNotFound",
    "keyNoValue",
    "useViolation",
    "modeOfUseNotSupported",
)
_ENTERED = step("part entered here", "whether the part was entered on this connection", "keyNoValue")
_EXPONENTS = {"device": None, "exponent1": 3, "exponent4": 17, "exponent16": 65537}


@check("modeNotSupported")
def check_mode_supported(on: KeyManagement, request: messages.GenerateKCV) -> None:
    """whether the device makes check values of this kind"""
    if request.key_check_mode not in on.device.key_check_modes:
        raise errors.CommandError(
            "modeNotSupported",
            f"$.keyCheckMode: the device makes check values by "
            f"{', '.join(sorted(on.device.key_check_modes)) or 'none'}, not by {request.key_check_mode}",
        )


@check("keyNotFound")
def detailed_key_exists(on: KeyManagement, request: messages.GetKeyDetail | None) -> None:
    """whether the key is in the table, if one is named"""
    if request is not None and request.key_name and on.table.find(request.key_name) is None:
        raise errors.CommandError("keyNotFound", "$.keyName: there is no such key")


@check("invalidData")
def what_to_authenticate(on: KeyManagement, request: messages.StartAuthenticate | None) -> None:
    """`command`: deleteKey or initialization, not both"""
    command = None if request is None else request.command
    if command is None or (command.delete_key is None) == (command.initialization is None):
        raise errors.InvalidData("$.command: give either deleteKey or initialization, such as {}")


@check("sequenceError")
def nothing_goes_on(on: KeyManagement, request: messages.Initialization | None) -> None:
    """whether a German security module is in an exchange with its host"""
    for lock in on.locks:
        if (goes_on := lock()) is not None:
            raise errors.SequenceError(goes_on)


@check("invalidData")
def derivation_start_fits(on: KeyManagement, request: messages.DeriveKey) -> None:
    """the start value: 8 bytes in the clear, if there is one"""
    if request.stored_key is not None or (request.iv is not None and request.iv.key is not None):
        raise errors.InvalidData("$.storedKey, $.iv.key: give the start value in $.iv.value")
    if request.iv is not None and request.iv.value is not None and len(request.iv.value) != 8:
        raise errors.InvalidData("$.iv.value: a start value has 8 bytes")


@check("duplicateKey")
def derived_key_replaceable(on: KeyManagement, request: messages.DeriveKey) -> None:
    """whether a key of this name may be replaced"""
    importing.require_replaceable(on, request.key or "")


@check("algorithmNotSupported")
def master_algorithm_fits(on: KeyManagement, request: messages.DeriveKey) -> None:
    """whether `keyGenKey` is a TDES key"""
    assert request.key_gen_key is not None
    if on.table.loaded(request.key_gen_key).algorithm != "T":
        raise illegal(
            request.key_gen_key,
            "algorithmNotSupported",
            "$.keyGenKey: keys are derived from TDES keys",
            "algorithmNotSupported",
        )


@check("notEnoughSpace")
def made_key_has_room(on: KeyManagement, request: Any) -> None:
    """whether there is room for it"""
    # Commands that make a key have no code of their own for that.
    if not importing.has_room(on, request.key):
        raise errors.NotEnoughSpace(
            f"there is room for {on.device.key_num} keys; see KeyManagement.DeleteKey"
        )


class KeyManagement(Interface[devices.KeyManagement]):
    """The interface of a device's keys."""

    name: ClassVar[str] = "KeyManagement"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.table = KeyTable(service.ledger, self._show)
        self.components = Components(lambda: getattr(self.device, "pins_for_all_clients", False))
        self.challenges = Challenges()
        self._busy = False
        self.locks: list[Callable[[], str | None]] = []
        """Interfaces that something of theirs goes on for, during which keys must not be initialized."""
        self.ends: list[Callable[[], Awaitable[None]]] = []
        """What interfaces have kept, and ends when the keys are reset or initialized."""
        # Not reentrant: `_reconcile` takes it as well, and must never be awaited while it is held.
        self._changing = trio.Lock()

    async def start(self) -> None:
        """Read the table, and let the device correct it."""
        await self._open_table()

    async def reopened(self) -> None:
        """The device may be another one: begin with what it has."""
        self.components.abandon()
        await self._open_table()

    async def _open_table(self) -> None:
        try:
            # Without a key from the device the table is an ordinary, unsealed document.
            vault = None
            if devices.implements(self.device, "ledger_key"):
                vault = self.service.ledger.vault(await self.ask(devices.Device.ledger_key))
        except errors.XfsError as fault:
            # Not opened unsealed either, as that would bypass the vault; the next opening tries again.
            self.service.log.error("the key table cannot be read: %s", fault)
            return
        try:
            self.table.open(vault)
        except LedgerError as fault:
            self.service.log.warning("the key table is made anew from the keys of the device: %s", fault)
        await self._reconcile()

    async def _reconcile(self) -> None:
        """Let the table say what the device has."""
        if not devices.implements(self.device, "stored_keys"):
            return
        try:
            async with self._changing:
                stored = await self.ask(devices.KeyManagement.stored_keys, believe=reported.keys_named)
                for wrong in await self.table.reconcile(stored):
                    self.service.log.warning("%s", wrong)
        except errors.XfsError as fault:
            self.service.log.error("what keys the device has is not known: %s", fault)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Change keys, one at a time; what was begun is booked, even if nobody wants it any more."""
        async with self._computing():
            # The wait for the lock can be cancelled, the change itself cannot.
            with trio.CancelScope(shield=True):
                yield

    @asynccontextmanager
    async def _computing(self) -> AsyncIterator[None]:
        """Let the device change its keys, one at a time: `encryptionState` is `busy` meanwhile."""
        async with self._changing:
            self._busy = True
            self._show()
            try:
                yield
            finally:
                self._busy = False
                self._show()

    async def _changed_by(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """Let the device change its keys; if that ends unexpectedly, look at what it has."""
        try:
            return await ask()
        # A clean refusal: the device has said that nothing changed, so its keys need no second look.
        except (errors.CommandError, errors.InvalidData):
            raise
        except BaseException:
            # In the background: the caller holds `_changing`, and the lock is free only after this raises.
            self.service.nursery.start_soon(self._reconcile)
            raise

    async def book(self, name: str, stored: StoredKey) -> None:
        """Note in the table that the device has a key."""
        await self.table.put(name, Key(stored))

    def _show(self) -> None:
        """Make the status say what the keys are good for."""
        keys = self.table.keys.values()
        # RSA keys do not count: the state follows from the symmetric keys alone.
        usages = [key.usage for key in keys if key.loaded == "yes" and key.algorithm != "R"]
        state: Literal["busy", "ready", "initialized", "notInitialized"]
        if self._busy:
            state = "busy"
        elif any(usage[0] != "K" for usage in usages):
            state = "ready"
        elif any(usage[0] == "K" for usage in usages):
            state = "initialized"
        else:
            state = "notInitialized"
        self.device.status.key_management.encryption_state = state

    def failed(self, fault: BaseException, command: Command) -> None:
        """Tell all clients about a refused use of a key."""
        if isinstance(fault, IllegalAccess):
            reason: Any = fault.reason
            self.service.broadcast(messages.IllegalKeyAccessEvent(key_name=fault.key, error_code=reason))

    def observe(self, event: Payload) -> None:
        """A device that was initialized by hand has other keys."""
        if isinstance(event, messages.InitializedEvent):
            self.service.nursery.start_soon(self._initialized_by_hand)

    async def _initialized_by_hand(self) -> None:
        try:
            await self._forget(None)
        except errors.XfsError as fault:
            self.service.log.error("the keys that are gone could not be taken out of the table: %s", fault)
        await self._reconcile()

    def disconnected(self, connection: Connection) -> None:
        """What was given to a client to be signed ends with its connection, and so does what it entered."""
        self.challenges.ended(connection)
        # With parts in the device the entered one stays until the next takes its place: nobody can store it.
        if self.components.left(connection) and self.components.name is None:
            self.service.nursery.start_soon(self._forget_entered)

    async def _forget_entered(self) -> None:
        try:
            async with self._change():
                if not self.components.begun:
                    await self._forget_parts()
        except errors.XfsError as fault:
            self.service.log.error(
                "the device keeps what was entered of a key until the next entry: %s", fault
            )

    @handles(
        "KeyManagement.GetKeyDetail",
        checks=(detailed_key_exists,),
        asks=None,
    )
    def get_key_detail(
        self, request: messages.GetKeyDetail | None, command: Command
    ) -> messages.GetKeyDetailCompletion:
        """`KeyManagement.GetKeyDetail` 2.0: what may be told of a key, or of all."""
        keys = self.table.keys
        name = None if request is None else request.key_name
        told = {one: _detail(key) for one, key in keys.items() if name in (None, "", one)}
        return messages.GetKeyDetailCompletion(key_details=told)

    @handles(
        "KeyManagement.ImportKey",
        checks=(name_given(), device_ready, *importing.CHECKS, _ENTERED),
        device=("accessDenied", "invalidKeyLength", "signatureInvalid", "randomInvalid", "invalidValue"),
    )
    async def import_key(
        self, request: messages.ImportKey, command: Command
    ) -> messages.ImportKeyCompletion | None:
        """`KeyManagement.ImportKey` 3.0."""
        assert request.key is not None
        wanted = importing.request_for(self, request)
        if request.constructing:
            self.components.require_entered_by(command.session)
            await self._store_part(wanted)
            return None
        async with self._change():
            imported: ImportedKey = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.import_key,
                    wanted,
                    moving=True,
                    believe=reported.key_imported_as_asked(wanted),
                )
            )
            # Without a value the key was assembled from its parts, which are used up now.
            if not request.value:
                self.components.abandon()
            await self.book(request.key, imported.key)
        completion: messages.ImportKeyCompletion = importing.completion_of(
            imported, wanted.verification, self.table
        )
        return completion

    async def _store_part(self, wanted: devices.KeyImport) -> None:
        number = self.components.stored + 1
        async with self._change():
            await self.ask(devices.KeyManagement.import_key_part, wanted.name, number, moving=True)
            self.components.stores(wanted.name, wanted.attributes)
            # A loaded key of that name stays usable until the new one is whole.
            if self.table.find(wanted.name) is None:
                await self.table.put(wanted.name, Key(StoredKey(wanted.attributes), "construct"))

    @handles(
        "KeyManagement.GenerateKCV",
        checks=(
            name_given(),
            given("key_check_mode", "self or zero"),
            device_ready,
            check_mode_supported,
            key_exists(),
        ),
        device=("accessDenied",),
    )
    async def generate_kcv(
        self, request: messages.GenerateKCV, command: Command
    ) -> messages.GenerateKCVCompletion:
        """`KeyManagement.GenerateKCV` 2.0, completion 3.0."""
        kcv = await self.ask(devices.KeyManagement.generate_kcv, request.key, request.key_check_mode)
        return messages.GenerateKCVCompletion(kcv=kcv)

    @handles(
        "KeyManagement.DeleteKey",
        checks=(device_ready, key_deletable, deletion_allowed, _AUTHENTICATION),
        device=("macInvalid", "signatureInvalid"),
    )
    async def delete_key(self, request: messages.DeleteKey | None, command: Command) -> None:
        """`KeyManagement.DeleteKey` 3.0, completion 2.0: one key, or all that were not preloaded."""
        name = None if request is None else request.key
        given = None if request is None else request.authentication
        self._authenticate(given, What(False, name), command)
        async with self._change():
            await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.delete_key, name, authentication_of(given), moving=True
                )
            )
            await self._forget(name)

    @handles(
        "KeyManagement.Initialization",
        checks=(device_ready, nothing_goes_on, initialization_allowed, _AUTHENTICATION),
        device=("macInvalid", "signatureInvalid"),
    )
    async def initialization(self, request: messages.Initialization | None, command: Command) -> None:
        """`KeyManagement.Initialization` 3.0, completion 2.0: all keys that were not preloaded are gone."""
        given = None if request is None else request.authentication
        self._authenticate(given, What(True), command)
        async with self._change():
            await self._changed_by(
                lambda: self.ask(devices.KeyManagement.initialization, authentication_of(given), moving=True)
            )
            await self._forget(None)
            # Also what was entered of a key of which nothing is stored.
            self.components.abandon()
        self.challenges.answered()
        for end in self.ends:
            await end()
        self.service.broadcast(messages.InitializedEvent())

    def _authenticate(self, given: Any, what: What, command: Command) -> None:
        needed = self.device.deletion_needs_authentication
        self.challenges.require(given, what, command.session, needed, self.table)
        # Used up before the device looks at it: a wrong answer cannot be tried again.
        if given is not None:
            self.challenges.answered()

    async def _forget(self, name: str | None) -> None:
        """Take what was deleted out of the table, with the parts of a key that is constructed."""
        gone = [
            one
            for one, key in self.table.keys.items()
            if one == name or (not name and not key.stored.preloaded)
        ]
        await self.table.remove(*gone)
        if self.components.name is not None and self.components.name in {*gone, name or self.components.name}:
            await self._forget_parts()

    async def _forget_parts(self) -> None:
        self.components.abandon()
        if devices.implements(self.device, "forget_key_parts"):
            await self.ask(devices.KeyManagement.forget_key_parts, moving=True)

    @handles("KeyManagement.Reset", checks=(device_ready,), asks="reset_key_management")
    async def reset(self, request: None, command: Command) -> None:
        """`KeyManagement.Reset` 2.0: keys stay; a key that was being entered is given up."""
        async with self._change():
            await self.ask(devices.KeyManagement.reset_key_management, moving=True)
            name = self.components.name
            await self._forget_parts()
            self.challenges.answered()
            known = None if name is None else self.table.find(name)
            if name is not None and known is not None and known.loaded == "construct":
                await self.table.remove(name)
        for end in self.ends:
            await end()

    @handles(
        "KeyManagement.StartAuthenticate",
        checks=(what_to_authenticate, device_ready),
    )
    async def start_authenticate(
        self, request: messages.StartAuthenticate, command: Command
    ) -> messages.StartAuthenticateCompletion:
        """`KeyManagement.StartAuthenticate` 2.0, completion 3.0: data to sign before keys are deleted."""
        assert request.command is not None
        delete = request.command.delete_key
        what = What(True) if delete is None else What(False, delete.key or None)
        to_sign = await self.ask(devices.KeyManagement.start_authenticate, what.key, what.initialization)
        if not to_sign.data:
            return messages.StartAuthenticateCompletion()
        self.challenges.give(Challenge(what, command.session, to_sign))
        # The one method whose name is written differently as a property of the answer.
        told = {"certhost": "certHost"}
        return messages.StartAuthenticateCompletion(
            data_to_sign=to_sign.data,
            signers=flags(
                messages.StartAuthenticateCompletionSigners,
                (told.get(method, method) for method in to_sign.methods),
            ),
        )

    @handles(
        "KeyManagement.GenerateRSAKeyPair",
        checks=(
            name_given(),
            device_ready,
            remote_loading.pair_supported,
            remote_loading.pair_replaceable,
            made_key_has_room,
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

    @handles(
        "KeyManagement.DeriveKey",
        checks=(
            given("derivation_algorithm"),
            name_given(),
            name_given("key_gen_key"),
            given("input_data"),
            derivation_start_fits,
            device_ready,
            key_usable(DERIVE, "key_gen_key"),
            master_algorithm_fits,
            derived_key_replaceable,
            made_key_has_room,
        ),
        device=("accessDenied", "invalidKeyLength"),
    )
    async def derive_key(self, request: messages.DeriveKey, command: Command) -> None:
        """`KeyManagement.DeriveKey` of 2021-1 and 2023-2."""
        assert request.key is not None
        assert request.key_gen_key is not None
        wanted = KeyDerivation(
            name=request.key,
            algorithm=request.derivation_algorithm or "chipZka",
            key=request.key_gen_key,
            start=None if request.iv is None else request.iv.value,
            padding=request.padding or 0,
            input_data=request.input_data or b"",
        )
        async with self._change():
            stored = await self._changed_by(
                lambda: self.ask(
                    devices.KeyManagement.derive_key, wanted, moving=True, believe=reported.key_derived
                )
            )
            await self.book(request.key, stored)


def _detail(key: Key) -> messages.GetKeyDetailCompletionKeyDetails:
    stored = key.stored
    attributes = stored.attributes
    return messages.GetKeyDetailCompletionKeyDetails(
        generation=stored.generation,
        version=stored.version,
        activating_date=stored.activating_date,
        expiry_date=stored.expiry_date,
        loaded=key.loaded,
        key_block_info=messages.GetKeyDetailCompletionKeyDetailsKeyBlockInfo(
            key_usage=attributes.usage,
            restricted_key_usage=attributes.restricted_key_usage,
            algorithm=attributes.algorithm,
            mode_of_use=attributes.mode_of_use,
            key_version_number=attributes.key_version_number,
            exportability=attributes.exportability,
            optional_block_header=attributes.optional_block_header,
            key_length=stored.length,
        ),
    )
