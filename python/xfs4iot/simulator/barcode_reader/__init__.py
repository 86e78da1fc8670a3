"""The simulated barcode reader: it is shown pictures, and really decodes them."""

from xfs4iot.simulator.barcode_reader.device import SimulatedBarcodeReader

__all__ = ["SimulatedBarcodeReader"]
