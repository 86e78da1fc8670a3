"""BarcodeReader: reading barcodes.

A Read ends with all the codes that were in view at its first success. The scanner is on while it
waits and off before its completion leaves, however it ends: read, timeout, cancel, a client that
is gone. A symbology filter is applied here if the device does not do it: what was not asked for is
passed over, and reading goes on. A device that says it cannot filter is not asked to; the
standard says that the property is then ignored.

A scanner that broke (`inoperative`) works again after a Reset. What a code says is private: it
reaches no log.
"""

from __future__ import annotations

from typing import Any, ClassVar

import trio

from xfs4iot import devices
from xfs4iot.interfaces.checks import device_ready
from xfs4iot.protocol import errors
from xfs4iot.protocol.flags import chosen
from xfs4iot.protocol.messages import barcode_reader as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, check, handles

__all__ = ["BarcodeReader"]

_MOST_CODES, _MOST_BYTES = 64, 64 * 1024
_PAUSE_SECONDS = 0.05


@check("hardwareError")
def scanner_works(on: BarcodeReader, request: object) -> None:
    """whether the scanner works"""
    if on.status.scanner == "inoperative":
        raise errors.HardwareError("the scanner does not work; see BarcodeReader.Reset")


@check("unsupportedData")
def symbologies_supported(on: BarcodeReader, request: messages.Read | None) -> None:
    """the symbologies, at a device that can filter them"""
    if strange := sorted((on.wanted(request) or frozenset()) - on.device.symbologies):
        raise errors.UnsupportedData(
            f"$.symbologies: the device does not read {', '.join(strange)}; see Common.Capabilities"
        )


class BarcodeReader(Interface[devices.BarcodeReader]):
    """The interface of barcode readers."""

    name: ClassVar[str] = "BarcodeReader"

    @property
    def status(self) -> messages.Status:
        """The device's part of Common.Status."""
        status = self.device.status.barcode_reader
        assert status is not None
        return status

    def wanted(self, request: messages.Read | None) -> frozenset[str] | None:
        """The symbologies asked for; None for all: none is named, or the device cannot filter."""
        named = chosen(request.symbologies) if request is not None else frozenset()
        return named if named and self.device.filters_symbologies else None

    @handles(
        "BarcodeReader.Read",
        checks=(device_ready, scanner_works, symbologies_supported),
        device=("barcodeInvalid",),
    )
    async def read(self, request: messages.Read | None, command: Command) -> messages.ReadCompletion:
        """`BarcodeReader.Read` 2.0, completion 3.0."""
        wanted = self.wanted(request)
        self.status.scanner = "on"
        try:
            codes: tuple[devices.Barcode, ...] = ()
            while not codes:
                # As long as nobody shows a code; the client's timeout and its cancel end it.
                found = await self.service.operations.ask(devices.BarcodeReader.read, wanted, command)
                if not found:
                    raise errors.CommandError("barcodeInvalid", "the device gave up; show the code again")
                # A code without content is none that a client could be told of.
                codes = tuple(
                    one for one in found if one.data and (wanted is None or one.symbology in wanted)
                )
                if not codes:
                    # A device that returns at once must not keep the machine busy.
                    await trio.sleep(_PAUSE_SECONDS)
        except errors.HardwareError:
            self.status.scanner = "inoperative"
            raise
        finally:
            # Not if it broke, or the device itself has said something else meanwhile.
            if self.status.scanner == "on":
                self.status.scanner = "off"
        size = sum(len(one.data) for one in codes)
        if len(codes) > _MOST_CODES or size > _MOST_BYTES:
            raise errors.CommandError(
                "barcodeInvalid",
                f"too many codes in one look ({len(codes)}, of {size} bytes in all): show {_MOST_CODES} of "
                f"{_MOST_BYTES} bytes at most",
            )
        return messages.ReadCompletion(read_output=[self._output(one) for one in codes])

    def _output(self, code: devices.Barcode) -> messages.ReadCompletionReadOutputItem:
        known = code.symbology in self.device.symbologies
        symbology: Any = code.symbology if known else "symbologyUnknown"
        name = code.symbology_name or (None if known else code.symbology or None)
        return messages.ReadCompletionReadOutputItem(
            symbology=symbology, barcode_data=code.data, symbology_name=name or None
        )

    @handles("BarcodeReader.Reset", checks=(device_ready,))
    async def reset(self, request: None, command: Command) -> None:
        """`BarcodeReader.Reset` 2.0."""
        await self.ask(devices.BarcodeReader.reset)
        self.status.scanner = "off"
