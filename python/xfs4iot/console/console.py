"""What is answered below `/console/`, and to whom.

The page itself (HTML, style, modules, languages) is the same for everybody and is given to everybody;
what it shows is given only to whom the rules of access let in. A request names a host that is this
publisher's: otherwise a stranger's name that leads to this address (DNS rebinding) would make a
stranger's page one of ours.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import orjson
import trio

from xfs4iot.console import facts
from xfs4iot.console.answers import JSON, Content, answer
from xfs4iot.console.logins import Logins, TooManyTrials
from xfs4iot.console.movements import last_movements
from xfs4iot.ledger import LedgerCorrupt, LedgerUnavailable
from xfs4iot.protocol import versions
from xfs4iot.server.entrance import TLS_ONLY
from xfs4iot.server.peer import Peer
from xfs4iot.server.publisher import Publisher
from xfs4iot.telling import logger, told
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.upgrade import PageRequest, Request, UpgradeRefused

__all__ = ["Console"]

_log = logger("xfs4iot.console")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": JSON,
    ".svg": "image/svg+xml",
}
_MOVEMENTS = 100
_READS_LEDGER = "Storage.GetStorage"
"""Whoever may ask a service for its counts may see the movements that they are the sum of."""


class Console:
    """The console of one publisher; making it switches it on.

    Args:
        publisher: whose services it shows.
        ledger: the ledger's file; None if there is none to show.
        simulator: the messages of the service `Simulator`, where there is one.
        session_seconds: how long a login is good.
    """

    path = "/console"

    def __init__(
        self,
        publisher: Publisher,
        *,
        ledger: Path | None = None,
        simulator: Mapping[str, Any] | None = None,
        session_seconds: float = 8 * 3600.0,
    ) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._simulator = simulator
        self._session_seconds = session_seconds
        self._known: Logins | None = None
        self._files = {f"/console/{name}": content for name, content in _page()}
        self._files |= {
            f"/console/catalogue/{one}.json": Content(facts.catalogue(one), JSON, kept=True)
            for one in versions.SPECIFICATIONS
        }
        self._files["/console/masks.json"] = Content(facts.masks(), JSON, kept=True)
        self._files["/console/"] = self._files["/console/index.html"]
        publisher.pages = self

    @property
    def _secure(self) -> bool:
        return self._publisher.credentials is not None

    @property
    def _logins(self) -> Logins:
        # Only now: the port is known when the publisher serves. Cookies know no ports, so their names do.
        if self._known is None:
            name = f"{'__Host-' if self._secure else ''}xfs4iot-{self._publisher.port}"
            self._known = Logins(
                self._publisher.access, name, secure=self._secure, seconds=self._session_seconds
            )
        return self._known

    @property
    def uri(self) -> str:
        """Where a browser finds it."""
        return self._publisher.uri().replace("ws", "http", 1).rpartition("/xfs4iot/")[0] + "/console/"

    def admit(self, request: Request, identity: Identity | None, where: str) -> Peer:
        """Who this is.

        Raises:
            UpgradeRefused: see `Access.admit`.
        """
        own = request.origin is not None and request.origin == self._origin(request)
        # A page of another origin may be listed in [access], but logins are for our own.
        cookies = request.headers.get("cookie", "") if own or request.origin is None else ""
        login = self._logins.of(cookies)
        rule = None if login is None else login.rule
        peer = self._publisher.access.admit(request, identity, where, own_page=own, login=rule)
        return replace(peer, login=login) if peer.rule == rule else peer

    async def answer(self, request: PageRequest, identity: Identity | None, where: str) -> bytes:
        """The whole answer to a request.

        Raises:
            UpgradeRefused: there is none.
        """
        if self._origin(request) is None:
            raise UpgradeRefused(
                421, f"The console is not at {told(request.host)}: use the device's address or its own name."
            )
        path = request.path.partition("?")[0]
        if path == self.path:
            return await self._answer(request, Content(b"", "text/plain", 308, (("Location", "/console/"),)))
        if request.method == "POST":
            return await self._answer(request, await self._post(path, request, identity, where))
        if path in self._files:
            return await self._answer(request, self._files[path])
        match path:
            case "/console/atm":
                content = self._atm(request, identity, where)
            case "/console/ledger":
                content = await self._movements(request, identity, where)
            case _:
                raise UpgradeRefused(404, f"The console has no {told(path)}; it is at /console/.")
        return await self._answer(request, content)

    async def _answer(self, request: PageRequest, content: Content) -> bytes:
        # In a thread: a catalogue takes a tenth of a second to be compressed, and others wait for nobody.
        return await trio.to_thread.run_sync(answer, request, content, (TLS_ONLY,) if self._secure else ())

    def _origin(self, request: Request) -> str | None:
        """What a page that was got from this host has as its origin; None if it is no name of ours.

        With TLS the browser has checked the name already.
        """
        asked = request.headers.get("host", "").strip().lower()
        if self._secure:
            return f"https://{asked.removesuffix(':443')}"
        names = {"localhost", self._publisher.host.lower(), (self._publisher.advertise or "").lower()}
        if not request.host or not (request.host in names or _is_address(request.host)):
            return None
        return f"http://{asked.removesuffix(':80')}"

    def _atm(self, request: PageRequest, identity: Identity | None, where: str) -> Content:
        try:
            peer = self.admit(request, identity, where)
        except UpgradeRefused as refused:
            return _said({"login": self._logins.possible, "error": refused.body}, refused.status)
        publisher = self._publisher
        content = facts.atm(
            publisher.services,
            publisher.endpoint,
            publisher.access,
            peer,
            self._simulator,
            self._ledger is not None,
        )
        content["user"]["login"] = self._logins.possible
        content["user"]["loggedIn"] = peer.login is not None
        return _said(content)

    async def _movements(self, request: PageRequest, identity: Identity | None, where: str) -> Content:
        peer = self.admit(request, identity, where)
        if not self._publisher.access.permits(peer, _READS_LEDGER):
            return _said({"error": f"this needs {_READS_LEDGER} in [access]"}, 403)
        if self._ledger is None:
            return _said({"movements": []})
        try:
            found = await trio.to_thread.run_sync(
                last_movements, self._ledger, _MOVEMENTS, frozenset(self._publisher.services)
            )
        except (LedgerUnavailable, LedgerCorrupt, sqlite3.Error) as wrong:
            _log.error("the ledger's movements cannot be shown: %s", wrong)
            return _said({"error": "the ledger cannot be read; the log says why"}, 503)
        return _said({"movements": found})

    async def _post(self, path: str, request: PageRequest, identity: Identity | None, where: str) -> Content:
        # Browsers send `Origin` with every POST; a page of another site cannot forge it.
        if request.origin != self._origin(request):
            raise UpgradeRefused(403, "Only the console's own page may post here.")
        if request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
            raise UpgradeRefused(415, f"What is posted here is {JSON}.")
        cookies = request.headers.get("cookie", "")
        if path == "/console/logout":
            return _said({}, headers=(("Set-Cookie", self._logins.end(cookies)),))
        if path != "/console/login":
            raise UpgradeRefused(404, f"Nothing can be posted to {told(path)}.")
        try:
            asked = orjson.loads(request.body)
            name, secret = asked.get("name") or "", asked["secret"]
            good = isinstance(name, str) and isinstance(secret, str)
        except (orjson.JSONDecodeError, KeyError, AttributeError):
            good = False
        if not good:
            raise UpgradeRefused(400, "A login has a name and a secret.")
        address = where.rpartition(":")[0]
        try:
            cookie = await self._logins.begin(name, secret, identity, address, cookies)
        except TooManyTrials:
            _log.warning("%s: too many wrong logins", where, extra={"connection": where})
            return _said({"error": "tooManyTrials"}, 429, (("Retry-After", "60"),))
        if cookie is None:
            _log.warning("%s: a wrong login as %s", where, told(name or "(token)"))
            return _said({"error": "wrong"}, 401)
        _log.info("%s: logged in as %s", where, told(name or "(token)"), extra={"connection": where})
        return _said({}, headers=(("Set-Cookie", cookie),))


def _said(content: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Content:
    return Content(orjson.dumps(content), JSON, HTTPStatus(status), headers)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _page() -> Iterator[tuple[str, Content]]:
    """The files of the page."""

    def within(directory: Traversable, prefix: str) -> Iterator[tuple[str, Content]]:
        for one in directory.iterdir():
            if one.is_dir():
                yield from within(one, f"{prefix}{one.name}/")
            elif (kind := _KINDS.get(Path(one.name).suffix)) is not None:
                yield prefix + one.name, Content(one.read_bytes(), kind, kept=True)

    return within(files("xfs4iot.console").joinpath("page"), "")
