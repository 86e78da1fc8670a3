"""What simulated devices with keys share: one secure part, whatever their interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

import trio
from msgspec import Meta

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.clock import Timeline
from xfs4iot.simulator.device import SimulatedDevice
from xfs4iot.simulator.faults import Fault
from xfs4iot.simulator.secure_part import SecurePart
from xfs4iot.simulator.secure_part.key_loading import KeyLoading
from xfs4iot.simulator.secure_part.pins import Pins

__all__ = ["SecureDevice", "SecureSettings", "TestKey"]

_HEX = "^([0-9a-fA-F]{2})+$"


@dataclass(frozen=True, kw_only=True)
class TestKey:
    """A key that the device has from the beginning, as a profile says; for tests, for everybody can read it.

    Attributes:
        usage, algorithm, mode_of_use: as ANSI X9.143 has them.
        value: hexadecimal.
    """

    __test__ = False

    usage: str
    algorithm: str
    mode_of_use: str
    value: Annotated[str, Meta(pattern=_HEX)] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SecureSettings:
    """What a profile may say of a device with keys.

    Attributes:
        key_room: how many keys there is room for, besides those that are there from the beginning.
        keys: that are there from the beginning, by name.
        deletion_needs_authentication: keys are only deleted for a host that has authenticated itself.
        dukpt_bits: of the working keys of DUKPT by AES, where they are shorter than their initial keys.
        dukpt_hmac: MACs of DUKPT by AES are HMACs; else CMACs.
    """

    deletion_needs_authentication: bool = False
    dukpt_bits: Literal[128, 192, 256] | None = None
    dukpt_hmac: bool = False
    key_room: Annotated[int, Meta(ge=1)] = 256
    keys: Mapping[str, TestKey] = field(default_factory=dict)


class SecureDevice(SimulatedDevice):
    """A simulated device that holds keys; see `secure_part`."""

    Settings: ClassVar[type[Any]] = SecureSettings
    FAULTS: ClassVar = {
        "tampered": Fault(
            "once", "somebody opens the device: all its keys are gone, also preloaded ones", counted=False
        ),
        "keyStoreFull": Fault("lasts", "there is no room for another key"),
        "accessDenied": Fault("lasts", "the module is locked and refuses all that needs a key"),
        "busyModule": Fault("once", "the next operation finds the module busy: deviceNotReady"),
        "slowModule": Fault("once", "the next operation takes `count` seconds"),
    }

    def __init__(self, name: str, *arguments: Any, **more: Any) -> None:
        super().__init__(name, *arguments, **more)
        settings = self.configured(SecureSettings)
        self.secure = SecurePart(
            self.world.state, name, settings.key_room, bits=settings.dukpt_bits, hmac=settings.dukpt_hmac
        )
        self.secure.is_full = lambda: bool(self.faults.active("keyStoreFull"))
        self.loading = KeyLoading(self.secure)
        self.pins = Pins()
        for key, told in settings.keys.items():
            # Keys kept from an earlier process stay: putting one anew would restart its DUKPT counter.
            if key not in self.secure.keys:
                attributes = KeyAttributes(
                    usage=told.usage, algorithm=told.algorithm, mode_of_use=told.mode_of_use
                )
                value = bytes.fromhex(told.value)
                self.secure.put(key, StoredKey(attributes, len(value) * 8, preloaded=True), value)

    async def at_work(self, seconds: float | None = None) -> None:
        """Let an operation take its time, and fail as it was told to.

        Raises:
            DeviceNotReady, CommandError: a fault strikes.
        """
        own = self.seconds if seconds is None else seconds
        await Timeline(self.clock).step(self.faults.take("slowModule") or own)
        if self.faults.strikes("busyModule"):
            raise errors.DeviceNotReady("the module is busy; try again")
        if self.faults.active("accessDenied"):
            raise errors.CommandError("accessDenied", "the module is locked")

    def inject(self, fault: str, unit: str | None = None, count: int | None = None) -> None:
        """Make something fail; see `FAULTS`."""
        super().inject(fault, unit, count)
        if self.faults.strikes("tampered"):
            self.tampered()

    def tampered(self) -> None:
        """Somebody opens the device."""
        self.secure.store.erase()
        self.loading.forget()
        self.pins.forget_all()

    async def ledger_key(self) -> bytes:
        """A key of the module, made once, under which the service seals its table of keys."""
        secrets = self.secure.store.secrets
        if "ledger" not in secrets:
            secrets["ledger"] = self.secure.random(32)
            self.secure.store.save()
        await trio.lowlevel.checkpoint()
        return secrets["ledger"]
