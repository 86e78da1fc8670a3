"""The power fails while keys come in parts, by tokens and as pairs: table and secure part agree afterwards.

A real service in a process of its own is killed at random moments, and at chosen writes, syncs and renames of
its ledger and of the module's own store, while a host is bound to the device, custodians enter the parts of a
key, tokens bring keys, the device makes pairs, and somebody initializes it.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fingers import secure_entered
from host import b64, kcv, unb64
from test_key_power_cuts import DETAIL, PROFILE, PinPadATM
from tr34 import token

from dialogue import Dialogue, dialogue, outcome
from power import Fault, Launcher, NotReady

IMPORT, INITIALIZE = "KeyManagement.ImportKey", "KeyManagement.Initialization"
PAIR, TOKEN, LOAD = (
    f"KeyManagement.{name}" for name in ("GenerateRSAKeyPair", "ImportKeyToken", "LoadCertificate")
)
EXPORT, CERTIFICATE = "KeyManagement.ExportRSADeviceSignedItem", "KeyManagement.GetCertificate"
HOST = rsa.generate_private_key(65537, 2048)
ATTRIBUTES = {"keyUsage": "D0", "algorithm": "T", "modeOfUse": "B"}
PARTS, BY_TOKEN, OWN, HOSTS = "Parts", "Token", "Pair", "_HostCert"
ALWAYS = {"TestKbpk", "_EPPCryptKey", "_EPPSignKey", "_SigIssuerVendor"}
ANY = "a pair that nobody has seen"


class Host:
    """Who loads keys, over all lives of the ATM.

    Attributes:
        may: by name of a key, what may be known of it: check value or public key; None where it may be
            absent.
        done, cut: how often a command succeeded, and how often the power failed during it.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.may: dict[str, set[str | None]] = {name: {None} for name in (PARTS, BY_TOKEN, OWN, HOSTS)}
        self.done: dict[str, int] = {}
        self.cut: dict[str, int] = {}
        self.running = ""
        self.certificate = b""
        self.time = datetime.now(UTC)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """The name of what is cut if the power fails meanwhile."""
        self.running = what
        yield
        self.running = ""
        self.done[what] = self.done.get(what, 0) + 1

    async def work(self, pad: Dialogue, simulator: Dialogue) -> None:
        """Load keys in all these ways, until the power fails."""
        own = unb64((await pad.success(CERTIFICATE, {"getCertificate": "enckey"}))["certificate"])
        while True:
            if self.may[HOSTS] == {None}:
                await self.bind(pad, simulator)
            match self.chance.randrange(8):
                case 0 | 1 | 2:
                    await self.construct(pad, simulator)
                case 3 | 4:
                    await self.by_token(pad, own)
                case 5 | 6:
                    await self.make_pair(pad)
                case _:
                    for name in (PARTS, BY_TOKEN, OWN):
                        self.may[name].add(None)
                    with self.doing("Initialization"):
                        await pad.success(INITIALIZE)
                    for name in (PARTS, BY_TOKEN, OWN):
                        self.may[name] = {None}

    async def bind(self, pad: Dialogue, simulator: Dialogue) -> None:
        public = HOST.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        found = await simulator.success("Simulator.IssueHostCertificate", {"publicKey": b64(public)})
        self.may[HOSTS].add(found["certificate"])
        request = {"loadOption": "newHost", "signer": "ca", "certificateData": found["message"]}
        with self.doing("LoadCertificate"):
            await pad.success(LOAD, request)
        self.may[HOSTS] = {found["certificate"]}

    async def construct(self, pad: Dialogue, simulator: Dialogue) -> None:
        """Two parts, and the key; sometimes it is left at one."""
        parts = [self.chance.randbytes(16) for _ in range(2)]
        request = {"key": PARTS, "keyAttributes": ATTRIBUTES}
        for part in parts:
            with self.doing("SecureKeyEntry"):
                assert outcome(await secure_entered(pad, simulator, part)) == "success"
            with self.doing("ImportKey of a part"):
                await pad.success(IMPORT, {**request, "constructing": True})
            if self.chance.random() < 0.2:
                await pad.success("KeyManagement.Reset")
                return
        whole = bytes(a ^ b for a, b in zip(*parts, strict=True))
        check = kcv("T", whole).hex()
        self.may[PARTS].add(check)
        with self.doing("ImportKey of the whole"):
            await pad.success(IMPORT, request)
        self.may[PARTS] = {check}

    async def by_token(self, pad: Dialogue, own: bytes) -> None:
        (certificate,) = self.may[HOSTS]
        assert certificate is not None
        key = self.chance.randbytes(16)
        self.time += timedelta(seconds=1)
        made = token(key, "D0112D0AB00E0000", HOST, unb64(certificate), own, time=self.time)
        request = {"keyToken": b64(made), "key": BY_TOKEN, "keyUsage": "D0", "loadOption": "noRandom"}
        check = kcv("A", key).hex()
        self.may[BY_TOKEN].add(check)
        with self.doing("ImportKeyToken"):
            await pad.success(TOKEN, request)
        self.may[BY_TOKEN] = {check}
        assert await pad.failure(TOKEN, request) == "randomInvalid"

    async def make_pair(self, pad: Dialogue) -> None:
        self.may[OWN].add(ANY)
        with self.doing("GenerateRSAKeyPair"):
            await pad.success(PAIR, {"key": OWN, "use": "rsaPrivateSign", "modulusLength": 2048})
        self.may[OWN] = {await self.known(pad, OWN)}

    @staticmethod
    async def known(pad: Dialogue, name: str) -> str:
        """What can be known of a key that is there; it is used for it."""
        if name == HOSTS:
            found = await pad.success(CERTIFICATE, {"getCertificate": "hostkey"})
            return str(found["certificate"])
        if name == OWN:
            found = await pad.success(EXPORT, {"exportItemType": "publicKey", "name": OWN})
            assert found["selfSignature"]
            return str(found["value"])
        kcv = await pad.success("KeyManagement.GenerateKCV", {"key": name, "keyCheckMode": "zero"})
        return base64.b64decode(kcv["kcv"]).hex()

    async def look(self, pad: Dialogue, simulator: Dialogue) -> None:
        """Hold table and secure part against each other, and against what may be, after a start."""
        told = (await pad.success(DETAIL))["keyDetails"]
        truth = (await simulator.success("Simulator.GetTruth", {"service": "PinPad"}))["services"]["PinPad"]
        loaded = {name for name, one in told.items() if one["loaded"] == "yes"}
        assert loaded == set(truth["keys"])
        assert {one["loaded"] for one in told.values()} <= {"yes", "no"}
        assert loaded - self.may.keys() == ALWAYS
        state = (await pad.success("Common.Status"))["keyManagement"].get("certificateState")
        assert (state == "primary") is (HOSTS in loaded), state
        for name, may in self.may.items():
            found = await self.known(pad, name) if name in loaded else None
            assert found in may or (found is not None and ANY in may), (name, found, may)
            self.may[name] = {found}
            if name in told and found is None:
                # It was erased and still booked: that it is missing is seen until somebody says that it may.
                await pad.success("KeyManagement.DeleteKey", {"key": name})
        # No part outlives the power.
        request = {"key": PARTS, "keyAttributes": ATTRIBUTES}
        assert outcome(await pad.completion(IMPORT, request)) == "invalidData"
        part = {**request, "constructing": True}
        assert await pad.failure(IMPORT, part) == "keyNoValue"


async def life(atm: PinPadATM, host: Host, fault: Fault, seconds: float) -> None:
    """One life of the ATM, ended by the fault or after some time."""
    try:
        async with atm.running(fault) as process, trio.open_nursery() as nursery:
            try:
                pad: Any = await nursery.start(dialogue, atm.uris["PinPad"])
                simulator: Any = await nursery.start(dialogue, atm.uris["Simulator"])
                await host.look(pad, simulator)
                with trio.move_on_after(seconds):
                    await host.work(pad, simulator)
            except (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError, OSError):
                assert process.ended or fault.at is not None
            process.kill()
            await process.wait()
            host.cut[host.running] = host.cut.get(host.running, 0) + 1
            host.running = ""
            nursery.cancel_scope.cancel()
    except* (NotReady, OSError, trio_websocket.HandshakeError):
        # It may end as it starts, at the chosen moment, and then nobody has asked it for anything.
        if fault.at is None:
            raise


@pytest.mark.parametrize("lives", [8, pytest.param(200, marks=pytest.mark.long)])
async def test_keys_that_come_outlive_any_end(launcher: Launcher, tmp_path: Path, lives: int) -> None:
    chance = random.Random(lives)
    (tmp_path / "profile.toml").write_text(PROFILE, "utf-8")
    atm = PinPadATM(tmp_path, launcher, seconds=0, options=("--profile", str(tmp_path / "profile.toml")))
    host = Host(chance)
    for number in range(lives):
        at = None if number % 2 else chance.randrange(1, 150)
        await life(atm, host, Fault(at=at, torn=chance.random() < 0.3), chance.uniform(0.2, 2))
    # At last nothing ends it, and all is as it was said to be.
    await life(atm, host, Fault(), 0.5)
    print(f"{lives} ends: {host.cut}; done: {host.done}")
    assert sum(host.done.values()) > lives
    assert "Traceback" not in (tmp_path / "log").read_text()
