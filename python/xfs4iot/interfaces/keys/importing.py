"""Checks before a key is imported, and what the device is given.

A key comes in one of four ways, told apart by what the request has:

- in parts, which were entered at the keyboard: `constructing` for each, then once without a value;
- as a key block: `decryptKey` and no `decryptMethod`. Its header says what the key is for;
- encrypted under a key that decrypts keys: `decryptKey` and `decryptMethod`;
- in the clear, only if it is a public key: neither.
"""

from __future__ import annotations

from typing import Any, NoReturn

from xfs4iot import devices
from xfs4iot.devices import KeyAttributes, KeyImport, KeyVerification
from xfs4iot.interfaces.keys import key_block
from xfs4iot.interfaces.keys.checks import KeyLoading, illegal
from xfs4iot.interfaces.keys.key_table import RESERVED_NAMES, Key, KeyTable, decrypts_only_start_values
from xfs4iot.interfaces.keys.purposes import (
    LEAST_HOST_MAC,
    MACS,
    RECEIVE_KEY_BLOCKS,
    RECEIVE_KEYS,
    VERIFY_IMPORT,
)
from xfs4iot.interfaces.keys.ways_in import (
    BY_KEY_BLOCK,
    BY_PARTS,
    BY_RSA,
    BY_SYMMETRIC,
    IN_THE_CLEAR,
    WayIn,
)
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.handler import check

__all__ = [
    "CHECKS",
    "attributes_of",
    "made_key_has_room",
    "request_for",
    "require_kind",
    "require_room",
]

_RSA_METHODS = frozenset({"rsaesPkcs1V15", "rsaesOaep"})
_KCV = frozenset({"kcvNone", "kcvSelf", "kcvZero"})
_SIGNATURES = frozenset({"rsassaPkcs1V15", "rsassaPss"})


def _is_key_block(request: messages.ImportKey) -> bool:
    # Nothing on the wire marks a key block as such; it is one if only the method is missing.
    return bool(request.decrypt_key) and request.decrypt_method is None and bool(request.value)


def attributes_of(request: messages.ImportKey) -> KeyAttributes:
    """What the key is to be for: as the request says, or as the header of its key block says.

    Raises:
        InvalidData: nothing says it.
        CommandError: `formatNotSupported`, `formatInvalid`.
    """
    given = request.key_attributes
    if _is_key_block(request):
        assert request.value is not None
        attributes = key_block.header_of(request.value).attributes
        if given is not None and given.restricted_key_usage is not None:
            return KeyAttributes(
                usage=attributes.usage,
                algorithm=attributes.algorithm,
                mode_of_use=attributes.mode_of_use,
                restricted_key_usage=given.restricted_key_usage,
                key_version_number=attributes.key_version_number,
                exportability=attributes.exportability,
                optional_block_header=attributes.optional_block_header,
            )
        return attributes
    missing = [
        wire
        for wire, value in (
            ("keyUsage", given and given.key_usage),
            ("algorithm", given and given.algorithm),
            ("modeOfUse", given and given.mode_of_use),
        )
        if not value
    ]
    if missing:
        _refuse_unsaid(request, missing[0])
    assert given is not None
    assert given.key_usage is not None
    assert given.algorithm is not None
    assert given.mode_of_use is not None
    return KeyAttributes(
        usage=given.key_usage,
        algorithm=given.algorithm,
        mode_of_use=given.mode_of_use,
        restricted_key_usage=given.restricted_key_usage,
    )


def _refuse_unsaid(request: messages.ImportKey, attribute: str) -> NoReturn:
    """Say what is to be done about an attribute that is missing.

    Raises:
        InvalidData: always.
    """
    if not request.value or not key_block.seems_one(request.value):
        raise errors.InvalidData(
            f"$.keyAttributes.{attribute} is missing; only the header of a key block can stand for it"
        )
    if request.decrypt_key:
        raise errors.InvalidData(
            "$.decryptMethod: $.value seems to be a key block, which needs none; leave it out"
        )
    raise errors.InvalidData(
        "$.decryptKey is missing; $.value seems to be a key block: name the key that protects it"
    )


@check("invalidData", "unsupportedData", "sequenceError", "keyNoValue")
def parts_in_order(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether a part can be stored, or the key assembled, or no key is entered in parts"""
    assert request.key is not None
    if request.constructing:
        if not on.device.key_import_through_parts:
            raise errors.UnsupportedData("$.constructing: the device takes no keys in parts")
        if request.value:
            raise errors.InvalidData("$.value: a part is what was entered last; leave the value out")
        on.components.require_part(request.key)
    elif request.value:
        on.components.require_none()
    elif on.components.name is None:
        raise errors.InvalidData("$.value is missing, and no parts of a key were entered")
    else:
        on.components.require_whole(request.key)


@check("useViolation")
def parts_of_one_purpose(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether a key that is entered in parts is for what its first part was for"""
    if not request.value:
        on.components.require_same_purpose(attributes_of(request))


@check("invalidData")
def attributes_given(on: KeyLoading, request: messages.ImportKey) -> None:
    """`keyAttributes`, if the value is not a key block"""
    if not _is_key_block(request):
        attributes_of(request)


@check("keyNotFound", "keyNoValue", "useViolation", "accessDenied")
def decrypt_key_usable(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether the key `decryptKey` may decrypt keys, or open key blocks; without one, whether it is a
    public key"""
    if not request.value:
        return
    if request.decrypt_key:
        purpose = RECEIVE_KEY_BLOCKS if _is_key_block(request) else RECEIVE_KEYS
        on.table.for_use(request.decrypt_key, purpose, "$.decryptKey")
        return
    attributes = attributes_of(request)
    if not IN_THE_CLEAR.brings(attributes.kind):
        raise errors.CommandError(
            "accessDenied",
            "$.decryptKey is missing: only public RSA keys that verify or encrypt are taken in the clear",
        )


@check("algorithmNotSupported", "cryptoMethodNotSupported")
def decrypt_method_supported(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether the device decrypts keys by `decryptMethod`"""
    method = request.decrypt_method
    if not request.value or not request.decrypt_key or method is None:
        return
    key = on.table.loaded(request.decrypt_key)
    if key.algorithm not in on.device.decrypts:
        raise illegal(
            request.decrypt_key,
            "algorithmNotSupported",
            f"the device decrypts no keys by algorithm {key.algorithm}",
            "algorithmNotSupported",
        )
    # Both RSA or neither: a vendor may list methods under an algorithm that cannot have them.
    fits = (key.algorithm == "R") == (method in _RSA_METHODS)
    if not fits or method not in on.device.decrypts[key.algorithm]:
        raise errors.CommandError(
            "cryptoMethodNotSupported",
            f"$.decryptMethod: a key of algorithm {key.algorithm} decrypts keys by "
            f"{', '.join(sorted(on.device.decrypts[key.algorithm]))}, not by {method}",
        )


@check("formatNotSupported", "formatInvalid", "algorithmNotSupported", "contentInvalid")
def key_block_readable(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether the key block holds together, is of a version that the device takes, and says what is asked
    for"""
    if not _is_key_block(request):
        return
    assert request.value is not None
    assert request.decrypt_key is not None
    header = key_block.header_of(request.value)
    if header.version not in on.device.key_block_import_formats:
        raise errors.CommandError(
            "formatNotSupported",
            f"$.value: the device takes key blocks of version "
            f"{', '.join(sorted(on.device.key_block_import_formats)) or 'none'}, not {header.version}",
        )
    needed = key_block.PROTECTED_BY[header.version]
    if on.table.loaded(request.decrypt_key).algorithm != needed:
        raise illegal(
            request.decrypt_key,
            "algorithmNotSupported",
            f"$.decryptKey: key blocks of version {header.version} are "
            f"protected by keys of algorithm {needed}",
            "algorithmNotSupported",
        )
    given = request.key_attributes
    for wire, asked, said in (
        ("keyUsage", given and given.key_usage, header.attributes.usage),
        ("algorithm", given and given.algorithm, header.attributes.algorithm),
        ("modeOfUse", given and given.mode_of_use, header.attributes.mode_of_use),
    ):
        if asked not in (None, said):
            raise errors.CommandError(
                "contentInvalid", f"$.keyAttributes.{wire} is {asked}, and the key block says {said}"
            )


def _way_in(on: KeyLoading, request: messages.ImportKey) -> WayIn:
    """How the key comes."""
    if not request.value:
        return BY_PARTS
    if not request.decrypt_key:
        return IN_THE_CLEAR
    if _is_key_block(request):
        return BY_KEY_BLOCK
    return BY_RSA if on.table.loaded(request.decrypt_key).algorithm == "R" else BY_SYMMETRIC


def require_kind(on: KeyLoading, attributes: KeyAttributes, way: WayIn) -> None:
    """Check that the device takes keys of this kind, and that they come this way.

    Raises:
        CommandError: `useViolation`, `algorithmNotSupported`, `modeNotSupported`.
    """
    kinds = way.of(on.device.importable)
    for code, known, what in (
        ("useViolation", {k for k in kinds if k[0] == attributes.usage}, "of this usage"),
        ("algorithmNotSupported", {k for k in kinds if k[:2] == attributes.kind[:2]}, "with this algorithm"),
        ("modeNotSupported", {k for k in kinds if k == attributes.kind}, "with this mode of use"),
    ):
        if not known:
            raise errors.CommandError(
                code,
                f"$.keyAttributes: the device takes no key {' '.join(attributes.kind)} {way.text}: none "
                f"{what}; see keyManagement.keyAttributes in Common.Capabilities",
            )


@check("useViolation", "algorithmNotSupported", "modeNotSupported")
def kind_supported(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether the device takes keys of this usage, algorithm and mode of use, and the decrypting key may
    bring them"""
    attributes = attributes_of(request)
    require_kind(on, attributes, _way_in(on, request))
    if request.value and request.decrypt_key:
        by = on.table.loaded(request.decrypt_key)
        # A key block says itself what it brings; what is merely encrypted could be any key, cut into pieces.
        if attributes.usage == "I0" and request.decrypt_method and not decrypts_only_start_values(by):
            raise illegal(
                request.decrypt_key,
                "useViolation",
                "$.decryptKey: start values (I0) come by key blocks, or under a key whose "
                "restrictedKeyUsage is I0",
            )
        only = by.stored.attributes.restricted_key_usage
        if only not in (None, attributes.usage):
            raise illegal(
                request.decrypt_key,
                "useViolation",
                f"$.decryptKey brings keys of usage {only} only, not {attributes.usage}",
            )


@check(
    "keyNotFound",
    "keyNoValue",
    "useViolation",
    "algorithmNotSupported",
    "invalidData",
    "signatureNotSupported",
    "cryptoMethodNotSupported",
)
def verification_possible(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether the key can be verified as it is wanted: by the key `verifyKey`, or by its own check value"""
    verification_of(on, request)


def verification_of(on: KeyLoading, request: messages.ImportKey) -> KeyVerification | None:
    """How the key is to be verified; None if not at all.

    Raises:
        InvalidData, CommandError: it cannot.
    """
    wanted = request.verify_attributes
    method = wanted.crypto_method if wanted is not None else None
    if request.verify_key is None:
        if method is None and request.verification_data:
            raise errors.InvalidData(
                "$.verificationData: name in $.verifyAttributes.cryptoMethod the check value that it is, "
                "kcvZero or kcvSelf, or in $.verifyKey the key of the signature or MAC"
            )
        if method is None or method in ("kcvNone", "sigNone"):
            return None
        if method not in _KCV:
            raise errors.InvalidData(f"$.verifyKey is missing; it verifies a signature by {method}")
        if method.removeprefix("kcv").lower() not in on.device.key_check_modes:
            raise errors.CommandError(
                "cryptoMethodNotSupported", f"the device makes no check values by {method}"
            )
        return KeyVerification(data=request.verification_data, method=method)
    key = on.table.for_use(request.verify_key, VERIFY_IMPORT, "$.verifyKey")
    by = on.device.import_verifies
    if not any(kind[0] == key.usage for kind in by):
        raise illegal(request.verify_key, "useViolation", f"the device verifies nothing by usage {key.usage}")
    kinds = [kind for kind in by if kind[:2] == (key.usage, key.algorithm)]
    if not kinds:
        raise illegal(
            request.verify_key,
            "algorithmNotSupported",
            f"the device verifies nothing by usage {key.usage} and algorithm {key.algorithm}",
            "algorithmNotSupported",
        )
    if not request.verification_data:
        raise errors.InvalidData("$.verificationData is missing; give the signature or MAC to be verified")
    if key.usage in MACS:
        if method not in (None, "kcvNone"):
            raise errors.CommandError(
                "cryptoMethodNotSupported", f"$.verifyAttributes.cryptoMethod: a MAC is not made by {method}"
            )
        if len(request.verification_data) < LEAST_HOST_MAC:
            raise errors.InvalidData(f"$.verificationData: a MAC of {LEAST_HOST_MAC} bytes or more")
        return KeyVerification(key=request.verify_key, data=request.verification_data)
    return _signature(request, key, by[kinds[0]])


def _signature(request: messages.ImportKey, key: Key, can: devices.VerifyMethods) -> KeyVerification:
    wanted = request.verify_attributes
    method = wanted.crypto_method if wanted is not None else None
    hashed = wanted.hash_algorithm if wanted is not None else None
    if method is None or hashed is None:
        raise errors.InvalidData("$.verifyAttributes: a signature needs cryptoMethod and hashAlgorithm")
    if method not in _SIGNATURES or method not in can.methods:
        raise errors.CommandError(
            "cryptoMethodNotSupported",
            f"$.verifyAttributes.cryptoMethod: keys of usage {key.usage} verify by "
            f"{', '.join(sorted(can.methods))}, not by {method}",
        )
    if hashed not in can.hash_algorithms:
        raise errors.CommandError(
            "signatureNotSupported",
            f"$.verifyAttributes.hashAlgorithm: {hashed} is not one of "
            f"{', '.join(sorted(can.hash_algorithms))}",
        )
    return KeyVerification(
        key=request.verify_key, data=request.verification_data, method=method, hash_algorithm=hashed
    )


def require_replaceable(on: KeyLoading, name: str, attributes: KeyAttributes | None = None) -> None:
    """Check that a key may replace one of the same name.

    Raises:
        CommandError: `duplicateKey`.
    """
    if name in RESERVED_NAMES:
        raise errors.CommandError(
            "duplicateKey", "$.key: this name is reserved for a key of the device's; choose another"
        )
    known = on.table.find(name)
    if known is None:
        return
    if known.stored.preloaded:
        raise errors.CommandError("duplicateKey", "$.key: this key was preloaded and cannot be replaced")
    if attributes is not None:
        # Version numbers may also be letters ("c1" is a component): those have no order.
        before, after = known.stored.attributes.key_version_number, attributes.key_version_number
        if before.isdigit() and after.isdigit() and int(after) < int(before):
            raise errors.CommandError(
                "duplicateKey", f"$.key: version {before} of this key is loaded; {after} is older"
            )


@check("duplicateKey")
def key_replaceable(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether a key of this name may be replaced: not a preloaded one, and not by an older version"""
    assert request.key is not None
    require_replaceable(on, request.key, attributes_of(request) if _is_key_block(request) else None)


def require_room(on: KeyLoading, name: str | None) -> None:
    """Check that there is room for a key.

    Raises:
        CommandError: `noKeyRam`.
    """
    if not has_room(on, name):
        raise errors.CommandError(
            "noKeyRam", f"there is room for {on.device.key_num} keys; see KeyManagement.DeleteKey"
        )


def has_room(on: KeyLoading, name: str | None) -> bool:
    """Whether there is room for a key, or it replaces one."""
    if on.device.key_num is not None and on.table.find(name or "") is None:
        held = sum(1 for key in on.table.keys.values() if key.loaded != "no" and not key.stored.preloaded)
        return held < on.device.key_num
    return True


@check("noKeyRam")
def key_has_room(on: KeyLoading, request: messages.ImportKey) -> None:
    """whether there is room for it"""
    require_room(on, request.key)


CHECKS = (
    parts_in_order,
    attributes_given,
    parts_of_one_purpose,
    decrypt_key_usable,
    decrypt_method_supported,
    key_block_readable,
    kind_supported,
    verification_possible,
    key_replaceable,
    key_has_room,
)


def request_for(on: KeyLoading, request: messages.ImportKey) -> KeyImport:
    """What the device is given, after all checks."""
    assert request.key is not None
    with_value = bool(request.value)
    return KeyImport(
        name=request.key,
        attributes=attributes_of(request),
        value=request.value or b"",
        decrypt_key=request.decrypt_key if with_value else None,
        decrypt_method=request.decrypt_method if with_value and request.decrypt_key else None,
        verification=verification_of(on, request),
        vendor_attributes=request.vendor_attributes,
    )


def completion_of(
    imported: devices.ImportedKey, verification: KeyVerification | None, table: KeyTable
) -> Any:
    """`ImportKeyCompletion`: what proves to the host that the key is there."""
    by = verification.key if verification is not None else None
    key = table.find(by) if by is not None else None
    verified = messages.ImportKeyCompletionVerifyAttributes(
        key_usage=key.usage if key is not None else None,
        algorithm=key.algorithm if key is not None else None,
        mode_of_use="V" if key is not None else None,
        crypto_method=imported.method,
        hash_algorithm=imported.hash_algorithm,
    )
    told = imported.verification_data is not None or key is not None
    return messages.ImportKeyCompletion(
        verification_data=imported.verification_data,
        verify_attributes=verified if told else None,
        key_length=imported.key.length or None,
    )


@check("notEnoughSpace")
def made_key_has_room(on: KeyLoading, request: Any) -> None:
    """whether there is room for it"""
    # Commands that make a key have no code of their own for that.
    if not has_room(on, request.key):
        raise errors.NotEnoughSpace(
            f"there is room for {on.device.key_num} keys; see KeyManagement.DeleteKey"
        )
