"""`xfs4iot new`: a package for a device of one's own, which runs at once.

A kind of device is a list of interfaces (`kinds`). Each interface has a part, `parts/<interface>.toml`: which
operations a first version has, their bodies, and what they ask of the hardware. Everything else of the
package's text (signatures, docstrings, imports, what is not offered yet) is read from the device classes
themselves, so that it cannot fall behind them (`device_file`).
"""

from xfs4iot.scaffold.kinds import Kind, UnknownKind, kind_called, kinds
from xfs4iot.scaffold.package import NameRefused, Package

__all__ = ["Kind", "NameRefused", "Package", "UnknownKind", "kind_called", "kinds"]
