"""What a MediaIn has brought in: whether it can be, what is kept of it, and what becomes of one given up."""

from __future__ import annotations

from xfs4iot import devices
from xfs4iot.devices import MediaTakenIn, implements
from xfs4iot.interfaces.documents.media_moving import MediaMoves
from xfs4iot.interfaces.documents.media_reported import require_taken_in
from xfs4iot.interfaces.documents.media_transaction import Transaction
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import check as messages

__all__ = ["MediaIntake"]


class MediaIntake(MediaMoves):
    """What comes in."""

    def taken_in(self, taken: MediaTakenIn) -> messages.MediaInCompletion:
        """The completion that tells of it."""
        return messages.MediaInCompletion(
            media_in=messages.Mediain(
                media_on_stacker=taken.on_stacker,
                last_media=taken.last,
                last_media_on_stacker=taken.last_on_stacker,
                media_feeder=self.device.status.check.media_feeder,
            )
        )

    def possible_intake(self, taken: MediaTakenIn) -> None:
        """See that items can have come in so. Raises Mismatch."""
        self.believe_failure(taken)
        require_taken_in(self, taken)

    async def stopped(self) -> MediaTakenIn | None:
        """Close the slot, and say what came in before; None if nobody knows."""
        if implements(self.device, "stop_media_in"):
            try:
                return await self.ask(devices.Check.stop_media_in, moving=True, believe=self.possible_intake)
            except errors.XfsError as fault:
                self.service.log.error("whether the slot is closed is not known: %s", fault)
        return None

    def count_in(self, transaction: Transaction, taken: MediaTakenIn | None) -> None:
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
