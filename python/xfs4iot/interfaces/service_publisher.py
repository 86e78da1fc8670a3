"""ServicePublisher: how clients find the services.

The only command is GetServices. It answers with the services in the order in which they
were published, each with the host name under which the client itself reached the
publisher, so that the answer is right on every network the device is connected to. Each
service is also told in a ServiceDetailEvent before the completion. A client is not
told of a service if its version has none of the service's interfaces beside Common. GetServices is the
same in 2023-2 and 2024-3, so a client of either is told of all unless it has said which it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from xfs4iot.protocol.command_events.service_publisher import GetServicesEvents
from xfs4iot.protocol.endpoints import service_name
from xfs4iot.protocol.messages import service_publisher as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.server.service import Service

__all__ = ["ServicePublisher"]


class ServicePublisher(Interface[Any]):
    """The publisher's own interface."""

    name: ClassVar[str] = "ServicePublisher"
    vendor_name = "xfs4iot"
    published: Callable[[str, Iterable[str]], list[str]] = staticmethod(lambda host, specifications: [])
    """Gives the URIs of the services for a client at a host that may be of these versions of the
    standard; set by the publisher's builder."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)

    @handles("ServicePublisher.GetServices")
    def get_services(
        self, request: None, command: Command[GetServicesEvents]
    ) -> messages.GetServicesCompletion:
        """`ServicePublisher.GetServices` 2.0."""
        session = command.session
        uris = self.published(session.peer.host, session.versions.possible(command.name, command.version))
        if (base := session.peer.base) is not None:
            uris = [f"{base}/{service_name(uri)}" for uri in uris]
        services = [messages.Service(service_uri=uri) for uri in uris]
        for service in services:
            command.send(messages.ServiceDetailEvent(vendor_name=self.vendor_name, services=[service]))
        return messages.GetServicesCompletion(vendor_name=self.vendor_name, services=services)
