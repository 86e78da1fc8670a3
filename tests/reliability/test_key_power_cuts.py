"""The power fails at any moment while keys come and go: table and device agree, no counter is used twice.

A real service in a process of its own, with a simulated PIN pad. Custodians import keys, delete and
initialize them, and customers enter PINs that become blocks by a DUKPT key. It is killed at random moments,
and at chosen writes, syncs and renames of its ledger and of the module's own store.
"""

from __future__ import annotations

import base64
import random
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import psec.tr31

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from dialogue import Dialogue, dialogue, outcome
from power import ATM, Fault, Launcher, NotReady

KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
PROFILE = f"""
[services.PinPad]
kinds = ["KeyManagement", "Crypto", "Keyboard", "PinPad"]
unattended_pin = "7305"
[services.PinPad.keys]
TestKbpk = {{ usage = "K1", algorithm = "A", mode_of_use = "D", value = "{KBPK.hex()}" }}
"""
NAMES = ("K0", "K1", "K2")
DUKPT = "D"
INITIAL = bytes.fromhex("3B1F0A5577992CD4E6A8F0112233C4D5")
KSN = "KeyManagement.DUKPTKSNEvent"
IMPORT, DELETE, DETAIL = "KeyManagement.ImportKey", "KeyManagement.DeleteKey", "KeyManagement.GetKeyDetail"
INITIALIZE, ENTRY, BLOCK = "KeyManagement.Initialization", "Keyboard.PinEntry", "PinPad.GetPinBlock"
PIN = {
    "minLen": 4,
    "activeKeys": {
        **{name: {} for name in ("zero", "three", "five", "seven")},
        "enter": {"terminate": True},
    },
}


class PinPadATM(ATM):
    """An ATM of which the key store can be cut off, too."""

    def _environment(self, fault: Fault) -> Mapping[str, str]:
        return {**super()._environment(fault), "POWER_KEYS": "1"}


def check_value(key: bytes) -> str:
    made = CMAC(AES(key))
    made.update(bytes(16))
    return made.finalize()[:5].hex()


def key_block(kind: str, key: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usage, algorithm, mode = kind.split()
        header = psec.tr31.Header("D", usage, algorithm, mode, "00", "E")
        return base64.b64encode(psec.tr31.KeyBlock(KBPK, header).wrap(key).encode()).decode()


class Custodian:
    """Who loads keys and uses them, over all lives of the ATM.

    Attributes:
        may: by name of a key, the check values that it may have; None where it may be absent.
        values: of all keys that were ever sent.
        numbers: of the transactions that were told, in their order.
        done: how often each command has succeeded.
        cut: which command ran when the power failed.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.may: dict[str, set[str | None]] = {name: {None} for name in (*NAMES, DUKPT)}
        self.values: list[bytes] = [INITIAL]
        self.numbers: list[int] = []
        self.done: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.running = ""

    async def call(self, pad: Dialogue, name: str, payload: Any = None) -> bool:
        self.running = name
        completion = await pad.completion(name, payload)
        self.running = ""
        good = outcome(completion) == "success"
        assert good or outcome(completion) == "commandErrorCode", completion
        self.done[name] += good
        return good

    async def load(self, pad: Dialogue, name: str, kind: str, key: bytes) -> None:
        self.may[name].add(check_value(key))
        request = {"key": name, "value": key_block(kind, key), "decryptKey": "TestKbpk"}
        assert await self.call(pad, IMPORT, request)
        self.may[name] = {check_value(key)}

    async def delete(self, pad: Dialogue, name: str) -> None:
        there = self.may[name] != {None}
        self.may[name].add(None)
        assert await self.call(pad, DELETE, {"key": name}) is there
        self.may[name] = {None}

    async def work(self, pad: Dialogue) -> None:
        """Do all that custodians and customers do, until the power fails."""
        while True:
            chosen = self.chance.random()
            if chosen < 0.3:
                key = self.chance.randbytes(16)
                self.values.append(key)
                await self.load(pad, self.chance.choice(NAMES), "D0 A B", key)
            elif chosen < 0.45:
                await self.delete(pad, self.chance.choice((*NAMES, DUKPT)))
            elif chosen < 0.55:
                for name in self.may:
                    self.may[name].add(None)
                assert await self.call(pad, INITIALIZE)
                for name in self.may:
                    self.may[name] = {None}
            else:
                if self.may[DUKPT] == {None} or self.chance.random() < 0.2:
                    # Always the same, as if somebody had recorded how it came.
                    await self.load(pad, DUKPT, "B1 A X", INITIAL)
                assert await self.call(pad, ENTRY, PIN)
                if self.chance.random() < 0.9:
                    request = {"format": "iso4", "customerData": "4012345678909123", "key": DUKPT}
                    assert await self.call(pad, BLOCK, request)

    def hear(self, pad: Dialogue) -> None:
        """Note the numbers of transactions that were told, whether their blocks came or not."""
        for message in pad.passed:
            if message["header"]["name"] == KSN:
                told = base64.b64decode(message["payload"]["ksn"])
                self.numbers.append(int.from_bytes(told[-4:], "big"))
        pad.passed.clear()

    async def look(self, pad: Dialogue) -> None:
        """Hold what the service says against what may be, after a start."""
        told = (await pad.success(DETAIL))["keyDetails"]
        assert told["TestKbpk"]["loaded"] == "yes"
        own = {name for name in told if name.startswith("_")}
        assert set(told) - own <= {"TestKbpk", *self.may}
        assert own == {"_EPPCryptKey", "_EPPSignKey", "_SigIssuerVendor"}
        for name, may in self.may.items():
            if name in told and told[name]["loaded"] == "yes":
                kcv = await pad.success("KeyManagement.GenerateKCV", {"key": name, "keyCheckMode": "zero"})
                found: str | None = base64.b64decode(kcv["kcv"]).hex()
            else:
                assert name not in told or told[name]["loaded"] == "no", told
                found = None
            assert found in may, (name, found, may)
            self.may[name] = {found}
            if name in told and found is None:
                # It was erased and still booked: that it is missing is seen until somebody says that it may.
                await pad.success(DELETE, {"key": name})
        # No PIN outlives the power.
        if self.may[DUKPT] != {None}:
            request = {"format": "iso4", "customerData": "4012345678909123", "key": DUKPT}
            assert await pad.failure(BLOCK, request) == "noPin"

    def look_into(self, directory: Path) -> None:
        """See that no file of the service has a key or PIN in the clear."""
        for file in directory.iterdir():
            if file.is_file() and file.name != "profile.toml":
                content = file.read_bytes()
                for value in (KBPK, *self.values):
                    assert value not in content, file.name
                    assert value.hex().encode() not in content.lower(), file.name


async def life(atm: ATM, custodian: Custodian, fault: Fault, seconds: float) -> None:
    """One life of the ATM, ended by the fault or after some time."""
    try:
        async with atm.running(fault) as process, trio.open_nursery() as nursery:
            pad: Dialogue = await nursery.start(dialogue, atm.uris["PinPad"])
            try:
                await custodian.look(pad)
                with trio.move_on_after(seconds):
                    await custodian.work(pad)
            except trio_websocket.ConnectionClosed:
                assert process.ended or fault.at is not None
            finally:
                custodian.hear(pad)
            process.kill()
            await process.wait()
            custodian.cut[custodian.running] += 1
            nursery.cancel_scope.cancel()
    except* (NotReady, OSError, trio_websocket.HandshakeError):
        # It may end as it starts, at the chosen moment, and then nobody has asked it for anything.
        if fault.at is None:
            raise


@pytest.mark.parametrize("lives", [8, pytest.param(300, marks=pytest.mark.long)])
async def test_keys_and_counters_outlive_any_end(launcher: Launcher, tmp_path: Path, lives: int) -> None:
    chance = random.Random(lives)
    (tmp_path / "profile.toml").write_text(PROFILE, "utf-8")
    atm = PinPadATM(tmp_path, launcher, seconds=0, options=("--profile", str(tmp_path / "profile.toml")))
    custodian = Custodian(chance)
    for number in range(lives):
        at = None if number % 2 else chance.randrange(1, 120)
        await life(atm, custodian, Fault(at=at, torn=chance.random() < 0.3), chance.uniform(0.1, 0.6))
        custodian.look_into(tmp_path)
    # At last nothing ends it, and all is as it was said to be.
    await life(atm, custodian, Fault(), 0.3)
    print(f"{lives} ends: {dict(custodian.cut)}; done: {dict(custodian.done)}")
    assert custodian.numbers == sorted(set(custodian.numbers))
    assert len(custodian.numbers) > lives
    assert "Traceback" not in (tmp_path / "log").read_text()
