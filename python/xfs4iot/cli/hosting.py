"""What `demo`, `simulate` and `serve` share: a publisher that runs for as long as a block lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from xfs4iot._core import forbid_dumps
from xfs4iot.assembly import Publisher
from xfs4iot.dataclass import dataclass
from xfs4iot.held_signals import let_go
from xfs4iot.interfaces.common.end_to_end_security import EndToEndSecurity
from xfs4iot.ledger import Ledger
from xfs4iot.protocol.dialects import BY_NAME
from xfs4iot.protocol.endpoints import here
from xfs4iot.simulator import atm
from xfs4iot.simulator.control import Simulator
from xfs4iot.simulator.profile import read
from xfs4iot.simulator.shipped import DEFAULT
from xfs4iot.transport.certificates import test_authority
from xfs4iot.transport.rotation import Credentials
from xfs4iot.transport.tls import TLSConfig

if TYPE_CHECKING:
    from xfs4iot.cli.settings import UplinkSettings

__all__ = ["Hosted", "beside", "dialect_option", "heard", "running", "simulated_atm", "until_told"]

dialect_option = click.option(
    "--dialect",
    type=click.Choice(list(BY_NAME)),
    help="How clients are answered; sp-dev: as the clients of the SP-Dev framework read it. "
    "Default: as the profile says, else standard.",
)


@dataclass(frozen=True)
class Hosted:
    """A simulated ATM that runs.

    Attributes:
        publisher: its publisher, bound and serving.
        ca: PEM file of the authority a client must trust; None without TLS.
        console: where a browser finds the console; None if it is off.
    """

    publisher: Publisher
    ca: Path | None
    console: str | None = None


@asynccontextmanager
async def beside(task: Callable[..., Awaitable[object]]) -> AsyncIterator[None]:
    """Run a task for as long as the block lasts, once it says that it has started.

    Args:
        task: takes `task_status`.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(task)
        try:
            yield
        except Exception as problem:
            # Raised again outside the nursery, which would wrap it in an exception group.
            failure = problem
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[Publisher]:
    """Serve for as long as the block lasts; leaving it ends every service in order."""
    async with beside(publisher.serve):
        yield publisher


@contextmanager
def heard(*signals: int) -> Iterator[AsyncIterator[int]]:
    """Receive these signals, and which of them came while the program started (`xfs4iot.held_signals`)."""
    with trio.open_signal_receiver(*signals) as received:
        let_go()
        yield received


@asynccontextmanager
async def until_told(
    signals: AsyncIterator[int], prepare: Callable[[int], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Run the block until a signal comes, also while it still starts; then it is cancelled.

    Args:
        signals: as `heard` gives them.
        prepare: what is done before, with the number of the signal.
    """
    both = trio.CancelScope()

    async def wait(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        number = await anext(signals)
        # The block goes on meanwhile: what is drained here needs it to be served.
        if prepare is not None:
            await prepare(number)
        both.cancel()

    with both:
        async with beside(wait):
            yield


@asynccontextmanager
async def simulated_atm(
    directory: Path,
    profile: str = DEFAULT,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    plain: bool = False,
    seconds: float | None = None,
    seed: int | None = None,
    security: EndToEndSecurity | None = None,
    scenario: Path | None = None,
    dialect: str | None = None,
    console: bool = False,
    uplink: UplinkSettings | None = None,
) -> AsyncIterator[Hosted]:
    """Run a whole simulated ATM whose certificates and ledger are kept in `directory`.

    Args:
        directory: made if need be; the same directory continues the same ATM.
        profile: what the ATM has; a name of one that comes with the package, or a file.
        host: address to bind.
        port: see `Publisher`.
        plain: without TLS.
        seconds, seed, security, scenario: see `xfs4iot.simulator.atm`.
        dialect: see `Publisher`; None as the profile says.
        console: serve the console to browsers.
        uplink: the fleet that it dials out to; None for none.

    Raises:
        ConfigurationError: the profile or the scenario cannot be used.
    """
    wanted = read(profile)
    # Before there is a key or a PIN in the process.
    forbid_dumps()
    await trio.Path(directory).mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(directory / "ledger.sqlite")
    try:
        credentials = None
        ca = None
        if not plain:
            authority = test_authority(directory / "certificates")
            # Bound to every address, it is reached from elsewhere by the machine's name.
            names = {here(host): None, "localhost": None}
            if here(host) != host and trio.socket.gethostname().isascii():
                names[trio.socket.gethostname()] = None
            certificate, key = authority.issue_device("xfs4iot simulator", names)
            config = TLSConfig(certificate=certificate, key=key)
            credentials = Credentials(config, reload_on_hangup=False)
            ca = authority.certificate_file
        services = atm(
            wanted,
            ledger=ledger,
            state=directory,
            seconds=seconds,
            seed=seed,
            security=security,
            scenario=scenario,
        )
        publisher = Publisher(
            services, host=host, port=port, credentials=credentials, dialect=dialect or wanted.dialect
        )
        page = None
        if console:
            from xfs4iot.console import Console

            page = Console(
                publisher,
                ledger=directory / "ledger.sqlite",
                simulator=services[-1].interface(Simulator).described(),
            )
        link: AbstractAsyncContextManager[None] = nullcontext()
        if uplink is not None:
            from xfs4iot.cli.uplink import uplinked

            link = uplinked(publisher, ledger, uplink)
        async with link, running(publisher):
            yield Hosted(publisher, ca, None if page is None else page.uri)
    finally:
        ledger.close()
