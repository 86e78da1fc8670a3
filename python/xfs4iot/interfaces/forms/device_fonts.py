"""How wide texts are, as the device class says: asked once for each, and not believed blindly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xfs4iot import devices
from xfs4iot.devices import PrintFont
from xfs4iot.protocol import errors
from xfs4iot.server.containment import is_ctrl_c
from xfs4iot.server.service import Service

__all__ = ["DeviceFonts"]

_LONGEST = 2**31 - 1


class DeviceFonts:
    """The fonts of one device, for laying out one form.

    Args:
        service: whose device it is.

    Raises:
        HardwareError: from all methods: the device class fails, or says what cannot be.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._device: devices.Printer = service.device  # type: ignore[assignment]
        self._widths: dict[tuple[PrintFont, str], int] = {}
        self._heights: dict[PrintFont, int] = {}

    def width(self, text: str, font: PrintFont) -> int:
        """The width of a text, in µm."""
        key = (font, text)
        found = self._widths.get(key)
        if found is None:
            found = self._widths[key] = self._asked("measure", 0, self._device.measure, text, font)
        return found

    def height(self, font: PrintFont) -> int:
        """The height of a line, in µm."""
        found = self._heights.get(font)
        if found is None:
            found = self._heights[font] = self._asked("text_height", 1, self._device.text_height, font)
        return found

    def lacks(self, text: str, font: PrintFont) -> str:
        """The characters of a text that are printed as a replacement."""
        if text.isascii() and text.isprintable():
            return ""
        found = self._told("lacks", self._device.lacks, text, font)
        if not isinstance(found, str):
            raise self._wrong("lacks", "a str")
        return found

    def _asked(self, name: str, least: int, method: Callable[..., Any], *arguments: Any) -> int:
        length = self._told(name, method, *arguments)
        if type(length) is not int or not least <= length <= _LONGEST:
            raise self._wrong(name, f"a whole number of µm of at least {least}")
        return length

    def _wrong(self, name: str, wanted: str) -> errors.HardwareError:
        where = f"{type(self._device).__name__}.{name}"
        self._service.log.error("%s returned something else than %s", where, wanted)
        return errors.HardwareError(f"the device class is wrong: {where} must return {wanted}")

    def _told(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        where = f"{type(self._device).__name__}.{name}"
        try:
            return method(*arguments)
        # It may raise anything, as an operation may.
        except BaseException as fault:
            if is_ctrl_c(fault):
                raise
            self._service.log.exception("%s raised %s", where, type(fault).__name__)
            raise errors.HardwareError(
                f"the device class failed: {where} raised {type(fault).__name__}; see the service's log"
            ) from fault
