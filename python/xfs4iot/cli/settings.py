"""What can be configured: the tables of a configuration file, and their defaults."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from xfs4iot.dataclass import dataclass
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.server.access import ClientRule
from xfs4iot.tokens import read_key

__all__ = [
    "AccessSettings",
    "Configuration",
    "ConsoleSettings",
    "LedgerSettings",
    "LogSettings",
    "PublisherSettings",
    "SNISettings",
    "ServiceSettings",
    "TLSSettings",
    "TelemetrySettings",
    "UplinkSettings",
    "port_of",
]

_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
# What is waited for in threads cannot be longer than three centuries, and `inf` is no time.
_LONGEST = 1_000_000_000
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=_LONGEST)]


@dataclass(frozen=True)
class PublisherSettings:
    """`[publisher]`: see `xfs4iot.Publisher`.

    Attributes:
        host: the address to bind, and only this one.
        port: None for the first free one of 443 (80 without TLS) and 5846 to 5856; 0 for any.
        advertise: host name in the published URIs; None for the one that the client used.
        vendor_name: told by the publisher.
        plain: no TLS; on a loopback address only.
        plain_anywhere: no TLS, whatever the address: anybody on the way can read along, and take part.
        dialect: `sp-dev` speaks to clients of the reference as it does.
    """

    host: str = "127.0.0.1"
    port: _Port | None = None
    advertise: str | None = None
    vendor_name: str = "xfs4iot"
    plain: bool = False
    plain_anywhere: bool = False
    dialect: Literal["standard", "sp-dev"] = "standard"


@dataclass(frozen=True)
class SNISettings:
    """`[[tls.also]]`: one more certificate, for other names.

    Attributes:
        certificate: PEM file with its chain.
        key: PEM file, readable by its owner only.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TLSSettings:
    """`[tls]`: see `xfs4iot.transport.tls.TLSConfig`.

    Attributes:
        certificate: PEM file with its chain.
        key: PEM file, readable by its owner only.
        client_certificates: whether clients must, may, or need not show one.
        client_ca: PEM file of the authorities that sign clients.
        crls: of certificates that are revoked; read anew when they change.
        tickets: whether sessions may be resumed.
        keylog: file to which the secrets of connections are written, for Wireshark; never in earnest.
        also: more certificates, for other names.
    """

    certificate: Path
    key: Path
    client_certificates: Literal["none", "optional", "required"] = "none"
    client_ca: Path | None = None
    crls: tuple[Path, ...] = ()
    tickets: bool = True
    keylog: Path | None = None
    also: tuple[SNISettings, ...] = ()


@dataclass(frozen=True)
class AccessSettings:
    """`[access]`: who may connect, and who may do what.

    Attributes:
        anonymous: what a client may use that no rule fits: names of commands, `Interface.*` or `*`; none
            turns it away.
        origins: of web pages that may connect.
        client: the rules; the first that fits counts.
    """

    anonymous: tuple[str, ...] = ("*",)
    origins: tuple[str, ...] = ()
    client: tuple[ClientRule, ...] = ()


@dataclass(frozen=True)
class LedgerSettings:
    """`[ledger]`: where cash counts are kept.

    Attributes:
        file: the ledger; it is made if it is not there.
    """

    file: Path


@dataclass(frozen=True)
class TelemetrySettings:
    """`[telemetry]`: what operators and monitoring systems are told.

    Attributes:
        metrics: `host:port` at which `/metrics` and `/health` are served; None for not at all.
        otlp: address of a collector for OpenTelemetry, such as `http://127.0.0.1:4318`; None for none.
        traces_per_second: of how many commands a second a trace is sent at most.
    """

    metrics: str | None = None
    otlp: str | None = None
    traces_per_second: _Count = 20


@dataclass(frozen=True)
class ConsoleSettings:
    """`[console]`: the page for browsers, below `/console/`.

    Attributes:
        enabled: whether it is served.
        session_minutes: how long a login is good.
    """

    enabled: bool = False
    session_minutes: _Positive = 480


@dataclass(frozen=True)
class UplinkSettings:
    """`[uplink]`: the fleet that the device dials out to, see `docs/fleet.md`.

    Attributes:
        servers: of the broker, `tls://host:port`; `nats://` only on this machine.
        device: the name under which gateways publish it.
        tenant: whose fleet it is.
        certificate, key: the device's own, by which the broker knows it.
        ca: PEM file of the authorities that sign brokers.
        gateway_ca: PEM file of the authorities that sign gateways.
        spread: seconds within which the first attempt to connect is made; later the fleet says it.
        proxy: through which it dials out, `http://[user:password@]host:port`; None for straight.
    """

    servers: tuple[str, ...]
    device: str
    tenant: str = "fleet"
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    gateway_ca: Path | None = None
    spread: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)] = 5.0
    proxy: str | None = None


@dataclass(frozen=True)
class LogSettings:
    """`[log]`: how and how much is logged, and where; without `file`, to standard error.

    Attributes:
        format: for people, or for machines.
        level: the least that is logged.
        messages: payloads at level debug, what is sensitive masked.
        file: in place of standard error.
        file_bytes: then it is put aside; 0 for never.
        files_kept: of those that were put aside.
        handler: `module:function` that gives a `logging.Handler`, which also gets every line.
    """

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"
    messages: bool = False
    file: Path | None = None
    file_bytes: _Count = 10 * 1024 * 1024
    files_kept: _Count = 10
    handler: str | None = None


@dataclass(frozen=True)
class LimitSettings:
    """`[limits]`: what clients may use.

    Attributes:
        connections: at the same time.
        connections_per_address: the same of one address.
        handshake_seconds: TLS and upgrade together.
        message_bytes: a larger message closes its connection with 1009.
        large_bytes: of forms and print jobs, which may be larger, together in each service.
        message_values: members and elements in the payload of a command; with more: `invalidData`.
        outgoing_bytes: what may wait for a client that does not read.
        idle_seconds: of silence, then a ping; twice that, and the connection is dropped.
        send_seconds: within which a client must take what it is sent.
        open_commands: of one connection, queued or running; then `tooManyRequests`.
        drain_seconds: for running commands at the end.
    """

    connections: _Positive = 2048
    connections_per_address: _Positive = 256
    handshake_seconds: _Seconds = 10.0
    message_bytes: _Positive = 2 * 1024 * 1024
    large_bytes: _Positive = 64 * 1024 * 1024
    message_values: _Positive = 100_000
    outgoing_bytes: _Positive = 8 * 1024 * 1024
    idle_seconds: _Seconds = 60.0
    send_seconds: _Seconds = 30.0
    open_commands: _Positive = 256
    drain_seconds: _Seconds = 20.0


@dataclass(frozen=True)
class EndToEndSettings:
    """`[service.end_to_end_security]`: see `xfs4iot.EndToEndSecurity`.

    Attributes:
        key_file: of the key that host and service share, readable by its owner only; without it the device's
            own.
        key_name: under which the device has it.
        required: `always`: commands that need a token are refused while there is no key; `ifConfigured`: they
            then need none.
        responses: the same of the token of a present status.
        nonce_timeout: seconds after which a nonce is no longer good; 0 for never.
        commands: that need a token; none named: all that can carry one.
    """

    key_file: Path | None = None
    key_name: str = "endToEndSecurity"
    required: Literal["ifConfigured", "always"] = "always"
    responses: Literal["ifConfigured", "always"] = "always"
    nonce_timeout: Annotated[int, msgspec.Meta(ge=0)] = 0
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceSettings:
    """`[[service]]`: one device.

    Attributes:
        name: last part of the URI.
        device: `module:Class`, or an entry point of the group `xfs4iot.devices`.
        queue_limit: commands that wait; then `tooManyRequests`.
        operation_limit: seconds; an operation that takes longer counts as hung.
        open_limit: the same for opening the device.
        restarts: in a row, of a device class that fails; then it is given up. One that says
            `DeviceNotReady`, since it is off, is looked for without end.
        restart_seconds: before the first restart; doubled with each, up to a minute.
        options: handed to the device class as `options`.
        end_to_end_security: which commands need tokens.
    """

    name: str
    device: str
    queue_limit: _Positive = 1000
    operation_limit: _Seconds = 600.0
    open_limit: _Seconds = 30.0
    restarts: _Count = 5
    restart_seconds: _Seconds = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    end_to_end_security: EndToEndSettings | None = None

    def security(self) -> EndToEndSecurity | None:
        """How the service checks end-to-end tokens.

        Raises:
            ValueError: it could not; the text says why and what to do.
        """
        wanted = self.end_to_end_security
        if wanted is None:
            return None
        return EndToEndSecurity(
            key=None if wanted.key_file is None else read_key(wanted.key_file),
            key_name=wanted.key_name,
            required=wanted.required,
            responses=wanted.responses,
            nonce_timeout=wanted.nonce_timeout,
            commands=wanted.commands,
        )


@dataclass(frozen=True)
class Configuration:
    """A whole configuration file.

    Attributes:
        service: the devices, one at least.
        python_path: directories in which the modules of devices are looked for first.
    """

    service: tuple[ServiceSettings, ...]
    ledger: LedgerSettings
    publisher: PublisherSettings = PublisherSettings()
    tls: TLSSettings | None = None
    access: AccessSettings = AccessSettings()
    log: LogSettings = LogSettings()
    limits: LimitSettings = LimitSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    console: ConsoleSettings = ConsoleSettings()
    uplink: UplinkSettings | None = None
    python_path: tuple[Path, ...] = ()


def port_of(address: str) -> int | None:
    """The port of `host:port`; None if it is none, or there is no host."""
    found = re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^:\s\[\]/]+):([0-9]{1,5})", address)
    return int(found[1]) if found and 0 < int(found[1]) <= 65535 else None
