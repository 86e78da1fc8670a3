"""The public `Service` and `Publisher`, which serve a vendor's device to clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from xfs4iot.devices import Device
from xfs4iot.interfaces import interfaces_for
from xfs4iot.interfaces.common.common import Common
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.interfaces.service_publisher import ServicePublisher
from xfs4iot.ledger import Ledger
from xfs4iot.protocol import versions
from xfs4iot.server import publisher, service
from xfs4iot.server.peer import Peer

__all__ = ["Publisher", "Service"]


class Service(service.Service):
    """One device, served with the interfaces of the device classes that it is made of.

    Args:
        device: the vendor's object; its name is the service's.
        ledger: keeps what must outlive power loss; None keeps it in memory, for tests and demonstrations.
        security: how the service checks end-to-end tokens; None: as the device declares and does it.
        settings: see `xfs4iot.server.service.Service`.
    """

    def __init__(
        self,
        device: Device,
        *,
        ledger: Ledger | None = None,
        security: EndToEndSecurity | None = None,
        **settings: Any,
    ) -> None:
        kept = ledger if ledger is not None else Ledger.open(None)
        super().__init__(
            device.name, device, interfaces_for(device), ledger=kept.service(device.name), **settings
        )
        self.interface(Common).tokens.settings = security


class Publisher(publisher.Publisher):
    """Publishes services on one port; `await Publisher([...]).serve()` runs until cancelled.

    Args:
        services: what to publish.
        vendor_name: who made the services, told to clients that discover them.
        settings: see `xfs4iot.server.publisher.Publisher`.
    """

    def __init__(
        self, services: Iterable[service.Service], *, vendor_name: str = "xfs4iot", **settings: Any
    ) -> None:
        endpoint = service.Service("", None, [ServicePublisher], ledger=Ledger.open(None).service(""))
        interface = endpoint.interface(ServicePublisher)
        interface.vendor_name = vendor_name
        # Called only when a client asks: `self.services` exists from `super().__init__` on.
        interface.published = lambda host, specifications: [
            self.uri(name, host=host or None)
            for name, offered in self.services.items()
            if _is_known(offered.interfaces, specifications)
        ]
        super().__init__(endpoint, services, **settings)
        # After `super().__init__`, which sets the `authorise` that is wrapped here.
        for mode in self.services.values():
            if "VendorMode" in mode.interfaces and getattr(mode.device, "refuse_others", False):
                for other in self.services.values():
                    if other is not mode:
                        other.authorise = _refusing(other, mode.interfaces["VendorMode"])


def _refusing(refused: service.Service, mode: Any) -> Callable[[Peer, str], None]:
    """What a service refuses by its access rules, and, in vendor mode, of all that moves its device."""
    authorise = refused.authorise

    def check(peer: Peer, name: str) -> None:
        authorise(peer, name)
        handler = refused.handlers.get(name)
        if handler is not None and not handler.immediate and not handler.beside_queue:
            mode.admit(peer, name)

    return check


def _is_known(interfaces: Iterable[str], specifications: Iterable[str]) -> bool:
    """Whether one of these versions of the standard has anything of what a service is there for."""
    purposes = [name for name in interfaces if name != "Common"]
    return not purposes or any(
        versions.has_interface(name, specification) for name in purposes for specification in specifications
    )
