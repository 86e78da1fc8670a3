"""XFS4IoT (CWA 17852): services for ATM devices, and clients of them."""

from xfs4iot._core import __version__

__all__ = ["__version__"]
