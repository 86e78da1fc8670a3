"""What a fleet begins with: the configuration of its broker's nodes, and the keys of its parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from xfs4iot.addresses import address
from xfs4iot.dataclass import dataclass
from xfs4iot.fleet.broker import settings
from xfs4iot.fleet.names import AUTHORITY, CALLOUT, DEVICE_HOST, GATEWAY, OPERATOR
from xfs4iot.fleet.nkeys import NKey
from xfs4iot.fleet.roll import ACCOUNT
from xfs4iot.fleet.subjects import check_id
from xfs4iot.transport.certificates import test_authority, write_pem, write_secret

__all__ = ["FLEET_FILE", "Deployment", "deploy"]

FLEET_FILE = "fleet.toml"
"""What the commands of a fleet are told by its directory: tenant, servers, replicas."""
_KEEPERS = 3
"""Nodes that keep what is known of the devices; the others only hold connections."""
_RATE = 1000
"""Connections a second that all nodes together let begin; each costs 3 ms of a core."""


@dataclass(frozen=True)
class Deployment:
    """What was written.

    Attributes:
        nodes: the configuration of each node.
        servers: where clients reach them.
        replicas: for `xfs4iot gateway --replicas`.
        keys: directory of keys and certificates.
    """

    nodes: tuple[Path, ...]
    servers: tuple[str, ...]
    replicas: int
    keys: Path


def deploy(
    directory: Path, tenant: str, hosts: Sequence[str], *, port: int = 4222, routes: int = 6222
) -> Deployment:
    """Write keys and configurations of a new fleet.

    Args:
        hosts: of the nodes; one that is named again runs several, on ports that follow each other.
        port, routes: first ports for clients and for the other nodes.

    Raises:
        FileExistsError: there is one in the directory.
        ValueError: the tenant's name or the number of nodes will not do.
    """
    check_id(tenant, "tenant")
    if len(hosts) % 2 == 0:
        raise ValueError(f"{len(hosts)} nodes: take 1, 3 or 9, so that a majority is left when one dies")
    directory = directory.resolve()
    keys = directory / "keys"
    if keys.exists():
        raise FileExistsError(f"{keys} is there already: its devices would not know a new one")
    keys.mkdir(parents=True, mode=0o700)
    authority = test_authority(keys, name=f"xfs4iot fleet {tenant}", path_length=1)
    authority.issue_authority(keys / "devices", f"xfs4iot fleet {tenant}: devices", uri_host=DEVICE_HOST)
    authority.issue_client("gateway", [GATEWAY])
    authority.issue_client("operator", [OPERATOR])
    authority.issue_client("callout", [CALLOUT])
    # Devices come to it, and it comes to the broker.
    shown, _ = authority.issue_node("authority", [AUTHORITY, *dict.fromkeys(hosts)])
    # With the root: a device that enrols has no more than the beginning of its hash.
    write_pem(shown, shown.read_bytes() + authority.certificate_file.read_bytes())
    issuer, callout, system = NKey.new("account"), NKey.new("user"), NKey.new("user")
    for name, key in (("issuer", issuer), ("callout", callout), ("system", system)):
        write_secret(keys / f"{name}.seed", key.seed.encode())
    places = [
        (host, port + hosts[:at].count(host), routes + hosts[:at].count(host))
        for at, host in enumerate(hosts)
    ]
    files = []
    for at, (host, client_port, route_port) in enumerate(places):
        name = f"node{at + 1}"
        certificate, key_file = authority.issue_node(name, [host])
        tls: dict[str, object] = {
            "cert_file": str(certificate), "key_file": str(key_file),
            "ca_file": str(authority.certificate_file), "verify": True,
        }  # fmt: skip
        said = settings(
            name=name, host=host, port=client_port, store=directory / f"{name}.store",
            tls={**tls, "connection_rate_limit": max(1, _RATE // len(hosts))},
            cluster=None if len(hosts) == 1 else {
                "name": tenant, "listen": address(host, route_port), "tls": {**tls, "timeout": 5},
                "routes": [f"tls://{there}:{route}" for there, _, route in places],
            },
            more=_accounts(issuer, callout, system),
        )  # fmt: skip
        if at >= _KEEPERS:
            del said["jetstream"]
        file = directory / f"{name}.conf"
        write_pem(file, json.dumps(said, indent=2).encode())
        files.append(file)
    servers = tuple(f"tls://{address(host, client_port)}" for host, client_port, _ in places)
    replicas = min(_KEEPERS, len(hosts))
    known = {"tenant": tenant, "servers": list(servers), "replicas": replicas}
    # JSON's strings and lists of strings are TOML's, too.
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in known.items())
    write_pem(directory / FLEET_FILE, text.encode())
    return Deployment(tuple(files), servers, replicas, keys)


def _accounts(issuer: NKey, callout: NKey, system: NKey) -> dict[str, object]:
    """An account in which all meet, one in which nothing is but who decides on that, and the broker's own."""
    # No more than to find connections of devices that are not trusted any more, and to end them.
    may = {
        "publish": ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK"],
        "subscribe": ["_INBOX.*.*"],
    }
    return {
        "accounts": {
            ACCOUNT: {"jetstream": {"max_file": 2**32, "max_mem": 2**27, "max_streams": 16}},
            "CALLOUT": {"users": [{"nkey": callout.public}]},
            "SYSTEM": {"users": [{"nkey": system.public, "permissions": may}]},
        },
        "system_account": "SYSTEM",
        "authorization": {
            "timeout": 15,
            "auth_callout": {
                "issuer": issuer.public,
                "account": "CALLOUT",
                "auth_users": [callout.public, system.public],
            },
        },
    }
