"""`xfs4iot gateway`: applications reach a fleet of devices that dial out."""

from __future__ import annotations

import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import click
import orjson
import trio

from xfs4iot.cli.connection import run
from xfs4iot.cli.hosting import until_told
from xfs4iot.cli.uplink import broker_is_trusted
from xfs4iot.fleet.broker import Broker, BrokerMissing
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.nats import Login, Nats
from xfs4iot.fleet.opening import Signer
from xfs4iot.fleet.store import KeyValue
from xfs4iot.toml_file import ConfigurationError, Reader, line_of, parsed
from xfs4iot.cli.fleet import GatewaySettings, fleet_of
from xfs4iot.server.access import Access
from xfs4iot.transport import tls
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.rotation import Credentials

__all__ = ["gateway"]
