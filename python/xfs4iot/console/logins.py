"""Who has logged in at the console.

A browser cannot send an `Authorization` header with a WebSocket. So a person shows a token or a password
once, over POST, and gets a cookie that no script can read, and that no other site can make the browser
send. The cookie is a random number; who it belongs to is known here only, by its hash, until it expires,
the person logs out, or the process ends; what was opened by it is closed then.

Guessing is slow: trials are checked one after the other, and after five that were wrong an address, or
whoever tries a name, waits a minute.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

import trio

from xfs4iot.server.access import Access, ClientRule
from xfs4iot.server.login import Login
from xfs4iot.transport.identity import Identity
from xfs4iot.transport.passwords import check_password
from xfs4iot.transport.tokens import check_token

__all__ = ["Logins", "TooManyTrials"]

_MOST = 200
_TRIALS = 5
_WAIT_SECONDS = 60.0
_MOST_TRIED = 2000


class TooManyTrials(Exception):
    """Too many passwords or tokens were wrong; a minute later it can be tried again."""


class Logins:
    """The logins at one publisher.

    Args:
        access: its rules.
        name: of the cookie.
        secure: whether the browser may send it by TLS only.
        seconds: how long a login is good.
    """

    def __init__(self, access: Access, name: str, *, secure: bool, seconds: float) -> None:
        self._access = access
        self.name = name
        self._secure = secure
        self._seconds = seconds
        self._logins: OrderedDict[str, Login] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._one_at_a_time = trio.CapacityLimiter(1)

    @property
    def possible(self) -> bool:
        """Whether any rule can be logged in to."""
        return any(rule.token_hash or rule.password_hash for rule in self._access.rules)

    async def begin(
        self, name: str, secret: str, identity: Identity | None, address: str, cookies: str = ""
    ) -> str | None:
        """A cookie for whoever has shown the right token, or the right password with its name.

        Args:
            name: of the rule, with a password; empty with a token.
            secret: the password or token.
            identity: what the certificate says; None without one.
            address: the IP address it comes from.
            cookies: of the request; a login that the browser had before ends.

        Returns:
            None if it is not right.

        Raises:
            TooManyTrials: it was tried too often.
        """
        tried = [f"address {address}", *([f"name {name}"] if name else [])]
        # Until its own turn comes nobody is looked at: trials that come together are counted one by one.
        async with self._one_at_a_time:
            if any(self._is_barred(one) for one in tried):
                raise TooManyTrials
            # In a thread: deriving a password's hash takes a tenth of a second of a processor.
            rule = await trio.to_thread.run_sync(self._rule, name, secret)
            if rule is None or not rule.fits(identity, None, address, rule.name):
                for one in tried:
                    self._was_wrong(one)
                return None
        self.end(cookies)
        cookie = secrets.token_urlsafe(32)
        for digest in [digest for digest, login in self._logins.items() if not login.good]:
            del self._logins[digest]
        self._logins[_digest(cookie)] = Login(rule.name, trio.current_time() + self._seconds)
        while len(self._logins) > _MOST:
            self._logins.popitem(last=False)[1].end()
        return self._set(cookie, int(self._seconds))

    def _rule(self, name: str, secret: str) -> ClientRule | None:
        if not name:
            return next(
                (one for one in self._access.rules if one.token_hash and check_token(secret, one.token_hash)),
                None,
            )
        rule = next((one for one in self._access.rules if one.name == name), None)
        # Also where nobody is called so: how long it takes must not tell.
        return rule if check_password(secret, None if rule is None else rule.password_hash) else None

    def of(self, cookies: str) -> Login | None:
        """The login that a request was made by, as its cookies say."""
        found = (self._logins.get(digest) for digest in self._digests(cookies))
        return next((login for login in found if login is not None and login.good), None)

    def end(self, cookies: str) -> str:
        """Log out, and close what is open by it; gives the cookie that takes the place of the other."""
        for digest in self._digests(cookies):
            if (login := self._logins.pop(digest, None)) is not None:
                login.end()
        return self._set("", 0)

    def _digests(self, cookies: str) -> list[str]:
        # Cookies of others at this host may be written in any way, or bear this name: all are looked at.
        pairs = (one.strip().partition("=") for one in cookies.split(";"))
        return [_digest(value) for name, _, value in pairs if name == self.name]

    def _set(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{self.name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

    def _is_barred(self, who: str) -> bool:
        times = [one for one in self._wrong.get(who, ()) if one > trio.current_time() - _WAIT_SECONDS]
        return len(times) >= _TRIALS

    def _was_wrong(self, who: str) -> None:
        self._wrong[who] = [*self._wrong.pop(who, [])[-_TRIALS + 1 :], trio.current_time()]
        while len(self._wrong) > _MOST_TRIED:
            self._wrong.popitem(last=False)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
