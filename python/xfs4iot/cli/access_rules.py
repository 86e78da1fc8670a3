"""What is wrong in the `[access]` of a file, a service's or a gateway's, that no single value shows."""

from __future__ import annotations

from xfs4iot import toml_file
from xfs4iot.cli.settings import AccessSettings
from xfs4iot.server.access import ClientRule, mistake_in

__all__ = ["check_access"]


def check_access(reader: toml_file.Reader) -> None:
    """Note each mistake in the tables that are right by themselves."""
    names: set[str] = set()
    for where, rule in reader.found(ClientRule):
        if rule.name in names:
            reader.mistake((*where, "name"), f"client {rule.name!r} is configured twice")
        names.add(rule.name)
        for what, text in rule.mistakes():
            reader.mistake((*where, *(() if what is None else (what,))), text)
    for where, access in reader.found(AccessSettings):
        for pattern in access.anonymous:
            if wrong := mistake_in(pattern):
                reader.mistake((*where, "anonymous"), wrong)
