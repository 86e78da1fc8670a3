"""`xfs4iot denominate`: work out which items pay an amount, and say why none do."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import click

from xfs4iot.cli import arguments
from xfs4iot.cli.characters import escape
from xfs4iot.cli.prose import Console
from xfs4iot.cli.table import Table
from xfs4iot.denominate import (
    DenominateError,
    Denomination,
    NotDispensable,
    TooManyItems,
    Unit,
    nearest,
)
from xfs4iot.denominate import denominate as solve

__all__ = ["denominate"]

_COUNT = re.compile("[0-9]{1,18}")
_UNIT = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?x[0-9]{1,18}")
_MIXES = ("minimumBills", "equalEmptying", "maxCashUnits")


def _unit(given: str, place: int, currency: str) -> Unit:
    name, equals, held = given.rpartition("=")
    value, _, count = held.partition("x")
    if re.search("[0-9]{19}", held):
        raise click.BadParameter(
            f"{given[:40]!r} has a number of more than 18 digits; give a smaller one", param_hint="--unit"
        )
    if not _UNIT.fullmatch(held) or (equals and not name):
        raise click.BadParameter(f"{given!r} is not [NAME=]VALUExCOUNT, such as 50x200", param_hint="--unit")
    try:
        return Unit(name or f"unit{place}", currency, value, int(count))
    except DenominateError as wrong:
        raise click.BadParameter(f"{given!r}: {wrong}", param_hint="--unit") from None


def _contained(partial: tuple[str, ...], units: list[Unit]) -> dict[str, int]:
    names = [unit.id for unit in units]
    contained: dict[str, int] = {}
    for given in partial:
        name, equals, count = given.rpartition("=")
        if not equals or not _COUNT.fullmatch(count):
            raise click.BadParameter(f"{given!r} is not NAME=COUNT, such as unit1=2", param_hint="--partial")
        if name not in names:
            known = ", ".join(names)
            raise click.BadParameter(
                f"no unit is called {name!r}; name one of {known}", param_hint="--partial"
            )
        if name in contained:
            raise click.BadParameter(f"unit {name!r} is named twice; give one count", param_hint="--partial")
        contained[name] = int(count)
    return contained


@click.command()
@click.argument("amount", callback=arguments.money)
@click.option(
    "--unit", "given", multiple=True, required=True, metavar="[NAME=]VALUExCOUNT",
    help="A storage unit: what an item is worth, and how many there are. Named unit1, unit2, … by default.",
)  # fmt: skip
@click.option(
    "--currency", default="EUR", show_default=True, callback=arguments.currency,
    help="Three letters of ISO 4217.",
)  # fmt: skip
@click.option("--max-items", type=click.IntRange(min=0), help="Items that can be dispensed at once.")
@click.option(
    "--mix", "chosen", type=click.Choice([*_MIXES, "all"]), multiple=True, default=_MIXES[:1],
    show_default=True,
    help="How to choose; several, or all, are compared side by side.",
)  # fmt: skip
@click.option(
    "--partial", multiple=True, metavar="NAME=COUNT", help="Items of a unit that must be contained."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; amounts are text, exact.")
def denominate(
    amount: Decimal,
    given: tuple[str, ...],
    currency: str,
    max_items: int | None,
    chosen: tuple[str, ...],
    partial: tuple[str, ...],
    as_json: bool,
) -> None:
    """Work out which items pay AMOUNT.

    \b
    xfs4iot denominate 1230 --unit 50x200 --unit 20x300 --unit 10x0 --max-items 60
    """
    units = [_unit(text, place, currency) for place, text in enumerate(given, 1)]
    if twice := [name for name, times in Counter(unit.id for unit in units).items() if times > 1]:
        raise click.BadParameter(f"two units are called {twice[0]!r}", param_hint="--unit")
    contained = _contained(partial, units)
    mixes = _MIXES if "all" in chosen else tuple(dict.fromkeys(chosen))
    results: dict[str, Denomination | DenominateError] = {}
    for name in mixes:
        try:
            results[name] = solve(amount, units, mix=name, max_items=max_items, partial=contained)
        except DenominateError as impossible:
            results[name] = impossible
    near: tuple[Decimal | None, Decimal | None] | None = None
    if any(isinstance(result, NotDispensable | TooManyItems) for result in results.values()):
        try:
            near = nearest(amount, units, max_items=max_items, partial=contained)
        except DenominateError:
            near = None
    if as_json:
        _print_json(amount, currency, results, near)
    else:
        _print(units, amount, currency, results, near)
    if not any(isinstance(result, Denomination) for result in results.values()):
        raise SystemExit(1)


def _as_data(result: Denomination | DenominateError) -> dict[str, Any]:
    if isinstance(result, Denomination):
        return {"items": result.items, "values": result.values}
    return {"errorCode": result.error_code, "errorDescription": str(result)}


def _print_json(
    amount: Decimal,
    currency: str,
    results: dict[str, Denomination | DenominateError],
    near: tuple[Decimal | None, Decimal | None] | None,
) -> None:
    data: dict[str, Any] = {"amount": f"{amount:f}", "currency": currency}
    if len(results) == 1:
        ((mix, result),) = results.items()
        data |= {"mix": mix, **_as_data(result)}
    else:
        data["mixes"] = {name: _as_data(result) for name, result in results.items()}
    if near is not None:
        below, above = (None if one is None else f"{one:f}" for one in near)
        data["nearest"] = {"below": below, "above": above}
    click.echo(json.dumps(data))


def _print(
    units: list[Unit],
    amount: Decimal,
    currency: str,
    results: dict[str, Denomination | DenominateError],
    near: tuple[Decimal | None, Decimal | None] | None,
) -> None:
    console = Console(highlight=False)
    found = {name: result for name, result in results.items() if isinstance(result, Denomination)}
    if found:
        table = Table(title=f"{amount:f} {currency}", title_justify="left", show_footer=True)
        table.add_column("unit", footer="items")
        table.add_column("value", justify="right")
        table.add_column("holds", justify="right")
        for name, result in found.items():
            table.add_column(name, justify="right", style="bold", footer=str(result.items))
        for unit in units:
            taken = [result.values.get(unit.id, 0) for result in found.values()]
            row = (str(count) if count else "–" for count in taken)
            style = None if any(taken) else "dim"
            table.add_row(escape(unit.id), f"{unit.value:f}", str(unit.count), *row, style=style)
        console.print(table)
    reasons: dict[str, list[str]] = {}
    for name, failure in results.items():
        if isinstance(failure, DenominateError):
            # The `[/]` ends the red that begins where the text is printed.
            text = f"{failure.error_code}[/]: {escape(str(failure))}"
            reasons.setdefault(text, []).append(name)
    for text, names in reasons.items():
        console.print(f"[bold red]{', '.join(names)}: {text}")
    if near is not None:
        console.print(_explained(near, currency))


def _explained(near: tuple[Decimal | None, Decimal | None], currency: str) -> str:
    below, above = (None if one is None else f"[bold]{one:f} {currency}[/]" for one in near)
    if below and above:
        return f"The nearest amounts that can be dispensed are {below} and {above}."
    if below:
        return f"The largest amount that can be dispensed is {below}."
    if above:
        return f"The smallest amount that can be dispensed is {above}."
    return "With these units and limits nothing can be dispensed."
