"""Printing: pages and a printer's own bytes made into pictures, PDF, and bytes for a real printer.

Fonts come with the package. Whoever draws needs Pillow and zxing-cpp, as `xfs4iot[simulator]` and
`xfs4iot[escpos]` install them; without them this raises `HardwareError` with that advice.

What draws is loaded when the first of its names is asked for here: a printer that waits draws nothing.
"""

from typing import TYPE_CHECKING

from xfs4iot.late import late

if TYPE_CHECKING:
    from xfs4iot.printing.canvas import LONGEST, Canvas, Lettering
    from xfs4iot.printing.pages import Head
    from xfs4iot.printing.pdf import as_pdf

__all__ = ["LONGEST", "Canvas", "Head", "Lettering", "as_pdf"]

_MODULES = {"LONGEST": "canvas", "Canvas": "canvas", "Head": "pages", "Lettering": "canvas", "as_pdf": "pdf"}

if not TYPE_CHECKING:
    __getattr__ = late(__name__, _MODULES)
