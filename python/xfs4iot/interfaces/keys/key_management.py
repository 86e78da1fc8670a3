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

from typing import Any

from xfs4iot import devices
from xfs4iot.devices import ImportedKey, KeyDerivation, StoredKey
from xfs4iot.interfaces.checks import device_ready, given
from xfs4iot.interfaces.keys import importing, reported
from xfs4iot.interfaces.keys.authentication import Challenge, What, authentication_of
from xfs4iot.interfaces.keys.checks import illegal, key_exists, key_usable, name_given
from xfs4iot.interfaces.keys.deletion import deletion_allowed, initialization_allowed, key_deletable
from xfs4iot.interfaces.keys.key_table import Key
from xfs4iot.interfaces.keys.purposes import DERIVE
from xfs4iot.interfaces.keys.remote_keys import RemoteKeys
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import flags
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import check, handles, step

__all__ = ["KeyManagement"]

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


class KeyManagement(RemoteKeys):
    """The interface of a device's keys."""

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
            importing.made_key_has_room,
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
