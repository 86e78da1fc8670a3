"""What a device has the broker keep: its events, and its last status.

The broker does not confirm it where the device asks for that: such a confirmation goes wherever the message
says, in the broker's own name, and so a device could have it written over what is kept of another. Instead
the broker copies the head of what it has kept to a subject that follows from the device's own.
"""

from __future__ import annotations

import json
import secrets

import trio

from xfs4iot.fleet.carrier import Carried, Carrier, CarrierLost
from xfs4iot.fleet.store import refusal
from xfs4iot.fleet.subjects import Subjects

__all__ = ["Keeping", "confirmed_at"]

_MARK = "X4-Mark"
"""A header by which the device knows again what it has sent."""


def confirmed_at(source: str, subjects: Subjects, last: str) -> dict[str, object]:
    """What a stream is made with that devices write to.

    Args:
        source: where they write: one `*` is the device.
        last: last part of the subject of confirmations.
    """
    destination = subjects.kept("{{wildcard(1)}}", last)
    return {"no_ack": True, "republish": {"src": source, "dest": destination, "headers_only": True}}


class Keeping:
    """A device's way to have something kept.

    Attributes:
        close: hear of it no more.
    """

    def __init__(self, carrier: Carrier, subjects: Subjects, device: str) -> None:
        self._carrier = carrier
        self._awaited: dict[str, trio.Event] = {}
        self.close = carrier.subscribe(subjects.kept(device, "*"), self._came)

    def _came(self, message: Carried) -> None:
        mark = next((value for name, value in (message.headers or {}).items() if name == _MARK), "")
        if (kept := self._awaited.get(mark)) is not None:
            kept.set()

    async def keep(self, subject: str, body: bytes, seconds: float = 5.0) -> None:
        """Have it kept; what was not confirmed may have been all the same.

        Raises:
            Absent: nothing is kept at the broker yet.
            CarrierLost: there is no connection, or no confirmation.
        """
        mark, kept = secrets.token_hex(12), trio.Event()
        self._awaited[mark] = kept
        problem: CarrierLost | None = None
        try:
            async with trio.open_nursery() as nursery:

                async def until_kept() -> None:
                    await kept.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(until_kept)
                try:
                    # Answered where nobody keeps it, and by a broker that was set up before there were marks.
                    answer = await self._carrier.request(subject, body, seconds, {_MARK: mark})
                    problem = refusal(json.loads(answer.body or b"{}"))
                except CarrierLost as lost:
                    problem = lost
                except (ValueError, AttributeError):
                    problem = CarrierLost("the broker's answer cannot be read")
                nursery.cancel_scope.cancel()
        finally:
            del self._awaited[mark]
        if problem is not None and not kept.is_set():
            raise problem
