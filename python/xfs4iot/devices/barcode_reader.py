"""BarcodeReader: what a vendor writes for a device that reads barcodes.

class MyReader(devices.BarcodeReader):
    symbologies = frozenset({"qrCode", "ean13"})

    async def read(self, wanted, events):
        text = await self.port.scan()
        return (devices.Barcode(text, "qrCode"),)
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices._device import CommandEvents, Device, operation
from xfs4iot.devices._operation import waits_for_people
from xfs4iot.protocol import exact
from xfs4iot.protocol.messages import barcode_reader as messages

__all__ = ["Barcode", "BarcodeReader"]


@dataclass(frozen=True)
class Barcode:
    """A barcode that was read.

    Attributes:
        data: what the symbol holds, byte by byte: no conversion of characters, no prefix that names the
            symbology; FNC1 of GS1 data as 1D hexadecimal.
        symbology: the standard's name for its kind, such as `qrCode`; None if it has none.
        symbology_name: the vendor's name for a kind that the standard has none for.
    """

    data: Annotated[bytes, exact.Secret] = field(repr=False)
    symbology: Annotated[str, Meta(max_length=64)] | None = None
    symbology_name: Annotated[str, Meta(max_length=64)] | None = None


class BarcodeReader(
    Device,
    messages=messages,
    status={"scanner": "off"},
    capabilities={"can_filter_symbologies": "filters_symbologies"},
    needs=(("read",),),
):
    """A device that reads barcodes. Override `read`; `reset` if it can be reset.

    Attributes:
        symbologies: what it can read, in the standard's names.
        filters_symbologies: whether it can be told to read some of them only. The service leaves out
            what was not asked for in any case.
    """

    symbologies: frozenset[str] = frozenset()
    filters_symbologies: bool = False

    @waits_for_people
    @operation
    async def read(self, wanted: frozenset[str] | None, events: CommandEvents) -> tuple[Barcode, ...]:
        """`BarcodeReader.Read`: wait until barcodes are in view, and read them all.

        A damaged one does not end the wait. The status `scanner` is `on` meanwhile: the service sets it,
        and sets it `off` when this ends in whatever way, cancelled or with an exception. Raise
        `CommandError("barcodeInvalid")` if the device itself gives up, `HardwareError` if it broke.

        Args:
            wanted: symbologies; None for all that the device can read.
        """
        raise NotImplementedError

    @operation
    async def reset(self) -> None:
        """`BarcodeReader.Reset`: make the device ready again."""
