"""The cases of the conformance suite that WebSocket servers are usually tested with, as data.

The suite was made for servers that echo; this one answers commands. So a text that should
come back is restated as a command that carries it: short ones in its name, which the answer
repeats; long ones in its payload, answered with its request id. What is no command (an empty
message) is refused by an acknowledge, and the connection stays. Binary messages, which
XFS4IoT has no use for, close with 1003, whatever their size. What should fail must close with
the code given here, and nothing behind it may be answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

__all__ = ["CASES", "Case", "command", "large"]


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        number: in the suite.
        sent: the frames, one by one.
        pieces: bytes per send; 0 for all at once, -1 for a send per frame.
        answered: request ids whose commands are answered, and their names where those matter.
        refused: how many messages are refused.
        pongs: the payloads that come back.
        closed: the close code; None where the connection stays.
    """

    number: str
    sent: tuple[bytes, ...]
    pieces: int = 0
    answered: tuple[tuple[int, str], ...] = ()
    refused: int = 0
    pongs: tuple[bytes, ...] = ()
    closed: int | None = None


STATUS = "Common.Status"


def command(number: int, size: int = 0, name: str = STATUS) -> bytes:
    """A command of exactly `size` bytes, if that is more than it needs."""
    header = {"type": "command", "name": name, "requestId": number, "version": "2.0"}
    start = json.dumps({"header": header}, ensure_ascii=False)[:-1] + ',"payload":{"text":"'
    text = start.encode("utf-8", "surrogatepass")
    return text + b"*" * max(0, size - len(text) - 3) + b'"}}'


def message(number: int, size: int = 0, opcode: int = TEXT) -> bytes:
    """The same in one frame."""
    return frame(command(number, size), opcode)


def fragments(data: bytes, ends: Iterable[int], opcode: int = TEXT) -> tuple[bytes, ...]:
    """One message in fragments that end where `ends` says."""
    marks = [0, *ends, len(data)]
    pieces = [data[start:end] for start, end in pairwise(marks)]
    last = len(pieces) - 1
    return tuple(
        frame(piece, CONTINUATION if index else opcode, fin=index == last)
        for index, piece in enumerate(pieces)
    )


FIRST = ((1, STATUS),)
SECOND = ((1, STATUS), (2, STATUS))
HELLO = b"Hello, world!"
ODD = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
SIZES = ((0, 0), (125, 0), (126, 0), (127, 0), (128, 0), (65535, 0), (65536, 0), (65536, 997))


def framing() -> Iterator[Case]:
    """Group 1: texts and binaries of every kind of length."""
    for index, (size, pieces) in enumerate(SIZES, 1):
        if size:
            yield Case(f"1.1.{index}", (message(1, size),), pieces, answered=FIRST)
        else:
            yield Case(f"1.1.{index}", (frame(b""),), pieces, refused=1)
        yield Case(f"1.2.{index}", (frame(b"\xfe" * size, BINARY),), pieces, closed=1003)


def pings() -> Iterator[Case]:
    """Group 2: pings and unsolicited pongs."""
    for index, payload in enumerate((b"", HELLO, ODD, b"\xfe" * 125), 1):
        yield Case(f"2.{index}", (frame(payload, PING),), pongs=(payload,))
    yield Case("2.5", (frame(b"\xfe" * 126, PING),), closed=1002)
    yield Case("2.6", (frame(b"\xfe" * 125, PING),), 1, pongs=(b"\xfe" * 125,))
    yield Case("2.7", (frame(b"", PONG),))
    yield Case("2.8", (frame(b"unsolicited", PONG),))
    yield Case("2.9", (frame(b"unsolicited", PONG), frame(b"a ping", PING)), pongs=(b"a ping",))
    ten = tuple(f"payload-{number}".encode() for number in range(10))
    for number, pieces in (("2.10", 0), ("2.11", 1)):
        yield Case(number, tuple(frame(one, PING) for one in ten), pieces, pongs=ten)


def reserved() -> Iterator[Case]:
    """Groups 3 and 4: reserved bits and opcodes."""
    ping = frame(b"", PING)
    text = command(1)
    yield Case("3.1", (frame(text, rsv=1),), closed=1002)
    for number, rsv, pieces in (("3.2", 2, 0), ("3.3", 3, -1), ("3.4", 4, 1)):
        sent = (frame(text), frame(command(2), rsv=rsv), ping)
        yield Case(number, sent, pieces, answered=FIRST, closed=1002)
    yield Case("3.5", (frame(ODD, BINARY, rsv=5),), closed=1002)
    yield Case("3.6", (frame(HELLO, PING, rsv=6),), closed=1002)
    yield Case("3.7", (frame(b"\x03\xe8", CLOSE, rsv=7),), closed=1002)
    for group, first in (("4.1", 3), ("4.2", 11)):
        yield Case(f"{group}.1", (frame(b"", first),), closed=1002)
        yield Case(f"{group}.2", (frame(b"reserved", first + 1),), closed=1002)
        for index, payload, pieces in ((3, b"", 0), (4, HELLO, -1), (5, HELLO, 1)):
            sent = (frame(text), frame(payload, first + index - 1), ping)
            yield Case(f"{group}.{index}", sent, pieces, answered=FIRST, closed=1002)


def fragmentation() -> Iterator[Case]:
    """Group 5: fragments, with and without control frames between them."""
    text = command(1)
    halves = fragments(text, (len(text) // 2,))
    ping = frame(b"ping", PING)
    yield Case("5.1", (frame(b"frag", PING, fin=False), frame(b"ment", CONTINUATION)), closed=1002)
    yield Case("5.2", (frame(b"frag", PONG, fin=False), frame(b"ment", CONTINUATION)), closed=1002)
    for index, pieces in enumerate((0, -1, 1)):
        yield Case(f"5.{3 + index}", halves, pieces, answered=FIRST)
        sent = (halves[0], ping, halves[1])
        yield Case(f"5.{6 + index}", sent, pieces, answered=FIRST, pongs=(b"ping",))
        for first, fin in ((9, True), (12, False)):
            sent = (frame(b"non-continuation", CONTINUATION, fin=fin), frame(text))
            yield Case(f"5.{first + index}", sent, pieces, closed=1002)
    lost = frame(b"fragment3", CONTINUATION, fin=False)
    yield Case("5.15", (*halves, lost, message(2)), answered=FIRST, closed=1002)
    for number, fin in (("5.16", False), ("5.17", True)):
        once = (frame(b"fragment1", CONTINUATION, fin=fin), frame(b"fragment2", fin=False))
        end = (frame(b"fragment3", CONTINUATION),)
        yield Case(number, (*once, *end, *once, *end), closed=1002)
    yield Case("5.18", (frame(b"fragment1", fin=False), frame(b"fragment2")), closed=1002)
    five = fragments(text, (10, 20, 30, 40))
    mixed = (*five[:2], ping, *five[2:4], ping, five[4])
    for number, pieces in (("5.19", 0), ("5.20", -1)):
        yield Case(number, mixed, pieces, answered=FIRST, pongs=(b"ping", b"ping"))


KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
EDITED = b"\xed\xa0\x80edited"


def hexadecimal(*sequences: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in sequences]


def _following(first: int, last: int) -> bytes:
    return b"".join(bytes([byte, 0x20]) for byte in range(first, last))


MISSING = hexadecimal(
    *("c0", "e080", "f08080", "f8808080", "fc80808080"),
    *("df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"),
)
SEQUENCES: dict[str, list[bytes]] = {
    "6.5": [*(f"hello{char}world".encode() for char in "$¢€𤭢"), KOSME],
    "6.6": [KOSME[:end] for end in range(1, len(KOSME) + 1)],
    "6.7": hexadecimal("00", "c280", "e0a080", "f0908080"),
    "6.8": hexadecimal("f888808080", "fc8480808080"),
    "6.9": hexadecimal("7f", "dfbf", "efbfbf", "f48fbfbf"),
    "6.10": hexadecimal("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"),
    "6.11": hexadecimal("ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f4908080"),
    "6.12": [
        *hexadecimal("80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf"),
        bytes(range(0x80, 0xBF)),
    ],
    "6.13": [
        _following(*span) for span in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    ],
    "6.14": MISSING,
    "6.15": [b"".join(MISSING)],
    "6.16": hexadecimal("fe", "ff", "fefeffff"),
    "6.17": hexadecimal("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"),
    "6.18": hexadecimal("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"),
    "6.19": hexadecimal("c080", "e08080", "f0808080", "f880808080", "fc8080808080"),
    "6.20": hexadecimal("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),
    "6.21": hexadecimal(
        *("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf"),
        *("edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf"),
    ),
    "6.22": [chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
    "6.23": [chr(code).encode() for code in range(0xFFF9, 0x10000)],
}


def carrying(payload: bytes, pieces: int = 0) -> tuple[bytes, str | None]:
    """A command with `payload` in its name, and that name; None if it is no UTF-8."""
    before, after = command(1, name="A.>").split(b">", 1)
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return before + payload + after, None
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    return before + escaped.encode() + after, "A." + text


def utf8() -> Iterator[Case]:
    """Group 6: text is UTF-8, and fails with the first byte that shows that it is not."""
    yield Case("6.1.1", (frame(b""),), refused=1)
    nothing = (frame(b"", fin=False), frame(b"", CONTINUATION, fin=False), frame(b"", CONTINUATION))
    yield Case("6.1.2", nothing, refused=1)
    middle = (frame(b"", fin=False), frame(command(1), CONTINUATION, fin=False), frame(b"", CONTINUATION))
    yield Case("6.1.3", middle, answered=FIRST)
    hello = "Hello-µ@ßöäüàá-UTF-8!!"
    text, name = carrying(hello.encode())
    assert name is not None
    answered = ((1, name),)
    yield Case("6.2.1", (frame(text),), answered=answered)
    at = text.index("µ".encode()) + 2
    yield Case("6.2.2", fragments(text, (at,)), answered=answered)
    yield Case("6.2.3", fragments(text, range(1, len(text))), answered=answered)
    text, name = carrying(KOSME)
    assert name is not None
    yield Case("6.2.4", fragments(text, range(1, len(text))), answered=((1, name),))
    wrong, _ = carrying(KOSME + EDITED)
    yield Case("6.3.1", (frame(wrong),), closed=1007)
    yield Case("6.3.2", fragments(wrong, range(1, len(wrong))), closed=1007)
    # The last fragment is never sent: the bytes before it are enough to fail.
    three = (frame(KOSME, fin=False), frame(b"\xf4\x90\x80\x80", CONTINUATION, fin=False))
    split = (
        frame(KOSME + b"\xf4", fin=False),
        frame(b"\x90", CONTINUATION, fin=False),
    )
    for index, pieces in ((1, 0), (3, 1)):
        yield Case(f"6.4.{index}", three, pieces, closed=1007)
        yield Case(f"6.4.{index + 1}", split, pieces, closed=1007)
    for group, sequences in SEQUENCES.items():
        for index, sequence in enumerate(sequences, 1):
            text, name = carrying(sequence)
            if name is None:
                yield Case(f"{group}.{index}", (frame(text),), closed=1007)
            else:
                yield Case(f"{group}.{index}", (frame(text),), answered=((1, name),))


GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)
UNKNOWN_CODES = (5000, 65535)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(code.to_bytes(2, "big") + reason, CLOSE)


def closing() -> Iterator[Case]:
    """Group 7: closing, its codes and reasons; nothing that follows is answered."""
    text, good, ping = message(1), close(1000), frame(b"", PING)
    yield Case("7.1.1", (text, good), answered=FIRST, closed=1000)
    yield Case("7.1.2", (good, good), closed=1000)
    yield Case("7.1.3", (good, ping), closed=1000)
    yield Case("7.1.4", (good, text), closed=1000)
    halves = fragments(command(1), (20,))
    yield Case("7.1.5", (halves[0], good, halves[1]), closed=1000)
    yield Case("7.1.6", (message(1, 256 << 10), message(2), good, ping), answered=SECOND, closed=1000)
    yield Case("7.3.1", (frame(b"", CLOSE),), closed=1000)
    yield Case("7.3.2", (frame(b"a", CLOSE),), closed=1002)
    yield Case("7.3.3", (good,), closed=1000)
    yield Case("7.3.4", (close(1000, HELLO),), closed=1000)
    yield Case("7.3.5", (close(1000, b"*" * 123),), closed=1000)
    yield Case("7.3.6", (close(1000, b"*" * 124),), closed=1002)
    yield Case("7.5.1", (close(1000, KOSME + EDITED),), closed=1007)
    for index, code in enumerate(GOOD_CODES, 1):
        yield Case(f"7.7.{index}", (close(code),), closed=code)
    for index, code in enumerate(BAD_CODES, 1):
        yield Case(f"7.9.{index}", (close(code),), closed=1002)
    for index, code in enumerate(UNKNOWN_CODES, 1):
        yield Case(f"7.13.{index}", (close(code),), closed=1002)


KIB, MIB = 1 << 10, 1 << 20
WHOLE = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
IN_FRAGMENTS = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB)
IN_PIECES = (64, 128, 256, 512, KIB, 2 * KIB)
OFTEN = (0, 16, 64, 256, KIB, 4 * KIB)
ROUNDS = 1000


def large() -> Iterator[Case]:
    """Groups 9 and 10: large messages, in fragments and pieces, and many of them."""
    for index, size in enumerate(WHOLE, 1):
        yield Case(f"9.1.{index}", (message(1, size),), answered=FIRST)
        yield Case(f"9.2.{index}", (frame(b"\xfe" * size, BINARY),), closed=1003)
    for index, size in enumerate(IN_FRAGMENTS, 1):
        ends = range(size, 4 * MIB, size)
        yield Case(f"9.3.{index}", fragments(command(1, 4 * MIB), ends), answered=FIRST)
        yield Case(f"9.4.{index}", fragments(b"\xfe" * 4 * MIB, ends, BINARY), closed=1003)
    for index, pieces in enumerate(IN_PIECES, 1):
        yield Case(f"9.5.{index}", (message(1, MIB),), pieces, answered=FIRST)
        yield Case(f"9.6.{index}", (frame(b"\xfe" * MIB, BINARY),), pieces, closed=1003)
    for index, size in enumerate(OFTEN, 1):
        if size:
            sent = tuple(message(number, size) for number in range(1, ROUNDS + 1))
            answered = tuple((number, STATUS) for number in range(1, ROUNDS + 1))
            yield Case(f"9.7.{index}", sent, answered=answered)
        else:
            yield Case(f"9.7.{index}", (frame(b""),) * ROUNDS, refused=ROUNDS)
        yield Case(f"9.8.{index}", (frame(b"\xfe" * size, BINARY),) * 2, closed=1003)
    ends = range(1300, 64 * KIB, 1300)
    yield Case("10.1.1", fragments(command(1, 64 * KIB), ends), answered=FIRST)


def _cases() -> Iterator[Case]:
    for group in (framing, pings, reserved, fragmentation, utf8, closing):
        yield from group()


CASES = tuple(_cases())
"""Groups 1 to 7; those of 9 and 10 are large and made when they are needed."""
