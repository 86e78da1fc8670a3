"""What was printed by commands but not yet on paper: pages that wait for a flush.

A PrintForm with `flush` false leaves its pages here; the next one adds to them, page by page, as long as the
paper is the same. They belong to the service, not to a client, and go when the last client does.
"""

from __future__ import annotations

import dataclasses

from xfs4iot.devices import PrintGraphic, PrintItem, PrintJob, PrintPage

__all__ = ["PrintBuffer"]

_MOST_ITEMS = 20_000
_MOST_BYTES = 32 * 1024 * 1024


class PrintBuffer:
    """Pages that wait; empty at first."""

    def __init__(self) -> None:
        self._job: PrintJob | None = None

    @property
    def is_empty(self) -> bool:
        return self._job is None

    @property
    def job(self) -> PrintJob | None:
        """What waits; None for nothing."""
        return self._job

    def clear(self) -> None:
        """Forget it all."""
        self._job = None

    def takes(self, job: PrintJob) -> bool:
        """Whether a job can be added: its paper is the same, and there is room."""
        waiting = self._job
        if waiting is None:
            return True
        if dataclasses.replace(waiting, pages=job.pages) != job:
            return False
        one, other = waiting.pages[0], job.pages[0]
        if (one.width, one.length) != (other.width, other.length):
            return False
        items, size = _extent((*waiting.pages, *job.pages))
        return items <= _MOST_ITEMS and size <= _MOST_BYTES

    def joined(self, job: PrintJob) -> PrintJob:
        """What waits, and a job that it takes, as one."""
        if self._job is None:
            return job
        pages = [
            PrintPage(one.width, one.length, one.front + other.front, one.back + other.back)
            for one, other in zip(self._job.pages, job.pages, strict=False)
        ]
        longer = max(self._job.pages, job.pages, key=len)
        return dataclasses.replace(job, pages=(*pages, *longer[len(pages) :]))

    def keep(self, job: PrintJob) -> None:
        """Let a job wait, in the place of what waits now."""
        self._job = job


def _extent(pages: tuple[PrintPage, ...]) -> tuple[int, int]:
    """How many items pages have, and how many bytes of pictures."""
    items: list[PrintItem] = [item for page in pages for item in (*page.front, *page.back)]
    return len(items), sum(len(item.data) for item in items if isinstance(item, PrintGraphic))
