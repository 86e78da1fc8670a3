"""A scanner with a window that barcodes are held before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import trio

from xfs4iot import devices
from xfs4iot.dataclass import dataclass
from xfs4iot.devices import Barcode, CommandEvents
from xfs4iot.protocol import errors
from xfs4iot.simulator.barcode_reader import symbols
from xfs4iot.simulator.commands import Completion, Milliseconds, Request, command
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SimulatedBarcodeReader"]

_LOOKS_APART = 0.2


@dataclass(frozen=True)
class BarcodeReaderSettings:
    """What a profile may say: whether the scanner can be told to read some symbologies only."""

    filters: bool = True


class _Shown(Request):
    """When something is held before the scanner, and for how long; without these at once, and until it is
    taken away."""

    after: Milliseconds | None = None
    lasts: Milliseconds | None = None


class ShowBarcode(_Shown):
    """A barcode that is drawn.

    Attributes:
        symbology: in the standard's names.
        text: what it holds; GS1 identifiers in brackets, an add-on behind a `+`.
        data: the same as bytes.
        damaged: nobody can read it.
        turned: degrees, against the clock.
        mirrored: seen in a mirror, as through glass from behind.
    """

    symbology: str | None = None
    text: str | None = None
    data: bytes | None = msgspec.field(default=None)
    damaged: bool = False
    turned: int = 0
    mirrored: bool = False


class ShowPicture(_Shown):
    """A picture, as the content of a file: PNG, BMP, JPEG, TIFF or GIF."""

    picture: bytes | None = None


class ShownTruth(Completion):
    """How many pictures are before the scanner, and whether it is broken."""

    in_view: int
    broken: bool


class SimulatedBarcodeReader(SimulatedDevice, devices.BarcodeReader):
    """The barcode reader of a simulated ATM."""

    symbologies = symbols.SYMBOLOGIES

    Settings: ClassVar = BarcodeReaderSettings
    FAULTS: ClassVar = {
        "glare": Fault("once", "the next `count` looks see nothing"),
        "givesUp": Fault("once", "the next look ends the Read: barcodeInvalid"),
        "scannerBreaks": Fault("once", "the scanner breaks at its next look: hardwareError until a Reset"),
        "resetFails": Fault("once", "the next Reset does not help: hardwareError"),
        "unplugged": Fault("lasts", "the cable is out: deviceNotReady"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        self.filters_symbologies = self.configured(BarcodeReaderSettings).filters
        self._view: list[Image] = []
        self._coming: list[Image] = []
        self._broken = False
        self._moved = trio.Event()
        # A look that nobody waits for any more still has its thread: the next one waits for that.
        self._looks = trio.CapacityLimiter(1)

    def _show(self) -> None:
        self.status.common.device = "noDevice" if self.faults.active("unplugged") else "online"
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    async def read(self, wanted: frozenset[str] | None, events: CommandEvents) -> tuple[Barcode, ...]:
        while True:
            # Taken before the look: what is shown while it lasts must trigger another one.
            moved, glares = self._moved, bool(self.faults.active("glare"))
            await self.clock.until(self.clock.now + self.seconds)
            found = await self._look(wanted)
            if found:
                return found
            if glares:
                await self.clock.until(self.clock.now + _LOOKS_APART)
            else:
                await moved.wait()

    async def _look(self, wanted: frozenset[str] | None) -> tuple[Barcode, ...]:
        if self.faults.active("unplugged"):
            raise errors.DeviceNotReady("the scanner's cable is out; see Simulator.ClearFaults")
        if self._broken or self.faults.strikes("scannerBreaks"):
            self._broken = True
            raise errors.HardwareError("the scanner's light is broken; see BarcodeReader.Reset")
        if self.faults.strikes("givesUp"):
            raise errors.CommandError("barcodeInvalid", "the scanner gave up; show the code again")
        if not self._view or self.faults.strikes("glare"):
            return ()
        view = symbols.side_by_side(self._view)
        found = await trio.to_thread.run_sync(symbols.read, view, abandon_on_cancel=True, limiter=self._looks)
        return tuple(one for one in found if wanted is None or one.symbology in wanted)

    async def reset(self) -> None:
        await self.clock.until(self.clock.now + self.seconds)
        if self.faults.strikes("resetFails"):
            raise errors.HardwareError("the scanner's light stays broken")
        self._broken = False

    @command
    def show_barcode(self, request: ShowBarcode) -> None:
        """Somebody holds a barcode before the scanner, beside what is there already."""
        content = request.text if request.data is None else request.data
        if not content or (request.text is not None and request.data is not None):
            raise errors.InvalidData("$.text: give either text or data")
        picture = symbols.drawn(request.symbology or "", content, request.damaged)
        if request.mirrored:
            picture = symbols.mirrored(picture)
        if request.turned:
            picture = picture.rotate(request.turned, expand=True, fillcolor="white")
        self._hold(picture, request)

    @command
    def show_picture(self, request: ShowPicture) -> None:
        """Somebody holds a picture before the scanner."""
        if not request.picture:
            raise errors.InvalidData("$.picture is missing; give the content of a file, in base64")
        self._hold(symbols.opened(request.picture), request)

    def _hold(self, picture: Image, shown: _Shown) -> None:
        # With those that will be in view: when their time comes nobody is left who could be refused.
        symbols.require_view([*self._view, *self._coming, picture])
        end = None if shown.lasts is None else ((shown.after or 0) + shown.lasts) / 1000 + self.clock.now
        if shown.after is None:
            self._put(picture, end)
        else:
            self.world.later(shown.after / 1000, partial(self._come, picture, end))
            self._coming.append(picture)

    def _come(self, picture: Image, end: float | None) -> None:
        self._coming = [one for one in self._coming if one is not picture]
        self._put(picture, end)

    def _put(self, picture: Image, end: float | None) -> None:
        """Hold a picture before the scanner, until the clock shows `end`."""
        left = None if end is None else end - self.clock.now
        if left is not None:
            if left <= 0:
                return
            # Before it is put into view: where nothing can happen later, this raises and nothing has changed.
            self.world.later(left, partial(self._remove, picture))
        self._view.append(picture)
        self._wake()

    def _remove(self, picture: Image) -> None:
        # By identity: the same barcode may be held up twice.
        self._view = [one for one in self._view if one is not picture]

    @command
    def take_away_barcodes(self, request: Request) -> None:
        """Nothing is before the scanner any more."""
        self._view = []

    def shown_truth(self) -> ShownTruth:
        return ShownTruth(in_view=len(self._view), broken=self._broken)
