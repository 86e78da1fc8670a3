"""The commands that pages of interfaces begin with succeed at a simulated ATM, in the order of the page."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import trio

import xfs4iot
from xfs4iot.interfaces import MODULES
from xfs4iot.simulator import atm

PAGES = Path(__file__).parents[2] / "docs" / "interfaces"
SECTIONS = (
    "For applications",
    "For vendors",
    "Commands",
    "Events",
    "What is looked at, in this order",
    "The simulated device",
)
CALL = re.compile(r"^xfs4iot call URI (.*)$", re.MULTILINE)


def calls(page: Path) -> list[tuple[str, dict[str, Any]]]:
    found = (shlex.split(arguments) for arguments in CALL.findall(page.read_text("utf-8")))
    return [(command, json.loads(payload[0]) if payload else {}) for command, *payload in found]


EXAMPLES = {page.stem: found for page in sorted(PAGES.glob("*.md")) if (found := calls(page))}


def test_pages_have_examples() -> None:
    assert len(EXAMPLES) > 4


@pytest.mark.parametrize("page", EXAMPLES)
async def test_what_a_page_begins_with_succeeds(page: str) -> None:
    async with trio.open_nursery() as nursery:
        with xfs4iot.Ledger.open(None) as ledger:
            services = atm(ledger=ledger, state=None, seconds=0)
            publisher = xfs4iot.Publisher(services, port=0)
            await nursery.start(publisher.serve)
            wanted = EXAMPLES[page][0][0].partition(".")[0]
            service = next(one for one in services if wanted in one.interfaces)
            async with xfs4iot.connect(publisher.uri(service.name)) as application:
                for command, payload in EXAMPLES[page]:
                    await application.call(command, payload)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("page", sorted(one.stem for one in PAGES.glob("*.md")))
def test_the_pages_read_alike(page: str) -> None:
    headings = re.findall(r"^## (.*)$", (PAGES / f"{page}.md").read_text("utf-8"), re.MULTILINE)
    optional = {"Events", "What is looked at, in this order"} - set(headings)
    assert [one for one in headings if one in SECTIONS] == [one for one in SECTIONS if one not in optional]
    # What a page has besides stands behind what all have, or just before the simulated device.
    assert headings[-1] == SECTIONS[-1]
    assert headings[:2] == list(SECTIONS[:2])


def test_every_interface_has_a_page() -> None:
    pages = {one.read_text("utf-8").partition("\n")[0].removeprefix("# ") for one in PAGES.glob("*.md")}
    assert pages == {*MODULES, "ServicePublisher"}
