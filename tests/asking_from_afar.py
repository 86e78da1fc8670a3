"""What an application sees of the way to a device: medians in milliseconds, as a line of JSON.

python asking_from_afar.py URI CA
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import trio

import xfs4iot


async def main(uri: str, ca: str) -> None:
    took: dict[str, list[float]] = {"opening": [], "answer": []}
    for _ in range(5):
        began = time.perf_counter()
        async with xfs4iot.connect(uri, ca=Path(ca)) as device:
            took["opening"].append(time.perf_counter() - began)
            for _ in range(5):
                began = time.perf_counter()
                await device.call("Common.Status")
                took["answer"].append(time.perf_counter() - began)
    print(json.dumps({what: round(1000 * statistics.median(each), 1) for what, each in took.items()}))


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:3])
