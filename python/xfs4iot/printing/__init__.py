"""Printing: pages and a printer's own bytes made into pictures, PDF, and bytes for a real printer.

Fonts come with the package. Whoever draws needs Pillow and zxing-cpp, as `xfs4iot[simulator]` and
`xfs4iot[escpos]` install them; without them this raises `HardwareError` with that advice.

What draws is loaded when the first of its names is asked for here: a printer that waits draws nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xfs4iot.printing.canvas import LONGEST, Canvas, Lettering
    from xfs4iot.printing.pages import Head
    from xfs4iot.printing.pdf import as_pdf

__all__ = ["LONGEST", "Canvas", "Head", "Lettering", "as_pdf"]

_MODULES = {"LONGEST": "canvas", "Canvas": "canvas", "Head": "pages", "Lettering": "canvas", "as_pdf": "pdf"}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
