"""Makes the fonts that printers draw with: DejaVu, cut down to what receipts are written in.

    python tools/subset_fonts.py [DIRECTORY OF DejaVu*.ttf]

Needs `fonttools`, and the fonts as Debian has them (`fonts-dejavu-core`). Run by hand when a writing system
is added; nothing is renamed, since DejaVu has neither of the two names that its licence protects.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset

SOURCE = Path("/usr/share/fonts/truetype/dejavu")
TARGET = Path(__file__).parent.parent / "python/xfs4iot/printing/fonts"
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold")
WRITTEN = (
    (0x0020, 0x007E),  # Latin
    (0x00A0, 0x024F),
    (0x02B0, 0x036F),  # modifiers, combining accents
    (0x0370, 0x03FF),  # Greek
    (0x0400, 0x052F),  # Cyrillic
    (0x0590, 0x05FF),  # Hebrew
    (0x0600, 0x06FF),  # Arabic
    (0x1E00, 0x1EFF),  # Latin, Vietnamese
    (0x2010, 0x206F),  # punctuation, direction marks
    (0x2070, 0x209F),  # superscripts, subscripts
    (0x20A0, 0x20CF),  # currencies
    (0x2100, 0x218F),  # letterlike, fractions
    (0x2190, 0x21FF),  # arrows
    (0x2500, 0x25FF),  # box drawing, blocks, shapes
    (0xFB1D, 0xFB4F),  # Hebrew and Arabic as printers without shaping need them
    (0xFE70, 0xFEFF),
    (0xFFFD, 0xFFFD),
)
SINGLE = (
    "\u2212\u2215\u2219\u221a\u221e\u2229\u222b\u2248\u2260\u2261\u2264\u2265"
    "\u2302\u2310\u2320\u2321\u2605\u260e\u2611\u2612\u263a\u263b\u263c\u2640"
    "\u2642\u2660\u2663\u2665\u2666\u266a\u266b\u2713\u2717"
)


def main(source: Path) -> None:
    unicodes = [one for first, last in WRITTEN for one in range(first, last + 1)]
    for face in FACES:
        options = subset.Options()
        options.layout_features = ["*"]
        options.name_IDs = ["*"]
        options.notdef_outline = True
        options.glyph_names = False
        options.recalc_timestamp = False
        options.drop_tables += ["FFTM"]
        font = subset.load_font(str(source / f"{face}.ttf"), options)
        cut = subset.Subsetter(options)
        cut.populate(unicodes=unicodes, text=SINGLE)
        cut.subset(font)
        subset.save_font(font, str(TARGET / f"{face}.ttf"), options)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
