"""Printing: pages and a printer's own bytes made into pictures, PDF, and bytes for a real printer.

Fonts come with the package. Whoever draws needs Pillow and zxing-cpp, as `xfs4iot[simulator]` and
`xfs4iot[escpos]` install them; without them this raises `HardwareError` with that advice.
"""
