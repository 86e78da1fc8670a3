"""The console: a page that the publisher serves to browsers, below `/console/`; off unless it is wanted.

The page is a client like any other. It speaks XFS4IoT over WebSockets with the services, under the same
rules of access; what else it needs (the catalogue of messages, who its user is, the ledger's last
movements) is answered here over HTTP.
"""

from xfs4iot.console.console import Console

__all__ = ["Console"]
