"""What interfaces that use the keys of KeyManagement have in common."""

from __future__ import annotations

from typing import TypeVar

from xfs4iot.devices import Device
from xfs4iot.interfaces.keys.key_management import KeyManagement
from xfs4iot.interfaces.keys.key_table import KeyTable
from xfs4iot.protocol import errors
from xfs4iot.protocol.messages import key_management as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface
from xfs4iot.server.service import Service

__all__ = ["WithKeys"]

_Device = TypeVar("_Device", bound=Device)


class WithKeys(Interface[_Device]):
    """An interface that uses keys; on a device that is not a KeyManagement there are none."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._none = KeyTable(service.ledger)

    async def start(self) -> None:
        """Tell the vendor of a device that can have no keys."""
        if KeyManagement.name not in self.service.interfaces:
            self.service.log.warning(
                "the device class is a devices.%s and no devices.KeyManagement: it has no keys", self.name
            )

    def failed(self, fault: BaseException, command: Command) -> None:
        """Tell all clients that a DUKPT key has used up its transactions."""
        if not command.name.startswith(f"{self.name}."):
            return
        # What the device raised: a command that does not know the code completes by another.
        for one in (fault, fault.__cause__):
            if isinstance(one, errors.CommandError) and one.error_code == "dukptOverflow":
                # A class may raise it where no key is named.
                if not (key := getattr(command.request, "key", None)):
                    return
                event = messages.IllegalKeyAccessEvent(key_name=key, error_code="dukptOverflow")
                self.service.broadcast(event)
                return

    @property
    def table(self) -> KeyTable:
        """The keys of the service."""
        if KeyManagement.name not in self.service.interfaces:
            return self._none
        return self.service.interface(KeyManagement).table
