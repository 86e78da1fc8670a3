"""Tokens as text: what is made is read, and nothing is read that the standard does not allow."""

from __future__ import annotations

import json
import re
import string
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xfs4iot
from secured_tokens import KEY, WRONG_KEY, signed
from xfs4iot import tokens
from xfs4iot.protocol import errors

CATALOGUE = Path(xfs4iot.__file__).parent / "protocol" / "catalogue" / "2024-3.json"
NONCE = "254611E63B2531576314E86527338D61"
IN_VALUES = "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in ",=")
names = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=12).filter(
    lambda name: name not in ("NONCE", "TOKENFORMAT", "TOKENLENGTH", "HMACSHA256")
)
said = st.dictionaries(names, st.text(IN_VALUES, min_size=1, max_size=20), min_size=1, max_size=20)
nonces = st.text("0123456789ABCDEF", min_size=1, max_size=40)
money = st.decimals(min_value=0, max_value=10**14, places=2)
currencies = st.sampled_from(["EUR", "USD", "CHF", "JPY"])


def pattern() -> Any:
    """What the catalogue says of the text of a token."""
    catalogue = json.loads(CATALOGUE.read_text())
    dispense = catalogue["interfaces"]["CashDispenser"]["commands"]["Dispense"]
    return re.compile(dispense["payload"]["properties"]["token"]["pattern"])


@settings(deadline=None)
@given(nonces, said)
def test_what_is_made_is_read_and_fits_the_catalogue(nonce: str, says: dict[str, str]) -> None:
    text = tokens.make_token(KEY, nonce, says)
    assert pattern().fullmatch(text)
    assert text == signed(KEY, text[:-64])
    read = tokens.authenticate(text, KEY)
    assert (read.nonce, read.values, read.hmac) == (nonce, says, text[-64:])
    assert text.startswith(f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH={len(text):04},")
    with pytest.raises(errors.InvalidTokenHMAC):
        tokens.authenticate(text, WRONG_KEY)


@settings(deadline=None)
@given(nonces, said, st.data())
def test_whatever_is_read_fits_the_catalogue(nonce: str, says: dict[str, str], data: st.DataObject) -> None:
    text = list(tokens.make_token(KEY, nonce, says))
    other = st.sampled_from([*IN_VALUES, ",", "=", ""])
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(other)
    changed = "".join(text)
    try:
        tokens.parse(changed)
    except (errors.InvalidTokenFormat, errors.InvalidTokenKeyNoValue):
        return
    assert pattern().fullmatch(changed)
    assert len(changed) <= 1024


def test_a_token_is_as_the_standard_shows_it() -> None:
    text = tokens.dispense_token(KEY, NONCE, {"EUR": "50.00"})
    assert text[:-64] == f"NONCE={NONCE},TOKENFORMAT=1,TOKENLENGTH=0164,DISPENSE1=50.00EUR,HMACSHA256="
    report = tokens.PresentReport("A" * 64, {"EUR": Decimal("50.00")}, True, {"EUR": Decimal("50.00")})
    assert tokens.present_token(KEY, "1414", report)[:-64] == (
        f"NONCE=1414,TOKENFORMAT=1,TOKENLENGTH=0268,DISPENSEID={'A' * 64},DISPENSED1=50.00EUR,"
        "PRESENTED1=YES,PRESENTEDAMOUNT1=50.00EUR,RETRACTED1=NO,HMACSHA256="
    )


@pytest.mark.parametrize(
    ("middle", "code"),
    [
        ("A=", "invalidTokenKeyNoValue"),
        ("A", "invalidTokenFormat"),
        ("A=B=C", "invalidTokenFormat"),
        ("a=B", "invalidTokenFormat"),
        ("A=B,A=C", "invalidTokenFormat"),
        ("A=B,NONCE=1", "invalidTokenFormat"),
        ("A=B,", "invalidTokenFormat"),
        ("A=B C", "invalidTokenFormat"),
        ("A=B\n", "invalidTokenFormat"),
        ("A=" + "B" * 1000, "invalidTokenFormat"),
    ],
)
def test_a_token_that_is_signed_must_still_be_right(middle: str, code: str) -> None:
    text = f"NONCE={NONCE},TOKENFORMAT=1,TOKENLENGTH=0000,{middle},HMACSHA256="
    text = signed(KEY, text.replace("0000", f"{len(text) + 64:04}", 1))
    with pytest.raises(errors.XfsError) as refused:
        tokens.authenticate(text, KEY)
    assert refused.value.completion_code == code
    assert text not in str(refused.value)
    assert NONCE not in str(refused.value)


@settings(deadline=None)
@given(st.dictionaries(currencies, money, min_size=1))
def test_amounts_come_back_exactly(amounts: dict[str, Decimal]) -> None:
    token = tokens.authenticate(tokens.dispense_token(KEY, "1", amounts), KEY)
    assert tokens.amounts(token, "DISPENSE") == amounts


@settings(deadline=None)
@given(
    st.dictionaries(currencies, money, min_size=1, max_size=2),
    st.sampled_from([True, False, None]),
    st.booleans(),
    st.booleans(),
)
def test_a_report_comes_back_as_it_was(
    dispensed: dict[str, Decimal], presented: bool | None, retracted: bool, known: bool
) -> None:
    report = tokens.PresentReport(
        "0123456789ABCDEF" * 4,
        dispensed,
        presented,
        dispensed if presented else None,
        retracted,
        dispensed if retracted and known else None,
    )
    text = tokens.present_token(KEY, "77", report)
    assert ("PRESENTED1=NO" in text) is (presented is False)
    assert tokens.read_present_token(text, KEY, "77") == report
    with pytest.raises(errors.InvalidTokenNonce):
        tokens.read_present_token(text, KEY, "78")


def test_a_token_that_reports_nothing_is_no_report() -> None:
    with pytest.raises(errors.InvalidToken):
        tokens.read_present_token(tokens.make_token(KEY, "1", {"DISPENSEID": "NONE"}), KEY, "1")


@pytest.mark.parametrize(
    ("nonce", "says"),
    [
        ("", {"A": "1"}),
        ("12fe", {"A": "1"}),
        ("12", {}),
        ("12", {"a": "1"}),
        ("12", {"NONCE": "1"}),
        ("12", {"A": ""}),
        ("12", {"A": "1,B=2"}),
        ("12", {"A": "ä"}),
        ("12", {"A": "1" * 1000}),
    ],
)
def test_what_would_be_no_token_is_not_made(nonce: str, says: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is what the function promises
        tokens.make_token(KEY, nonce, says)


@pytest.mark.parametrize("amount", ["-1", "1E+20", "NaN", "0.0000001"])
def test_what_is_no_amount_is_not_made_a_token_of(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        tokens.dispense_token(KEY, "1", {"EUR": amount})


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        pytest.param("00" * 32, 0o644, "chmod 600", marks=pytest.mark.posix),
        ("00" * 15, 0o600, "too short"),
        ("xyz", 0o600, "hexadecimal"),
        ("ä", 0o600, "hexadecimal"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_key_file_must_be_good_and_private(
    tmp_path: Path, content: str | None, mode: int, text: str
) -> None:
    file = tmp_path / "token.key"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(tokens.KeyUnusable, match=text) as refused:
        tokens.read_key(file)
    assert content is None or content not in str(refused.value)


def test_a_short_key_is_not_used() -> None:
    with pytest.raises(tokens.KeyUnusable):
        tokens.make_token(b"short", "1", {"A": "1"})
    with pytest.raises(tokens.KeyUnusable):
        xfs4iot.EndToEndSecurity(key=b"short")
    with pytest.raises(ValueError, match="cannot carry a token"):
        xfs4iot.EndToEndSecurity(commands=("CashDispenser.Present",))
