"""Secrets lie in memory of their own, and are overwritten when they are gone."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from xfs4iot._core import Secret
from xfs4iot.devices import KeyAttributes, StoredKey
from xfs4iot.simulator.secure_part import ciphers, key_block
from xfs4iot.simulator.secure_part.store import Held, KeyStore

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def test_parts_are_put_one_after_the_other() -> None:
    made = Secret(KEY[:4], bytearray(KEY[4:8]), memoryview(KEY)[8:])
    assert (bytes(made), len(made)) == (KEY, 16)
    assert bytes(Secret()) == b""


def test_nobody_writes_into_a_secret_or_reads_it_in_a_traceback() -> None:
    made = Secret(KEY)
    with pytest.raises(TypeError):
        memoryview(made)[0] = 0
    assert repr(made) == str(made) == "Secret(16)"
    for strange in (1, "text", None, [1]):
        with pytest.raises((TypeError, BufferError)):
            Secret(strange)  # type: ignore[arg-type]
    with pytest.raises((ValueError, BufferError)):
        Secret(memoryview(KEY)[::2])


def test_a_view_of_what_was_erased_shows_zeros() -> None:
    made = Secret(KEY)
    view = memoryview(made)
    made.erase()
    assert bytes(view) == bytes(16)


def test_a_view_outlives_its_secret() -> None:
    view = memoryview(Secret(KEY))
    assert bytes(view) == KEY


@pytest.mark.parametrize("algorithm", ["D", "T", "A"])
def test_a_cipher_reads_a_key_where_it_lies(algorithm: str) -> None:
    key = KEY[:8] if algorithm == "D" else KEY
    assert ciphers.encrypt(algorithm, Secret(key), bytes(16)) == ciphers.encrypt(algorithm, key, bytes(16))
    hidden = ciphers.encrypt(algorithm, key, KEY)
    assert bytes(ciphers.decrypt_key(algorithm, Secret(key), hidden)) == KEY


def test_a_key_that_is_erased_or_replaced_is_overwritten(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, "PinPad")
    stored = StoredKey(KeyAttributes(usage="P0", algorithm="T", mode_of_use="E"), 128)
    views = []
    for _ in range(2):
        held = Held(stored, KEY)
        views.append(memoryview(held.value))
        store.put("K", held)
    assert bytes(views[0]) == bytes(16)
    assert bytes(views[1]) == KEY
    assert bytes(KeyStore(tmp_path, "PinPad").keys["K"].value) == KEY
    store.remove("K")
    assert bytes(views[1]) == bytes(16)


CHILD = """
import sys, time
from pathlib import Path
from xfs4iot.devices import KeyAttributes, KeyImport
from xfs4iot.simulator.secure_part import SecurePart
from xfs4iot.simulator.secure_part.key_loading import KeyLoading

part = SecurePart(Path(sys.argv[1]), "PinPad")
for line in sys.stdin:
    name, kind, value, under, method = line.split()
    usage, algorithm, mode = kind.split("-")
    attributes = KeyAttributes(usage=usage, algorithm=algorithm, mode_of_use=mode)
    KeyLoading(part).import_key(
        KeyImport(
            name=name,
            attributes=attributes,
            value=bytes.fromhex(value),
            decrypt_key=under,
            decrypt_method=None if method == "-" else method,
        )
    )
    if usage == "D0":
        part.crypt(name, "encrypt", "cbc", bytes(64))
    if usage in ("M3", "B1"):
        part.mac(name, bytes(64))
print("ready", flush=True)
time.sleep(600)
"""


def found_in(pid: int, needles: dict[str, bytes]) -> dict[str, int]:
    """How often each occurs in the memory of a process that can be swapped or dumped."""
    counts = dict.fromkeys(needles, 0)
    smaps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{pid}/smaps").read_text(), flags=re.MULTILINE)
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for told in filter(None, smaps):
            head, *rest = told.splitlines()
            where, rights = head.split()[:2]
            flags = next(line for line in rest if line.startswith("VmFlags:")).split()
            if not rights.startswith("rw") or "dd" in flags or "[v" in head:
                continue
            start, end = (int(one, 16) for one in where.split("-"))
            memory.seek(start)
            content = memory.read(end - start)
            for name, value in needles.items():
                counts[name] += content.count(value)
    return counts


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_keys_that_were_loaded_and_used_lie_nowhere_else_in_memory(tmp_path: Path) -> None:
    """The memory of a process is searched, as somebody would who has a dump of it."""
    keys = {f"key{number}": secrets.token_bytes(16) for number in range(5)}
    protection, kek = secrets.token_bytes(32), secrets.token_bytes(16)
    store = KeyStore(tmp_path, "PinPad")
    for name, usage, algorithm, value in (("KBPK", "K1", "A", protection), ("KEK", "K0", "T", kek)):
        stored = StoredKey(KeyAttributes(usage=usage, algorithm=algorithm, mode_of_use="D"), 0)
        store.put(name, Held(stored, value))
    lines = []
    for (name, value), kind in zip(
        keys.items(), ("D0-A-B", "D0-T-B", "M3-T-C", "B1-A-X", "P0-T-E"), strict=True
    ):
        usage, algorithm, mode = kind.split("-")
        if name == "key4":
            made, under = ciphers.encrypt("T", kek, value), "KEK ecb"
        else:
            made, under = key_block.wrap(protection, f"D0000{usage}{algorithm}{mode}00E0000", value), "KBPK -"
        lines.append(f"{name} {kind} {made.hex()} {under}\n")
    # Without what the suite has in each process to look for secrets: it holds them.
    alone = {name: value for name, value in os.environ.items() if name != "XFS4IOT_SECRECY"}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=alone,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("".join(lines).encode())
        child.stdin.close()
        assert child.stdout.readline() == b"ready\n"
        found = found_in(child.pid, {**keys, "KBPK": protection, "KEK": kek})
        child.kill()
    assert found == dict.fromkeys(found, 0)
