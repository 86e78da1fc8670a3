"""Check: taking cheques in, storing them, or giving them back.

New in 2023-2. There are three kinds of devices. One with a stacker takes in whole bunches (MediaIn, any
number of times), is told what to do with each item (SetMediaParameters), and then does it for all of them
(MediaInEnd, MediaInRollback). One that lets the application refuse takes one item at a time and is told about
each (AcceptItem, GetNextItem). One without a stacker disposes of each item before the next (ActionItem,
GetNextItem). The states of the transaction are in `media_transaction`; what moves is booked in `media`.

Refused items that must be presented hold up everything but PresentMedia, RetractMedia and Reset. Code lines
and images are personal: they are neither logged nor kept in the ledger.
"""

from __future__ import annotations

from typing import Any, ClassVar

from xfs4iot import devices
from xfs4iot.devices import MediaInRequest, MediaParameters, MediaStored, MediaTakenIn, implements
from xfs4iot.interfaces.checks import check_mode_on, device_ready
from xfs4iot.interfaces.documents import checks
from xfs4iot.interfaces.documents.media_intake import MediaIntake
from xfs4iot.interfaces.documents.media_moving import Watching
from xfs4iot.interfaces.documents.media_told import count_told, image_read, images_wished, media_told
from xfs4iot.interfaces.documents.media_transaction import Private, Transaction
from xfs4iot.interfaces.resetting import reset_all
from xfs4iot.protocol import errors
from xfs4iot.protocol.command_events.check import PresentMediaEvents
from xfs4iot.protocol.messages import check as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import handles

__all__ = ["Check"]

_READY = (device_ready, checks.nothing_to_present)


def _one_by_one(on: Check) -> bool:
    return on.device.max_media_on_stacker <= 1 or on.device.application_refuse


class Check(MediaIntake):
    """The interface of devices that take in cheques."""

    name: ClassVar[str] = "Check"

    @handles("Check.GetTransactionStatus")
    def get_transaction_status(
        self, request: messages.GetTransactionStatus | None, command: Command
    ) -> messages.GetTransactionStatusCompletion:
        """`Check.GetTransactionStatus` 3.0."""
        transaction = self.transaction
        stacker = bool(self.device.max_media_on_stacker)
        with_images = request is None or request.include_image is not False
        return messages.GetTransactionStatusCompletion(
            media_in_transaction=transaction.told(self.movements.in_doubt),
            media_on_stacker=count_told(transaction.on_stacker) if stacker else None,
            last_media_in_total=count_told(transaction.last),
            last_media_added_to_stacker=count_told(transaction.last_on_stacker) if stacker else None,
            total_items=str(len(transaction.items)),
            total_items_refused=str(transaction.refused),
            total_bunches_refused=str(transaction.bunches),
            media_info=media_told(self, with_images=with_images) or None,
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
            images_wished(wanted.image),
            self.transaction.most,
            self.transaction.application_refuses,
            self.transaction.next_number if self.transaction.state == "active" else 1,
        )

        async def ask(events: Watching) -> MediaTakenIn:
            taken = await self.service.operations.ask(
                devices.Check.media_in, ordered, events, believe=self.possible_intake
            )
            if taken.failure is not None:
                # A failed MediaIn has the counts in its completion as well: items may be inside.
                taken.failure.payload = self.taken_in(taken)
            return taken

        taken = await self.take_in(command, "mediaIn", ask, self.count_in, stop=self.stopped)
        return self.taken_in(taken)

    @handles(
        "Check.MediaInEnd",
        checks=(*_READY, checks.active_for_media),
        device=("shutterFail", "mediaJammed", "mediaBinError", "positionNotEmpty", "feederNotEmpty"),
    )
    async def media_in_end(self, request: None, command: Command[Any]) -> messages.MediaInEndCompletion:
        """`Check.MediaInEnd` 2.0, completion 2.1."""

        async def ask(events: Watching) -> MediaStored:
            return await self.service.operations.ask(
                devices.Check.media_in_end, events, moving=True, believe=self.believe_ended
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
                devices.Check.media_in_rollback, events, moving=True, believe=self.believe_ended
            )

        after = "rollbackAfterDeposit" if self.transaction.deposited else "rollback"
        done = await self.end(command, "mediaInRollback", ask, after)
        return messages.MediaInRollbackCompletion(media_in_rollback=self._ended(done))

    @handles(
        "Check.ReadImage",
        checks=(
            checks.media_given,
            checks.codeline_readable,
            checks.images_readable,
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
        images = images_wished(request.image)
        inside = self.transaction.items[number].place == "device"
        if self.device.rescan and implements(self.device, "read_image") and inside:
            able = tuple(wish for wish in images if checks.takes_image(self, wish.source))
            read = await self.ask(
                devices.Check.read_image, number, request.codeline_format, able, moving=True
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
                image=[image_read(self, private, wish.source) for wish in images] or None,
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
            else messages.RetractMediaCompletionMedia(count=count_told(done.count), retract_location=place)
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
            images=images_wished(request.image),
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
                devices.Check.action_item, events, moving=True, believe=self.believe_ended
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
