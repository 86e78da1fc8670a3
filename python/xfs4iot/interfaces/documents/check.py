"""Check: taking cheques in, storing them, or giving them back.

There are three kinds of devices. One with a stacker takes in whole bunches (MediaIn, any number of times),
is told what to do with each item (SetMediaParameters), and then does it for all of them (MediaInEnd,
MediaInRollback). One that lets the application refuse takes one item at a time and is told about each
(AcceptItem, GetNextItem). One without a stacker disposes of each item before the next (ActionItem,
GetNextItem). The
states of the transaction are in `media_transaction`; what moves is booked in `media`.

Refused items that must be presented hold up everything but PresentMedia, RetractMedia and Reset. Code lines
and images are personal: they are neither logged nor kept in the ledger.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from xfs4iot import devices
from xfs4iot.devices import ImageWish, MediaInRequest, MediaParameters, MediaStored, MediaTakenIn, implements
from xfs4iot.interfaces.checks import check_mode_on, device_ready
from xfs4iot.interfaces.documents import checks
from xfs4iot.interfaces.documents.media_moving import MediaMoves, Watching
from xfs4iot.interfaces.documents.media_reported import require_taken_in
from xfs4iot.interfaces.documents.media_transaction import Item, Private, Transaction
from xfs4iot.interfaces.resetting import reset_all
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.check import PresentMediaEvents
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles

__all__ = ["Check"]

_MOST_BYTES = 4 * 1024 * 1024
"""Of images that GetTransactionStatus tells, half of what may wait for a client; ReadImage has the others."""
_READY = (device_ready, checks.nothing_to_present)


def _one_by_one(on: Check) -> bool:
    return on.device.max_media_on_stacker <= 1 or on.device.application_refuse


class Check(MediaMoves):
    """The interface of devices that take in cheques."""

    name: ClassVar[str] = "Check"

    @handles("Check.GetTransactionStatus")
    def get_transaction_status(
        self, request: messages.GetTransactionStatus | None, command: Command
    ) -> messages.GetTransactionStatusCompletion:
        """`Check.GetTransactionStatus` 3.0."""
        transaction = self.transaction
        stacker = bool(self.device.max_media_on_stacker)
        room = _MOST_BYTES if request is None or request.include_image is not False else None
        media: list[messages.MediaStatus] = []
        for number, item in transaction.items.items():
            images = self._shown_images(number, room)
            if room is not None:
                room -= sum(len(one.image or b"") for one in images or ())
            media.append(self._told(number, item, images))
        return messages.GetTransactionStatusCompletion(
            media_in_transaction=transaction.told(self.movements.in_doubt),
            media_on_stacker=_count(transaction.on_stacker) if stacker else None,
            last_media_in_total=_count(transaction.last),
            last_media_added_to_stacker=_count(transaction.last_on_stacker) if stacker else None,
            total_items=str(len(transaction.items)),
            total_items_refused=str(transaction.refused),
            total_bunches_refused=str(transaction.bunches),
            media_info=media or None,
        )

    def _shown_images(self, number: int, room: int | None) -> list[messages.ImageData] | None:
        """An item's images, without their bytes where there is no room; none at all if `room` is None."""
        found = list(self.private.get(number, Private()).images.values()) if room is not None else []
        shown = []
        for one in found:
            assert room is not None
            room -= len(one.image or b"")
            shown.append(one if room >= 0 else msgspec.structs.replace(one, image=None))
        return shown or None

    def _told(self, number: int, item: Item, images: list[messages.ImageData] | None) -> messages.MediaStatus:
        private = self.private.get(number, Private())
        return messages.MediaStatus(
            media_id=number,
            media_location=item.place,
            codeline_data=private.codeline,
            magnetic_read_indicator=item.magnetic,
            image=images,
            insert_orientation=item.orientation,
            media_size=item.size,
            media_validity=item.validity,
            customer_access=item.access,
        )

    @handles(
        "Check.MediaIn",
        checks=(
            checks.codeline_readable,
            checks.images_possible,
            checks.stacker_large_enough,
            device_ready,
            checks.units_not_exchanged,
            check_mode_on,
            checks.nothing_to_present,
            checks.no_media_left,
            checks.stacker_has_room,
            checks.bins_have_room,
        ),
        device=(
            "shutterFail",
            "mediaJammed",
            "scannerInop",
            "micrInop",
            "positionNotEmpty",
            "feederNotEmpty",
            "mediaRejected",
            "feederInop",
        ),
    )
    async def media_in(
        self, request: messages.MediaIn | None, command: Command[Any]
    ) -> messages.MediaInCompletion:
        """`Check.MediaIn` 2.0: refused items are no failure."""
        wanted = request or messages.MediaIn()
        # The limits belong to the whole transaction: only its first MediaIn sets them.
        if self.transaction.state != "active":
            self.transaction.most = wanted.max_media_on_stacker or self.device.max_media_on_stacker
            self.transaction.application_refuses = bool(
                wanted.application_refuse and self.device.application_refuse
            )
            self.transaction.refused = self.transaction.bunches = 0
        ordered = MediaInRequest(
            wanted.codeline_format,
            _images(wanted.image),
            self.transaction.most,
            self.transaction.application_refuses,
        )

        async def ask(events: Watching) -> MediaTakenIn:
            taken = await self.service.operations.ask(
                devices.Check.media_in, ordered, events, believe=self._possible_intake
            )
            if taken.failure is not None:
                # A failed MediaIn has the counts in its completion as well: items may be inside.
                taken.failure.payload = self._completion(taken)
            return taken

        taken = await self.take_in(command, "mediaIn", ask, self._count_in, stop=self._stopped)
        return self._completion(taken)

    def _completion(self, taken: MediaTakenIn) -> messages.MediaInCompletion:
        return messages.MediaInCompletion(
            media_in=messages.Mediain(
                media_on_stacker=taken.on_stacker,
                last_media=taken.last,
                last_media_on_stacker=taken.last_on_stacker,
                media_feeder=self.device.status.check.media_feeder,
            )
        )

    def _possible_intake(self, taken: MediaTakenIn) -> None:
        """See that items can have come in so. Raises Mismatch."""
        self.believe_failure(taken)
        require_taken_in(self, taken)

    async def _stopped(self) -> MediaTakenIn | None:
        """Close the slot, and say what came in before; None if nobody knows."""
        if implements(self.device, "stop_media_in"):
            try:
                return await self.ask(devices.Check.stop_media_in, moving=True, believe=self._possible_intake)
            except errors.XfsError as fault:
                self.service.log.error("whether the slot is closed is not known: %s", fault)
        return None

    def _count_in(self, transaction: Transaction, taken: MediaTakenIn | None) -> None:
        """Keep what the device says, or what follows from it."""
        if taken is None:
            return
        if taken.on_stacker is not None:
            transaction.on_stacker = taken.on_stacker
        elif taken.last_on_stacker is not None and transaction.on_stacker is not None:
            transaction.on_stacker += taken.last_on_stacker
        # There is a stacker but no count of it: unknown is better than a stale number.
        elif self.device.max_media_on_stacker:
            transaction.on_stacker = None
        transaction.last, transaction.last_on_stacker = taken.last, taken.last_on_stacker

    @handles(
        "Check.MediaInEnd",
        checks=(*_READY, checks.active_for_media),
        device=("shutterFail", "mediaJammed", "mediaBinError", "positionNotEmpty", "feederNotEmpty"),
    )
    async def media_in_end(self, request: None, command: Command[Any]) -> messages.MediaInEndCompletion:
        """`Check.MediaInEnd` 2.0, completion 2.1."""

        async def ask(events: Watching) -> MediaStored:
            return await self.service.operations.ask(
                devices.Check.media_in_end, events, moving=True, believe=self.possible
            )

        done = await self.end(command, "mediaInEnd", ask, "ok")
        return messages.MediaInEndCompletion(media_in_end=self._ended(done))

    def _ended(self, done: MediaStored) -> messages.MediaInEndData:
        units = {unit: self.storage.record(unit) for unit in done.stored}
        return messages.MediaInEndData(
            items_returned=done.returned,
            items_refused=self.transaction.refused,
            bunches_refused=self.transaction.bunches,
            storage=messages.MediaInEndDataStorage(units) if units else None,
        )

    @handles(
        "Check.MediaInRollback",
        checks=(*_READY, checks.active_for_media),
        device=("shutterFail", "mediaJammed", "positionNotEmpty"),
    )
    async def media_in_rollback(
        self, request: None, command: Command[Any]
    ) -> messages.MediaInRollbackCompletion:
        """`Check.MediaInRollback` 2.0, completion 2.1: whatever was set for items, they go back."""

        async def ask(events: Watching) -> MediaStored:
            return await self.service.operations.ask(
                devices.Check.media_in_rollback, events, moving=True, believe=self.possible
            )

        after = "rollbackAfterDeposit" if self.transaction.deposited else "rollback"
        done = await self.end(command, "mediaInRollback", ask, after)
        return messages.MediaInRollbackCompletion(media_in_rollback=self._ended(done))

    @handles(
        "Check.ReadImage",
        checks=(
            checks.media_given,
            checks.codeline_readable,
            checks.images_possible,
            device_ready,
            checks.media_known_of,
            checks.media_exists,
        ),
        device=("mediaJammed", "scannerInop", "micrInop"),
        asks=None,
    )
    async def read_image(self, request: messages.ReadImage, command: Command) -> messages.ReadImageCompletion:
        """`Check.ReadImage` 2.0, completion 3.0: of a device that can scan again, else of what is known."""
        number = request.media_id
        assert number is not None
        private = self.private.setdefault(number, Private())
        images = _images(request.image)
        inside = self.transaction.items[number].place == "device"
        if self.device.rescan and implements(self.device, "read_image") and inside:
            read = await self.ask(
                devices.Check.read_image, number, request.codeline_format, images, moving=True
            )
            for one in read.image or ():
                # Kept, to answer later requests from memory once the item has left the device.
                private.images[one.image_source] = one
            private.codeline = read.codeline_data or private.codeline
        return messages.ReadImageCompletion(
            data=messages.MediaData(
                media_id=number,
                codeline_data=private.codeline if request.codeline_format is not None else None,
                magnetic_read_indicator=self.transaction.items[number].magnetic,
                image=[
                    private.images.get(wish.source)
                    or messages.ImageData(image_source=wish.source, image_status="sourceMissing")
                    for wish in images
                ]
                or None,
            )
        )

    @handles(
        "Check.PresentMedia",
        checks=(checks.position_exists, device_ready, checks.media_to_present),
        device=("shutterFail", "mediaJammed", "positionNotEmpty"),
        asks="return_media",
    )
    async def present_media(
        self, request: messages.PresentMedia | None, command: Command[PresentMediaEvents]
    ) -> None:
        """`Check.PresentMedia` 2.0: without a position, all."""
        source = request.source.position if request is not None and request.source is not None else None
        takings = self.takings

        async def ask(events: Watching) -> devices.MediaPresented | None:
            return await self.service.operations.ask(
                devices.Check.return_media, source, events, moving=True, believe=self.believe_presented
            )

        presented = await self.present(command, ask)
        await self.present_rest(command, presented is not None and presented.more, takings)

    @handles(
        "Check.RetractMedia",
        checks=(
            checks.retract_possible,
            checks.retract_unit_exists,
            checks.retract_unit_fits,
            device_ready,
        ),
        device=(
            "noMediaPresent",
            "mediaJammed",
            "stackerFull",
            "mediaBinError",
            "shutterFail",
            "foreignItemsDetected",
        ),
    )
    async def retract_media(
        self, request: messages.RetractMedia | None, command: Command[Any]
    ) -> messages.RetractMediaCompletion:
        """`Check.RetractMedia` 2.0, completion 3.0."""
        location = request.retract_location if request is not None else None

        async def ask(events: Watching) -> devices.MediaRetracted:
            return await self.service.operations.ask(
                devices.Check.retract_media, location, events, moving=True, believe=self.believe_found
            )

        done = await self.bring_back(command, "mediaRetract", ask, "retract", location)
        place = done.location or location
        return messages.RetractMediaCompletion(
            media=None
            if place is None
            else messages.RetractMediaCompletionMedia(count=_count(done.count), retract_location=place)
        )

    @handles(
        "Check.Reset",
        checks=(checks.reset_possible, checks.reset_unit_fits, device_ready),
        device=("shutterFail", "mediaJammed", "mediaBinError"),
        asks="reset_media",
    )
    async def reset(self, request: messages.Reset | None, command: Command[Any]) -> None:
        """`Check.Reset` 2.0."""
        control = request.media_control if request is not None else None
        unit = control if control in self.units.kept else None
        await reset_all(self.reset_items(command, control), self.also_reset, command, unit)

    async def reset_items(self, command: Command[Any], control: str | None) -> None:
        """Let the device clear its way of items; None: where it likes."""

        async def ask(events: Watching) -> devices.MediaRetracted:
            return await self.service.operations.ask(
                devices.Check.reset_media, control, events, moving=True, believe=self.believe_found
            )

        await self.bring_back(command, "mediaReset", ask, "reset", control)

    @handles(
        "Check.SetMediaParameters",
        checks=(
            checks.destination_given,
            checks.printing_possible,
            checks.images_possible,
            device_ready,
            checks.active_for_items,
            checks.media_exists,
            checks.destination_exists,
            checks.destination_fits,
            checks.destination_has_room,
        ),
        device=("mediaJammed", "scannerInop", "tonerOut", "inkOut"),
    )
    async def set_media_parameters(self, request: messages.SetMediaParameters, command: Command) -> None:
        """`Check.SetMediaParameters` 2.0: of one item, or of all."""
        parameters = MediaParameters(
            media_id=request.media_id,
            destination=request.destination or "",
            stamp=bool(request.stamp),
            print_data=request.print_data or None,
            images=_images(request.image),
        )
        await self.ask(devices.Check.set_media_parameters, parameters)

    @handles(
        "Check.GetNextItem",
        checks=(*_READY, checks.active_for_items),
        device=("mediaJammed", "positionNotEmpty", "scannerInop", "micrInop", "feederInop"),
        offered=_one_by_one,
    )
    async def get_next_item(self, request: None, command: Command[Any]) -> messages.GetNextItemCompletion:
        """`Check.GetNextItem` 2.0."""

        async def ask(events: Watching) -> None:
            await self.service.operations.ask(devices.Check.get_next_item, events, moving=True)

        feeder = self.device.status.check
        try:
            await self.take_in(command, "mediaNext", ask)
        except errors.CommandError as fault:
            fault.payload = messages.GetNextItemCompletion(media_feeder=feeder.media_feeder)
            raise
        return messages.GetNextItemCompletion(media_feeder=feeder.media_feeder)

    @handles(
        "Check.ActionItem",
        checks=(*_READY, checks.active_for_action),
        device=(
            "inkOut",
            "mediaBinError",
            "mediaJammed",
            "positionNotEmpty",
            "scannerInop",
            "shutterFail",
            "tonerOut",
        ),
        offered=lambda on: on.device.max_media_on_stacker <= 1,
    )
    async def action_item(self, request: None, command: Command[Any]) -> None:
        """`Check.ActionItem` 2.0, completion 3.0: the item goes where it is to; the transaction goes on."""

        async def ask(events: Watching) -> MediaStored:
            return await self.service.operations.ask(
                devices.Check.action_item, events, moving=True, believe=self.possible
            )

        await self.end(command, "mediaAction", ask, "active")

    @handles("Check.ExpelMedia", checks=(device_ready,), device=("shutterFail", "mediaJammed", "noItems"))
    async def expel_media(self, request: None, command: Command) -> None:
        """`Check.ExpelMedia` 2.0."""
        await self.ask(devices.Check.expel_media, moving=True)

    @handles(
        "Check.AcceptItem",
        checks=(checks.accept_given, *_READY, checks.active_for_items),
        device=("mediaJammed", "positionNotEmpty"),
        offered=lambda on: on.device.application_refuse,
    )
    async def accept_item(self, request: messages.AcceptItem, command: Command) -> None:
        """`Check.AcceptItem` 2.0: a refused item is with the customer, or will be."""
        accept = bool(request.accept)

        async def ask(events: Watching) -> None:
            await self.service.operations.ask(devices.Check.accept_item, accept, events, moving=True)

        def refused(transaction: Transaction, result: object) -> None:
            if not accept and transaction.inside:
                transaction.refused += 1
                transaction.items[transaction.inside[-1]].access = "customer"

        await self.take_in(command, "mediaAccept", ask, refused, ends=False)

    @handles("Check.SupplyReplenish", checks=(checks.supplies_given, device_ready))
    async def supply_replenish(self, request: messages.SupplyReplenish, command: Command) -> None:
        """`Check.SupplyReplenish` 2.0."""
        named = (("toner", request.toner), ("ink", request.ink))
        await self.ask(devices.Check.supply_replenish, frozenset(name for name, given in named if given))


def _count(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _images(wishes: list[messages.ImageRequest] | None) -> tuple[ImageWish, ...]:
    """The images of a request that was found good."""
    return tuple(
        ImageWish(one.source, one.type, one.color_format, one.scan_color)
        for one in wishes or ()
        if one.source is not None
        and one.type is not None
        and one.color_format is not None
        and one.scan_color is not None
    )
