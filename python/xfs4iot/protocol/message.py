"""What the generated message classes are made of.

A message is a `msgspec.Struct`: decoded and checked in one step, `camelCase` on the wire,
`snake_case` in Python; a property that is absent or null is None, and None is not written.
Parts of Common.Status are observed, so that clients learn of every change. A few objects
of the standard mix properties of their own with free keys (counts by cash item, for example);
those are plain classes whose free keys are the dict `additional`.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self, TypeAlias, get_args, get_type_hints

import msgspec

from xfs4iot.protocol import exact
from xfs4iot.protocol.json_path import located
from xfs4iot.protocol.observed import CheckedStruct, ObservedStruct

if TYPE_CHECKING:
    from typing_extensions import TypeVar
else:

    def TypeVar(name: str, *, default: Any, **options: Any) -> Any:
        """One of `typing`, which knows defaults from Python 3.13 on only; at run time nobody asks for it."""
        return typing.TypeVar(name, **options)


__all__ = ["FreeKeys", "Message", "ObservedMessage", "Payload", "SentEvent"]


class Message(CheckedStruct, rename="camel", omit_defaults=True):
    """Base of the classes for payloads and their parts."""


class ObservedMessage(ObservedStruct, rename="camel", omit_defaults=True):
    """Base of the classes for parts of Common.Status."""


class FreeKeys:
    """An object with free keys besides its own properties.

    Attributes:
        additional: the values under free keys.
    """

    __slots__ = ()
    PROPERTIES: ClassVar[dict[str, str]] = {}
    """The wire's name of each property, by attribute."""
    additional: dict[str, Any]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """An object with these values, by name on the wire; the others of its own properties are None."""
        rest = dict(values)
        own = {attribute: rest.pop(name, None) for attribute, name in cls.PROPERTIES.items()}
        return cls(**own, additional=rest)  # type: ignore[call-arg]

    def to_plain(self) -> dict[str, Any]:
        """As one object, for the wire."""
        own = {
            prop: value
            for attribute, prop in self.PROPERTIES.items()
            if (value := getattr(self, attribute)) is not None
        }
        return own | self.additional

    @classmethod
    def from_plain(cls, content: Any, hook: Any) -> FreeKeys:
        """From one object of the wire.

        Raises:
            ValueError: it does not fit; the decoder adds the path that led here.
        """
        if not isinstance(content, dict):
            raise ValueError(f"Expected `object`, got `{type(content).__name__}`")
        kind_of: Any = cls
        hints = _hints(kind_of)
        values: dict[str, Any] = {}
        rest = dict(content)
        for attribute, prop in cls.PROPERTIES.items():
            values[attribute] = _converted(rest.pop(prop, None), hints[attribute], prop, hook)
        kind = hints["additional"]
        values["additional"] = {
            name: _converted(value, kind, name, hook) for name, value in rest.items() if value is not None
        }
        return cls(**values)

    @classmethod
    def kinds(cls) -> tuple[dict[str, Any], Any]:
        """The types of the object's own properties, by wire name, and of the values under its free keys."""
        kind_of: Any = cls
        hints = _hints(kind_of)
        return {prop: hints[attribute] for attribute, prop in cls.PROPERTIES.items()}, hints["additional"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.to_plain() == other.to_plain()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_plain()!r})"


exact.register(FreeKeys, lambda kind: exact.parts(kind, (*kind.PROPERTIES, "additional")))

Payload: TypeAlias = "msgspec.Struct | FreeKeys"
"""Any message class."""

SentEvent = TypeVar("SentEvent", bound=Payload, contravariant=True, default=Never)
"""The events that something may send, a union of `command_events`; where it is not said, none."""


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """The types of a class's properties, and of the values under its free keys."""
    hints = get_type_hints(cls.__init__, include_extras=True)
    free = next(one for one in get_args(hints["additional"]) if one is not type(None))
    return hints | {"additional": get_args(free)[1]}


def _converted(value: Any, kind: Any, name: str, hook: Any) -> Any:
    try:
        return msgspec.convert(value, kind, dec_hook=hook)
    except msgspec.ValidationError as wrong:
        text, path = located(wrong)
        # A plain ValueError, for msgspec adds the outer path to one from a hook, but not to its own error.
        raise ValueError(f"{text} - at `$.{name}{path[1:]}`") from None
