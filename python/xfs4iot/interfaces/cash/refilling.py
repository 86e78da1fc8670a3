"""Items that go from unit to unit: what Replenish and Deplete are asked to do, and what they have done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xfs4iot.interfaces.cash.counts import Booking
from xfs4iot.interfaces.cash.units import CashUnits
from xfs4iot.protocol import errors, wire
from xfs4iot.protocol.messages import cash_acceptor as messages
from xfs4iot.server.handler import check

__all__ = [
    "deplete_given",
    "deplete_target_exists",
    "deplete_units_exist",
    "deplete_units_work",
    "depleted",
    "incomplete_deplete",
    "incomplete_replenish",
    "replenish_given",
    "replenish_source_exists",
    "replenish_units_exist",
    "replenish_units_work",
    "replenished",
    "sources_of",
    "targets_of",
]


def targets_of(request: messages.Replenish) -> dict[str, int | None]:
    """How many items each target is to get; None: all."""
    # 0 is all, as it is for XFS 3 and for clients that write out what they leave to the device.
    return {str(one.target): one.number_of_items_to_move or None for one in request.replenish_targets or ()}


def sources_of(request: messages.Deplete) -> dict[str, int | None]:
    """How many items are to be taken from each source; None: all."""
    return {str(one.source): one.number_of_items_to_move or None for one in request.deplete_sources or ()}


def _require_given(one: str | None, name: str, many: Iterable[str | None], names: str) -> None:
    listed = list(many)
    if not one:
        raise errors.InvalidData(f"$.{name} is missing; name a unit")
    if not listed or not all(listed):
        raise errors.InvalidData(f"$.{names}: name one unit at least")
    if len(set(listed)) < len(listed):
        raise errors.InvalidData(f"$.{names}: a unit is named twice")


@check("invalidData")
def replenish_given(on: Any, request: messages.Replenish) -> None:
    """`source`, and targets, each once"""
    targets = (one.target for one in request.replenish_targets or ())
    _require_given(request.source, "source", targets, "replenishTargets")


@check("invalidData")
def deplete_given(on: Any, request: messages.Deplete) -> None:
    """`cashUnitTarget`, and sources, each once"""
    sources = (one.source for one in request.deplete_sources or ())
    _require_given(request.cash_unit_target, "cashUnitTarget", sources, "depleteSources")


def _require_allowed(
    one: str | None, many: Iterable[str], allowed: Mapping[str, frozenset[str]], see: str
) -> None:
    if one is None or one not in allowed:
        raise errors.CommandError(
            "invalidCashUnit", f"{one!r} is not a unit for this; units that are: {', '.join(sorted(allowed))}"
        )
    if strange := sorted(set(many) - allowed[one]):
        raise errors.CommandError(
            "invalidCashUnit", f"{strange[0]!r} does not go together with {one!r}; see CashAcceptor.{see}"
        )


@check("invalidCashUnit")
def replenish_units_exist(on: Any, request: messages.Replenish) -> None:
    """the units: the source, and those that it can fill"""
    _require_allowed(request.source, targets_of(request), on.replenish_targets, "GetReplenishTarget")


@check("invalidCashUnit")
def deplete_units_exist(on: Any, request: messages.Deplete) -> None:
    """the units: the target, and those that it can be filled from"""
    _require_allowed(request.cash_unit_target, sources_of(request), on.deplete_sources, "GetDepleteSource")


def _require_working(cash: CashUnits, sources: Iterable[str], targets: Iterable[str]) -> None:
    for name in targets:
        cash.require_open(name)
    for name in sources:
        if reason := cash.out_of_use(name, tried=True):
            raise reason


@check("cashUnitError")
def replenish_units_work(on: Any, request: messages.Replenish) -> None:
    """whether the units work, the source has items and the targets have room"""
    _require_working(on.cash, [str(request.source)], list(targets_of(request)))


@check("cashUnitError")
def deplete_units_work(on: Any, request: messages.Deplete) -> None:
    """whether the units work, the sources have items and the target has room"""
    _require_working(on.cash, list(sources_of(request)), [str(request.cash_unit_target)])


def _counted(booking: Booking, unit: str, direction: int) -> dict[str, int]:
    """Items that came into a unit (1) or left it (-1), by item."""
    found: dict[str, int] = {}
    for posting in booking.postings:
        if posting.unit == unit and posting.bucket == "count" and posting.delta * direction > 0:
            found[posting.item] = found.get(posting.item, 0) + abs(posting.delta)
    return found


def _rejected(cash: CashUnits, booking: Booking, targets: Iterable[str]) -> int:
    """Items that went into reject units instead."""
    units = set(cash.names_of_type("reject")) - set(targets)
    return sum(sum(_counted(booking, unit, 1).values()) for unit in units)


def replenished(
    cash: CashUnits, booking: Booking, source: str, targets: Iterable[str]
) -> messages.ReplenishCompletion:
    """What a Replenish has done."""
    wanted = list(targets)
    return messages.ReplenishCompletion(
        number_of_items_removed=sum(_counted(booking, source, -1).values()) or None,
        number_of_items_rejected=_rejected(cash, booking, wanted) or None,
        replenish_target_results=[
            messages.ReplenishCompletionReplenishTargetResultsItem(
                target=target, cash_item=item or None, number_of_items_received=count
            )
            for target in wanted
            for item, count in _counted(booking, target, 1).items()
        ]
        or None,
    )


def incomplete_replenish(done: messages.ReplenishCompletion) -> messages.IncompleteReplenishEvent:
    """The same as an event, whose payload is of the same shape."""
    same = wire.decode(messages.IncompleteReplenishEventReplenish, wire.encode(done))
    return messages.IncompleteReplenishEvent(replenish=same)


def incomplete_deplete(done: messages.DepleteCompletion) -> messages.IncompleteDepleteEvent:
    """The same as an event, whose payload is of the same shape."""
    same = wire.decode(messages.IncompleteDepleteEventDeplete, wire.encode(done))
    return messages.IncompleteDepleteEvent(deplete=same)


def depleted(
    cash: CashUnits, booking: Booking, sources: Iterable[str], target: str
) -> messages.DepleteCompletion:
    """What a Deplete has done."""
    return messages.DepleteCompletion(
        number_of_items_received=sum(_counted(booking, target, 1).values()),
        number_of_items_rejected=_rejected(cash, booking, [target]),
        deplete_source_results=[
            messages.DepleteCompletionDepleteSourceResultsItem(
                cash_unit_source=source, cash_item=item or None, number_of_items_removed=count
            )
            for source in sources
            for item, count in _counted(booking, source, -1).items()
        ]
        or None,
    )


@check("invalidData")
def deplete_target_exists(on: Any, request: messages.GetDepleteSource) -> None:
    """`cashUnitTarget`: a unit that can be filled from others"""
    if request.cash_unit_target not in on.deplete_sources:
        raise errors.InvalidData(
            f"$.cashUnitTarget: {request.cash_unit_target!r} cannot be filled; units that can: "
            + ", ".join(sorted(on.deplete_sources))
        )


@check("invalidData")
def replenish_source_exists(on: Any, request: messages.GetReplenishTarget) -> None:
    """`source`: a unit that others can be filled from"""
    if request.source not in on.replenish_targets:
        raise errors.InvalidData(
            f"$.source: nothing can be filled from {request.source!r}; units that serve: "
            + ", ".join(sorted(on.replenish_targets))
        )
