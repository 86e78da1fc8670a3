"""The secure part of simulated devices: keys, PINs, and all that is done with them.

Values of keys and PINs exist nowhere else, and leave it only encrypted, as one does not get them out of an
encrypting PIN pad. `SecurePart` is what devices use; the other modules hold the algorithms, which know no
names of keys. What this protects, and what it cannot, is in docs/keys.md.
"""

from xfs4iot.simulator.secure_part.part import SecurePart as SecurePart

__all__ = ["SecurePart"]
