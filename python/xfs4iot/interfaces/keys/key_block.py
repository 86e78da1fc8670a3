"""Key blocks of ANSI X9.143 (TR-31): what their header says, without any cryptography.

    D 0112 P0 A E 00 E 00 00  optional blocks  encrypted key  MAC
    │ │    │  │ │ │  │ │  └── reserved
    │ │    │  │ │ │  │ └───── number of optional blocks
    │ │    │  │ │ │  └─────── exportability
    │ │    │  │ │ └────────── key version number
    │ │    │  │ └──────────── mode of use
    │ │    │  └────────────── algorithm
    │ │    └───────────────── usage
    │ └────────────────────── length of the whole block in characters
    └──────────────────────── version: A, B and C are bound by TDES, D by AES

The header is authenticated by the MAC, which only the device can check. A block that
is inconsistent in itself is refused before the device is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xfs4iot.dataclass import dataclass
from xfs4iot.devices import KeyAttributes
from xfs4iot.protocol import errors

__all__ = [
    "MAC_CHARACTERS",
    "PROTECTED_BY",
    "Header",
    "attributes_in",
    "header_of",
    "optional_block",
    "seems_one",
]

PROTECTED_BY = {"A": "T", "B": "T", "C": "T", "D": "A"}
"""Algorithm of the key that protects a block, by version."""
MAC_CHARACTERS = {"A": 8, "B": 16, "C": 8, "D": 32}

_FIELDS = {
    "version": r"[A-Z0-9]",
    "length": r"[0-9]{4}",
    "usage": r"(?:B[0-3]|C0|D[0-3]|E[0-7]|I0|K[0-4]|M[0-8]|P[01]|S[0-2]|V[0-5]|[0-9]{2})",
    "algorithm": r"[0-9ADEHRST]",
    "mode_of_use": r"[0-9BCDEGNSTVXY]",
    "key_version_number": r"[0-9A-Za-z]{2}",
    "exportability": r"[0-9ESN]",
    "number_of_optional_blocks": r"[0-9]{2}",
    "reserved_field": r"[0-9]{2}",
}
_HEADER = re.compile("".join(f"(?P<{name}>{pattern})" for name, pattern in _FIELDS.items()))
_HEADER_CHARACTERS = 16
# The length field has four decimal digits.
_LONGEST = 9999


@dataclass(frozen=True)
class Header:
    """What the header of a key block says.

    Attributes:
        version: `A` to `D`.
        text: header with its optional blocks, as it is authenticated.
        attributes: of the key.
    """

    version: str
    text: str
    attributes: KeyAttributes


def header_of(block: bytes) -> Header:
    """Read a key block as far as it is readable.

    Raises:
        CommandError: `formatNotSupported` for an unknown version, `formatInvalid` for what does not hold
            together.
    """
    if not _HEADER_CHARACTERS <= len(block) <= _LONGEST or not block.isascii():
        raise _invalid(
            f"a key block has {_HEADER_CHARACTERS} to {_LONGEST} ASCII characters; "
            "what is merely encrypted needs $.decryptMethod"
        )
    text = block.decode("ascii")
    if text[0] not in PROTECTED_BY:
        raise errors.CommandError(
            "formatNotSupported", "$.value: the key block is not of version A, B, C or D"
        )
    found = _HEADER.match(text)
    if found is None:
        raise _invalid(f"the {_wrong_field(text)} in its header is not one of X9.143")
    version = found["version"]
    unit = 16 if PROTECTED_BY[version] == "A" else 8
    if int(found["length"]) != len(text):
        raise _invalid(f"its header says {int(found['length'])} characters, and there are {len(text)}")
    if len(text) % unit:
        raise _invalid(f"its length is not a multiple of {unit}")
    end = _end_of_blocks(text, int(found["number_of_optional_blocks"]))
    if (end - _HEADER_CHARACTERS) % unit:
        raise _invalid(f"its optional blocks are not filled up to a multiple of {unit}")
    rest = text[end:]
    if not re.fullmatch(r"[0-9A-F]*", rest):
        raise _invalid("what follows its header is not upper-case hexadecimal")
    encrypted = len(rest) - MAC_CHARACTERS[version]
    # `unit` counts bytes of a cipher block, and each byte is written in two characters.
    if encrypted <= 0 or encrypted % (2 * unit):
        raise _invalid("the encrypted key has not whole blocks")
    return Header(version, text[:end], _attributes(found, text[_HEADER_CHARACTERS:end]))


def _wrong_field(text: str) -> str:
    """The first field that keeps a text from being a header. Its value is not told: it may be a key's."""
    patterns = list(_FIELDS.values())
    right = next(
        count for count in range(len(patterns)) if not re.match("".join(patterns[: count + 1]), text)
    )
    return list(_FIELDS)[right].replace("_", " ")


def seems_one(value: bytes) -> bool:
    """Whether a value begins as key blocks do."""
    return _HEADER.match(value.decode("latin-1")) is not None


def attributes_in(header: str) -> KeyAttributes:
    """What the header of a key block says that comes without its block, as in a key token.

    Raises:
        CommandError: `formatInvalid`.
    """
    found = _HEADER.match(header)
    if found is None or _end_of_blocks(header, int(found["number_of_optional_blocks"])) != len(header):
        raise _invalid("its header is not that of a key block")
    return _attributes(found, header[_HEADER_CHARACTERS:])


def _attributes(found: re.Match[str], blocks: str) -> KeyAttributes:
    return KeyAttributes(
        usage=found["usage"],
        algorithm=found["algorithm"],
        mode_of_use=found["mode_of_use"],
        key_version_number=found["key_version_number"],
        exportability=found["exportability"],
        optional_block_header=blocks or None,
    )


def _end_of_blocks(text: str, count: int) -> int:
    return max([_HEADER_CHARACTERS, *(end for *_, end in _blocks(text, _HEADER_CHARACTERS, count))])


def optional_block(blocks: str | None, name: str) -> str | None:
    """The data of an optional block.

    Args:
        blocks: as `KeyAttributes.optional_block_header` has them.
        name: of the block, two characters.
    """
    text = blocks or ""
    position = 0
    while position < len(text):
        try:
            found, data, position = next(_blocks(text, position, 1))
        except errors.CommandError:
            return None
        if found == name:
            return data
    return None


def _blocks(text: str, position: int, count: int) -> Iterator[tuple[str, str, int]]:
    """Name, data and end of optional blocks.

    Each has an id of two characters, its whole length in two hexadecimal digits, or, after `00`, in as many
    bytes as the next two digits say, and its data.
    """
    for number in range(1, count + 1):
        own = re.compile(r"[0-9A-Z]{2}(?:00(?P<digits>[0-9A-F]{2})|(?P<short>[0-9A-F]{2}))").match(
            text, position
        )
        if own is None:
            raise _invalid(f"its optional block {number} cannot be read")
        least = own.end() - own.start()
        if own["short"] is not None:
            length = int(own["short"], 16)
        else:
            digits = 2 * int(own["digits"], 16)
            written = text[own.end() : own.end() + digits]
            if not re.fullmatch(r"[0-9A-F]{2,8}", written) or len(written) != digits:
                raise _invalid(f"its optional block {number} has no readable length")
            length = int(written, 16)
            least += digits
        # A length below that of its own header would make the next block begin inside this one.
        if length < least or position + length > len(text):
            raise _invalid(f"its optional block {number} has a length that cannot be")
        yield text[position : position + 2], text[position + least : position + length], position + length
        position += length


def _invalid(why: str) -> errors.CommandError:
    return errors.CommandError("formatInvalid", f"$.value is not a key block: {why}")
