"""Play every story, and write what it tells into docs/stories.md; `--check` only looks whether it is current.

Between `<!-- told: NAME -->` and `<!-- end -->` stands the output of the story, as in a pipe; the rest of the
page is written by hand. Movements take no time, and keys are the same each time.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import trio
from current import keep_current
from rich.console import Console

from xfs4iot.cli.hosting import simulated_atm
from xfs4iot.cli.story_screen import ScreenTeller
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.stories import STORIES, play
from xfs4iot.stories.host import Host
from xfs4iot.stories.stage import Stage

PAGE = Path(__file__).parent.parent / "docs" / "stories.md"
KEY = bytes(range(32))


async def told(name: str) -> str:
    """What a story tells, played over TLS."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        security = EndToEndSecurity(key=KEY, required="always", responses="always")
        async with (
            simulated_atm(Path("atm"), STORIES[name].profile, port=0, seconds=0, security=security) as atm,
            Stage.opened(
                {service: atm.publisher.uri(service) for service in atm.publisher.services},
                teller=ScreenTeller(Console(file=out, width=80, force_terminal=False)),
                host=Host(KEY, KEY),
                pictures=Path("pictures"),
                ca=atm.ca,
            ) as stage,
        ):
            await play(name, stage)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def written(page: str) -> str:
    """The page with what the stories tell now."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n```\n{trio.run(told, found[2])}\n```\n{found[3]}"

    return re.sub(r"(<!-- told: ([a-z-]+) -->).*?(<!-- end -->)", block, page, flags=re.DOTALL)


def main() -> int:
    page = PAGE.read_text("utf-8")
    text = written(page)
    missing = [name for name in STORIES if f"<!-- told: {name} -->" not in page]
    if missing:
        print(f"{PAGE} has no {', '.join(missing)}")
        return 1
    return keep_current(PAGE, text)


if __name__ == "__main__":
    sys.exit(main())
