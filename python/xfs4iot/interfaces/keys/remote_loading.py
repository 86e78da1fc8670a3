"""Checks before keys are loaded remotely: RSA keys, certificates, tokens, keys of card schemes."""

from __future__ import annotations

from typing import Any

from xfs4iot.devices import KeyTokenImport
from xfs4iot.interfaces.keys.checks import KeyLoading, illegal, require_name
from xfs4iot.interfaces.keys.importing import require_replaceable, require_room
from xfs4iot.interfaces.keys.ways_in import BY_EMV, BY_TOKEN
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.handler import check

__all__: list[str] = []

_SIGNERS = {
    "certHost": ("certHost", "sigHost", "certHostTr34"),
    "ca": ("caTr34",),
    "hl": ("hl", "hlTr34"),
}
"""As Capabilities calls the signers of LoadCertificate: without and with TR-34."""
_CERTIFICATES = {"enckey": "encKey", "verificationkey": "verificationKey", "hostkey": "hostKey"}
_EMV_SCHEMES = {"checksumCA": "chksumCA", "iccPIN": "iccPin", "pkcsV1_5_CA": "pkcsv15CA"}
_EMV_WITHOUT_KEY = frozenset({"plainCA", "checksumCA", "epiCA"})
_BY_TOKEN = frozenset({"noRandomCrl", "randomCrl"})
"""Options of tokens that say name and usage themselves."""


@check("useViolation")
def pair_supported(on: KeyLoading, request: messages.GenerateRSAKeyPair) -> None:
    """whether the device makes RSA keys of this use"""
    mode = "T" if request.use == "rsaPrivate" else "S"
    if not any(kind[2] == mode for kind in on.device.key_pairs):
        raise errors.CommandError(
            "useViolation", f"$.use: the device makes no RSA keys of mode of use {mode}"
        )


@check("duplicateKey")
def pair_replaceable(on: KeyLoading, request: messages.GenerateRSAKeyPair) -> None:
    """whether a key of this name may be replaced"""
    require_replaceable(on, request.key or "")


def exported_name(request: Any) -> str | None:
    """The name of the public key that is to be exported; None for the device's id."""
    name: str | None = request.name if request.export_item_type == "publicKey" else None
    return name


@check("invalidData", "keyNotFound", "noRSAKeyPair")
def exported_key_exists(on: KeyLoading, request: Any) -> None:
    """`name`: whether the key is there and is an RSA key pair, if a public key is to be exported"""
    if request.export_item_type != "publicKey":
        return
    if not request.name:
        raise errors.InvalidData("$.name is missing; name the key whose public part is to be exported")
    key = on.table.find(request.name)
    if key is None or key.loaded != "yes":
        raise illegal(
            request.name,
            "keyNotFound",
            "$.name: there is no such key; see GetKeyDetail",
            "keyNotFound" if key is None else "keyNoValue",
        )
    if key.algorithm != "R" or key.mode not in "ST":
        raise illegal(request.name, "noRSAKeyPair", "$.name: this key is not an RSA key pair")


@check("noRSAKeyPair")
def id_exportable(on: KeyLoading, request: messages.ExportRSADeviceSignedItem) -> None:
    """whether the device exports its id so, if that is wanted"""
    if request.export_item_type == "deviceId" and "exportDeviceId" not in on.device.signature_scheme:
        raise errors.CommandError("noRSAKeyPair", "$.exportItemType: the device does not sign its id")


@check("invalidData", "keyNotFound", "accessDenied")
def signing_key_usable(on: KeyLoading, request: messages.ExportRSADeviceSignedItem) -> None:
    """`sigKey`: whether the key is there and may sign, if `signatureAlgorithm` says that something is
    signed"""
    if request.signature_algorithm in (None, "na"):
        return
    if not request.sig_key:
        raise errors.InvalidData("$.sigKey is missing; name the key that signs, or say na")
    key = on.table.find(request.sig_key)
    if key is None:
        raise illegal(
            request.sig_key, "keyNotFound", "$.sigKey: there is no such key; see GetKeyDetail", "keyNotFound"
        )
    if (
        key.loaded != "yes"
        or key.algorithm != "R"
        or key.usage not in ("S0", "S1", "S2")
        or key.mode not in "ST"
    ):
        raise illegal(request.sig_key, "accessDenied", "$.sigKey: this key may not sign")
    if (why := on.table.out_of_time(request.sig_key)) is not None:
        raise illegal(request.sig_key, "accessDenied", f"$.sigKey: {why}")


@check("unsupportedData")
def certificate_kind_supported(on: KeyLoading, request: messages.GetCertificate) -> None:
    """whether the device has certificates of this kind"""
    kind = _CERTIFICATES[request.get_certificate or "enckey"]
    if kind not in on.device.certificate_types:
        raise errors.UnsupportedData(
            "$.getCertificate: the device has certificates of "
            f"{', '.join(sorted(on.device.certificate_types))}"
        )


@check("modeNotSupported")
def signer_supported(on: KeyLoading, request: messages.LoadCertificate) -> None:
    """whether the device takes certificates of this signer, with this option"""
    known: Any = on.device.certificate_signers
    if not any(request.load_option in known.get(name, ()) for name in _SIGNERS[request.signer or "hl"]):
        raise errors.CommandError(
            "modeNotSupported",
            f"$.signer, $.loadOption: the device takes no certificate by {request.signer} with "
            f"{request.load_option}; see loadCertOptions in Common.Capabilities",
        )


@check("accessDenied")
def exchange_supported(on: KeyLoading, request: None) -> None:
    """whether the device uses randoms in exchanges of keys"""
    if "randomNumber" not in on.device.signature_scheme and not on.device.certificate_signers:
        raise errors.CommandError("accessDenied", "the device exchanges no keys with a random")


@check("invalidData")
def token_named(on: KeyLoading, request: messages.ImportKeyToken) -> None:
    """`key` and `keyUsage`, if the token does not say them"""
    if request.load_option in _BY_TOKEN:
        if request.key is not None:
            require_name(request.key, "key")
        return
    if not request.key:
        raise errors.InvalidData("$.key is missing; name the key that the token brings")
    require_name(request.key, "key")
    if request.key_usage is None:
        raise errors.InvalidData(
            "$.keyUsage is missing; only tokens with a revocation list say it themselves"
        )


@check("unsupportedData")
def load_option_supported(on: KeyLoading, request: messages.ImportKeyToken) -> None:
    """whether the device takes tokens of this kind"""
    if request.load_option not in on.device.crkl_load_options:
        raise errors.UnsupportedData(
            "$.loadOption: the device takes tokens of "
            f"{', '.join(sorted(on.device.crkl_load_options)) or 'none'}"
        )


@check("useViolation")
def token_usage_supported(on: KeyLoading, request: messages.ImportKeyToken) -> None:
    """whether the device takes keys of this usage, if it is named"""
    kinds = BY_TOKEN.of(on.device.importable)
    if request.key_usage is not None and not any(kind[0] == request.key_usage for kind in kinds):
        raise errors.CommandError(
            "useViolation", f"$.keyUsage: the device takes no keys of {request.key_usage} by a token"
        )


@check("duplicateKey")
def token_key_replaceable(on: KeyLoading, request: messages.ImportKeyToken) -> None:
    """whether a key of this name may be replaced"""
    require_replaceable(on, request.key or "")


@check("noKeyRam")
def token_has_room(on: KeyLoading, request: messages.ImportKeyToken) -> None:
    """whether there is room for it"""
    require_room(on, request.key)


def token_import(request: messages.ImportKeyToken) -> KeyTokenImport:
    """What the device is given, after all checks."""
    assert request.key_token is not None
    assert request.load_option is not None
    return KeyTokenImport(
        token=request.key_token, name=request.key, usage=request.key_usage, load_option=request.load_option
    )


@check("unsupportedData")
def emv_scheme_supported(on: KeyLoading, request: messages.ImportEmvPublicKey) -> None:
    """whether the device knows this scheme"""
    scheme = request.import_scheme or "plainCA"
    if _EMV_SCHEMES.get(scheme, scheme) not in on.device.emv_import_schemes:
        raise errors.UnsupportedData(
            f"$.importScheme: the device knows {', '.join(sorted(on.device.emv_import_schemes)) or 'none'}"
        )


@check("useViolation")
def emv_usage_supported(on: KeyLoading, request: messages.ImportEmvPublicKey) -> None:
    """whether the device takes keys of this usage"""
    if not any(kind[0] == request.key_usage for kind in BY_EMV.of(on.device.importable)):
        raise errors.CommandError(
            "useViolation", f"$.keyUsage: the device takes no public keys of {request.key_usage}"
        )


@check("invalidData", "keyNotFound", "useViolation")
def emv_verify_key_usable(on: KeyLoading, request: messages.ImportEmvPublicKey) -> None:
    """`verifyKey`: whether the key is there, if the scheme needs one"""
    if request.import_scheme in _EMV_WITHOUT_KEY:
        return
    if not request.verify_key:
        raise errors.InvalidData(f"$.verifyKey is missing; the scheme {request.import_scheme} needs one")
    key = on.table.find(request.verify_key)
    if key is None or key.loaded != "yes":
        raise illegal(
            request.verify_key,
            "keyNotFound",
            "$.verifyKey: there is no such key; see GetKeyDetail",
            "keyNotFound" if key is None else "keyNoValue",
        )
    on.table.require_in_time(request.verify_key)


@check("duplicateKey")
def emv_key_replaceable(on: KeyLoading, request: messages.ImportEmvPublicKey) -> None:
    """whether a key of this name may be replaced"""
    require_replaceable(on, request.key or "")


@check("noKeyRam")
def emv_key_has_room(on: KeyLoading, request: messages.ImportEmvPublicKey) -> None:
    """whether there is room for it"""
    require_room(on, request.key)
