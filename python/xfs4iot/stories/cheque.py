"""A cheque: taken in, its code line read, both sides pictured, deposited."""

from __future__ import annotations

import base64

from xfs4iot.stories.books import units_of
from xfs4iot.stories.entering import confirm
from xfs4iot.stories.stage import Rows, Stage

__all__ = ["play"]

CODE_LINE = "a111000025a 0123456789c 1001"
CHEQUE = {"codeline": CODE_LINE, "amount": "250.00", "payee": "Ada Lovelace", "date": "2026-05-04"}
UNIT = "unitPOCKET1"


async def play(stage: Stage) -> None:
    """A customer deposits a cheque of 250 EUR."""
    before = await units_of(stage, "Check")
    async with stage.step("Cheque in") as step:
        pictures = [
            {"source": side, "type": "jpg", "colorFormat": "grayScale", "scanColor": "white"}
            for side in ("front", "back")
        ]
        answer = await stage.call(
            "Check.MediaIn",
            {"codelineFormat": "e13b", "image": pictures},
            when={"Check.NoMediaEvent": ("Simulator.InsertCheques", {"items": [CHEQUE]})},
        )
        stage.expect("items on the stacker:", 1, answer["mediaIn"]["mediaOnStacker"])
        step.saw("one item on the stacker")
    async with stage.step("Code line read") as step:
        status = await stage.call("Check.GetTransactionStatus")
        item = status["mediaInfo"][0]
        stage.expect("the code line to be", CODE_LINE, item.get("codelineData"))
        step.saw(f"E-13B, magnetic: {CODE_LINE}")
    async with stage.step("Pictures taken") as step:
        taken = {one["imageSource"]: base64.b64decode(one["image"]) for one in item["image"]}
        stage.expect("pictures of", ["back", "front"], sorted(taken))
        step.saw("front and back")
    for side, picture in taken.items():
        stage.keeps(f"cheque-{side}.jpg", picture, f"the cheque's {side}")
    await confirm(stage, "the deposit of his cheque")
    async with stage.step("Destination set") as step:
        await stage.call("Check.SetMediaParameters", {"destination": UNIT})
        step.saw(f"it will go to {UNIT}")
    async with stage.step("Cheque deposited") as step:
        answer = await stage.call("Check.MediaInEnd")
        stage.expect("items given back:", 0, answer["mediaInEnd"].get("itemsReturned", 0))
        step.saw("it is in its unit")
    async with stage.step("Books compared") as step:
        after = await units_of(stage, "Check")
        rows = []
        for name, unit in after.items():
            then, now = (one["check"]["status"]["in"]["count"] for one in (before[name], unit))
            rows.append((name, then, now))
        stage.expect(
            "the units to have got", {UNIT: 1}, {name: now - then for name, then, now in rows if now != then}
        )
        step.saw("one item more is in the unit")
    changed = frozenset(number for number, (_, then, now) in enumerate(rows) if then != now)
    stage.shows(Rows("Check units", ("Unit", "Before", "After"), rows, changed))
