"""The solver, asked so that nobody else has to wait for it.

It answers the usual questions in microseconds. Units that no bank has, many large values with nothing in
common, may take it to its limit of work, a tenth of a second and more; on the thread that serves
every client of the process, all of them would wait as long. So a question is first tried there
with a few steps; if those are not enough, it is raised as `LongSearch`, which goes on in a thread.

Counts, statuses and configurations may change meanwhile. So nothing of a plan outlasts the search
but the question and its answer: the plan is made again from the start, at once, of what there is
by then, and the answer serves only if the question is still the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import trio

from xfs4iot.denominate import DenominateError, MixTable, Unit, WorkLimit, denominate
from xfs4iot.protocol import errors

__all__ = ["Answer", "LongSearch", "Question"]

_AT_ONCE = 20_000
"""Steps of a search that clients may have to wait for: a fraction of a millisecond, 1 ms at the worst."""


class Question(NamedTuple):
    """What the solver is asked; see `xfs4iot.denominate.denominate`."""

    amounts: Mapping[str, Decimal]
    units: Sequence[Unit]
    mix: str | MixTable
    max_items: int | None
    partial: Mapping[str, int]

    def answer_at_once(self) -> Answer:
        """The answer.

        Raises:
            LongSearch: it takes longer than anybody should wait for.
        """
        answer = self._search(_AT_ONCE)
        if isinstance(answer.found, WorkLimit):
            raise LongSearch(self)
        return answer

    def answer(self) -> Answer:
        """The answer, however long it takes."""
        return self._search(None)

    def _search(self, work_limit: int | None) -> Answer:
        try:
            solved = denominate(
                self.amounts,
                self.units,
                mix=self.mix,
                max_items=self.max_items,
                partial=self.partial,
                work_limit=work_limit,
            )
        except DenominateError as impossible:
            return Answer(self, impossible)
        return Answer(self, {unit: count for unit, count in solved.values.items() if count > 0})


class Answer(NamedTuple):
    """What the solver found: items by unit, or why there are none."""

    question: Question
    found: dict[str, int] | DenominateError

    def items(self) -> dict[str, int]:
        """Items by unit.

        Raises:
            CommandError: there are none.
            InternalError: whether there are any is not known.
        """
        if isinstance(self.found, WorkLimit):
            amounts = " and ".join(f"{amount:f} {name}" for name, amount in self.question.amounts.items())
            raise errors.InternalError(
                f"whether the units can make up {amounts} was not found out within the solver's limit of "
                "work; ask for another amount or with another mix, or name the items (denomination.app)"
            ) from self.found
        if isinstance(self.found, DenominateError):
            raise errors.CommandError(self.found.error_code, str(self.found)) from self.found
        return self.found


class LongSearch(Exception):
    """A question that takes longer than the service's own thread may be held up."""

    def __init__(self, question: Question) -> None:
        super().__init__("the search is a long one")
        self.question = question

    async def answer(self, threads: trio.CapacityLimiter) -> Answer:
        """Search in a thread.

        A cancelled wait ends at once; the search goes on unheard to the solver's limit of work, and
        keeps its place in `threads` until then, so that asking and cancelling gives nobody further threads.
        """
        return await trio.to_thread.run_sync(self.question.answer, abandon_on_cancel=True, limiter=threads)
