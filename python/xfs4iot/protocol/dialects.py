"""Dialects: how the envelope is written for clients that do not read it as the standard has it.

A dialect is chosen by the operator, for a listener or for a client, and never guessed. It
concerns the envelope alone, so it is applied where a message becomes a frame
(`server.session`); the version adapters have done their work before, and no interface or
device knows of it.

`standard` is the default, and says what the schemas of the standard say:

- An acknowledge has a version of its own, whatever version its command has.
- A completion without `completionCode` succeeded (2023-2 and later; 2021-1 says `success`
  in its payload).
- An event that belongs to no command has the type `unsolicited`.

`sp-dev` is what the clients of the SP-Dev framework read. Their decoder ends at the type
`unsolicited`, knows `authorisationRequired` with an s only, and expects `success` and, in an
acknowledge, the version of the command, as the services of that framework write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xfs4iot.dataclass import dataclass

__all__ = ["BY_NAME", "SP_DEV", "STANDARD", "Dialect", "dialect_named"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the envelope is written.

    Attributes:
        name: as the configuration and the command line have it.
        acknowledge_version: the version in the header of each acknowledge; None for that of
            the command. It does not concern 2021-1, whose headers have no version.
        unsolicited: the header's type of an event that belongs to no command.
        codes: completion codes, `success` among them, that are written otherwise; None leaves
            the code out where the envelope allows it.
    """

    name: str
    acknowledge_version: str | None
    unsolicited: str
    codes: Mapping[str, str | None]


STANDARD: Final = Dialect("standard", "2.0", "unsolicited", MappingProxyType({"success": None}))
"""As the standard has it."""

SP_DEV: Final = Dialect(
    "sp-dev", None, "event", MappingProxyType({"authorizationRequired": "authorisationRequired"})
)
"""As the clients of the SP-Dev framework read it."""

BY_NAME: Final[Mapping[str, Dialect]] = MappingProxyType({one.name: one for one in (STANDARD, SP_DEV)})
"""Every dialect by its name."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a name.

    Raises:
        ValueError: there is no such dialect; the text names those that there are.
    """
    if (found := BY_NAME.get(name)) is None:
        raise ValueError(f"dialect {name!r} is not known; write {' or '.join(map(repr, BY_NAME))}")
    return found
