"""Notes out: a token of the host, dispensed, presented, taken, and the dispenser's word for it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from xfs4iot.stories.stage import Stage

__all__ = ["pay_out"]


async def pay_out(
    stage: Stage, amount: Decimal, denomination: Mapping[str, Any] | None = None
) -> Mapping[str, int]:
    """The steps of one payout; how many notes came from each unit.

    Args:
        denomination: of the request; None: the device chooses the notes by its mix.
    """
    wanted = denomination or {"service": {"currencies": {"EUR": amount}, "mix": "mix1"}}
    request: dict[str, Any] = {"denomination": {"denomination": wanted}}
    if stage.host.makes_tokens:
        async with stage.step("Token") as step:
            nonce = (await stage.call("Common.GetCommandNonce", of="CashDispenser"))["commandNonce"]
            request["token"] = stage.host.token(nonce, {"EUR": amount})
            step.saw(f"the host allows {amount} EUR to be dispensed, once")
    async with stage.step("Notes counted out") as step:
        answer = await stage.call("CashDispenser.Dispense", request)
        paid: Mapping[str, int] = answer["denomination"]["values"]
        step.saw(
            ", ".join(f"{count} from {unit}" for unit, count in paid.items()) + "; they are on the stacker"
        )
    async with stage.step("Notes out") as step:
        await stage.call("CashDispenser.Present", {"position": "outDefault"})
        step.saw("the shutter is open, the notes wait for the customer")
    async with stage.step("Notes taken") as step:
        taken = await stage.hand(
            "TakeItems",
            {"service": stage.service_of("CashDispenser")},
            then=("CashManagement", "CashManagement.ItemsTakenEvent"),
        )
        step.saw(f"the customer has them, from {taken['position']}")
    if stage.host.makes_tokens:
        async with stage.step("Payout reported") as step:
            asked = {"nonce": stage.host.report_nonce()}
            status = await stage.call("CashDispenser.GetPresentStatus", asked)
            report = stage.host.report(status["token"])
            stage.expect("the dispenser to have presented", {"EUR": amount}, report.presented_amounts)
            step.saw(f"the dispenser's own token says so: {amount} EUR presented, nothing retracted")
            stage.expect("retracted to be", False, report.retracted)
    return paid
