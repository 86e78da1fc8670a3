"""What a key may be used for, by its attributes (ANSI X9.143): data, from which all checks follow.

A purpose is what a command wants to do with a key. It names the usages that the key may have, and the modes
of use: a key that verifies makes no MAC, and one that wraps keys never decrypts data, or a host could
unwrap its own keys in the clear. Usages of two digits and algorithms or modes of one digit are a vendor's
own: the device that declares them decides.
"""

from __future__ import annotations

from xfs4iot.dataclass import dataclass

__all__ = [
    "AUTHENTICATE",
    "DECRYPT_BIOMETRIC",
    "DECRYPT_DATA",
    "DERIVE",
    "ENCRYPT_BIOMETRIC",
    "ENCRYPT_DATA",
    "ENCRYPT_PIN",
    "GENERATE_MAC",
    "GENERATE_SIGNATURE",
    "LEAST_HOST_MAC",
    "RECEIVE_KEYS",
    "RECEIVE_KEY_BLOCKS",
    "START_VALUE",
    "VERIFY_IMPORT",
    "VERIFY_MAC",
    "VERIFY_PIN_DES",
    "VERIFY_PIN_VISA",
    "VERIFY_SIGNATURE",
    "Purpose",
]

DUKPT = frozenset({"B0", "B1"})
DATA = frozenset({"D0", "D1", "D2", "D3"}) | DUKPT
MACS = frozenset(f"M{number}" for number in range(9))
SIGNATURES = frozenset({"S0", "S1", "S2"})
LEAST_HOST_MAC = 8
"""Bytes of a MAC that stands for the host: a shorter one is found by trying all, by VerifyAuthentication."""


@dataclass(frozen=True)
class Purpose:
    """What a key is wanted for.

    Attributes:
        text: continues "key X may not ...".
        usages: that allow it.
        modes: that allow it; DUKPT keys have the mode `X` for all that is derived from them.
        unrestricted: keys without a restriction (mode `N`) are for it.
    """

    text: str
    usages: frozenset[str]
    modes: frozenset[str]
    unrestricted: bool = True

    def allows_usage(self, usage: str) -> bool:
        """Whether keys of this usage are for it."""
        return usage in self.usages or usage.isdigit()

    def allows_mode(self, usage: str, mode: str) -> bool:
        """Whether a key of this usage may do it in its mode of use."""
        if mode == "N":
            return self.unrestricted
        return mode in self.modes or mode.isdigit() or (usage in DUKPT and mode == "X")


ENCRYPT_DATA = Purpose("encrypt data", DATA, frozenset("EB"))
DECRYPT_DATA = Purpose("decrypt data", DATA, frozenset("DBT"))
# No DUKPT: no event of Biometric tells the serial number of a transaction.
ENCRYPT_BIOMETRIC = Purpose("encrypt biometric data", frozenset({"D0", "D1", "D3"}), frozenset("EB"))
DECRYPT_BIOMETRIC = Purpose("decrypt biometric data", frozenset({"D0", "D1", "D3"}), frozenset("DBT"))
START_VALUE = Purpose("decrypt a start value", frozenset({"K0"}), frozenset("DB"))
GENERATE_MAC = Purpose("make a MAC", MACS | DUKPT, frozenset("GC"))
VERIFY_MAC = Purpose("verify a MAC", MACS | DUKPT, frozenset("VC"))
GENERATE_SIGNATURE = Purpose("sign", SIGNATURES, frozenset("ST"))
VERIFY_SIGNATURE = Purpose("verify a signature", SIGNATURES, frozenset("V"))
RECEIVE_KEYS = Purpose("decrypt keys", frozenset({"K0", "K2", "K3"}), frozenset("DBT"))
RECEIVE_KEY_BLOCKS = Purpose("open key blocks", frozenset({"K0", "K1"}), frozenset("DB"))
VERIFY_IMPORT = Purpose("verify what is imported", MACS | SIGNATURES, frozenset("VC"))
AUTHENTICATE = Purpose("authenticate a host", MACS | SIGNATURES, frozenset("V"), unrestricted=False)
"""By a key that also makes MACs every client would pass for the host: the device makes them for all."""
DERIVE = Purpose("have keys derived from it", frozenset({"K0", "B0"}), frozenset("X"))
ENCRYPT_PIN = Purpose("encrypt a PIN", frozenset({"P0", "E7"}) | DUKPT, frozenset("EB"))
VERIFY_PIN_DES = Purpose("verify a PIN by IBM 3624", frozenset({"V0", "V1"}), frozenset("VCEBG"))
VERIFY_PIN_VISA = Purpose("verify a PIN by PVV", frozenset({"V0", "V2"}), frozenset("VCEBG"))
