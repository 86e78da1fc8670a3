"""What the README shows is what is in the examples, and it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import xfs4iot
from dialogue import Dialogue, dialogue
from xfs4iot.simulator import atm

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("two_cassettes.py", "README.md"),
        ("withdraw.py", "README.md"),
        ("keep_connected.py", "docs/clients.md"),
        ("deposit.py", "docs/recycling.md"),
        ("pay_out_over_two.py", "docs/recycling.md"),
        ("deposit_cheque.py", "docs/interfaces/check.md"),
        ("emv_kernel.py", "docs/chips.md"),
        ("leave_one_note.py", "docs/simulator.md"),
    ],
)
def test_the_page_shows_the_example(name: str, page: str) -> None:
    assert (EXAMPLES / name).read_text().strip() in (ROOT / page).read_text()


@pytest.mark.parametrize(
    "page", sorted(str(one.relative_to(ROOT)) for one in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_a_link_leads_somewhere(page: str) -> None:
    file = ROOT / page
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text())
    assert [link for link in links if not (file.parent / link).exists()] == []


async def test_the_example_client_is_paid_by_the_example_device() -> None:
    device = await trio.lowlevel.open_process(
        [sys.executable, "-u", str(EXAMPLES / "two_cassettes.py")], stdout=subprocess.PIPE
    )
    try:
        client = ""
        for _ in range(20):
            await trio.sleep(0.5)
            done = await trio.run_process(
                [sys.executable, str(EXAMPLES / "withdraw.py")],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if done.returncode == 0:
                client = done.stdout.decode()
                break
        assert client.strip() == "{'unit1': 1, 'unit2': 1}"
        assert device.stdout is not None
        assert b"feeding 1 notes from unit2" in await device.stdout.receive_some()
    finally:
        device.kill()
        await device.wait()
        if device.stdout is not None:
            await device.stdout.aclose()


async def example(name: str, *arguments: str) -> str:
    """What an example prints."""
    done = await trio.run_process(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


async def simulated(nursery: trio.Nursery, profile: str) -> tuple[xfs4iot.Publisher, Dialogue]:
    services = atm(profile, ledger=xfs4iot.Ledger.open(None), seconds=0)
    publisher = xfs4iot.Publisher(services, port=0)
    await nursery.start(publisher.serve)
    return publisher, await nursery.start(dialogue, publisher.uri("Simulator"))


def shown(page: str, text: str) -> bool:
    return text.strip() in (ROOT / page).read_text()


async def test_the_example_goes_through_a_transaction_with_a_chip(nursery: trio.Nursery) -> None:
    publisher, _ = await simulated(nursery, "default")
    uris = publisher.uri("CardReader"), publisher.uri("Simulator")
    printed = await example("emv_kernel.py", *uris)
    assert shown("docs/chips.md", printed), printed
    assert (await example("emv_kernel.py", *uris)).splitlines()[-1] == "TC, transaction 2"


async def test_the_example_retracts_what_is_left(nursery: trio.Nursery) -> None:
    publisher, _ = await simulated(nursery, "default")
    printed = await example("leave_one_note.py", publisher.uri("CashDispenser"), publisher.uri("Simulator"))
    assert shown("docs/simulator.md", printed), printed


async def test_the_example_keeps_what_nobody_takes(nursery: trio.Nursery, tmp_path: Path) -> None:
    """As the example has it, but for its patience."""
    publisher, simulator = await simulated(nursery, "default")
    bunch = {"notes": [{"note": "EUR20", "count": 3}, {"note": "GBP5"}]}

    async def customer() -> None:
        for _ in range(600):
            completion = await simulator.completion("Simulator.InsertNotes", bunch)
            if "completionCode" not in completion["header"]:
                break
            await trio.sleep(0.05)

    nursery.start_soon(customer)
    text = (ROOT / "examples/deposit.py").read_text()
    assert text.count("move_on_after(30)") == 1
    hasty = tmp_path / "hasty.py"
    hasty.write_text(text.replace("move_on_after(30)", "move_on_after(0.1)"))
    printed = await example(str(hasty), publisher.uri("CashDispenser"), "no")
    assert printed.splitlines()[-1] == "nobody took what was given back; retracted: 60 EUR", printed


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_the_example_takes_in_a_deposit_and_stores_it_or_gives_it_back(
    nursery: trio.Nursery, answer: str
) -> None:
    publisher, simulator = await simulated(nursery, "default")
    bunch = re.search(r"'(\{\"notes\".*\})'", (ROOT / "docs/recycling.md").read_text())
    assert bunch is not None

    async def customer() -> None:
        for name, payload in (("InsertNotes", json.loads(bunch[1])), ("TakeItems", None)):
            for _ in range(600):
                completion = await simulator.completion(f"Simulator.{name}", payload)
                if "completionCode" not in completion["header"]:
                    break
                await trio.sleep(0.05)

    nursery.start_soon(customer)
    printed = await example("deposit.py", publisher.uri("CashDispenser"), answer)
    if answer == "yes":
        assert shown("docs/recycling.md", printed), printed
    else:
        assert printed.splitlines()[-1] == "given back: 110 EUR", printed


async def test_the_example_stores_a_cheque_and_keeps_its_picture(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    publisher, simulator = await simulated(nursery, "default")
    page = "docs/interfaces/check.md"
    items = re.search(r"InsertCheques[\\\s]+'(\{.*\})'", (ROOT / page).read_text())
    assert items is not None
    await simulator.success("Simulator.InsertCheques", json.loads(items[1]))
    printed = await example("deposit_cheque.py", publisher.uri("Check"), str(tmp_path))
    assert shown(page, printed), printed
    assert (tmp_path / "cheque1.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    # The next customer's first item has the number 1 again, once the refused one was taken.
    await simulator.success("Simulator.TakeCheques")
    await simulator.success("Simulator.InsertCheques", json.loads(items[1]))
    assert await example("deposit_cheque.py", publisher.uri("Check"), str(tmp_path)) == printed


async def test_a_clerk_moves_notes_by_the_commands_of_the_page(nursery: trio.Nursery) -> None:
    publisher, simulator = await simulated(nursery, "default")
    recycler: Dialogue = await nursery.start(dialogue, publisher.uri("CashDispenser"))
    page = (ROOT / "docs/recycling.md").read_text().split("## The same notes again")[1]
    commands = re.findall(r"xfs4iot call \S+/(\w+) (\S+)[\\\s]+'(\{.*\})'", page)
    done = {}
    for service, name, payload in commands:
        client = {"Simulator": simulator, "CashDispenser": recycler}[service]
        done[name] = await client.success(name, json.loads(payload))
    assert list(done)[2:] == ["CashAcceptor.Replenish", "CashAcceptor.Deplete"]
    assert done["CashAcceptor.Replenish"]["numberOfItemsRemoved"] == 50
    assert done["CashAcceptor.Deplete"]["numberOfItemsReceived"] == 20
    found = await recycler.success("CashAcceptor.GetReplenishTarget", {"source": "unit7"})
    assert {"target": "unit2"} in found["targets"]


async def test_the_example_tells_which_machine_did_not_present(nursery: trio.Nursery) -> None:
    publisher, simulator = await simulated(nursery, "recycler")
    fault = {"service": "CashRecycler", "fault": "nothingPresented"}
    await simulator.success("Simulator.Inject", fault)
    machines = [publisher.uri(name) for name in ("CashRecycler", "CoinDispenser")]
    printed = await example("pay_out_over_two.py", *machines, "73.50")
    first, second = printed.splitlines()
    assert first.startswith("not presented: 70.00 EUR, "), printed
    assert second == "presented: 3.50 EUR"


@pytest.mark.parametrize("broken", [False, True])
async def test_the_example_pays_out_from_both_machines_or_from_none(
    nursery: trio.Nursery, broken: bool
) -> None:
    publisher, simulator = await simulated(nursery, "recycler")
    if broken:
        await simulator.success("Simulator.Inject", {"service": "CoinDispenser", "fault": "jam"})
    machines = [publisher.uri(name) for name in ("CashRecycler", "CoinDispenser")]
    printed = await example("pay_out_over_two.py", *machines, "73.50")
    places = (await simulator.success("Simulator.GetTruth"))["services"]
    notes, coins = places["CashRecycler"]["places"], places["CoinDispenser"]["places"]
    if broken:
        assert printed.startswith("not paid: hardwareError"), printed
        assert "output" not in notes
        assert "stacker" not in notes
        assert sum(notes["unit7"].values()) == 2
    else:
        assert shown("docs/recycling.md", printed), printed
        assert notes["output"] == {"unit2": 1, "unit3": 1}
        assert sum(coins["output"].values()) == 3


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], capture_output=True, text=True, timeout=60
    )


def test_the_demo_pays_out_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run("demo", "--trace")
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 0, done.stderr
    assert "the customer has them" in done.stdout
    assert '"name":"CashDispenser.Dispense"' in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "simulate",
        "serve",
        "discover",
        "call",
        "watch",
        "forms",
        "denominate",
        "certificate",
        "token",
        "bench",
        "ledger",
        "completion",
    ],
)
def test_every_command_has_help(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_bad_usage_exits_with_2() -> None:
    assert run("call", "ws://127.0.0.1:1/x", "NoDot").returncode == 2
    assert run("nonsense").returncode == 2


def test_a_service_that_is_not_there_exits_with_1() -> None:
    done = run("call", "ws://127.0.0.1:1/xfs4iot/v1.0/X", "Common.Status")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
