"""The configuration file of `xfs4iot serve`: TOML, checked as a whole before anything starts.

Every mistake is found in one pass and named with its line, what was expected there, and
what to write instead. Nothing is guessed: an unknown key is a mistake, since a key that is
misspelt would otherwise leave a door open that the operator believes shut.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from xfs4iot.devices import Device
from xfs4iot.server.access import ClientRule, mistake_in
from xfs4iot.server.publisher import plain_text_refused
from xfs4iot.transport.tcp import is_loopback

__all__ = ["Configuration", "ConfigurationError", "Mistake", "load_device", "read"]

_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]
_DEVICES = "xfs4iot.devices"


@dataclass(frozen=True)
class PublisherSettings:
    """`[publisher]`: see `xfs4iot.Publisher`."""

    host: str = "127.0.0.1"
    port: _Port | None = None
    advertise: str | None = None
    vendor_name: str = "xfs4iot"
    plain: bool = False
    plain_anywhere: bool = False


@dataclass(frozen=True)
class SNISettings:
    """`[[tls.also]]`: one more certificate, for other names."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TLSSettings:
    """`[tls]`: see `xfs4iot.transport.tls.TLSConfig`."""

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
    """`[access]`: who may connect, and who may do what."""

    anonymous: tuple[str, ...] = ("*",)
    origins: tuple[str, ...] = ()
    client: tuple[ClientRule, ...] = ()


@dataclass(frozen=True)
class LedgerSettings:
    """`[ledger]`: where cash counts are kept."""

    file: Path


@dataclass(frozen=True)
class LogSettings:
    """`[log]`: how and how much is logged."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"
    messages: bool = False


@dataclass(frozen=True)
class LimitSettings:
    """`[limits]`: what clients may use."""

    connections: _Positive = 2048
    connections_per_address: _Positive = 256
    handshake_seconds: _Seconds = 10.0
    message_bytes: _Positive = 2 * 1024 * 1024
    outgoing_bytes: _Positive = 8 * 1024 * 1024
    idle_seconds: _Seconds = 60.0
    send_seconds: _Seconds = 30.0
    open_commands: _Positive = 256
    drain_seconds: _Seconds = 20.0


@dataclass(frozen=True)
class ServiceSettings:
    """`[[service]]`: one device."""

    name: str
    device: str
    queue_limit: _Positive = 1000
    operation_limit: _Seconds = 600.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """A whole configuration file."""

    service: tuple[ServiceSettings, ...]
    ledger: LedgerSettings
    publisher: PublisherSettings = PublisherSettings()
    tls: TLSSettings | None = None
    access: AccessSettings = AccessSettings()
    log: LogSettings = LogSettings()
    limits: LimitSettings = LimitSettings()


@dataclass(frozen=True)
class Mistake:
    """One mistake: the line where it is (0 when something is missing), and what to do about it."""

    line: int
    text: str


class ConfigurationError(ValueError):
    """The file cannot be used.

    Attributes:
        mistakes: all of them, by line.
    """

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__("\n".join(f"{file}:{one.line or 1}: {one.text}" for one in self.mistakes))


def read(file: Path) -> Configuration:
    """Read and check a configuration file.

    Relative paths in it are relative to the file.

    Raises:
        ConfigurationError: with every mistake in the file.
    """
    try:
        text = file.read_text("utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(file, [Mistake(0, f"cannot be read: {problem}")]) from None
    except tomllib.TOMLDecodeError as problem:
        line = re.search(r"at line (\d+)", str(problem))
        raise ConfigurationError(
            file, [Mistake(int(line[1]) if line else 0, f"is no TOML: {problem}")]
        ) from None
    reader = _Reader(file.parent, dict(_lines(text)))
    configuration = reader.table(Configuration, content, ())
    if not reader.mistakes:
        reader.check(configuration)
    if reader.mistakes:
        raise ConfigurationError(file, reader.mistakes)
    assert isinstance(configuration, Configuration)
    return configuration


def load_device(name: str) -> type[Device]:
    """The device class called `name`: an entry point of `xfs4iot.devices`, or `module:Class`.

    Raises:
        ValueError: there is none; the text says what to write.
    """
    found: Any
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except ImportError as problem:
            raise ValueError(f"module {module} cannot be imported: {problem}") from None
        except AttributeError:
            raise ValueError(f"module {module} has no {attribute}") from None
    else:
        known = {point.name: point for point in entry_points(group=_DEVICES)}
        if name not in known:
            raise ValueError(
                f"no installed package offers a device {name!r}; write module:Class, or one of: "
                f"{', '.join(sorted(known)) or 'none is installed'}"
            )
        found = known[name].load()
    if not (isinstance(found, type) and issubclass(found, Device)):
        raise ValueError(f"{name} is no class derived from xfs4iot.devices.Device")
    return found


_Where = tuple[str | int, ...]


class _Reader:
    """Turns plain TOML tables into settings, collecting mistakes."""

    def __init__(self, base: Path, lines: Mapping[_Where, int]) -> None:
        self.base = base
        self.mistakes: list[Mistake] = []
        self._lines = lines

    def mistake(self, where: _Where, text: str) -> None:
        line = 0
        for end in range(len(where), 0, -1):
            if where[:end] in self._lines:
                line = self._lines[where[:end]]
                break
        self.mistakes.append(Mistake(line, text))

    def table(self, kind: type, content: Any, where: _Where) -> Any:
        """One table as the dataclass `kind`; None if anything in it is wrong."""
        title = _title(where)
        if not isinstance(content, dict):
            self.mistake(where, f"{title} must be a table")
            return None
        types = get_type_hints(kind, include_extras=True)
        known = {one.name: one for one in fields(kind)}
        values: dict[str, Any] = {}
        before = len(self.mistakes)
        for name, value in content.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
                self.mistake((*where, name), f"{_title((*where, name))} is not known; {hint}")
                continue
            values[name] = self._value(types[name], value, (*where, name))
        try:
            return kind(**values) if len(self.mistakes) == before else None
        except TypeError:
            for one in fields(kind):
                if one.name not in values and _is_required(one):
                    self.mistake(where, f"{_title((*where, one.name))} is missing")
            return None

    def _value(self, kind: Any, value: Any, where: _Where) -> Any:
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            kind = next(one for one in get_args(kind) if one is not type(None))
            origin = get_origin(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, value, where)
        if origin is tuple:
            inner = get_args(kind)[0]
            if not isinstance(value, list):
                self.mistake(where, f"{_title(where)} must be a list: [...]")
                return None
            return tuple(self._value(inner, one, (*where, index)) for index, one in enumerate(value))
        if kind is Path:
            if not isinstance(value, str) or not value:
                self.mistake(where, f"{_title(where)} must be the path of a file")
                return None
            return self.base / value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as problem:
            self.mistake(where, f"{_title(where)}: {problem}")
            return None

    def check(self, configuration: Configuration) -> None:
        """What no single value shows."""
        names: set[str] = set()
        if not configuration.service:
            self.mistake((), "no service is configured; add [[service]] with name and device")
        for index, service in enumerate(configuration.service):
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", service.name):
                self.mistake(
                    ("service", index, "name"),
                    f"service name {service.name!r} cannot be part of a URI; use letters, digits, _ . -",
                )
            if service.name in names:
                self.mistake(("service", index, "name"), f"service {service.name!r} is configured twice")
            names.add(service.name)
            try:
                load_device(service.device)
            except ValueError as problem:
                self.mistake(("service", index, "device"), str(problem))
        rules: set[str] = set()
        for index, rule in enumerate(configuration.access.client):
            if rule.name in rules:
                self.mistake(("access", "client", index, "name"), f"client {rule.name!r} is configured twice")
            rules.add(rule.name)
            for what, text in rule.mistakes():
                self.mistake(("access", "client", index, *(() if what is None else (what,))), text)
        for pattern in configuration.access.anonymous:
            if wrong := mistake_in(pattern):
                self.mistake(("access", "anonymous"), wrong)
        self._check_transport(configuration)

    def _check_transport(self, configuration: Configuration) -> None:
        """TLS or, if the operator says so in words, plain text; never one for want of the other."""
        tls, publisher = configuration.tls, configuration.publisher
        if tls is None and not publisher.plain:
            self.mistake(
                ("publisher",),
                "there is no [tls]; add it, or say plain = true in [publisher] for plain text on loopback",
            )
        elif tls is None and not publisher.plain_anywhere and not is_loopback(publisher.host):
            self.mistake(("publisher", "host"), plain_text_refused(publisher.host))
        elif tls is not None and publisher.plain:
            self.mistake(("publisher", "plain"), "publisher.plain contradicts [tls]; remove one of them")
        if tls is not None and tls.client_certificates != "none" and tls.client_ca is None:
            self.mistake(("tls", "client_certificates"), "tls.client_ca is missing: who signs the clients?")
        if tls is not None and tls.client_certificates == "none":
            if tls.client_ca is not None or tls.crls:
                self.mistake(
                    ("tls", "client_ca" if tls.client_ca is not None else "crls"),
                    'no client is asked for one; say client_certificates = "required" or "optional"',
                )
            for index, rule in enumerate(configuration.access.client):
                if any(one is not None for one in (rule.fingerprint, rule.subject, rule.san)):
                    self.mistake(
                        ("access", "client", index),
                        f"client {rule.name!r} is to be known by its certificate, but no client is asked "
                        "for one; see tls.client_certificates",
                    )
        for where, path in _files(configuration):
            if not path.is_file():
                self.mistake(where, f"{_title(where)}: there is no file {path}")


def _files(configuration: Configuration) -> Iterator[tuple[_Where, Path]]:
    tls = configuration.tls
    if tls is None:
        return
    yield ("tls", "certificate"), tls.certificate
    yield ("tls", "key"), tls.key
    if tls.client_ca is not None:
        yield ("tls", "client_ca"), tls.client_ca
    for index, crl in enumerate(tls.crls):
        yield ("tls", "crls", index), crl
    for index, also in enumerate(tls.also):
        yield ("tls", "also", index, "certificate"), also.certificate
        yield ("tls", "also", index, "key"), also.key


def _is_required(one: Any) -> bool:
    from dataclasses import MISSING

    return one.default is MISSING and one.default_factory is MISSING


def _title(where: _Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\" ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-\"]+(?:\s*\.\s*[A-Za-z0-9_\-\"]+)*)\s*=")


def _lines(text: str) -> Iterator[tuple[_Where, int]]:
    """Where each table and key begins: only to point at a mistake, tomllib does the reading."""
    table: _Where = ()
    counts: dict[_Where, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            path: _Where = ()
            parts = [part.strip().strip('"') for part in header[2].split(".")]
            for depth, part in enumerate(parts):
                path = (*path, part)
                last = depth == len(parts) - 1
                if last and header[1] == "[[":
                    counts[path] = counts.get(path, -1) + 1
                if path in counts:
                    path = (*path, counts[path])
            table = path
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *(part.strip().strip('"') for part in key[1].split("."))), number
