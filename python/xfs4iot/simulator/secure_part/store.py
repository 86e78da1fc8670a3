"""Where key values are kept: in memory, and sealed on disk.

Each value, and the file of the store as a whole, is sealed by AES-256-GCM under a key in a separate file,
which only its owner may read and which stands in for the chip of a real device. Tampering erases both. In
memory each value lies in a `Secret`, which is overwritten when the key is erased.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from xfs4iot._core import Secret
from xfs4iot.devices import StoredKey
from xfs4iot.protocol import errors
from xfs4iot.simulator.secure_part.ciphers import readable, wipe

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Held", "KeyStore"]

_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32


def _seal(key: bytes, value: Buffer) -> bytes:
    """Nonce, what is sealed, and tag; the value is read where it lies."""
    nonce = os.urandom(_NONCE_BYTES)
    run = Cipher(AES(key), modes.GCM(nonce)).encryptor()
    return nonce + run.update(readable(value)) + run.finalize() + run.tag


def _unseal(key: bytes, sealed: bytes) -> Secret:
    """What was sealed.

    Raises:
        ValueError, InvalidTag: it was not, or was changed.
    """
    nonce, text, tag = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:-_TAG_BYTES], sealed[-_TAG_BYTES:]
    run = Cipher(AES(key), modes.GCM(nonce, tag)).decryptor()
    room = bytearray(len(text) + _TAG_BYTES)
    try:
        count = run.update_into(text, room)
        run.finalize()
        return Secret(memoryview(room)[:count])
    finally:
        wipe(room)


class Held:
    """A key with its value.

    Attributes:
        stored: what may be told of it.
        value: the value; of an RSA key, DER.
    """

    __slots__ = ("stored", "value")

    def __init__(self, stored: StoredKey, value: Buffer) -> None:
        self.stored = stored
        self.value = value if isinstance(value, Secret) else Secret(value)

    def __repr__(self) -> str:
        return f"Held({self.stored})"


class _Record(msgspec.Struct):
    stored: StoredKey
    sealed: bytes


class _Content(msgspec.Struct):
    keys: dict[str, _Record] = {}
    secrets: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"_Content({list(self.keys)})"


class KeyStore:
    """Keys, and a few more secrets, that outlive their process.

    Args:
        directory: of the ATM's truth; None keeps everything in memory.
        name: of the device.

    Raises:
        HardwareError: the file does not open with its key; see `erase`.
    """

    def __init__(self, directory: Path | None, name: str) -> None:
        self._file = None if directory is None else directory / f"{name}.secure"
        self._key_file = None if directory is None else directory / f"{name}.secure-key"
        self._keys: dict[str, Held] = {}
        self.secrets: dict[str, bytes] = {}
        self._read()

    @property
    def keys(self) -> Mapping[str, Held]:
        """All keys by name."""
        return self._keys

    def put(self, name: str, held: Held) -> None:
        """Keep a key in the place of one of the same name."""
        before = self._keys.get(name)
        self._keys[name] = held
        self.save()
        if before is not None:
            before.value.erase()

    def remove(self, *names: str) -> None:
        """Erase keys."""
        gone = [held for name in names if (held := self._keys.pop(name, None)) is not None]
        self.save()
        for held in gone:
            held.value.erase()

    def erase(self) -> None:
        """Erase everything, the sealing key first: what was sealed opens no more."""
        if self._key_file is not None:
            with contextlib.suppress(FileNotFoundError):
                self._key_file.unlink()
        for held in self._keys.values():
            held.value.erase()
        self._keys = {}
        self.secrets = {}
        self.save()

    def save(self) -> None:
        """Seal the store as it is now."""
        if self._file is None:
            return
        key = self._sealing_key()
        records = {name: _Record(held.stored, _seal(key, held.value)) for name, held in self._keys.items()}
        sealed = _seal(key, msgspec.msgpack.encode(_Content(records, self.secrets)))
        new = self._file.with_suffix(".secure-new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        # Atomic: after a crash there is the old store or the new one, never half of one.
        os.replace(new, self._file)
        if os.name == "posix":
            # Without it a power cut could undo the rename, and a counter would be used twice.
            directory = os.open(self._file.absolute().parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _read(self) -> None:
        if self._file is None or not self._file.exists():
            return
        raw = self._file.read_bytes()
        try:
            key = self._sealing_key()
            content = msgspec.msgpack.decode(_unseal(key, raw), type=_Content)
            values = {name: _unseal(key, record.sealed) for name, record in content.keys.items()}
        except (InvalidTag, msgspec.DecodeError, ValueError):
            raise errors.HardwareError(
                f"the keys in {self._file.name} do not open: file or sealing key were changed; "
                "remove both files to begin with a device that has no keys"
            ) from None
        self._keys = {name: Held(record.stored, values[name]) for name, record in content.keys.items()}
        self.secrets = content.secrets

    def _sealing_key(self) -> bytes:
        assert self._key_file is not None
        with contextlib.suppress(FileNotFoundError):
            return self._key_file.read_bytes()
        key = os.urandom(_KEY_BYTES)
        # O_EXCL: never overwrite a key that another process has just made; the store would open no more.
        with open(os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return key
