"""The bytes of one PrintRaw, as the pieces of paper that they make."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from xfs4iot.printing.outcomes import Answer, Cut
from xfs4iot.printing.patience import Patience

if TYPE_CHECKING:
    from xfs4iot.printing.escpos.interpreter import EscPosInterpreter
    from xfs4iot.printing.plain_text import PlainTextInterpreter

__all__ = ["RawWork"]

_MOST_ANSWER = 64 * 1024
_PORTION = 16 * 1024
"""Bytes that are worked on before it is looked whether anybody still waits."""


class RawWork:
    """The bytes of one PrintRaw.

    Args:
        printer: that understands them.
        data: the bytes.

    Attributes:
        answer: what the printer says; a printer holds only so much that nobody has read.
        is_rest: whether the last piece was not cut.
    """

    def __init__(self, printer: EscPosInterpreter | PlainTextInterpreter, data: bytes) -> None:
        self._printer, self._data = printer, data
        self._patience = Patience()
        self._outcomes = self._all()
        self.answer = bytearray()
        self.is_rest = False

    def _all(self) -> Generator[Answer | Cut]:
        for at in range(0, len(self._data), _PORTION):
            self._patience.check()
            for one in self._printer.outcomes(self._data[at : at + _PORTION]):
                self._patience.check()
                if isinstance(one, Answer | Cut):
                    yield one

    def next_piece(self, patience: Patience) -> Cut | None:
        """The next piece; None if nothing is left. Takes its time: call it in a thread.

        Raises:
            GivenUp: nobody waits for it any more.
        """
        self._patience = patience
        for one in self._outcomes:
            if isinstance(one, Cut):
                return one
            self.answer += one.data[: _MOST_ANSWER - len(self.answer)]
        self.is_rest = True
        return self._printer.torn()

    def give_up(self) -> None:
        """Forget what was not printed."""
        self._outcomes.close()
        self._printer.torn()
