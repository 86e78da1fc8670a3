"""`xfs4iot gateway`: applications reach a fleet of devices that dial out."""

from __future__ import annotations

import signal
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import click
import orjson
import trio

from xfs4iot.cli import arguments
from xfs4iot.cli.broker import as_role, broker_is_trusted, fleet_option, is_secured, login_to, made, reach
from xfs4iot.cli.complaint import innermost
from xfs4iot.cli.connection import run
from xfs4iot.cli.gateway_settings import read_settings
from xfs4iot.cli.group import UntilTold
from xfs4iot.cli.hosting import heard, until_told
from xfs4iot.cli.telemetry import listening
from xfs4iot.fleet.admission import Admission, Quota
from xfs4iot.fleet.broker import Broker, BrokerMissing
from xfs4iot.fleet.carrier import CarrierLost
from xfs4iot.fleet.events import Retention, make_events
from xfs4iot.fleet.gateway import Gateway
from xfs4iot.fleet.last import bucket_of_last
from xfs4iot.fleet.metrics import GatewayMetrics
from xfs4iot.fleet.nats import Nats
from xfs4iot.fleet.opening import Signer
from xfs4iot.fleet.registry import PRESENCE
from xfs4iot.fleet.store import KeyValue
from xfs4iot.reasons import reason
from xfs4iot.telemetry.http import serve_telemetry
from xfs4iot.transport import tls
from xfs4iot.transport.limits import Limits
from xfs4iot.transport.rotation import Credentials

__all__ = ["gateway"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BROKER_SECONDS = 30.0


@click.command(cls=UntilTold)
@fleet_option()
@click.option("--broker", "servers", multiple=True, metavar="URL", help="tls://host:port; may be repeated.")
@click.option("--embedded-broker", is_flag=True, help="Run a broker on this machine, for development.")
@click.option("--broker-port", type=click.IntRange(0, 65535), default=4222, help="With --embedded-broker.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep the embedded broker's state here.")
@click.option("--tenant", help="Whose fleet it is; default: fleet.")
@click.option("--replicas", type=click.IntRange(1, 5), help="Nodes that keep what is known; default: 1.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: the standard's first free one.")
@click.option("--advertise", help="Host name in the published URIs.")
@click.option("--tls-certificate", type=_FILE, help="PEM file by which applications know the gateway.")
@click.option("--tls-key", type=_FILE, help="PEM file of its key.")
@click.option("--client-ca", type=_FILE, help="Let in applications alone whose certificates these signed.")
@click.option(
    "--client-certificates",
    type=click.Choice(["required", "optional"]),
    default="required",
    show_default=True,
    help="With --client-ca: whether applications may come without one, by a token for instance.",
)
@click.option("--config", type=_FILE, help="TOML file with [access] and [limits]: see docs/fleet.md.")
@click.option("--certificate", type=_FILE, help="PEM file by which broker and devices know the gateway.")
@click.option("--key", type=_FILE, help="PEM file of its key.")
@click.option("--ca", type=_FILE, help="PEM file of the authorities that sign brokers.")
@click.option(
    "--allow", multiple=True, help="A command that applications may use; default: all. --config has more."
)
@click.option("--spread", type=float, default=1.0, help="Seconds over which devices come back.")
@click.option("--metrics", "metrics_at", metavar="HOST:PORT", help="Serve /metrics and /health there.")
@click.option(
    "--event-days", type=arguments.NumberRange(min=0, min_open=True), default=7.0, show_default=True,
    help="How long the broker keeps events of devices; counts where the first gateway begins.",
)  # fmt: skip
@click.option(
    "--event-gigabytes", type=arguments.NumberRange(min=0, min_open=True), default=1.0, show_default=True,
    help="How many of them, all together; likewise.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
def gateway(
    directory: Path | None,
    servers: tuple[str, ...],
    embedded_broker: bool,
    broker_port: int,
    state: Path | None,
    tenant: str | None,
    replicas: int | None,
    host: str,
    port: int | None,
    advertise: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    client_certificates: Literal["required", "optional"],
    config: Path | None,
    certificate: Path | None,
    key: Path | None,
    ca: Path | None,
    allow: tuple[str, ...],
    spread: float,
    metrics_at: str | None,
    event_days: float,
    event_gigabytes: float,
    as_json: bool,
) -> None:
    """Let applications reach a fleet: wss://HOST/xfs4iot/v1.0/DEVICE/SERVICE.

    Without --tls-certificate it speaks plain text, on a loopback address only.
    """
    if embedded_broker == bool(servers or directory):
        raise click.UsageError("give either --embedded-broker, or --broker or --fleet")
    known = as_role(
        {
            "directory": directory, "servers": servers, "tenant": tenant, "replicas": replicas,
            "certificate": certificate, "key": key, "ca": ca,
        },
        "gateway",
    )  # fmt: skip
    servers = () if embedded_broker else known["servers"]
    certificate, key, ca, tenant = known["certificate"], known["key"], known["ca"], str(known["tenant"])
    if (tls_certificate is None) != (tls_key is None) or (certificate is None) != (key is None):
        raise click.UsageError("a certificate and its key belong together: give both, or none")
    if client_ca is not None and tls_certificate is None:
        raise click.UsageError("--client-ca needs --tls-certificate")
    if config is not None and allow:
        raise click.UsageError("--allow and --config contradict each other: say it as anonymous of [access]")
    if is_secured(servers) and certificate is None:
        raise click.UsageError("a broker over TLS needs --certificate, --key and --ca")
    try:
        broker_is_trusted(servers)
        credentials = None
        if tls_certificate is not None and tls_key is not None:
            credentials = Credentials(
                tls.TLSConfig(
                    tls_certificate,
                    tls_key,
                    client_certificates="none" if client_ca is None else client_certificates,
                    client_ca=client_ca,
                )
            )
        signer = None if certificate is None or key is None else Signer(certificate, key)
        settings = read_settings(config, certificates=client_ca is not None)
        limits = settings.limits
        admission = Admission(
            settings.access.client,
            anonymous=allow or settings.access.anonymous,
            origins=settings.access.origins,
            quota=Quota(
                limits.sessions_per_client,
                limits.openings_per_second,
                limits.messages_per_second,
                limits.burst_seconds,
            ),
        )
    except (ValueError, tls.TLSError) as wrong:
        raise click.UsageError(str(wrong)) from None

    async def main() -> int:
        with heard(signal.SIGTERM, signal.SIGINT) as signals:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(until_told(signals))
                urls = servers
                if embedded_broker:
                    where = state or Path(
                        stack.enter_context(tempfile.TemporaryDirectory(prefix="xfs4iot-broker-"))
                    )
                    broker = Broker.at(where, port=broker_port)
                    await stack.enter_async_context(broker.running())
                    urls = (broker.url,)
                nursery = await stack.enter_async_context(trio.open_nursery())
                login = login_to(servers, lambda: tls.client_context(ca=ca, certificate=certificate, key=key))
                carrier = Nats(urls, login, name="gateway")
                await nursery.start(carrier.run)
                await reach(carrier, _BROKER_SECONDS)
                replicas = known["replicas"] or 1
                store = KeyValue(carrier, PRESENCE.format(tenant), replicas=replicas)
                for bucket in (store, bucket_of_last(carrier, tenant, replicas=replicas)):
                    await made(bucket.make)
                kept = Retention(event_days, int(event_gigabytes * 2**30))
                await made(lambda: make_events(carrier, tenant, replicas=replicas, retention=kept))
                metrics = None if metrics_at is None else GatewayMetrics()
                served = Gateway(
                    carrier, store, tenant=tenant, signer=signer, admission=admission, advertise=advertise,
                    spread=spread, metrics=metrics, host=host, port=port, credentials=credentials,
                    limits=Limits(
                        total=limits.connections, per_address=limits.connections_per_address,
                        handshake_seconds=limits.handshake_seconds,
                    ),
                )  # fmt: skip
                await nursery.start(served.serve)
                if metrics is not None and metrics_at is not None:
                    listeners = await listening(metrics_at, "--metrics")
                    text = partial(metrics.text, served)
                    nursery.start_soon(serve_telemetry, text, lambda: _ready(served), listeners)
                uri = served.uri("DEVICE")
                if as_json:
                    click.echo(orjson.dumps({"ready": True, "gateway": uri, "broker": list(urls)}))
                else:
                    if served.passed_over:
                        click.echo(served.passed_over)
                    click.echo(f"devices at {uri}; broker {', '.join(urls)}; Ctrl-C ends")
                await trio.sleep_forever()
        return 0

    try:
        run(main)
    except* (BrokerMissing, CarrierLost, RuntimeError, ValueError, OSError) as problems:
        first = innermost(problems)
        assert isinstance(first, BaseException)
        raise click.ClickException(reason(first)) from None


def _ready(served: Gateway) -> tuple[int, str]:
    return (200, "ready\n") if served.connected else (503, "no connection to the broker\n")
