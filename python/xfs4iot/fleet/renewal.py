"""A device renews its certificate over its link: at two thirds of its life, with a new key each time.

The request is signed by the key that the device has, so that whoever carries it cannot ask in its name. When
the new certificate is on disk the link is dialled anew by it; sessions go on as after any break of the line.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Protocol

import orjson
import trio
from cryptography.hazmat.primitives.serialization import Encoding

from xfs4iot.fleet.authority import renewal_text
from xfs4iot.fleet.carrier import Carrier, CarrierLost
from xfs4iot.fleet.credential import Credential, due
from xfs4iot.fleet.signatures import sign
from xfs4iot.fleet.subjects import Subjects
from xfs4iot.telling import logger, told
from xfs4iot.transport.failures import CredentialsRefused
from xfs4iot.transport.pairs import Pair

__all__ = ["Redialling", "Renewal"]

_log = logger("xfs4iot.uplink")
_SPREAD = 0.05
"""Part of a certificate's life by which it is renewed earlier or later than at two thirds."""
_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 3600.0
"""Longest sleep between two looks at the clock, which may be set meanwhile."""
_PAUSE = 1 / 100
"""Part of a certificate's life between two attempts, and an hour at most."""
_URGENT = 0.9
"""Part of a certificate's life after which a failure to renew is told at level critical."""


class Redialling(Carrier, Protocol):
    """A connection that can be made anew."""

    async def redial(self) -> None:
        """End it, and make another at once."""


class _NotRenewed(Exception):
    """There is no new certificate yet; the text says why."""


class _Refused(_NotRenewed):
    """The authority does not give one to this device."""


class Renewal:
    """Keeps a device's certificate good.

    Args:
        credential: its file.
        carrier: the device's link.
    """

    def __init__(self, credential: Credential, carrier: Redialling, subjects: Subjects) -> None:
        self._credential, self._carrier, self._subjects = credential, carrier, subjects
        self._shift = random.uniform(-_SPREAD, _SPREAD)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            try:
                pair = self._credential.load()
            except CredentialsRefused as refused:
                _log.critical("the certificate of the uplink cannot be renewed: %s", refused)
                await trio.sleep(_LOOK_SECONDS)
                continue
            begins = pair.certificate.not_valid_before_utc
            life = pair.not_after - begins
            left = (due(pair, self._shift) - datetime.now(UTC)).total_seconds()
            if left > 0:
                await trio.sleep(min(left, _LOOK_SECONDS))
                continue
            try:
                await self.renew(pair)
            except (_NotRenewed, CarrierLost, CredentialsRefused, OSError) as problem:
                urgent = isinstance(problem, _Refused) or datetime.now(UTC) > begins + life * _URGENT
                (_log.critical if urgent else _log.warning)(
                    "the certificate of the uplink, good until %s, is not renewed yet: %s",
                    f"{pair.not_after:%Y-%m-%d %H:%M} UTC",
                    problem,
                )
            # After a success, too: by a clock that is wrong the new one may be due at once.
            await trio.sleep(random.uniform(0.5, 1.0) * _pause(life))

    async def renew(self, pair: Pair) -> None:
        """Renew now.

        Raises:
            CarrierLost: nobody answers.
            CredentialsRefused: the new certificate will not do; the old one stays.
            OSError: it cannot be written; the old one stays.
        """
        credential = self._credential
        key = credential.next_key()
        request = credential.request(key)
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in pair.chain).decode()
        said = {
            "request": request, "certificates": chain,
            "signature": sign(pair.key, renewal_text(credential.device, request)).hex(),
        }  # fmt: skip
        subject = self._subjects.renew(credential.device)
        answer = await self._carrier.request(subject, json.dumps(said).encode(), _ANSWER_SECONDS)
        try:
            given = orjson.loads(answer.body)
            refused, later = given.get("refused"), given.get("later")
            certificates = str(given.get("certificates", ""))
        except (ValueError, AttributeError) as wrong:
            raise _NotRenewed(f"the authority's answer cannot be read: {wrong}") from None
        if refused:
            raise _Refused(told(str(refused)))
        if later:
            raise _NotRenewed(told(str(later)))
        new = credential.take(certificates, key)
        _log.info("the certificate of the uplink is renewed, until %s", f"{new.not_after:%Y-%m-%d %H:%M} UTC")
        await self._carrier.redial()


def _pause(life: timedelta) -> float:
    return min(_LOOK_SECONDS, life.total_seconds() * _PAUSE)
