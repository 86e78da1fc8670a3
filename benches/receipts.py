"""How long a receipt of 40 fields takes to be drawn, and how much of that is Pillow's own work.

    python benches/receipts.py

The ratio is to Pillow that draws the same texts at the same places with a font that is open already.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PIL import Image, ImageDraw

from xfs4iot.devices import PrintPage, PrintText
from xfs4iot.printing import fonts
from xfs4iot.printing.pages import Head

FIELDS, ROUNDS = 40, 200


def best(action: Callable[[], object]) -> float:
    """The shortest of many rounds, in milliseconds: all else is the machine's."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return min(found) * 1_000


def main() -> None:
    head = Head()
    texts = [(5_000 + 35_000 * (n % 2), 4_233 * (n // 2), f"Field {n:2} {n * 17}.00") for n in range(FIELDS)]
    items = tuple(PrintText(x, y, 25_000, 4_233, text) for x, y, text in texts)
    page = PrintPage(width=72_000, length=None, front=items)
    look = head.lettering(items[0].font)
    font = fonts.font(look.face, False, look.size)

    def bare() -> None:
        image = Image.new("L", (575, 680), 255)
        pen = ImageDraw.Draw(image)
        pen.fontmode = "1"
        for x, y, text in texts:
            pen.text((head.in_dots(x), head.in_dots(y)), text, font=font, fill=0)
        image.convert("1")

    whole, alone = best(lambda: head.draw(page).finished()), best(bare)
    print(f"{FIELDS} fields: {whole:.2f} ms; Pillow alone {alone:.2f} ms; {whole / alone:.2f} times as long")


if __name__ == "__main__":
    main()
