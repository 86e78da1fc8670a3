"""What must hold for any bytes: the bodies of the targets, which the tests run over the corpora as well.

Each is a function of bytes that returns nothing; whatever it raises is a finding.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from xfs4iot.interfaces.cards import tlv
from xfs4iot.interfaces.forms import printer_language, terminal_language
from xfs4iot.interfaces.forms.grammar import CannotBeSaid
from xfs4iot.interfaces.forms.tokens import DefinitionError
from xfs4iot.interfaces.keys.key_block import PROTECTED_BY, attributes_in, header_of, optional_block
from xfs4iot.protocol import errors
from xfs4iot.simulator.biometric import minutiae_records
from xfs4iot.simulator.card_reader.cards import Card, CardMemory, Chip
from xfs4iot.simulator.card_reader.chip import ChipSession
from xfs4iot.simulator.secure_part import ciphers, key_block

__all__ = ["TARGETS"]

_PROTECTION = {version: bytes(range(32 if PROTECTED_BY[version] == "A" else 16)) for version in PROTECTED_BY}
_LONGEST_TEXT = 2_000
"""Characters; none of the refusals is longer, whatever was refused."""


def form_language(data: bytes) -> None:
    """A definition is read or refused with a place; what was read is written, and read as the same."""
    text = data.decode(errors="replace")
    for language in (printer_language, terminal_language):
        try:
            found = language.read_definition(text)
        except DefinitionError as refused:
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert 1 <= refused.line <= len(lines)
            assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1
            assert len(str(refused)) < _LONGEST_TEXT
            continue
        write = printer_language.media_text if found.kind == "XFSMEDIA" else language.form_text
        try:
            written = write(found.name, found.content)
        except CannotBeSaid:
            continue
        again = language.read_definition(written)
        assert (again.name, again.content) == (found.name, found.content), written


def key_blocks(data: bytes) -> None:
    """A block is read or refused; only what was wrapped is unwrapped, with its header and its key."""
    for block in (data, data.upper()):
        try:
            header = header_of(block)
        except errors.CommandError as refused:
            assert len(str(refused)) < _LONGEST_TEXT
            continue
        blocks = header.attributes.optional_block_header
        assert optional_block(blocks, "KS") is None or "KS" in (blocks or "")
        try:
            key_block.unwrap(_PROTECTION[header.version], block)
        except (key_block.NotAuthentic, ciphers.BadKey):
            continue
        raise AssertionError("a block was taken that nobody has made")
    # The rest as a header, to get behind the MAC: no fuzzer finds one.
    key, text = data[:16], data[16:].decode("ascii", "ignore").upper()
    if len(key) < 16 or not text or text[0] not in _PROTECTION:
        return
    try:
        attributes = attributes_in(text)
        made = key_block.wrap(_PROTECTION[text[0]], text, key)
        found, unwrapped = key_block.unwrap(_PROTECTION[text[0]], made)
    except errors.CommandError as refused:
        assert refused.error_code in ("formatInvalid", "formatNotSupported")
        return
    assert bytes(unwrapped) == key
    assert found.attributes == attributes


def emv_data(data: bytes) -> None:
    """Objects are read or refused shortly; what was read is written, and read as the same."""
    try:
        found = list(tlv.objects(data))
    except ValueError as refused:
        assert len(str(refused)) < 200
        return
    assert sum(len(value) for _, value in found) <= len(data)
    assert list(tlv.objects(b"".join(tlv.written(*one) for one in found))) == found


def chip(data: bytes) -> None:
    """The simulated chip answers any commands with a status word, within the length of an answer.

    The first byte chooses protocol and interface; each command follows the byte that is its length.
    """
    if not data:
        return
    card = Card(chip=Chip(contactless=True))
    session = ChipSession(
        card,
        CardMemory(),
        random.Random(0),
        "T=0" if data[0] & 1 else "T=1",
        "contact" if data[0] & 2 else "contactless",
    )
    at = 1
    while at < len(data):
        length = data[at]
        answer = session.answer(data[at + 1 : at + 1 + length])
        assert 2 <= len(answer) <= 258
        assert answer[-2] in (0x61, 0x62, 0x63) or 0x64 <= answer[-2] <= 0x6F or answer[-2] == 0x90
        at += 1 + length


def finger_records(data: bytes) -> None:
    """A record of minutiae is read or refused; what was read is written, and read again."""
    for form in ("isoFmd", "ansiFmd"):
        try:
            found = minutiae_records.decode(data, form)
        except minutiae_records.BadRecord as refused:
            assert len(str(refused)) < 200
            continue
        again = minutiae_records.decode(minutiae_records.encode(found, form), form)
        assert len(again.minutiae) == len(found.minutiae)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (form_language, key_blocks, emv_data, chip, finger_records)
}
