"""`record`, `replay` and `diff`: what applications and devices say is written down, played, compared."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfs4iot.protocol.sensitive import MASK
from xfs4iot.recording import Recording, RecordingError, read
from xfs4iot.recording.difference import payload_differences
from xfs4iot.recording.exchanges import by_service
from xfs4iot.recording.stand_ins import masked_paths, stand_in, with_stand_ins

GUIDE = Path(__file__).parents[2] / "docs" / "recordings.md"
DENOMINATE = '{"request":{"denomination":{"service":{"currencies":{"EUR":%s},"mix":"mix1"}}}}'
DISPENSE = '{"denomination":{"denomination":{"app":{"values":{"unit1":1}}}}}'


def xfs4iot(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xfs4iot", *arguments], capture_output=True, text=True, timeout=60
    )


@contextmanager
def started(*arguments: str) -> Iterator[dict[str, Any]]:
    """A command that says when it is ready, and is interrupted then; what it printed is in `said`."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "xfs4iot", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            ready: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
            assert ready, process.stderr and process.stderr.read()
            yield ready
            process.send_signal(signal.SIGINT)
            said, complaints = process.communicate(timeout=20)
            ready |= {"said": said, "complaints": complaints, "exit": process.returncode}
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def simulated() -> Iterator[dict[str, Any]]:
    with started("simulate", "--port", "0", "--seconds", "0") as ready:
        yield ready


@pytest.fixture(scope="module")
def recorded(simulated: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short conversation over TLS: status, a denomination, a card that is read, one command refused."""
    file = tmp_path_factory.mktemp("recorded") / "good.x4r"
    with started("record", simulated["publisher"], "--ca", simulated["ca"], "-o", str(file)) as recorder:
        services = recorder["services"]
        card = (
            simulated["services"]["Simulator"],
            "Simulator.InsertCard",
            '{"card":"debit"}',
            "--ca",
            simulated["ca"],
        )
        assert xfs4iot("call", services["CashDispenser"], "Common.Status").returncode == 0
        assert (
            xfs4iot(
                "call", services["CashDispenser"], "CashDispenser.Denominate", DENOMINATE % 230
            ).returncode
            == 0
        )
        assert (
            xfs4iot("call", services["CashDispenser"], "CashDispenser.Denominate", DENOMINATE % 5).returncode
            == 1
        )
        assert xfs4iot("call", *card).returncode == 0
        read_it = xfs4iot("call", services["CardReader"], "CardReader.ReadRawData", '{"track2": true}')
        assert read_it.returncode == 0, read_it.stderr
        (track,) = re.findall(r'"data": "(.+)"', read_it.stdout)
    assert recorder["exit"] == 0
    assert json.loads(recorder["said"])["messages"] > 20
    assert track not in file.read_text(), "card data is masked"
    return file


def changed(recorded: Path, to: Path, *replacements: tuple[str, str]) -> Path:
    text = recorded.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    to.write_text(text)
    return to


def test_a_recording_has_every_message_in_order(recorded: Path) -> None:
    told = by_service(read(recorded))
    asked = [
        (one.command.name, bool(one.refused), one.completion is not None)
        for one in told["CashDispenser"].exchanges
    ]
    assert [one for one in asked if one[0] not in ("Common.SetVersions", "Common.Capabilities")] == [
        ("Common.Status", False, True),
        ("CashDispenser.Denominate", False, True),
        ("CashDispenser.Denominate", False, True),
    ]
    (card,) = [one for one in told["CardReader"].exchanges if one.command.name == "CardReader.ReadRawData"]
    assert card.completion is not None
    assert list(masked_paths(card.completion.message)) == ["$.payload.track2.data"]


def test_the_publisher_names_the_recorders_addresses(simulated: dict[str, Any], tmp_path: Path) -> None:
    output = str(tmp_path / "x4r")
    with started("record", simulated["publisher"], "--ca", simulated["ca"], "-o", output) as recorder:
        port = recorder["publisher"].split(":")[2].split("/")[0]
        found = xfs4iot("discover", "127.0.0.1", "--port", port, "--plain", "--json")
        assert json.loads(found.stdout)[0]["services"] == recorder["services"]
        nothing = xfs4iot("call", f"{recorder['publisher']}/Nothing", "Common.Status")
    assert nothing.returncode == 1
    assert "Nothing is recorded there" in nothing.stderr
    assert f":{port}/" in recorder["services"]["CashDispenser"]


def test_a_recorder_with_tls_of_its_own(simulated: dict[str, Any], tmp_path: Path) -> None:
    own = tmp_path / "own"
    made = xfs4iot("certificate", "device", str(own), "recorder", "--host", "127.0.0.1", "--new", "--json")
    assert made.returncode == 0, made.stderr
    pair = json.loads(made.stdout)
    with started(
        "record", simulated["services"]["CashDispenser"], "--ca", simulated["ca"],
        "-o", str(tmp_path / "x4r"),
        "--own-certificate", pair["certificate"], "--own-key", pair["key"],
    ) as recorder:  # fmt: skip
        assert set(recorder["services"]) == {"CashDispenser"}
        uri = recorder["services"]["CashDispenser"]
        assert uri.startswith("wss://")
        assert xfs4iot("call", uri, "Common.Status", "--ca", str(own / "ca.pem")).returncode == 0


def test_replayed_to_the_same_device_it_is_the_same(
    simulated: dict[str, Any], recorded: Path, tmp_path: Path
) -> None:
    harmless = changed(recorded, tmp_path / "harmless.x4r")
    lines = [line for line in harmless.read_text().splitlines(True) if '"service":"CardReader"' not in line]
    harmless.write_text("".join(lines))
    same = xfs4iot("replay", str(harmless), "--to", simulated["publisher"], "--ca", simulated["ca"])
    assert (same.returncode, same.stdout.strip()) == (0, "no difference"), same.stderr


def test_replay_tells_what_is_otherwise_now(
    simulated: dict[str, Any], recorded: Path, tmp_path: Path
) -> None:
    lines = [line for line in recorded.read_text().splitlines(True) if '"service":"CardReader"' not in line]
    (tmp_path / "once.x4r").write_text("".join(lines))
    other = changed(
        tmp_path / "once.x4r", tmp_path / "other.x4r", ('"EUR":230', '"EUR":240'), ('"unit4":2', '"unit4":7')
    )
    result = xfs4iot("replay", str(other), "--to", simulated["publisher"], "--ca", simulated["ca"], "--json")
    assert result.returncode == 1
    found = {(one["what"], one["path"]): (one["expected"], one["seen"]) for one in json.loads(result.stdout)}
    assert found[("payload", "$.result.values.unit4")] == (7, 2)


def test_what_moves_something_is_not_replayed_by_accident(
    simulated: dict[str, Any], recorded: Path, tmp_path: Path
) -> None:
    where = ("--to", simulated["publisher"], "--ca", simulated["ca"], "-o", str(tmp_path / "new.x4r"))
    refused = xfs4iot("replay", str(recorded), *where)
    assert refused.returncode == 2
    assert "CardReader.ReadRawData" in refused.stderr
    assert "--moves" in refused.stderr
    assert not (tmp_path / "new.x4r").exists(), "nothing was sent"


def test_masked_values_are_asked_for_and_then_sent(
    simulated: dict[str, Any], recorded: Path, tmp_path: Path
) -> None:
    lines = recorded.read_text().splitlines(True)
    heading = lines[0]
    write = {
        "header": {"name": "CardReader.SetKey", "requestId": 1, "type": "command", "version": "2.0"},
        "payload": {"keyValue": MASK},
    }
    opened = {"at": 1, "connection": 1, "service": "CardReader"}
    sent = {**opened, "from": "client", "message": write}
    file = tmp_path / "key.x4r"
    file.write_text(heading + json.dumps(opened) + "\n" + json.dumps(sent) + "\n")
    where = (
        "--to",
        simulated["publisher"],
        "--ca",
        simulated["ca"],
        "--moves",
        "-o",
        str(tmp_path / "new.x4r"),
    )
    refused = xfs4iot("replay", str(file), *where)
    assert refused.returncode == 2
    assert "CardReader.SetKey $.keyValue" in " ".join(refused.stderr.split())
    (tmp_path / "values.json").write_text('{"CardReader.SetKey": {"$.keyValue": "c2VjcmV0"}}')
    xfs4iot("replay", str(file), *where, "--values", str(tmp_path / "values.json"))
    (again,) = [one for one in read(tmp_path / "new.x4r").entries if one.sender == "client"]
    assert again.part("payload") == {"keyValue": MASK}, "it was sent, and is masked again"


def test_a_played_device_answers_as_the_recorded_one(recorded: Path) -> None:
    with started("replay", str(recorded), "--serve") as played:
        dispenser = played["services"]["CashDispenser"]
        for _ in range(3):
            assert xfs4iot("call", dispenser, "Common.Status").returncode == 0
        good = xfs4iot("call", dispenser, "CashDispenser.Denominate", DENOMINATE % 230)
        assert json.loads(good.stdout)["result"]["values"] == {"unit1": 1, "unit2": 1, "unit4": 2}
        bad = xfs4iot("call", dispenser, "CashDispenser.Denominate", DENOMINATE % 5)
        assert "notDispensable" in bad.stderr
        track = xfs4iot(
            "call", played["services"]["CardReader"], "CardReader.ReadRawData", '{"track2": true}'
        )
        assert json.loads(track.stdout)["track2"]["data"] == "AAAA", "another value, of the right kind"
        never = xfs4iot("call", dispenser, "CashDispenser.GetMixTypes")
        assert "unsupportedCommand" in never.stderr
    assert "GetMixTypes: it is not in the recording" in " ".join(played["complaints"].split())
    assert json.loads(played["said"])["unplayed"] == []


def test_diff_names_each_value_and_its_place(recorded: Path, tmp_path: Path) -> None:
    other = changed(
        recorded, tmp_path / "other.x4r", ('"unit4":2', '"unit4":3'), ("notDispensable", "tooManyItems")
    )
    assert xfs4iot("diff", str(recorded), str(recorded)).returncode == 0
    result = xfs4iot("diff", str(recorded), str(other))
    assert result.returncode == 1
    assert "$.result.values.unit4 2 → 3" in result.stdout
    assert '$.errorCode "notDispensable" → "tooManyItems"' in result.stdout
    ignoring = xfs4iot(
        "diff", str(recorded), str(other), "--ignore", "$.result.values.*", "--ignore", "$..errorCode"
    )
    assert (ignoring.returncode, ignoring.stdout.strip()) == (0, "no difference")


def test_diff_names_what_is_missing_and_what_took_longer(recorded: Path, tmp_path: Path) -> None:
    lines = recorded.read_text().splitlines(True)
    without = [line for line in lines if '"name":"Common.Status"' not in line]
    (tmp_path / "without.x4r").write_text("".join(without))
    assert (
        "sent only in one of the two" in xfs4iot("diff", str(recorded), str(tmp_path / "without.x4r")).stdout
    )
    slow = []
    for line in lines:
        entry = json.loads(line)
        if '"name":"Common.Status"' in line and '"completion"' in line:
            entry["at"] += 5_000_000
        slow.append(json.dumps(entry) + "\n")
    (tmp_path / "slow.x4r").write_text("".join(slow))
    assert xfs4iot("diff", str(recorded), str(tmp_path / "slow.x4r")).returncode == 0
    slower = xfs4iot("diff", str(recorded), str(tmp_path / "slow.x4r"), "--slower", "3", "--json")
    assert [(one["command"], one["what"]) for one in json.loads(slower.stdout)] == [("Common.Status", "time")]


def test_a_recording_that_was_cut_off_is_read_up_to_there(recorded: Path, tmp_path: Path) -> None:
    whole = read(recorded)
    (tmp_path / "cut.x4r").write_bytes(recorded.read_bytes()[:-5])
    cut = read(tmp_path / "cut.x4r")
    assert isinstance(cut, Recording)
    assert (cut.cut, cut.entries) == (True, whole.entries[:-1])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("not one\n", "line 1 is not a line of a recording"),
        ('{"x4r":99,"uri":"","recorded":"","by":""}\n', "of format 99"),
        ('{"x4r":1,"uri":"","recorded":"","by":""}\n{"at":"soon"}\n', "line 2 is not a line"),
    ],
)
def test_what_is_no_recording_is_named_with_its_line(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "x.x4r"
    file.write_text(content)
    with pytest.raises(RecordingError, match=said):
        read(file)
    for done in (
        xfs4iot("diff", str(file), str(file)),
        xfs4iot("replay", str(file), "--to", "ws://127.0.0.1:1/xfs4iot/v1.0"),
    ):
        assert done.returncode == 2, "1 says that two recordings differ"
        assert said in " ".join(done.stderr.split())


def test_a_replay_writes_over_no_file(recorded: Path, tmp_path: Path) -> None:
    file = tmp_path / "once.x4r"
    file.write_bytes(recorded.read_bytes())
    to = ("--to", "ws://127.0.0.1:1/xfs4iot/v1.0/CashDispenser", "--moves", "-o", str(file))
    done = xfs4iot("replay", str(file), *to)
    assert done.returncode == 2
    assert "is there already" in " ".join(done.stderr.split())
    assert file.read_bytes() == recorded.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", __file__], "say either --to URI"),
        (["replay", __file__, "--serve", "--to", "ws://a/x"], "say either --to URI"),
        (["replay", __file__, "--serve", "--own-key", __file__], "belong together"),
        (["record", "ws://127.0.0.1:1/xfs4iot/v1.0"], "--output"),
        (["record", "ws://127.0.0.1:1/xfs4iot/v1.0", "-o", "no/x.x4r"], "there is no directory no; make it"),
        (["replay", __file__, "--to", "ws://a/x", "-o", "no/x.x4r"], "there is no directory no; make it"),
    ],
)
def test_bad_usage_says_what_would_be_right(arguments: list[str], said: str) -> None:
    result = xfs4iot(*arguments)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())


def test_a_recorder_that_cannot_begin_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "new.x4r"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/S"
        result = xfs4iot("record", uri, "-o", str(file), "--port", str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port} cannot be bound: " in " ".join(result.stderr.split())
    assert "name another port" in " ".join(result.stderr.split())
    assert not file.exists()


def test_plain_text_is_not_offered_to_the_network(recorded: Path) -> None:
    result = xfs4iot("replay", str(recorded), "--serve", "--host", "0.0.0.0")
    assert result.returncode == 2
    assert "give a certificate" in " ".join(result.stderr.split())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_payloads_differ_exactly_where_they_differ(one: Any, other: Any) -> None:
    def significant(value: Any) -> Any:
        """Null and nothing are the same to the standard."""
        if isinstance(value, dict):
            inner = {name: significant(content) for name, content in value.items()}
            return {name: content for name, content in inner.items() if content is not None}
        return [significant(content) for content in value] if isinstance(value, list) else value

    found = list(payload_differences(one, other, ()))
    assert bool(found) == (
        json.dumps(significant(one), sort_keys=True) != json.dumps(significant(other), sort_keys=True)
    )


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("commandNonce", "[0-9A-F]+"),
        ("track2", "AAAA"),
        ("token", "NONCE=.*HMACSHA256=0{64}"),
        ("pan", "[0-9]{23}"),
        ("validationData", "[0-9]{16}"),
    ],
)
def test_a_stand_in_is_what_the_standard_allows(name: str, like: str) -> None:
    assert re.fullmatch(like, stand_in(name))
    assert with_stand_ins({"x": [{name: MASK}]}) == {"x": [{name: stand_in(name)}]}


def test_the_commands_of_the_guide_work(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        ports = []
        for probe in (one, two, three):
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
    text = GUIDE.read_text()
    for old, new in zip(("5846", "5850", "5860"), ports, strict=True):
        text = text.replace(old, new)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for line in lines:
            command = [sys.executable, "-u", "-m", *shlex.split(line)]
            name = command[4]
            if name in ("simulate", "record") or "--serve" in command:
                running[name] = process = subprocess.Popen(
                    command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                assert process.stdout is not None
                assert process.stdout.readline()
                continue
            if name == "diff":
                recorder = running.pop("record")
                recorder.send_signal(signal.SIGINT)
                assert "messages recorded" in recorder.communicate(timeout=20)[0]
                (tmp_path / "bad.x4r").write_bytes((tmp_path / "good.x4r").read_bytes())
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    assert set(running) == {"simulate", "replay"}
