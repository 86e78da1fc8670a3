"""The configuration file of `xfs4iot serve`: TOML, checked as a whole before anything starts.

Every mistake is found in one pass and named with its line, what was expected there, and
what to write instead. Nothing is guessed: an unknown key is a mistake, since a key that is
misspelt would otherwise leave a door open that the operator believes shut.
"""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from xfs4iot.cli.device_classes import ModuleUnknown, load_device
from xfs4iot.cli.settings import (
    AccessSettings,
    Configuration,
    LedgerSettings,
    PublisherSettings,
    ServiceSettings,
    SNISettings,
    TLSSettings,
)
from xfs4iot.devices import Device
from xfs4iot.server.access import ClientRule, mistake_in
from xfs4iot.server.publisher import plain_text_refused
from xfs4iot.transport.tcp import is_loopback

__all__ = ["ConfigurationError", "Mistake", "line_of", "read"]


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
    reader.use_python_path(content.get("python_path"))
    reader.check()
    if reader.mistakes:
        raise ConfigurationError(file, reader.mistakes)
    assert isinstance(configuration, Configuration)
    return configuration


def line_of(file: Path, *where: str) -> int:
    """The line of a table or key, to point at a mistake that shows only later; 0 if it is not there."""
    return dict(_lines(file.read_text("utf-8"))).get(where, 0)


_NO_TLS = "there is no [tls]; add it, or say plain = true in [publisher] for plain text on loopback"
_Where = tuple[str | int, ...]
_Table = TypeVar("_Table")


class _Reader:
    """Turns plain TOML tables into settings, collecting mistakes."""

    def __init__(self, base: Path, lines: Mapping[_Where, int]) -> None:
        self.base = base
        self.mistakes: list[Mistake] = []
        self._lines = lines
        self._tables: dict[_Where, Any] = {}
        """The tables that are right by themselves."""

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
        for one in fields(kind):
            if one.name not in content and _is_required(one):
                self.mistake(where, f"{_title((*where, one.name))} is missing")
        if len(self.mistakes) > before:
            return None
        found = self._tables[where] = kind(**values)
        return found

    def _found(self, kind: type[_Table]) -> Iterator[tuple[_Where, _Table]]:
        return ((where, one) for where, one in self._tables.items() if isinstance(one, kind))

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

    def check_security(self, service: ServiceSettings, device: type[Device], where: _Where) -> None:
        """Whether tokens could be checked as wanted."""
        wanted = service.end_to_end_security
        if wanted is None:
            return
        if device.check_token is not Device.check_token:
            self.mistake(where, f"{service.device} checks tokens in its own firmware; remove {_title(where)}")
            return
        try:
            service.security()
        except ValueError as problem:
            self.mistake(where, str(problem))
        if wanted.key_file is None and device.token_key is Device.token_key:
            self.mistake(where, f"{service.device} keeps no keys; give key_file in {_title(where)}")

    def use_python_path(self, directories: object) -> None:
        """Let modules of devices be found where the file says; a wrong type is a mistake already."""
        if not isinstance(directories, list):
            return
        for index, name in reversed(list(enumerate(directories))):
            if not isinstance(name, str):
                continue
            directory = (self.base / name).resolve()
            if not directory.is_dir():
                self.mistake(("python_path", index), f"python_path: there is no directory {directory}")
            elif str(directory) not in sys.path:
                sys.path.insert(0, str(directory))

    def check(self) -> None:
        """What no single value shows, in the tables that are right by themselves."""
        names: set[str] = set()
        for where, service in self._found(ServiceSettings):
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", service.name):
                self.mistake(
                    (*where, "name"),
                    f"service name {service.name!r} cannot be part of a URI; use letters, digits, _ . -",
                )
            if service.name in names:
                self.mistake((*where, "name"), f"service {service.name!r} is configured twice")
            names.add(service.name)
            try:
                device = load_device(service.device)
            except ModuleUnknown as problem:
                self.mistake((*where, "device"), f"{problem}; {self._where_to_find(problem.module)}")
                continue
            except ValueError as problem:
                self.mistake((*where, "device"), str(problem))
                continue
            self.check_security(service, device, (*where, "end_to_end_security"))
        rules: set[str] = set()
        for where, rule in self._found(ClientRule):
            if rule.name in rules:
                self.mistake((*where, "name"), f"client {rule.name!r} is configured twice")
            rules.add(rule.name)
            for what, text in rule.mistakes():
                self.mistake((*where, *(() if what is None else (what,))), text)
        for where, access in self._found(AccessSettings):
            for pattern in access.anonymous:
                if wrong := mistake_in(pattern):
                    self.mistake((*where, "anonymous"), wrong)
        self._check_transport()
        for where, ledger in self._found(LedgerSettings):
            if not ledger.file.parent.is_dir():
                self.mistake((*where, "file"), f"ledger.file: there is no directory {ledger.file.parent}")
        for _, whole in self._found(Configuration):
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
        secured = ("tls",) in self._lines
        for where, publisher in self._found(PublisherSettings):
            if secured and publisher.plain:
                self.mistake((*where, "plain"), "publisher.plain contradicts [tls]; remove one of them")
            elif not secured and not publisher.plain:
                self.mistake(where, _NO_TLS)
            elif not secured and not publisher.plain_anywhere and not is_loopback(publisher.host):
                self.mistake((*where, "host"), plain_text_refused(publisher.host))
        if not secured and ("publisher",) not in self._lines:
            self.mistake((), _NO_TLS)
        for where, tls in self._found(TLSSettings):
            self._check_client_certificates(tls, where)
            if tls.client_ca is not None:
                self._file((*where, "client_ca"), tls.client_ca)
            for index, crl in enumerate(tls.crls):
                self._file((*where, "crls", index), crl)
            self._file((*where, "certificate"), tls.certificate)
            self._file((*where, "key"), tls.key)
        for where, also in self._found(SNISettings):
            self._file((*where, "certificate"), also.certificate)
            self._file((*where, "key"), also.key)

    def _check_client_certificates(self, tls: TLSSettings, where: _Where) -> None:
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
        for place, rule in self._found(ClientRule):
            if any(one is not None for one in (rule.fingerprint, rule.subject, rule.san)):
                self.mistake(
                    place,
                    f"client {rule.name!r} is to be known by its certificate, but no client is asked "
                    "for one; see tls.client_certificates",
                )

    def _file(self, where: _Where, path: Path) -> None:
        if not path.is_file():
            self.mistake(where, f"{_title(where)}: there is no file {path}")


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
