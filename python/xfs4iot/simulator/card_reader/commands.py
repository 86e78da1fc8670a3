"""What people do to the simulated card reader, and what its cards' issuer answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import msgspec

from xfs4iot.protocol import errors
from xfs4iot.simulator.card_reader.cards import Card
from xfs4iot.simulator.card_reader.machine import CardMachine, Offered
from xfs4iot.simulator.commands import Completion, Count, Milliseconds, Request, command

__all__ = ["CardReaderCommands"]

_HOLDING = ("motor", "dip", "latchedDip", "swipe")


class InsertCard(Request):
    """Which card is inserted, swiped or dipped, and how.

    Attributes:
        card: its name.
        way: the right one, the wrong one, or something that is not a card.
        at_once: only if the entrance is open now; else it is held there until it opens.
        after: milliseconds later.
    """

    card: str | None = None
    way: Literal["right", "wrong", "foreign"] = "right"
    at_once: bool = False
    after: Milliseconds | None = None


class TapCard(Request):
    """Which cards are held into the field.

    Attributes:
        cards: their names; several at once collide.
        after: milliseconds later.
    """

    cards: tuple[str, ...] = ()
    after: Milliseconds | None = None


class MakeCard(Request):
    """A card that somebody has from now on.

    Attributes:
        name: of the card.
        card: as in a profile.
    """

    name: str | None = None
    card: dict[str, Any] = msgspec.field(default_factory=dict)


class TakeCard(Request):
    """When the card is taken."""

    after: Milliseconds | None = None


class TookCard(Completion):
    """The card that was taken; nothing if it will be."""

    card: str | None = None


class CardsOf(Request):
    """A unit of cards, and how many."""

    unit: str | None = None
    count: Count | None = None


class AnswerAsIssuer(Request):
    """What the issuer decides on the cryptogram that the chip in the reader has made.

    Attributes:
        code: authorisation response code, such as `00`.
    """

    code: str = "00"


class IssuersAnswer(Completion):
    """The issuer's authentication data (tag 91), as hexadecimal, for EXTERNAL AUTHENTICATE."""

    answer: str


class ShownTruth(Completion):
    """Where each card is.

    Attributes:
        transport, exit: the card there.
        latched, jammed: what holds it.
        units: cards in those that retain or park them.
        stock: how many are in those that give them out.
        hands: cards that people have.
    """

    transport: str | None
    exit: str | None
    latched: bool
    jammed: bool
    units: dict[str, list[str]]
    stock: dict[str, int]
    hands: list[str]


class CardReaderCommands(CardMachine):
    """The `Simulator` commands of the card reader."""

    def _require_card(self, name: str | None, path: str = "$.card") -> str:
        """A card that somebody has in his hands.

        Raises:
            InvalidData: there is no such card.
            SequenceError: it is elsewhere.
        """
        state = self.state
        if name is None or name not in {*self.setup.cards, *state.given, *state.defined}:
            raise errors.InvalidData(f"{path}: name a card ({', '.join(self.setup.cards)})")
        if (place := self.place_of(name)) is not None:
            raise errors.SequenceError(
                f"{path}: {name} is in nobody's hands, but at {place}; see CardReader.Move to exit, "
                "then Simulator.TakeCard"
            )
        return name

    @command
    def insert_card(self, request: InsertCard) -> None:
        """Somebody inserts, swipes or dips a card, or will as soon as he can."""
        if self.reader_type not in _HOLDING:
            raise errors.SequenceError(
                f"a reader of type {self.reader_type} has no slot; see Simulator.TapCard"
            )
        name = None if request.way == "foreign" else self._require_card(request.card)
        offered = Offered(name, request.way)
        if request.at_once and not self.entrance_open:
            raise errors.SequenceError("the entrance is closed; see CardReader.ReadRawData")
        if request.after is not None:
            self.world.later(request.after / 1000, lambda: self.hold(offered))
        else:
            self.hold(offered)

    @command
    def tap_card(self, request: TapCard) -> None:
        """Somebody holds cards into the field."""
        if self.reader_type not in ("contactless", "intelligentContactless"):
            raise errors.SequenceError(
                f"a reader of type {self.reader_type} has no field; see Simulator.InsertCard"
            )
        names = tuple(self._require_card(name, "$.cards") for name in request.cards)
        if not names:
            raise errors.InvalidData("$.cards: name at least one card")

        def tap() -> None:
            self.field = names
            self.hold(Offered(names[0]))

        if request.after is not None:
            self.world.later(request.after / 1000, tap)
        else:
            tap()

    @command
    def take_card(self, request: TakeCard) -> TookCard:
        """Somebody takes the card from the exit, pulls it out of a dip, or out of the field; or will."""
        if request.after is not None:
            self.world.later(request.after / 1000, self.take)
            return TookCard()
        if self.field:
            gone, self.field, self.session = self.field[0], (), None
            self._chip_contact = "none"
            return TookCard(card=gone)
        return TookCard(card=self.take())

    @command
    def pull_out_card(self, request: Request) -> TookCard:
        """Somebody pulls his card out half-way, while it is on its way in or being read."""
        state = self.state
        name = state.exit or (state.transport if self.reader_type in ("dip", "latchedDip") else None)
        if name is None or state.jammed or state.latched:
            raise errors.SequenceError("there is no card that can be pulled out")
        self.shift(name, None)
        self.pulled.set()
        self.card_taken()
        return TookCard(card=name)

    @command
    def forget_card(self, request: Request) -> None:
        """Whoever is at the ATM goes away: nobody inserts or takes anything by himself any more."""
        self.let_go()
        self.setup = replace(self.setup, customer=None, takes_after=None)

    @command
    def make_card(self, request: MakeCard) -> None:
        """Somebody has another card."""
        name = request.name or ""
        if not name.isidentifier() or len(name) > 50:
            raise errors.InvalidData("$.name: letters, digits and _, at most 50")
        if name in self.setup.cards or self.place_of(name) is not None:
            raise errors.SequenceError(f"$.name: there is a card {name} already")
        try:
            card = msgspec.convert(request.card, Card, strict=False)
        except msgspec.ValidationError as wrong:
            raise errors.InvalidData(f"$.card: {wrong}") from None
        if problems := list(card.mistakes()):
            raise errors.InvalidData(f"$.card: {'; '.join(problems)}")
        self.state.defined[name] = msgspec.json.encode(card).decode()
        self.state.memory.pop(name, None)
        self.save()

    @command
    def empty_bin(self, request: CardsOf) -> None:
        """Somebody takes the cards out of a unit that retains or parks them; they are in hands again."""
        unit = self._require_unit(request.unit, "retain", "park")
        self.state.units[unit].clear()
        self.save()

    @command
    def fill_stack(self, request: CardsOf) -> None:
        """Somebody puts cards into a unit that gives them out; the device does not notice."""
        unit = self._require_unit(request.unit, "dispense")
        count = request.count or 0
        if count > self.layout[unit].capacity - self.held_in(unit):
            raise errors.InvalidData(f"$.count: {count} cards do not go into {unit}")
        self.state.stock[unit] += count
        self.save()

    def _require_unit(self, unit: str | None, *kinds: str) -> str:
        fitting = [name for name, one in self.layout.items() if one.type in kinds]
        if unit not in fitting:
            raise errors.InvalidData(
                f"$.unit: name one of {', '.join(fitting) or 'none: there is no such unit'}"
            )
        return unit

    @command
    def answer_as_issuer(self, request: AnswerAsIssuer) -> IssuersAnswer:
        """What the issuer of the card in the reader answers to its cryptogram."""
        session = self.session
        if session is None or not session.cryptogram:
            raise errors.SequenceError("no chip waits for its issuer: it has made no ARQC")
        code = request.code.encode("ascii", "replace")
        if len(code) != 2:
            raise errors.InvalidData("$.code: two characters")
        # Loaded with the chip.
        from xfs4iot.simulator.card_reader import cryptogram

        answer = cryptogram.response(session.session_key, session.cryptogram, code)
        return IssuersAnswer(answer=answer.hex().upper())

    def shown_truth(self) -> ShownTruth:
        state = self.state
        everyone = [*self.setup.cards, *state.given, *state.defined]
        return ShownTruth(
            transport=state.transport,
            exit=state.exit,
            latched=state.latched,
            jammed=state.jammed,
            units={unit: list(held) for unit, held in state.units.items()},
            stock=dict(state.stock),
            hands=[name for name in everyone if self.place_of(name) is None],
        )
