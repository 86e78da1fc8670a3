"""ServicePublisher: how clients find the services.

The only command is GetServices. It answers with the services in the order in which they
were published, each with the host name under which the client itself reached the
publisher, so that the answer is right on every network the device is connected to. Each
service is also told in a ServiceDetailEvent before the completion. A client of a version that has none
of a service's interfaces beside Common is not told of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from xfs4iot.protocol.messages import service_publisher as messages
from xfs4iot.server.command import Command
from xfs4iot.server.handler import Interface, handles
from xfs4iot.server.service import Service

__all__ = ["ServicePublisher"]


class ServicePublisher(Interface):
    """The publisher's own interface."""

    name: ClassVar[str] = "ServicePublisher"
    vendor_name = "xfs4iot"
    published: Callable[[str, str], list[str]] = staticmethod(lambda host, specification: [])
    """Gives the URIs of the services for a client at a host, of a version; set by the publisher's builder."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)

    @handles("ServicePublisher.GetServices")
    def get_services(self, request: None, command: Command) -> messages.GetServicesCompletion:
        """`ServicePublisher.GetServices` 2.0."""
        uris = self.published(command.session.peer.host, command.specification)
        services = [messages.Service(service_uri=uri) for uri in uris]
        for service in services:
            command.send(messages.ServiceDetailEvent(vendor_name=self.vendor_name, services=[service]))
        return messages.GetServicesCompletion(vendor_name=self.vendor_name, services=services)
