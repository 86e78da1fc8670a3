"""The ways to a receipt printer: a network address, a serial line, or a device file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import trio

from xfs4iot.protocol import errors
from xfs4iot.reasons import reason

__all__ = ["Buffer", "Connection", "connect"]

_PORT = 9100
_WAIT_SECONDS = 0.2
"""How long a thread waits for bytes; it cannot be interrupted."""
_WRITE_SECONDS = 10
"""How long a printer may take no bytes, as one whose cover is open does."""
_CONNECT_SECONDS = 5
_AT_ONCE_SECONDS = 0.001
_MOST = 4096
_AT_ONCE = 512
"""Bytes for a serial line in one go: half a second's at 9600 baud."""

Buffer = bytes | memoryview


class Connection(Protocol):
    """Bytes to and from a printer. A connection that is lost raises `OSError`."""

    async def send(self, data: Buffer) -> None:
        """Send all of it.

        Raises:
            TooSlowError: the printer takes no more; some of it may have been taken.
        """

    async def receive(self) -> bytes:
        """Wait for some bytes."""

    async def drop(self) -> None:
        """Forget bytes that have come already."""

    async def close(self) -> None:
        """Let go of it."""


class _Network:
    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def send(self, data: Buffer) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as lost:
            raise OSError(str(lost)) from None

    async def receive(self) -> bytes:
        try:
            found = await self._stream.receive_some(_MOST)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as lost:
            raise OSError(str(lost)) from None
        if not found:
            raise OSError("the printer has closed the connection")
        return bytes(found)

    async def drop(self) -> None:
        with trio.move_on_after(_AT_ONCE_SECONDS):
            while True:
                await self.receive()

    async def close(self) -> None:
        await trio.aclose_forcefully(self._stream)


class _Serial:
    """A serial line, whose calls block and therefore run in threads."""

    def __init__(self, port: Any) -> None:
        self._port = port

    async def send(self, data: Buffer) -> None:
        # In small pieces, so that whoever gives up does not leave a thread behind for long.
        for at in range(0, len(data), _AT_ONCE):
            await trio.to_thread.run_sync(self._write, data[at : at + _AT_ONCE])

    def _write(self, data: Buffer) -> None:
        import serial

        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            # The line is there: whoever sends looks why nothing moves on it.
            raise trio.TooSlowError from None

    async def receive(self) -> bytes:
        while True:
            waiting = max(1, self._port.in_waiting)
            found = await trio.to_thread.run_sync(self._port.read, min(waiting, _MOST))
            if found:
                return bytes(found)

    async def drop(self) -> None:
        await trio.to_thread.run_sync(self._port.reset_input_buffer)

    async def close(self) -> None:
        await trio.to_thread.run_sync(self._port.close)


class _File:
    """A device file that can be written and read, such as `/dev/usb/lp0`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def send(self, data: Buffer) -> None:
        rest = memoryview(data)
        while rest:
            await trio.lowlevel.wait_writable(self._descriptor)
            with suppress(BlockingIOError):
                rest = rest[os.write(self._descriptor, rest[:_MOST]) :]

    async def receive(self) -> bytes:
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            with suppress(BlockingIOError):
                found = os.read(self._descriptor, _MOST)
                if not found:
                    raise OSError("the printer is gone")
                return found

    async def drop(self) -> None:
        with trio.move_on_after(_AT_ONCE_SECONDS):
            while True:
                await self.receive()

    async def close(self) -> None:
        os.close(self._descriptor)


async def connect(options: Mapping[str, Any]) -> Connection:
    """Connect to the printer that `address`, `port` or `file` of the options names.

    Raises:
        DeviceNotReady: it cannot be reached.
        HardwareError: pyserial is not installed.
        ValueError: the options name none.
    """
    try:
        if "address" in options:
            host, _, number = str(options["address"]).rpartition(":")
            if not host or not number.isdigit():
                host, number = str(options["address"]), str(_PORT)
            with trio.fail_after(_CONNECT_SECONDS):
                return _Network(await trio.open_tcp_stream(host, int(number)))
        if "port" in options:
            return _Serial(await trio.to_thread.run_sync(_opened_port, dict(options)))
        if "file" in options:
            return _File(_opened_file(str(options["file"])))
    except (OSError, trio.TooSlowError) as wrong:
        where = options.get("address") or options.get("port") or options.get("file")
        raise errors.DeviceNotReady(
            f"the printer at {where} cannot be reached ({_why(wrong)}); switch it on, and see its cable"
        ) from None
    raise ValueError("options: say where the printer is, by address, port or file")


def _why(wrong: OSError | trio.TooSlowError) -> str:
    """What went wrong, without numbers and names that were said before."""
    if isinstance(wrong, trio.TooSlowError):
        return f"nothing answers within {_CONNECT_SECONDS} seconds"
    # Those that look up names have numbers of their own, below zero.
    number = wrong.errno or 0
    return os.strerror(number) if number > 0 else reason(wrong)


def _opened_file(name: str) -> int:
    if sys.platform == "win32":
        raise OSError("Windows has no device files: its driver makes a serial port of it, so say port")
    return os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)


def _opened_port(options: Mapping[str, Any]) -> Any:
    try:
        import serial
    except ImportError:
        raise errors.HardwareError("a serial printer needs pyserial: pip install 'xfs4iot[escpos]'") from None
    flow = str(options.get("flow", "dtr"))
    opened = partial(serial.Serial, str(options["port"]), int(options.get("baud", 19_200)))
    return opened(
        timeout=_WAIT_SECONDS,
        write_timeout=_WRITE_SECONDS,
        dsrdtr=flow == "dtr",
        rtscts=flow == "rts",
        xonxoff=flow == "xon",
    )
