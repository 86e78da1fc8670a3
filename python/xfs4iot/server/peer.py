"""Who is at the other end of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xfs4iot.dataclass import dataclass
from xfs4iot.telling import told
from xfs4iot.transport.tcp import is_loopback

if TYPE_CHECKING:
    from xfs4iot.protocol.dialects import Dialect
    from xfs4iot.server.login import Login
    from xfs4iot.transport.identity import Identity

__all__ = ["Peer"]


@dataclass(frozen=True)
class Peer:
    """Who is at the other end.

    Attributes:
        address: host and port, for the log.
        identity: subject of its certificate or name of its token; the address without either.
        host: the name under which the client reached this service (`Host` of its request).
        rule: name of the access rule that let it in; None for a client that no rule fits.
        certificate: subject, names and fingerprint of its certificate; None if it gave none.
        dialect: how it is answered, as its access rule says; None where the listener decides.
        base: URI under which a gateway publishes the device to it; None where it came directly.
        permitted: what the gateway lets it use, of all that the device does; None where it came directly.
        login: by which it was let in, and with which its connection ends; None without one.
    """

    address: str
    identity: str
    host: str
    rule: str | None = None
    certificate: Identity | None = None
    dialect: Dialect | None = None
    base: str | None = None
    permitted: tuple[str, ...] | None = None
    login: Login | None = None

    def __post_init__(self) -> None:
        # It goes into every line of the log and of the journal, and a client chose it.
        object.__setattr__(self, "identity", told(self.identity))

    @property
    def local(self) -> bool:
        """Whether it is a program of this machine."""
        return is_loopback(self.address.rpartition(":")[0])

    @property
    def log_fields(self) -> dict[str, object]:
        """Who it is, as fields of every log line about it."""
        fields: dict[str, object] = {"connection": self.address, "identity": self.identity}
        if self.certificate is not None:
            fields["subject"] = self.certificate.subject
            fields["sans"] = self.certificate.sans
            fields["fingerprint"] = self.certificate.fingerprint
        return fields
