"""`xfs4iot token`, and how an operator makes a service ask for tokens."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from dialogue import Dialogue, dialogue
from secured_tokens import KEY, publish, spend, token
from xfs4iot import tokens
from xfs4iot.cli import cli
from xfs4iot.cli.configuration import ConfigurationError, read

ROOT = Path(__file__).parent.parent.parent
NONCE = "254611E63B2531576314E86527338D61"
VARIABLE = {"XFS4IOT_TOKEN_KEY": KEY.hex()}


def run(*arguments: str, env: dict[str, str] | None = None, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["token", *arguments], env=VARIABLE if env is None else env, input=input)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "token.key"
    file.write_text(KEY.hex() + "\n")
    file.chmod(0o600)
    return file


def test_a_token_is_made_and_checked(key_file: Path) -> None:
    made = run("make", NONCE, "--dispense", "50.00EUR", "--dispense", "7USD", "--say", "LABEL=a.b")
    assert made.exit_code == 0, made.output
    text = made.output.strip()
    assert tokens.authenticate(text, KEY).values == {
        "DISPENSE1": "50.00EUR",
        "DISPENSE2": "7USD",
        "LABEL": "a.b",
    }
    same = run(
        "make", NONCE, "--dispense", "50.00EUR", "--dispense", "7USD", "--say", "LABEL=a.b",
        "--key-file", str(key_file), "--json", env={},
    )  # fmt: skip
    assert json.loads(same.output) == {"token": text}
    good = run("check", "-", "--nonce", NONCE, "--json", input=text + "\n")
    assert good.exit_code == 0
    assert json.loads(good.output)["says"]["DISPENSE2"] == "7USD"
    answer = json.dumps({"presentState": "presented", "token": text}, indent=2)
    told = run("check", text).output
    assert "DISPENSE1          50.00EUR" in told
    assert run("check", "-", input=answer).output == told
    assert KEY.hex() not in made.output + good.output


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text[:-1], "invalidTokenFormat"),
        (lambda text: text.replace("50.00", "90.00"), "invalidTokenHMAC"),
        (lambda text: text.replace("50.00EUR", ""), "invalidTokenKeyNoValue"),
        (lambda text: text, "invalidTokenNonce"),
    ],
)
def test_a_token_that_is_not_good_is_told_by_its_code(change: object, code: str) -> None:
    assert callable(change)
    text = change(tokens.dispense_token(KEY, NONCE, {"EUR": "50.00"}))
    refused = run("check", text, "--nonce", "77", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.output)["code"] == code
    plain = run("check", text, "--nonce", "77")
    assert plain.exit_code == 1
    assert code in plain.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("make", "xyz", "--dispense", "50EUR"),
        ("make", NONCE),
        ("make", NONCE, "--dispense", "50"),
        ("make", NONCE, "--say", "nothing"),
        ("make", NONCE, "--say", "HMACSHA256=1"),
        ("make", NONCE, "--dispense", "50EUR", "--key-file", "/nonexistent"),
    ],
)
def test_bad_usage_is_told(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_without_a_key_it_says_where_to_put_it() -> None:
    refused = run("check", "x", env={"XFS4IOT_TOKEN_KEY": ""})
    assert refused.exit_code == 2
    assert "XFS4IOT_TOKEN_KEY" in refused.output


async def test_the_example_of_the_guide_is_paid(key_file: Path, nursery: trio.Nursery) -> None:
    example = ROOT / "examples" / "withdraw_with_token.py"
    assert example.read_text() in (ROOT / "docs" / "end_to_end_security.md").read_text()
    publisher = await publish(nursery)
    command = [sys.executable, str(example), publisher.uri("CashDispenser"), str(key_file)]
    done = await trio.run_process(command, capture_stdout=True)
    assert done.stdout.decode().splitlines() == ["ours: True", "presented: True {'EUR': Decimal('50')}"]


CONFIGURATION = """
[publisher]
port = 0
plain = true
[ledger]
file = "ledger.sqlite"
[[service]]
name = "CashDispenser"
device = "xfs4iot.simulator:SimulatedCashDispenser"
[service.end_to_end_security]
key_file = "token.key"
nonce_timeout = 300
"""


def test_an_operator_turns_tokens_on(key_file: Path) -> None:
    file = key_file.parent / "atm.toml"
    file.write_text(CONFIGURATION)
    security = read(file).service[0].security()
    assert security is not None
    assert (security.key, security.required, security.responses) == (KEY, "always", "always")
    assert security.nonce_timeout == 300


async def test_a_service_that_is_configured_for_tokens_asks_for_them(
    key_file: Path, nursery: trio.Nursery
) -> None:
    file = key_file.parent / "atm.toml"
    file.write_text(CONFIGURATION)
    log = key_file.parent / "log"
    with log.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "xfs4iot", "serve", str(file)], stderr=stderr
        )
    try:
        found = None
        with trio.fail_after(30):
            while found is None:
                await trio.sleep(0.05)
                found = re.search(r"publishing at (\S+)", log.read_text())
        client: Dialogue = await nursery.start(dialogue, f"{found[1]}/CashDispenser")
        assert await spend(client, 50, None) == "invalidToken"
        assert await spend(client, 50, await token(client, EUR=50)) == "success"
    finally:
        process.terminate()
        await process.wait()
    assert KEY.hex() not in log.read_text()


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("xfs4iot.simulator:SimulatedCashDispenser", "secured_tokens:Firmware", "own firmware"),
        ('key_file = "token.key"', "", "keeps no keys; give key_file"),
        ("token.key", "other.key", "cannot be read"),
        ("nonce_timeout = 300", "nonce_timeout = -1", ">= 0"),
        ("nonce_timeout = 300", 'commands = ["CashDispenser.Count"]', "cannot carry a token"),
        ("nonce_timeout = 300", 'required = "sometimes"', "required"),
    ],
)
def test_a_mistake_in_it_is_named_with_its_line(key_file: Path, old: str, new: str, text: str) -> None:
    file = key_file.parent / "atm.toml"
    file.write_text(CONFIGURATION.replace(old, new))
    with pytest.raises(ConfigurationError) as raised:
        read(file)
    (mistake,) = raised.value.mistakes
    assert text in mistake.text
    assert 10 <= mistake.line <= 12
