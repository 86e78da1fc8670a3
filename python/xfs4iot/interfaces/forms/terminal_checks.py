"""Checks before a text terminal does something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from xfs4iot.interfaces.checks import there_to_delete
from xfs4iot.interfaces.forms.screen import each_grapheme
from xfs4iot.interfaces.forms.terminal_forms import require_whole, size_of, sound
from xfs4iot.interfaces.forms.terminal_keys import ActiveKeys
from xfs4iot.interfaces.forms.terminal_state import TerminalState
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import text_terminal as messages
from xfs4iot.server.handler import check

__all__: list[str] = []

_LONGEST_TEXT = 65_536
_MOST_KEYS = 1_000


@check("deviceNotReady")
def keys_unlocked(on: TerminalState, request: object) -> None:
    """whether the keys are there, and not locked"""
    if on.device.status.text_terminal.key_lock == "on":
        raise errors.DeviceNotReady("the keys are locked; see keyLock in Common.Status")


@check("unsupportedData")
def beep_exists(on: TerminalState, request: messages.Beep) -> None:
    """the kind of beep"""
    assert request.beep is not None
    kind = request.beep.beep_type
    if kind is not None and kind not in on.device.beep_types:
        raise errors.UnsupportedData(
            f"$.beep.beepType: the device has no sound {kind}; "
            f"it has {', '.join(sorted(on.device.beep_types)) or 'none'}"
        )


@check("invalidData")
def area_whole(on: TerminalState, request: messages.ClearScreen | None) -> None:
    """whether all of an area is given, or nothing"""
    area = request.screen if request is not None else None
    if area is None:
        return
    found = {name: getattr(area, name) for name in ("position_x", "position_y", "width", "height")}
    if any(value is not None for value in found.values()):
        wire = {"position_x": "positionX", "position_y": "positionY"}
        for name, value in found.items():
            if value is None:
                raise errors.InvalidData(f"$.screen.{wire.get(name, name)} is missing; give all four or none")


@check("invalidData")
def area_on_screen(on: TerminalState, request: messages.ClearScreen | None) -> None:
    """whether the area is on the screen"""
    x, y, width, height = on.area(request)
    if x + width > on.screen.width or y + height > on.screen.height:
        raise errors.InvalidData(
            f"$.screen: {width} x {height} at {x}, {y} is beyond {on.screen.width} x {on.screen.height}"
        )


@check("invalidData")
def resolution_whole(on: TerminalState, request: messages.SetResolution) -> None:
    """`resolution.sizeX` and `resolution.sizeY`"""
    wanted = request.resolution
    if wanted is None or wanted.size_x is None or wanted.size_y is None:
        raise errors.InvalidData("$.resolution: give sizeX and sizeY")


@check("resolutionNotSupported")
def resolution_exists(on: TerminalState, request: messages.SetResolution) -> None:
    """whether the device has the resolution"""
    wanted = cast(messages.Resolution, request.resolution)
    if (wanted.size_x, wanted.size_y) not in on.device.resolutions:
        known = ", ".join(f"{width} x {height}" for width, height in on.device.resolutions)
        raise errors.CommandError(
            "resolutionNotSupported", f"$.resolution: {wanted.size_x} x {wanted.size_y} is not one of {known}"
        )


@check("invalidData")
def text_bounded(on: TerminalState, request: messages.Write) -> None:
    """whether the text has at most 65,536 characters"""
    length = len(request.text or "")
    if length > _LONGEST_TEXT:
        raise errors.InvalidData(f"$.text: {length} characters; write {_LONGEST_TEXT} at most at once")


@check("invalidData")
def start_on_screen(on: TerminalState, request: messages.Write | messages.Read) -> None:
    """whether the place is on the screen"""
    x, y = on.start_of(request)
    # A filled row leaves the cursor behind its last column: what is written from there begins a new one.
    waiting = request.mode == "relative" and (x, y) == (on.screen.x, on.screen.y)
    if y >= on.screen.height or (x >= on.screen.width and not waiting):
        raise errors.InvalidData(
            f"$.posX, $.posY: {x}, {y} is beyond the screen of {on.screen.width} x {on.screen.height}"
        )


@check("characterSetsData")
async def characters_shown(on: TerminalState, request: messages.Write) -> None:
    """whether the device can show every character"""
    text = (request.text or "").replace("\r", "").replace("\n", "")
    if strange := await on.worked_out(on.cannot_show, len(text), each_grapheme(text)):
        raise errors.CommandError(
            "characterSetsData", f"$.text: the device cannot show U+{ord(strange[0]):04X}; nothing is written"
        )


@check("noActiveKeys")
def keys_active(on: TerminalState, request: messages.Read | messages.DefineKeys | None) -> None:
    """whether a key is active"""
    if request is None or not (request.active_keys or request.active_command_keys):
        raise errors.CommandError("noActiveKeys", "list keys in activeKeys or activeCommandKeys")


@check("invalidData")
def keys_bounded(on: TerminalState, request: messages.Read | messages.DefineKeys) -> None:
    """whether no more keys are listed than a device can have"""
    most = max(_MOST_KEYS, 2 * len(on.device.keys))
    for name, keys in (
        ("activeKeys", request.active_keys),
        ("activeCommandKeys", request.active_command_keys),
    ):
        if keys is not None and len(keys) > most:
            raise errors.InvalidData(f"$.{name}: {len(keys):,} keys; a device has {most:,} at most")


@check("invalidData")
def can_end(on: TerminalState, request: messages.Read) -> None:
    """whether the input can end: by itself, or by a command key"""
    if request.auto_end is False and not active_keys(request).ends:
        raise errors.InvalidData("$.autoEnd is false, and no command key terminates: the input could not end")


@check("keyInvalid")
def keys_exist(on: TerminalState, request: messages.Read | messages.DefineKeys) -> None:
    """whether the keys are keys of the standard"""
    active_keys(request).require_keys()


@check("keyNotSupported")
def keys_on_device(on: TerminalState, request: messages.Read | messages.DefineKeys) -> None:
    """whether the device has the keys"""
    active_keys(request).require_on(on.device)


@check("invalidData")
def input_fits(on: TerminalState, request: messages.Read) -> None:
    """whether the input has room in its row, if it is shown"""
    x, _ = on.start_of(request)
    if request.echo_mode != "invisible" and x + (request.num_of_chars or 0) > on.screen.width:
        raise errors.InvalidData(
            f"$.numOfChars: {request.num_of_chars} from column {x} on is beyond the row of {on.screen.width}"
        )


@check("formNotFound")
def form_exists(on: TerminalState, request: Any) -> None:
    """whether the form exists"""
    if request.form_name not in on.forms:
        raise errors.CommandError(
            "formNotFound", "$.formName: there is no such form; see TextTerminal.GetFormList"
        )


@check("fieldNotFound")
def field_exists(on: TerminalState, request: messages.GetQueryField) -> None:
    """whether the form has the field, if one is named"""
    fields = on.forms[cast(str, request.form_name)].fields or {}
    if request.field_name and request.field_name not in fields:
        raise errors.CommandError(
            "fieldNotFound", "$.fieldName: the form has no such field; see TextTerminal.GetQueryForm"
        )


def _smaller_than_screen(code: str) -> Callable[[TerminalState, Any], None]:
    def fits(on: TerminalState, request: Any) -> None:
        """whether the form fits the screen"""
        width, height = size_of(on.forms[request.form_name])
        if width > on.screen.width or height > on.screen.height:
            raise errors.CommandError(
                code,
                f"the form has {width} x {height}, the screen {on.screen.width} x {on.screen.height}; "
                "see TextTerminal.SetResolution",
            )

    return fits


form_on_screen = check("mediaOverflow", name="form_on_screen")(_smaller_than_screen("mediaOverflow"))
form_readable = check("formInvalid", name="form_readable")(_smaller_than_screen("formInvalid"))


@check("invalidData")
def form_whole(on: TerminalState, request: messages.SetForm) -> None:
    """whether the form has a size, and fields with a place and size each"""
    if request.form is not None:
        require_whole(request.form)


@check("formInvalid")
async def form_sound(on: TerminalState, request: messages.SetForm) -> None:
    """whether the fields are inside the form and such as the device can show"""
    if request.form is not None:
        await on.forms.in_thread(sound, request.form, on.device)


form_to_delete_exists = there_to_delete("form", "formNotFound", "forms")


def active_keys(request: messages.Read | messages.DefineKeys) -> ActiveKeys:
    """The keys that a request makes active."""
    return ActiveKeys.of(request.active_keys, request.active_command_keys)
