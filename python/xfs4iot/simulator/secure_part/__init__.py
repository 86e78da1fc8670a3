"""The secure part of simulated devices: keys, PINs, and everything done with them.

The values of keys and PINs exist nowhere else and leave it only encrypted, as with a real encrypting PIN pad.
Devices use `SecurePart`; the other modules hold the algorithms, which do not deal in key names. What this
protects, and what it cannot, is described in docs/keys.md.
"""

from xfs4iot.simulator.secure_part.part import SecurePart as SecurePart

__all__ = ["SecurePart"]
