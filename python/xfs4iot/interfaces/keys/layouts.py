"""Keyboard layouts: how they look on the wire, and which are impossible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from xfs4iot.devices import EntryMode, KeyFrame, KeyPosition
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import keyboard as messages

__all__ = ["MODES", "decoded", "encoded", "names", "read", "told"]

MODES: tuple[EntryMode, ...] = ("data", "pin", "secure")
# Without a touch area, keys are placed on a grid of 1000 by 1000.
_EDGE = 1000

Layouts = Mapping[EntryMode, tuple[KeyFrame, ...]]
_Layout = TypeVar("_Layout", "messages.Layout", "messages.LayoutNullable", "messages.LayoutEvent")


def names(frames: Iterable[KeyFrame], *, shifted: bool) -> frozenset[str]:
    """Names of the keys, without shift, and with it if that is wanted."""
    keys = [key for frame in frames for key in frame.keys]
    found = {key.key for key in keys} | ({key.shift_key for key in keys} if shifted else set())
    return frozenset(name for name in found if name)


def told(kind: type[_Layout], layouts: Layouts) -> _Layout:
    """As the standard writes them."""
    return kind(**{mode: [_frame(one) for one in frames] for mode, frames in layouts.items()})


def _frame(frame: KeyFrame) -> messages.LayoutFrame:
    return messages.LayoutFrame(
        x_pos=frame.x,
        y_pos=frame.y,
        x_size=frame.width,
        y_size=frame.height,
        float=messages.LayoutFrameFloat(x=frame.float_x, y=frame.float_y),
        keys=[
            messages.Key(
                x_pos=key.x,
                y_pos=key.y,
                x_size=key.width,
                y_size=key.height,
                key=key.key,
                shift_key=key.shift_key,
            )
            for key in frame.keys
        ],
    )


def encoded(layouts: Layouts) -> bytes:
    """As they are kept."""
    return msgspec.json.encode(layouts)


def decoded(kept: bytes) -> dict[EntryMode, tuple[KeyFrame, ...]]:
    """As they were kept."""
    return msgspec.json.decode(kept, type=dict[EntryMode, tuple[KeyFrame, ...]])


def read(layout: messages.Layout | None) -> dict[EntryMode, tuple[KeyFrame, ...]]:
    """What a client wants to define.

    Raises:
        InvalidData: it is not whole.
    """
    wanted: dict[EntryMode, tuple[KeyFrame, ...]] = {}
    for mode in MODES:
        frames = None if layout is None else getattr(layout, mode)
        if frames is None:
            continue
        where = f"$.layout.{mode}"
        if not frames:
            raise errors.InvalidData(f"{where} is empty; give a frame, or leave it out")
        wanted[mode] = tuple(_read(frame, f"{where}[{i}]") for i, frame in enumerate(frames))
    if not wanted:
        raise errors.InvalidData("$.layout is missing or empty; define data, pin or secure")
    return wanted


def _given(of: Any, where: str) -> dict[str, int]:
    found = {}
    for field, wire in (("x_pos", "xPos"), ("y_pos", "yPos"), ("x_size", "xSize"), ("y_size", "ySize")):
        value = getattr(of, field)
        if value is None:
            raise errors.InvalidData(f"{where}.{wire} is missing")
        found[field] = value
    return found


def _read(frame: messages.LayoutFrame, where: str) -> KeyFrame:
    place = _given(frame, where)
    if not frame.keys:
        raise errors.InvalidData(f"{where}.keys is missing or empty")
    keys = []
    for i, key in enumerate(frame.keys):
        at = _given(key, f"{where}.keys[{i}]")
        if not key.key and not key.shift_key:
            raise errors.InvalidData(f"{where}.keys[{i}]: give key or shiftKey")
        keys.append(
            KeyPosition(
                x=at["x_pos"],
                y=at["y_pos"],
                width=at["x_size"],
                height=at["y_size"],
                key=key.key,
                shift_key=key.shift_key,
            )
        )
    float = frame.float
    return KeyFrame(
        tuple(keys),
        place["x_pos"],
        place["y_pos"],
        place["x_size"],
        place["y_size"],
        bool(float and float.x),
        bool(float and float.y),
    )


def require_possible(
    mode: EntryMode, frames: tuple[KeyFrame, ...], area: messages.CapabilitiesEtsCaps | None
) -> None:
    """Check that a layout is possible.

    Raises:
        CommandError: `tooManyFrames`, `frameCoordinate`, `frameOverlap`, `tooManyKeys`, `keyCoordinate`,
            `keyOverlap`, `keyAlreadyDefined`.
    """
    where = f"$.layout.{mode}"
    most = 1 if area is None else area.maximum_touch_frames
    if most is not None and len(frames) > most:
        raise errors.CommandError(
            "tooManyFrames", f"{where}: {len(frames)} frames; the device has {most} at most"
        )
    for i, frame in enumerate(frames):
        if not _frame_fits(frame, area):
            raise errors.CommandError(
                "frameCoordinate", f"{where}[{i}]: the frame is not within the keyboard"
            )
    _apart("frameOverlap", where, frames)
    count = sum(len(frame.keys) for frame in frames)
    if area is not None and area.maximum_touch_keys is not None and count > area.maximum_touch_keys:
        raise errors.CommandError(
            "tooManyKeys", f"{where}: {count} keys; the device has {area.maximum_touch_keys} at most"
        )
    seen: set[str] = set()
    for i, frame in enumerate(frames):
        for j, key in enumerate(frame.keys):
            at = f"{where}[{i}].keys[{j}]"
            wide = frame.width if area is not None else _EDGE
            high = frame.height if area is not None else _EDGE
            if key.x + key.width > wide or key.y + key.height > high:
                raise errors.CommandError("keyCoordinate", f"{at}: the key is not within {wide} x {high}")
            for name in (key.key, key.shift_key):
                if name in seen:
                    raise errors.CommandError("keyAlreadyDefined", f"{at}: there is another key {name}")
                if name:
                    seen.add(name)
        _apart("keyOverlap", f"{where}[{i}].keys", frame.keys)


def _frame_fits(frame: KeyFrame, area: messages.CapabilitiesEtsCaps | None) -> bool:
    if area is None:
        return frame.x == frame.y == 0
    left, top = area.x_pos or 0, area.y_pos or 0
    right, bottom = left + (area.x_size or 0), top + (area.y_size or 0)
    return (
        frame.width > 0
        and frame.height > 0
        and left <= frame.x
        and top <= frame.y
        and frame.x + frame.width <= right
        and frame.y + frame.height <= bottom
    )


def _apart(code: str, where: str, boxes: Sequence[KeyFrame | KeyPosition]) -> None:
    for i, one in enumerate(boxes):
        # Each pair once. Boxes that share an edge do not overlap: the comparisons below are strict.
        for j, other in enumerate(boxes[:i]):
            if (
                one.x < other.x + other.width
                and other.x < one.x + one.width
                and one.y < other.y + other.height
                and other.y < one.y + one.height
            ):
                raise errors.CommandError(code, f"{where}: number {i} lies over number {j}")
