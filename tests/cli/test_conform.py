"""`xfs4iot conform` as a user sees it: verdicts, reports, waivers, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

import hostile
from xfs4iot import conformance

XFS4IOT = (sys.executable, "-u", "-m", "xfs4iot")
DENOMINATE = "CD-DENOMINATE-03N"


def conform(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*XFS4IOT, "conform", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, str]]:
    """URI and authority of a simulated dispenser behind TLS."""
    with subprocess.Popen(
        [*XFS4IOT, "simulate", "--port", "0", "--seconds", "0", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        yield ready["services"]["CashDispenser"], ready["ca"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_whole_safe_run_over_tls_with_all_reports(service: tuple[str, str], tmp_path: Path) -> None:
    uri, ca = service
    page, build = tmp_path / "report.html", tmp_path / "report.xml"
    done = conform(uri, "--ca", ca, "--html", str(page), "--junit", str(build), COLUMNS="80")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conforms to XFS4IoT 2024-3 at level safe" in done.stdout
    table = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert max(len(line.rstrip()) for line in table if "expected" not in line) <= 80
    html = page.read_text()
    assert html.index("Profiles") < html.index("All cases")
    assert not re.findall(r"(?:src|href)=", html), "nothing is loaded from elsewhere"
    suites = xml.parse(build).getroot()
    assert {one.get("name") for one in suites} >= {"WebSocket", "Envelope", "CashDispenser", "Schemas"}
    assert sum(int(one.get("failures", "1")) for one in suites) == 0


@pytest.mark.posix
def test_a_report_that_cannot_be_written_is_printed(service: tuple[str, str]) -> None:
    uri, ca = service
    done = conform(uri, "--ca", ca, "--case", "WS-PING-01P", "--html", "/dev/full")
    assert done.returncode == 1
    assert "1 of 1 cases pass" in done.stdout
    assert "make room" in done.stderr


def test_chosen_cases_as_json(service: tuple[str, str]) -> None:
    uri, ca = service
    done = conform(uri, "--ca", ca, "--case", "CD-DENOMINATE-*", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["conforms"] is True
    assert told["profiles"] == {"CashDispenser": "pass"}
    assert {one["id"] for one in told["cases"]} >= {DENOMINATE, "CD-DENOMINATE-TYPE-request.tellerID-N"}
    assert all(one["cites"] for one in told["cases"])


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_broken_for_a_narrow_terminal_and_for_no_pipe(
    service: tuple[str, str], terminal: bool
) -> None:
    uri, ca = service
    environment = {"FORCE_COLOR" if terminal else "NO_COLOR": "1", "COLUMNS": "40"}
    listed = conform(uri, "--ca", ca, "--list", **environment)
    tried = conform(uri, "--ca", ca, "--case", "CD-DENOMINATE-*", **environment)
    for done in (listed, tried):
        assert done.returncode == 0, done.stderr
        lines = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()
        # A name that is longer than a line is broken by nobody.
        assert any(len(one) > 40 and len(one.split()) > 1 for one in lines) != terminal, done.stdout


def test_a_case_above_the_level_is_skipped_and_the_profile_is_not_good(service: tuple[str, str]) -> None:
    uri, ca = service
    done = conform(uri, "--ca", ca, "--case", "CD-DISPENSE-01P", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 2
    assert told["conforms"] is False
    assert told["profiles"] == {"CashDispenser": "skipped"}
    assert told["cases"][0]["reason"] == "say --level moves to try it"
    both = conform(uri, "--ca", ca, "--case", "CD-DISPENSE-01P", "--case", "CD-DENOMINATE-TYPE-request-N")
    assert both.returncode == 0
    assert "1 of 2 cases pass\n1 skipped: say --level moves to try it\n" in both.stdout


def test_it_says_what_will_move_and_asks(service: tuple[str, str]) -> None:
    uri, ca = service
    asked = conform(uri, "--ca", ca, "--case", "CD-DISPENSE-01P", "--level", "moves")
    assert asked.returncode == 2
    assert "nobody can be asked; add --yes" in " ".join(asked.stderr.split())
    assert "up to 4 notes go to the stacker" in asked.stderr
    assert "Go on?" in asked.stderr
    sure = conform(uri, "--ca", ca, "--case", "CD-DISPENSE-01P", "--level", "moves", "--yes")
    assert sure.returncode == 0, sure.stdout


def test_cases_can_be_listed_without_being_tried(service: tuple[str, str]) -> None:
    uri, ca = service
    listed = conform(uri, "--ca", ca, "--list", "--profile", "Storage")
    assert "ST-EXCHANGE-02P destructive An exchange starts" in listed.stdout
    assert conform(uri, "--ca", ca, "--list", "--json", "--case", "WS-*").stdout.count('"id"') == 10


WAIVER = '[[waiver]]\ncase = "{case}"\nreason = "known"\nowner = "K. Berg"\nuntil = {until}\n'


@pytest.mark.parametrize(
    ("case", "until", "code", "said"),
    [
        ("MSG-JSON-01N", "2099-01-01", 1, "no waiver for a case that passes"),
        ("SP-PORT-01P", "2099-01-01", 0, "waived SP-PORT-01P"),
        ("SP-PORT-01P", "2020-01-01", 1, "its waiver has expired"),
        ("SP-*", "2099-01-01", 0, "known (K. Berg, until 2099-01-01)"),
    ],
)
def test_waivers_count_until_they_expire(
    service: tuple[str, str], tmp_path: Path, case: str, until: str, code: int, said: str
) -> None:
    uri, ca = service
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(WAIVER.format(case=case, until=until))
    done = conform(uri, "--ca", ca, "--case", case, "--waivers", str(waivers))
    assert done.returncode == code, done.stdout
    assert said in done.stdout
    again = f"conform {uri} --ca {ca} --waivers {waivers} --version 2024-3 --case '{case}' --trace"
    assert (again in done.stdout) == (code == 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no [[waiver]]"),
        ("waiver = 5", "has no [[waiver]]"),
        ("waiver = [5]", "waiver 1 is no table"),
        ("waiver = []", "has no [[waiver]]"),
        ('[waiver]\ncase = "X"\n', "write [[waiver]], once for each"),
        ('[[waivers]]\ncase = "X"\n', "has 'waivers', which is unknown"),
        ('[[waiver]]\ncase = "X"\n', "waiver 1 has no reason"),
        ('[[waiver]]\ncase = "X"\nreason = "r"\nuntil = 2030-01-01\n', "waiver 1 has no owner"),
        ('[[waiver]]\ncase = "X"\nreason = "r"\nowner = " "\n', "waiver 1: owner is no text of 1"),
        ('[[waiver]]\ncase = "X"\nreason = "r"\nowner = 7\n', "waiver 1: owner is no text of 1"),
        ('[[waiver]]\ncase = ["X"]\nreason = "r"\nowner = "o"\n', "waiver 1: case is no text of 1"),
        (
            f'[[waiver]]\ncase = "X"\nreason = "{"r" * 900}"\nowner = "o"\n',
            "waiver 1: reason is no text of 1",
        ),
        ('[[waiver]]\ncase = "X"\nreason = "r"\nowner = "o"\n', "waiver 1 has no end; write until ="),
        (WAIVER.format(case="X", until='"soon"'), "waiver 1: until is no date but 'soon'"),
        (WAIVER.format(case="X", until="2030"), "waiver 1: until is no date but '2030'"),
        (WAIVER.format(case="X", until="2030-01-01T00:00:00"), "waiver 1: until is no date but"),
        (WAIVER.format(case="X", until="09:00:00"), "waiver 1: until is no date but"),
        (WAIVER.format(case="X", until="2030-01-01") + 'untill = "x"\n', "has 'untill', which is unknown"),
        (WAIVER.format(case="X", until="2030-01-01") * 2, "waiver 2: 'X' has one already"),
        ("[[", "cannot be read"),
        ("x = " + "[" * 5_000, "cannot be read"),
        ("\udcff", "cannot be read"),
        ("#" * 1_000_001, "longer than 1000000 bytes"),
    ],
    ids=lambda told: told[:20] if isinstance(told, str) else None,
)
def test_waivers_that_cannot_be_used_say_why(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "w.toml").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(conformance.WaiverError, match=re.escape(said)) as told:
        conformance.read_waivers(tmp_path / "w.toml")
    assert len(str(told.value)) < 600


@pytest.mark.parametrize(
    "content", ["", "waiver = [5]", WAIVER.format(case="X", until="2030-01-01T00:00:00")]
)
def test_waivers_that_cannot_be_used_are_bad_usage(tmp_path: Path, content: str) -> None:
    (tmp_path / "w.toml").write_text(content)
    done = conform("ws://127.0.0.1:1/xfs4iot/v1.0/X", "--waivers", str(tmp_path / "w.toml"))
    assert done.returncode == 2
    assert "waiver" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("CD-DENOMINATE-33N", 2, "is for no case of any service in 2024-3; did you mean CD-DENOMINATE-03N?"),
        ("MSG-SCHEMA-Comon.Status-P", 2, "waiver 'MSG-SCHEMA-Comon.Status-P' is for no case of any service"),
        ("CR-READ-01P", 0, ""),
        ("MSG-SCHEMA-Common.Status-P", 0, ""),
    ],
)
def test_a_waiver_that_is_for_no_case_is_told(
    service: tuple[str, str], tmp_path: Path, case: str, code: int, said: str
) -> None:
    uri, ca = service
    (tmp_path / "w.toml").write_text(WAIVER.format(case=case, until="2099-01-01"))
    done = conform(uri, "--ca", ca, "--case", "WS-PING-01P", "--waivers", str(tmp_path / "w.toml"))
    assert done.returncode == code, done.stdout + done.stderr
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (("--case", "CD-DENOMINATE-33N"), "no case 'CD-DENOMINATE-33N'; did you mean CD-DENOMINATE-03N"),
        (("--case", "cd-mixes*"), "no case 'cd-mixes*'; did you mean CD-MIXES-01P, CD-MIXES-02N?"),
        (("--case", "XX-*"), "no case 'XX-*'; there are WS-*, MSG-*, SP-*, COM-*"),
        (("--case", "CD-*", "--case", "XX-*"), "no case 'XX-*'"),
        (
            ("--profile", "Printr"),
            "no profile 'Printr'; there are WebSocket, Envelope, ServicePublisher, Common",
        ),
        (("--profile", "cash-dispenser"), "no profile 'cash-dispenser'; did you mean CashDispenser?"),
        (("--profile", "Printer", "--list"), "no profile 'Printer'"),
        (("--profile", "Storage", "--case", "CD-*"), "no case of Storage matches CD-*"),
        (("--case", "MSG-SCHEMA-*"), "choose some of those, too"),
        (("--case", "x" * 5_000), "this service has no case 'xxx"),
    ],
    ids=lambda told: " ".join(told)[:40] if isinstance(told, tuple) else None,
)
def test_what_means_no_case_is_told(service: tuple[str, str], chosen: tuple[str, ...], said: str) -> None:
    uri, ca = service
    done = conform(uri, "--ca", ca, *chosen)
    assert done.returncode == 2, done.stdout
    assert said in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert len(done.stderr) < 1_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--serve", "--case", "CD-*"), "--case says nothing with --serve"),
        (("--serve", "--level", "moves"), "--level says nothing with --serve"),
        (("--serve", "--waivers", __file__), "--waivers says nothing with --serve"),
        (("--serve", "--version", "2024-3"), "--version says nothing with --serve"),
        (("ws://127.0.0.1:1/xfs4iot/v1.0/X", "--port", "5860"), "--port says nothing without --serve"),
    ],
    ids=lambda told: told if isinstance(told, str) else None,
)
def test_options_that_say_nothing_are_refused(arguments: tuple[str, ...], said: str) -> None:
    done = conform(*arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def answering_up_to_status(status: Callable[[], None]) -> Callable[..., None]:
    """A service that says what it is, and as its status nothing: it does something else."""

    def reply(header: dict[str, Any], say: Callable[..., None]) -> None:
        if header["name"] == "Common.Status":
            status()
            return
        offered = {"name": "Common", "commands": {"Common.Status": {}, "Common.Capabilities": {}}}
        say("acknowledge", status="ok")
        say("completion", {"interfaces": [offered]} if header["name"] == "Common.Capabilities" else {})

    return reply


def test_a_service_that_is_lost_is_told_once(tmp_path: Path) -> None:
    page = tmp_path / "lost.html"
    with hostile.service(answering_up_to_status(lambda: None)) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/X"
        done = conform(uri, "--profile", "Common", "--patience", "0.3", "--html", str(page))
    assert done.returncode == 1
    assert re.findall("^(?:fail|error) (.*?) ", done.stdout, re.MULTILINE) == ["COM-STATUS-01P"]
    assert "skipped: the service has not answered since COM-STATUS-01P; see to it" in done.stdout
    assert "does not conform" in page.read_text()


@pytest.mark.posix
def test_what_was_tried_before_an_interruption_is_told(tmp_path: Path) -> None:
    page, asked = tmp_path / "part.html", threading.Event()
    with hostile.service(answering_up_to_status(asked.set)) as port:
        uri = f"ws://127.0.0.1:{port}/xfs4iot/v1.0/X"
        cases = ("--case", "WS-PING-01P", "--case", "COM-STATUS-01P", "--case", "COM-CANCEL-*")
        with subprocess.Popen(
            [*XFS4IOT, "conform", uri, *cases, "--patience", "60", "--html", str(page)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert asked.wait(30)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "1 of 5 cases pass" in said
    assert "skipped: interrupted at COM-STATUS-01P" in said
    assert "was not tried to the end" in page.read_text()


def test_a_service_that_is_not_there_cannot_be_tried() -> None:
    done = conform("ws://127.0.0.1:1/xfs4iot/v1.0/X")
    assert done.returncode == 2
    assert "cannot be tried" in done.stderr


def attended(service: tuple[str, str], answers: str, *acts: tuple[str, str]) -> dict[str, Any]:
    """The result of an attended case, with somebody at the terminal who does what he is asked for."""
    uri, ca = service
    simulator = uri.replace("CashDispenser", "Simulator")
    case = ("--attended", "--act-within", "15", "--level", "destructive", "--case", "CD-TAKE-01P")
    with subprocess.Popen(
        [*XFS4IOT, "conform", uri, "--ca", ca, "--yes", "--json", *case],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(answers)
        process.stdin.close()
        asked = []
        for line in process.stderr:
            asked.append(line)
            for sign, command in acts:
                if sign in line:
                    subprocess.run([*XFS4IOT, "call", simulator, command, "--ca", ca], timeout=60, check=True)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
    assert process.wait() == (2 if told["cases"][0]["verdict"] == "skipped" else 0)
    found: dict[str, Any] = told["cases"][0] | {"asked": "".join(asked)}
    return found


def test_who_is_at_the_device_is_asked_at_the_terminal(service: tuple[str, str]) -> None:
    done = attended(service, "\n", ("now take the note", "Simulator.TakeItems"))
    assert done["verdict"] == "pass", done
    assert "CD-TAKE-01P" in done["asked"]
    assert "I am at the device" in done["asked"]


@pytest.mark.parametrize(
    ("answers", "why"), [("", "standard input has ended"), ("s\n", "left out"), ("q\n", "left out")]
)
def test_an_attended_case_that_nobody_wants_is_skipped(
    service: tuple[str, str], answers: str, why: str
) -> None:
    done = attended(service, answers)
    assert done["verdict"] == "skipped"
    assert why in done["reason"]


def test_when_no_application_came_none_conforms() -> None:
    with subprocess.Popen(
        [*XFS4IOT, "conform", "--serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "Ctrl-C ends" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "nothing was tried" in out
    assert "at level" not in out
    assert told == "", "its own questions to the services are no news"


def watched(*lines: tuple[str, ...]) -> dict[str, str]:
    """Verdicts of an application that calls commands, one after another."""
    with subprocess.Popen(
        [*XFS4IOT, "conform", "--serve", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        uri = json.loads(process.stdout.readline())["publisher"]
        for line in lines:
            subprocess.run(
                [*XFS4IOT, line[0], *(one.replace("ATM", uri) for one in line[1:])], timeout=60, check=False
            )
        process.send_signal(signal.SIGINT)
        said = json.loads(process.communicate(timeout=20)[0])
        assert process.returncode == (0 if said["conforms"] else 1)
        return {one["id"]: one["verdict"] for one in said["cases"]}


def test_a_good_application_is_told_so() -> None:
    found = watched(
        ("call", "ATM", "ServicePublisher.GetServices", "--version", "2024-3"),
        ("call", "ATM/CashDispenser", "CashDispenser.GetMixTypes"),
    )
    assert set(found.values()) <= {"pass", "notApplicable", "warn"}
    assert found["APP-SCHEMA-01"] == found["APP-DISCOVERY-01"] == "pass"


def test_an_application_is_told_what_it_does_wrong() -> None:
    found = watched(
        ("call", "ATM/CashDispenser", "CashDispenser.Dispense", '{"denomination": 5}'),
        ("call", "ATM/CashDispenser", "CashDispenser.Dance"),
        ("call", "ATM/CashDispenser", "Common.Cancel", '{"requestIds": [77]}'),
        ("call", "ATM/CashDispenser", "CashAcceptor.CashInStart"),
    )
    failed = {name for name, verdict in found.items() if verdict == "fail"}
    warned = {name for name, verdict in found.items() if verdict == "warn"}
    assert failed == {"APP-SCHEMA-01", "APP-DATA-01", "APP-NAME-01"}
    assert warned == {"APP-DISCOVERY-01", "APP-CANCEL-01", "APP-OFFERED-01", "APP-WAIT-03"}


@pytest.mark.parametrize("arguments", [(), ("--serve", "ws://127.0.0.1:1/xfs4iot/v1.0/X")])
def test_either_a_service_or_an_application(arguments: tuple[str, ...]) -> None:
    done = conform(*arguments)
    assert done.returncode == 2
    assert "give the URI of a service, or --serve" in " ".join(done.stderr.split())
