"""`xfs4iot serve`: real services, from a configuration file, until SIGTERM."""

from __future__ import annotations

import dataclasses
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path

import click
import trio

import xfs4iot
from xfs4iot._core import forbid_dumps
from xfs4iot.assembly import Publisher, Service
from xfs4iot.cli import logs, systemd
from xfs4iot.cli.characters import escape
from xfs4iot.cli.complaint import complain, has_a_name, innermost
from xfs4iot.cli.configuration import ConfigurationError, Mistake, line_of, read
from xfs4iot.cli.device_classes import load_device, load_handler
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import heard, running, until_told
from xfs4iot.cli.settings import Configuration, LogSettings, ServiceSettings
from xfs4iot.cli.telemetry import require_protocol, telemetry
from xfs4iot.cli.uplink import trust_of, uplinked
from xfs4iot.devices import Device
from xfs4iot.ledger import Ledger
from xfs4iot.server.access import Access
from xfs4iot.server.channel import SessionLimits
from xfs4iot.telling import logger
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.rotation import Credentials
from xfs4iot.transport.tls import TLSConfig, TLSError

__all__ = ["serve"]

_log = logger("xfs4iot.serve")
_STATUS_SECONDS = 5.0
_ABANDONED = 1
_BEYOND_DRAIN_SECONDS = 10.0
"""What the end may take beside the drain: movements that are given up, farewells, the ledger."""


class DeviceFault(Exception):
    """A device class could not be made."""


@click.command(cls=UntilTold)
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Only check the file: every mistake with its line; exit 0 or 2.")
def serve(config: Path, check: bool) -> None:
    """Run the services of the configuration file CONFIG until SIGTERM or SIGINT.

    Running commands are then completed, waiting ones cancelled, clients told, and the
    ledger closed. SIGHUP takes up new certificates. Exit 0 after an orderly end, 1 if the
    service could not run, 2 if the file is wrong.
    """
    try:
        configuration = read(config)
        credentials = _credentials(config, configuration)
        ended = _ended(config, configuration)
        _require_protocol(config, configuration)
    except ConfigurationError as problem:
        for line in str(problem).splitlines():
            complain(line)
        sys.exit(2)
    # Before the log is opened: a check must leave no file behind.
    if check:
        names = ", ".join(service.name for service in configuration.service)
        from xfs4iot.cli.prose import Console

        Console().print(f"[green]✓[/] {escape(str(config))} is good; services: {names}", highlight=False)
        if ended:
            said = f"but the device cannot come to its fleet: {ended}; enrol it anew, see docs/fleet.md"
            Console(stderr=True).print(f"[yellow]![/] {escape(said)}", highlight=False)
        return
    try:
        _log_to(configuration.log)
    except (OSError, ValueError) as problem:
        complain(f"the log cannot be written: {problem}")
        sys.exit(1)
    _log.info("%s starts: %s", _version(), _what(config, configuration))
    if not forbid_dumps():
        _log.warning("the system may dump this process's memory to disk; see docs/keys.md")
    began = time.monotonic()
    if hasattr(signal, "SIGHUP"):
        # Without TLS, or before it is up, there is nothing to take up, and nothing to end for.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    status = 0
    try:
        trio.run(_serve, configuration, credentials)
    except* ValueError as problems:
        status = _failed(problems, configuration)
    except* Exception as problems:
        if not has_a_name(problems):
            raise
        status = _failed(problems, configuration)
    _log.info("%s ends with code %d, after %.0f s", _version(), status, time.monotonic() - began)
    # A write to the log is stuck, and would hold up an orderly exit of Python as well.
    if not logs.finish():
        os._exit(status)
    sys.exit(status)


def _failed(problems: BaseException, configuration: Configuration) -> int:
    complain(problems)
    if configuration.log.file is not None:
        _log.critical("%s", innermost(problems))
    return 1


def _log_to(wanted: LogSettings) -> None:
    file = None if wanted.file is None else logs.LogFile(wanted.file, wanted.file_bytes, wanted.files_kept)
    also = () if wanted.handler is None else (load_handler(wanted.handler),)
    logs.configure(wanted.format, wanted.level, file=file, also=also)


def _version() -> str:
    return f"xfs4iot {xfs4iot.__version__}"


def _what(file: Path, configuration: Configuration) -> str:
    """For the log: what runs here, and from which file."""
    services = ", ".join(f"{one.name} ({one.device})" for one in configuration.service)
    return (
        f"{file.resolve()}; services {services}; ledger {configuration.ledger.file}; process {os.getpid()}, "
        f"Python {platform.python_version()} on {platform.system()} {platform.release()}"
    )


def _credentials(file: Path, configuration: Configuration) -> Credentials | None:
    tls = configuration.tls
    if tls is None:
        return None
    settings = {one.name: getattr(tls, one.name) for one in dataclasses.fields(tls) if one.name != "also"}
    more = tuple((also.certificate, also.key) for also in tls.also)
    try:
        return Credentials(TLSConfig(**settings, also=more))
    except TLSError as problem:
        raise ConfigurationError(file, [Mistake(line_of(file, "tls"), str(problem))]) from None


def _require_protocol(file: Path, configuration: Configuration) -> None:
    """Find what the environment asks of telemetry, and it does not do, before anything is started."""
    if configuration.telemetry.otlp is None:
        return
    try:
        require_protocol()
    except ValueError as problem:
        raise ConfigurationError(file, [Mistake(None, str(problem))]) from None


def _ended(file: Path, configuration: Configuration) -> str:
    """Why the device's fleet does not let it in any more, which keeps it from nothing else; empty if it does.

    Raises:
        ConfigurationError: what `[uplink]` names cannot be used.
    """
    if configuration.uplink is None:
        return ""
    try:
        return trust_of(configuration.uplink).ended
    except (ValueError, TLSError) as problem:
        raise ConfigurationError(file, [Mistake(line_of(file, "uplink"), str(problem))]) from None


def _device(settings: ServiceSettings) -> Device:
    """Make the vendor's object.

    Raises:
        DeviceFault: its class fails, with whatever.
    """
    try:
        return load_device(settings.device)(settings.name, settings.options)
    except Exception as problem:
        raise DeviceFault(
            f"service {settings.name}: {settings.device} could not be made: {problem!r}; "
            "check [service.options], or ask its vendor"
        ) from problem


def _abandon(seconds: float) -> None:
    """End the process: something does not let it end in order."""
    _log.critical("the service has not ended %g s after it was told to; the process is ended", seconds)
    # Not `sys.exit`: in the timer's thread it would end only that thread.
    logs.finish()
    os._exit(_ABANDONED)


async def _serve(configuration: Configuration, credentials: Credentials | None) -> None:
    limits = configuration.limits
    ledger = Ledger.open(configuration.ledger.file)
    try:
        services = [
            Service(
                _device(one),
                ledger=ledger,
                security=one.security(),
                queue_limit=one.queue_limit,
                operation_limit=one.operation_limit,
                open_limit=one.open_limit,
                restarts=one.restarts,
                restart_seconds=one.restart_seconds,
            )
            for one in configuration.service
        ]
        access = configuration.access
        publisher = Publisher(
            services,
            vendor_name=configuration.publisher.vendor_name,
            host=configuration.publisher.host,
            port=configuration.publisher.port,
            advertise=configuration.publisher.advertise,
            plain_anywhere=configuration.publisher.plain_anywhere,
            dialect=configuration.publisher.dialect,
            credentials=credentials,
            access=Access(access.client, anonymous=access.anonymous, origins=access.origins),
            limits=Limits(
                total=limits.connections,
                per_address=limits.connections_per_address,
                handshake_seconds=limits.handshake_seconds,
            ),
            session_limits=SessionLimits(
                message_bytes=limits.message_bytes,
                large_bytes=limits.large_bytes,
                message_values=limits.message_values,
                outgoing_bytes=limits.outgoing_bytes,
                send_seconds=limits.send_seconds,
                idle_seconds=limits.idle_seconds,
                open_commands=limits.open_commands,
                log_messages=configuration.log.messages,
            ),
        )

        if configuration.console.enabled:
            from xfs4iot.console import Console

            Console(
                publisher,
                ledger=configuration.ledger.file,
                session_seconds=configuration.console.session_minutes * 60.0,
            )

        async def end(number: int) -> None:
            _log.info("%s: the services end", signal.Signals(number).name)
            systemd.notify("STOPPING=1")
            last = limits.drain_seconds + _BEYOND_DRAIN_SECONDS
            # A thread, not a trio timeout: it must fire even if a device blocks the event loop.
            timer = threading.Timer(last, _abandon, (last,))
            # Else a process that ends in time would still wait for it.
            timer.daemon = True
            timer.start()
            await publisher.drain(limits.drain_seconds)

        with heard(signal.SIGTERM, signal.SIGINT) as signals:
            # A device may take its time to open: the signal is heard while it does.
            async with (
                until_told(signals, end),
                telemetry(publisher, configuration.telemetry),
                uplinked(publisher, ledger, configuration.uplink),
                running(publisher),
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(systemd.watchdog)
                status = _status(publisher)
                systemd.notify(f"READY=1\nSTATUS={status}")
                nursery.start_soon(_keep_status, publisher, status)
    finally:
        ledger.close()


def _status(publisher: Publisher) -> str:
    """The line that `systemctl status` shows: the address, and what expires or was refused."""
    warnings = () if publisher.credentials is None else publisher.credentials.warnings()
    return "; ".join((f"publishing at {publisher.uri()}", *warnings))


async def _keep_status(publisher: Publisher, told: str) -> None:
    """Tell systemd whenever the status has changed."""
    while True:
        await trio.sleep(_STATUS_SECONDS)
        status = _status(publisher)
        if status != told:
            systemd.notify(f"STATUS={status}")
            told = status
