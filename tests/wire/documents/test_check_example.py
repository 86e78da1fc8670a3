"""The class that the page of Check shows to vendors, as it stands there, before a stand-in for its line."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

import xfs4iot.devices.check
from vendors import serving

PAGE = Path(__file__).parents[3] / "docs/interfaces/check.md"


class Line:
    """Feeds two cheques each time."""

    def __init__(self) -> None:
        self.inside = 0

    async def feed(self, most: int) -> AsyncIterator[Any]:
        for _ in range(2):
            await trio.lowlevel.checkpoint()
            self.inside += 1
            yield SimpleNamespace(line=f"LINE{self.inside}")

    async def store(self) -> int:
        await trio.lowlevel.checkpoint()
        count, self.inside = self.inside, 0
        return count

    give_back = store


def scanner() -> Any:
    text = PAGE.read_text("utf-8").split("## For vendors")[1]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)
    device = names["MyScanner"]("Check")
    device.port = Line()
    return device


async def test_what_the_page_shows_to_vendors_is_a_whole_device(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    device = scanner()
    client = await serving(device, nursery)
    assert not [one for one in caplog.records if one.name.startswith("xfs4iot.service.")]
    for end, place in (("MediaInRollback", "customer"), ("MediaInEnd", "unit1")):
        for _ in range(2):
            await client.success("Check.MediaIn", {"codelineFormat": "e13b"})
        info = (await client.success("Check.GetTransactionStatus"))["mediaInfo"]
        assert [(one["mediaID"], one["codelineData"]) for one in info] == [
            (number, f"LINE{number}") for number in range(1, 5)
        ]
        await client.success(f"Check.{end}")
        if end == "MediaInRollback":
            # What a customer left in the slot is in the way of the next.
            assert await client.failure("Check.MediaIn") == "mediaPresent"
            device.media_taken("input")
            await client.until("unsolicited", name="Check.MediaTakenEvent")
        places = (await client.success("Check.GetTransactionStatus"))["mediaInfo"]
        assert [one["mediaLocation"] for one in places] == [place] * 4
    units = (await client.success("Storage.GetStorage"))["storage"]
    assert units["unit1"]["check"]["status"]["in"]["mediaInCount"] == 4


def test_the_module_shows_the_same_class() -> None:
    page = PAGE.read_text("utf-8")
    assert xfs4iot.devices.check.__doc__ is not None
    shown = xfs4iot.devices.check.__doc__.partition("\n\n")[2].strip()
    assert shown in page
