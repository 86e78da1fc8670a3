"""KeyManagement between the versions of the standard."""

from __future__ import annotations

from xfs4iot.protocol.adapters.changes import Changes, Left, Moved, Plain, Reshaped, Values, Withdrawn
from xfs4iot.protocol.adapters.crypto import START_VALUE

__all__ = ["CHANGES", "WITHDRAWN"]

_SIGNERS = ("certHost", "sigHost", "ca", "hl", "cbcmac", "cmac", "reserved1", "reserved2", "reserved3")
_PSS = Values("verifyAttributes.cryptoMethod", up={"rsassaPs": "rsassaPss"}, down={"rsassaPss": "rsassaPs"})


def _without_none(old: Plain) -> Plain:
    """No authentication is said by leaving it out since 2023-2."""
    authentication = old.get("authentication")
    if isinstance(authentication, dict) and authentication.get("method") == "none":
        return {name: value for name, value in old.items() if name != "authentication"}
    return old


def _one_signer(new: Plain) -> Plain:
    """2021-1 names one signer: the first that it knows."""
    signers = new.get("signers")
    if not isinstance(signers, dict):
        return new
    known = next((name for name in _SIGNERS if signers.get(name)), "none")
    return {**new, "signers": "certhost" if known == "certHost" else known}


def _options_listed(management: Plain) -> Plain:
    """2021-1 lists the options for loading a certificate, each with its signer."""
    options = management.get("loadCertOptions")
    if not isinstance(options, dict):
        return management
    listed = [{"signer": signer, "option": option} for signer, option in options.items()]
    return {**management, "loadCertOptions": listed}


_METHOD = Reshaped(("authentication.method",), up=_without_none)

CHANGES: Changes = {
    ("2021-1", "request", "KeyManagement.DeriveKey"): START_VALUE,
    ("2021-1", "request", "KeyManagement.DeleteKey"): (_METHOD,),
    ("2021-1", "request", "KeyManagement.Initialization"): (_METHOD,),
    ("2021-1", "request", "KeyManagement.GenerateRSAKeyPair"): (
        Values("exponentValue", up={"default": "device"}, down={}),
    ),
    ("2021-1", "completion", "KeyManagement.StartAuthenticate"): (Reshaped(("signers",), down=_one_signer),),
    ("2021-1", "completion", "Common.Capabilities"): (
        Moved(
            "keyManagement.rsaAuthenticationScheme.2partySig",
            "keyManagement.rsaAuthenticationScheme.twoPartySig",
        ),
        Moved(
            "keyManagement.rsaAuthenticationScheme.3partyCert",
            "keyManagement.rsaAuthenticationScheme.threePartyCert",
        ),
        Moved(
            "keyManagement.rsaAuthenticationScheme.3partyCertTr34",
            "keyManagement.rsaAuthenticationScheme.threePartyCertTr34",
        ),
        Reshaped(("keyManagement.loadCertOptions[]",), down=_options_listed, at="keyManagement"),
    ),
    ("2023-2", "request", "KeyManagement.ImportKey"): (_PSS,),
    ("2023-2", "completion", "KeyManagement.ImportKey"): (_PSS,),
    ("2023-2", "event", "KeyManagement.IllegalKeyAccessEvent"): (
        Values(
            "errorCode",
            up={"algorithmNotSupp": "algorithmNotSupported"},
            down={"algorithmNotSupported": "algorithmNotSupp"},
        ),
    ),
    ("2023-2", "completion", "Common.Capabilities"): (
        Left(
            ("keyManagement.derivationAlgorithms", "keyManagement.hsmVendor"),
            "2024-3 withdrew key derivation, and tells of German security modules in the interface German",
        ),
    ),
}

WITHDRAWN: Withdrawn = {
    ("2023-2", "KeyManagement.DeriveKey"): "still served: keys are derived; the newest version derives none",
}
