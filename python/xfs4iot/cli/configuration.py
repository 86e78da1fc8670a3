"""The configuration file of `xfs4iot serve`: TOML, checked as a whole before anything starts.

Every mistake is found in one pass and named with its line, what was expected there, and
what to write instead. Nothing is guessed: an unknown key is a mistake, since a key that is
misspelt would otherwise leave a door open that the operator believes shut.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from xfs4iot import toml_file
from xfs4iot.cli.access_rules import check_access
from xfs4iot.cli.device_classes import ModuleUnknown, load_device, load_handler
from xfs4iot.cli.settings import (
    Configuration,
    LedgerSettings,
    LogSettings,
    PublisherSettings,
    ServiceSettings,
    SNISettings,
    TelemetrySettings,
    TLSSettings,
    UplinkSettings,
    port_of,
)
from xfs4iot.devices import Device
from xfs4iot.server.access import ClientRule
from xfs4iot.server.publisher import plain_text_refused
from xfs4iot.toml_file import ConfigurationError, Mistake, Where, line_of, title
from xfs4iot.transport.tcp import is_loopback

__all__ = ["ConfigurationError", "Mistake", "line_of", "read"]


def read(file: Path) -> Configuration:
    """Read and check a configuration file.

    Relative paths in it are relative to the file.

    Raises:
        ConfigurationError: with every mistake in the file.
    """
    content, lines = toml_file.load(file)
    reader = _Reader(file.parent, lines)
    configuration = reader.table(Configuration, content, ())
    # Before `check`, which imports the devices from there.
    reader.use_python_path(content.get("python_path"))
    reader.check()
    if reader.mistakes:
        raise ConfigurationError(file, reader.mistakes)
    assert isinstance(configuration, Configuration)
    return configuration


_NO_TLS = "there is no [tls]; add it, or say plain = true in [publisher] for plain text on loopback"


class _Reader(toml_file.Reader):
    """Turns plain TOML tables into settings, collecting mistakes."""

    def check_security(self, service: ServiceSettings, device: type[Device], where: Where) -> None:
        """Whether tokens could be checked as wanted."""
        wanted = service.end_to_end_security
        if wanted is None:
            return
        if device.check_token is not Device.check_token:
            self.mistake(where, f"{service.device} checks tokens in its own firmware; remove {title(where)}")
            return
        try:
            service.security()
        except ValueError as problem:
            self.mistake(where, str(problem))
        if wanted.key_file is None and device.token_key is Device.token_key:
            self.mistake(where, f"{service.device} keeps no keys; give key_file in {title(where)}")

    def use_python_path(self, directories: object) -> None:
        """Let modules of devices be found where the file says; a wrong type is a mistake already."""
        if not isinstance(directories, list):
            return
        # The last first: each goes to the front of the path, so the first named is searched first.
        for index, name in reversed(list(enumerate(directories))):
            if not isinstance(name, str) or "\0" in name:
                continue  # A mistake already.
            directory = (self.base / name).resolve()
            if not directory.is_dir():
                self.mistake(("python_path", index), f"python_path: there is no directory {directory}")
            elif str(directory) not in sys.path:
                sys.path.insert(0, str(directory))

    def check(self) -> None:
        """What no single value shows, in the tables that are right by themselves."""
        names: set[str] = set()
        for where, service in self.found(ServiceSettings):
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", service.name):
                self.mistake(
                    (*where, "name"),
                    f"service name {service.name!r} cannot be part of a URI; use letters, digits, _ . -",
                )
            if service.name.lower() in names:
                self.mistake((*where, "name"), f"service {service.name!r} is configured twice")
            names.add(service.name.lower())
            try:
                device = load_device(service.device)
            except ModuleUnknown as problem:
                self.mistake((*where, "device"), f"{problem}; {self._where_to_find(problem.module)}")
                continue
            except ValueError as problem:
                self.mistake((*where, "device"), str(problem))
                continue
            self.check_security(service, device, (*where, "end_to_end_security"))
        check_access(self)
        self._check_transport()
        self._check_telemetry()
        self._check_uplink()
        for where, ledger in self.found(LedgerSettings):
            if not ledger.file.parent.is_dir():
                self.mistake((*where, "file"), f"ledger.file: there is no directory {ledger.file.parent}")
        for where, log in self.found(LogSettings):
            if log.file is not None and not log.file.parent.is_dir():
                self.mistake((*where, "file"), f"log.file: there is no directory {log.file.parent}")
            if log.handler is not None:
                try:
                    # Made only to see that it can be; the log makes its own.
                    load_handler(log.handler).close()
                except ValueError as problem:
                    self.mistake((*where, "handler"), str(problem))
        for _, whole in self.found(Configuration):
            if not whole.service:
                self.mistake((), "no service is configured; add [[service]] with name and device")

    def _where_to_find(self, module: str) -> str:
        """What to do about a module that Python does not find."""
        name = module.partition(".")[0]
        for directory in (self.base, self.base / "src"):
            if (directory / f"{name}.py").exists() or (directory / name).is_dir():
                beside = "." if directory == self.base else "src"
                return (
                    f'it is in {directory.resolve()}: write python_path = ["{beside}"] at the top of the file'
                )
        return (
            "install its package into this Python, or write the directory that it is in, relative to "
            'the file, at the top of the file: python_path = ["."]'
        )

    def _check_transport(self) -> None:
        """TLS or, if the operator says so in words, plain text; never one for want of the other."""
        secured = ("tls",) in self.lines
        for where, publisher in self.found(PublisherSettings):
            if secured and publisher.plain:
                self.mistake((*where, "plain"), "publisher.plain contradicts [tls]; remove one of them")
            elif not secured and not publisher.plain:
                self.mistake(where, _NO_TLS)
            elif not secured and not publisher.plain_anywhere and not is_loopback(publisher.host):
                self.mistake((*where, "host"), plain_text_refused(publisher.host))
        if not secured and ("publisher",) not in self.lines:
            self.mistake((), _NO_TLS)
        for where, tls in self.found(TLSSettings):
            self._check_client_certificates(tls, where)
            if tls.client_ca is not None:
                self._file((*where, "client_ca"), tls.client_ca)
            for index, crl in enumerate(tls.crls):
                self._file((*where, "crls", index), crl)
            self._file((*where, "certificate"), tls.certificate)
            self._file((*where, "key"), tls.key)
        for where, also in self.found(SNISettings):
            self._file((*where, "certificate"), also.certificate)
            self._file((*where, "key"), also.key)

    def _check_telemetry(self) -> None:
        """Where metrics are served and traces sent; that none come would show only in the monitoring."""
        published = [one.port for _, one in self.found(PublisherSettings) if one.port]
        for where, wanted in self.found(TelemetrySettings):
            if wanted.metrics is not None:
                port = port_of(wanted.metrics)
                if port is None:
                    self.mistake(
                        (*where, "metrics"),
                        f"telemetry.metrics: {wanted.metrics[:80]!r} is not an address and a port up to "
                        '65535; write one such as "127.0.0.1:9464" or "[::1]:9464"',
                    )
                elif port in published:
                    self.mistake(
                        (*where, "metrics"),
                        f"telemetry.metrics: {port} is the port of [publisher]; metrics need one of their "
                        "own, such as 9464",
                    )
            if wanted.otlp is not None and not _is_http(wanted.otlp):
                self.mistake(
                    (*where, "otlp"),
                    f"telemetry.otlp: {wanted.otlp[:80]!r} is not the address of a collector; write one "
                    'such as "http://127.0.0.1:4318", to which /v1/traces and /v1/metrics are added',
                )

    def _check_uplink(self) -> None:
        """Whether a fleet can be dialled out to; who has enrolled has all of it."""
        for where, wanted in self.found(UplinkSettings):
            # Only a device of a fleet needs them.
            from xfs4iot.cli.broker import broker_is_trusted
            from xfs4iot.fleet.subjects import check_id
            from xfs4iot.transport.proxy import Proxy

            try:
                check_id(wanted.device, "device")
                broker_is_trusted(wanted.servers)
                if wanted.proxy is not None:
                    Proxy.read(wanted.proxy)
            except ValueError as problem:
                self.mistake(where, f"uplink: {problem}")
            if not wanted.servers:
                self.mistake((*where, "servers"), "uplink.servers: name the broker, tls://host:port")
            for name in ("certificate", "key", "ca", "gateway_ca"):
                if (path := getattr(wanted, name)) is not None:
                    self._file((*where, name), path)

    def _check_client_certificates(self, tls: TLSSettings, where: Where) -> None:
        """Who is asked for a certificate can be known by it, and nobody else."""
        if tls.client_certificates != "none":
            if tls.client_ca is None:
                self.mistake(
                    (*where, "client_certificates"), "tls.client_ca is missing: who signs the clients?"
                )
            return
        if tls.client_ca is not None or tls.crls:
            self.mistake(
                (*where, "client_ca" if tls.client_ca is not None else "crls"),
                'no client is asked for one; say client_certificates = "required" or "optional"',
            )
        for place, rule in self.found(ClientRule):
            if any(one is not None for one in (rule.fingerprint, rule.subject, rule.san)):
                self.mistake(
                    place,
                    f"client {rule.name!r} is to be known by its certificate, but no client is asked "
                    "for one; see tls.client_certificates",
                )

    def _file(self, where: Where, path: Path) -> None:
        if not path.is_file():
            self.mistake(where, f"{title(where)}: there is no file {path}")


def _is_http(address: str) -> bool:
    """Whether the paths of OpenTelemetry can be added to it."""
    try:
        parts = urlsplit(address)
        bare = not parts.query and not parts.fragment and not re.search(r"/v1/\w+/?$", parts.path)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and bare
    except ValueError:
        return False
