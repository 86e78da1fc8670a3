"""The device's credentials over time: taken up at the start, replaced while it runs.

A new certificate and key (or authorities, or revocation lists) serve new connections from
the moment they were read and found good; open connections keep what they began with. Bad
files are refused, and the old credentials stay in use. Files are checked every few seconds;
a change is taken up once they have been left alone for one such interval, so that a
certificate is not read before its key is there.
"""

from __future__ import annotations

import logging
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio
from OpenSSL import SSL

from xfs4iot.telling import logger
from xfs4iot.transport.failures import CredentialsRefused
from xfs4iot.transport.pairs import Pair, fingerprint, subject_of
from xfs4iot.transport.policy import Material, TLSConfig, server_context

__all__ = ["Credentials"]

_log = logger("xfs4iot.tls")

_LOOK_SECONDS = 2.0
_TICKET_KEY_SECONDS = 12 * 60 * 60.0
_WARNING_DAYS = (30, 7, 1)

_Seen = tuple[tuple[Path, float, int, int] | tuple[Path], ...]


class Credentials:
    """What a device proves itself with, and whom it trusts.

    Args:
        config: the files and the policy.
        reload_on_hangup: read the files again at SIGHUP, while `watch` runs.

    Attributes:
        config, reload_on_hangup: as given.
        refusal: why the files as they are now were not taken up; None if they were.

    Raises:
        CredentialsRefused: there is any doubt about a file; the text says which, and what to do.
    """

    def __init__(self, config: TLSConfig, *, reload_on_hangup: bool = True) -> None:
        self.config = config
        self.reload_on_hangup = reload_on_hangup
        self.refusal: str | None = None
        self._warned: dict[str, int] = {}
        # Looked at before they are read, so that a change in between is noticed at the next look.
        self._seen: _Seen = _look(config.files)
        self._take(config.load())

    def _take(self, material: Material) -> None:
        # Made before anything is replaced: if it is refused, the old material and context both stay.
        context = server_context(self.config, material)
        self._material, self._context = material, context

    @property
    def context(self) -> SSL.Context:
        """The context for new connections."""
        return self._context

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The certificates that serve."""
        return self._material.pairs

    @property
    def not_after(self) -> datetime:
        """When the first of the certificates expires."""
        return min(pair.not_after for pair in self.pairs)

    def days_left(self, now: datetime | None = None) -> int:
        """Whole days until the first of the certificates expires; negative when it has."""
        return (self.not_after - (now or datetime.now(UTC))).days

    def warnings(self, now: datetime | None = None) -> tuple[str, ...]:
        """What an operator should know: what expires within 30 days, and files that were refused."""
        now = now or datetime.now(UTC)
        found = [text for _, _, text in self._expiring(now)]
        if self.refusal is not None:
            found.append(f"not taken up: {self.refusal}")
        return tuple(found)

    def reload(self) -> bool:
        """Read the files again; whether they were taken up. What is not good changes nothing.

        A refusal is logged, and kept in `refusal`.
        """
        self._seen = _look(self.config.files)
        try:
            self._take(self.config.load())
        except CredentialsRefused as problem:
            return self._refuse(str(problem))
        except Exception as problem:
            # Whatever a file holds, the service that is asked to read it must go on.
            _log.debug("the new files cannot be read", exc_info=True)
            return self._refuse(f"they cannot be read: {problem!r}")
        self.refusal = None
        self._tell()
        return True

    def _refuse(self, reason: str) -> bool:
        self.refusal = reason
        _log.error("new certificates refused, the old ones go on serving: %s", reason)
        return False

    def _tell(self) -> None:
        for pair in self.pairs:
            _log.info(
                "certificate taken up: %s for %s, until %s, fingerprint %s",
                pair.certificate.subject.rfc4514_string(),
                ", ".join(pair.names),
                f"{pair.not_after:%Y-%m-%d}",
                fingerprint(pair.certificate),
            )
        if self.config.keylog is not None:
            _log.warning("the secrets of every connection are written to %s", self.config.keylog)

    async def watch(self, *, look_seconds: float = _LOOK_SECONDS) -> None:
        """Take up changed files and SIGHUP, renew ticket keys, and warn of expiry, until cancelled."""
        async with trio.open_nursery() as nursery:
            if self.reload_on_hangup and sys.platform != "win32":
                nursery.start_soon(self._on_hangup)
            self._tell()
            renewed = trio.current_time()
            before = self._seen
            while True:
                self.warn()
                await trio.sleep(look_seconds)
                now = _look(self.config.files)
                if now != self._seen and now == before:
                    self.reload()
                before = now
                if trio.current_time() - renewed >= _TICKET_KEY_SECONDS:
                    # A new context means new ticket keys. It is made from memory: the files may be
                    # broken just now.
                    self._context = server_context(self.config, self._material)
                    renewed = trio.current_time()

    async def _on_hangup(self) -> None:
        if sys.platform == "win32":
            return
        try:
            with trio.open_signal_receiver(signal.SIGHUP) as hangups:
                async for _ in hangups:
                    self.reload()
        except RuntimeError:
            _log.debug("no signals are received outside the main thread: SIGHUP will not reload")

    def warn(self, now: datetime | None = None) -> None:
        """Log what expires, once at 30, 7 and 1 days ahead and once when it has."""
        for what, days, text in self._expiring(now or datetime.now(UTC)):
            stage = sum(days < limit for limit in (*_WARNING_DAYS, 0))
            if stage > self._warned.get(what, 0):
                self._warned[what] = stage
                _log.log(logging.WARNING if days >= 1 else logging.ERROR, "%s", text)

    def _expiring(self, now: datetime) -> list[tuple[str, int, str]]:
        """What expires soon: the thing, days left, and the words for it.

        A certificate is told of 30 days ahead. A revocation list, which may live for a day or for
        a month, is told of in the last quarter of its life.
        """
        month = timedelta(days=_WARNING_DAYS[0])
        ends = [
            (f"certificate {pair.file} ({fingerprint(pair.certificate)[:16]})", pair.not_after, month)
            for pair in self.pairs
        ]
        ends += [
            (f"authority {subject_of(one)} of {self.config.client_ca}", one.not_valid_after_utc, month)
            for one in self._material.authorities
        ]
        ends += [
            (f"revocation list {file}", crl.next_update_utc, (crl.next_update_utc - crl.last_update_utc) / 4)
            for file, crl in self._material.crls
            if crl.next_update_utc is not None
        ]
        found = []
        for what, end, ahead in ends:
            left = end - now
            if left >= ahead:
                continue
            if left < timedelta():
                text = f"{what} expired on {end:%Y-%m-%d %H:%M} UTC: connections fail until it is renewed"
            else:
                text = f"{what} expires on {end:%Y-%m-%d %H:%M} UTC, in {_in_words(left)}: renew it"
            # With its end, so that a renewed one is warned of again when its time comes.
            found.append((f"{what} {end}", left.days, text))
        return found


def _in_words(left: timedelta) -> str:
    if left.days:
        return f"{left.days} day{'s' * (left.days > 1)}"
    return f"{left.seconds // 3600} h {left.seconds // 60 % 60} min"


def _look(files: tuple[Path, ...]) -> _Seen:
    """What tells one state of the files from another."""
    seen: list[tuple[Path, float, int, int] | tuple[Path]] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            seen.append((file,))
        else:
            # The inode too: a file moved into place can have the old one's time and size.
            seen.append((file, status.st_mtime, status.st_size, status.st_ino))
    return tuple(seen)
