"""What a certificate of the fleet says its holder is: its one alternative name (a URI) that begins with `xfs4iot://`."""

from __future__ import annotations

from cryptography import x509

from xfs4iot.fleet.subjects import check_id

__all__ = [
    "AUTHORITY",
    "CALLOUT",
    "CONSUMER",
    "DEVICE",
    "DEVICE_HOST",
    "GATEWAY",
    "OPERATOR",
    "consumer_in",
    "device_in",
    "fleet_names",
]

GATEWAY = "xfs4iot://gateway"
OPERATOR = "xfs4iot://operator"
CALLOUT = "xfs4iot://callout"
AUTHORITY = "xfs4iot://authority"
CONSUMER = "xfs4iot://consumer/"
DEVICE_HOST = "device"
"""The host of devices' names, by which an authority is bound to them alone."""
DEVICE = f"xfs4iot://{DEVICE_HOST}/"


def fleet_names(holder: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """The names that it has in a fleet; a good one has exactly one."""
    try:
        names = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    # By its kind: a host's name could have the same text.
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return sorted({one for one in uris if one.startswith("xfs4iot:")})


def device_in(name: str) -> str | None:
    """The device that a name means; None if it is no device's.

    Raises:
        ValueError: no device can have this name.
    """
    return check_id(name.removeprefix(DEVICE), "device") if name.startswith(DEVICE) else None


def consumer_in(name: str) -> str | None:
    """The system that takes events which a name means; None if it is no such.

    Raises:
        ValueError: none can have this name.
    """
    return check_id(name.removeprefix(CONSUMER), "consumer") if name.startswith(CONSUMER) else None
