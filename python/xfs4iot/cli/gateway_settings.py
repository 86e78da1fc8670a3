"""The file of `xfs4iot gateway --config`: who may use which devices, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from xfs4iot import toml_file
from xfs4iot.cli.access_rules import check_access
from xfs4iot.cli.settings import AccessSettings
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.admission import GatewayRule

__all__ = ["GatewayAccess", "GatewayLimits", "GatewaySettings", "read_settings"]

_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Rate = Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True)
class GatewayAccess(AccessSettings):
    """`[access]`: as of a publisher; a rule may be bound to `devices` and `services`."""

    client: tuple[GatewayRule, ...] = ()


@dataclass(frozen=True)
class GatewayLimits:
    """`[limits]`: what applications may use.

    Attributes:
        connections, connections_per_address: at the same time, in all and of one address.
        handshake_seconds: what TLS, the request and the device's answer together may take.
        sessions_per_client: at the same time, of all who come by one rule.
        openings_per_second, messages_per_second: of these, on the long run.
        burst_seconds: seconds' worth of both that may come at once.
    """

    connections: _Positive = 10_000
    connections_per_address: _Positive = 1_000
    handshake_seconds: _Rate = 10.0
    sessions_per_client: _Positive = 10_000
    openings_per_second: _Rate = 50.0
    messages_per_second: _Rate = 1_000.0
    burst_seconds: _Rate = 10.0


@dataclass(frozen=True)
class GatewaySettings:
    """The whole file."""

    access: GatewayAccess = GatewayAccess()
    limits: GatewayLimits = GatewayLimits()


def read_settings(file: Path | None, *, certificates: bool) -> GatewaySettings:
    """What the file says; the defaults without one.

    Args:
        certificates: whether applications are asked for them.

    Raises:
        ConfigurationError: with every mistake in the file.
    """
    if file is None:
        return GatewaySettings()
    content, lines = toml_file.load(file)
    reader = toml_file.Reader(file.parent, lines)
    found = reader.table(GatewaySettings, content, ())
    check_access(reader)
    for where, rule in reader.found(GatewayRule):
        if not certificates and any(one is not None for one in (rule.fingerprint, rule.subject, rule.san)):
            reader.mistake(
                where,
                f"client {rule.name!r} is to be known by its certificate, but no client is asked for one; "
                "give --client-ca",
            )
    if reader.mistakes:
        raise toml_file.ConfigurationError(file, reader.mistakes)
    assert isinstance(found, GatewaySettings)
    return found
