"""Where publishers and services are found: the standard's ports and paths."""

from __future__ import annotations

from xfs4iot.addresses import address

__all__ = ["PATH", "PORTS", "here", "is_publisher", "service_name", "service_uri"]

PATH = "/xfs4iot/v1.0"
"""Path of the publisher, the same in every version of the standard; a service adds `/<Name>`."""

PORTS = (80, 443, 5846, 5847, 5848, 5849, 5850, 5851, 5852, 5853, 5854, 5855, 5856)
"""In the order in which a publisher takes the first free one and a client tries them."""


# A wildcard is for binding; connecting to it is not portable, so loopback stands in.
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def here(host: str) -> str:
    """The address by which this machine itself reaches what is bound to `host`."""
    return _EVERY_ADDRESS.get(host, host)


def service_uri(scheme: str, host: str, port: int, service: str | None = None) -> str:
    """The URI of a service, or of the publisher itself; `host` may be an IPv6 address."""
    return f"{scheme}://{address(host, port)}{PATH}" + (f"/{service}" if service else "")


def is_publisher(uri: str) -> bool:
    """Whether a URI is a publisher's, not a service's."""
    return service_name(uri) == service_name(PATH)


def service_name(uri: str) -> str:
    """The name of the service at a URI: the last part of its path."""
    return uri.partition("?")[0].rstrip("/").rpartition("/")[2]
