"""`xfs4iot serve --check` names every mistake of a file with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xfs4iot.cli.configuration import ConfigurationError, read

GOOD = """
[publisher]
host = "127.0.0.1"
plain = true
[ledger]
file = "ledger.sqlite"

[[access.client]]
name = "switch"
san = "switch.bank.example"
allow = ["CashDispenser.*", "Common.Status"]

[[service]]
name = "CashDispenser"
device = "xfs4iot.devices:Device"

[service.options]
serial_port = "/dev/ttyS0"
"""


def written(directory: Path, text: str) -> Path:
    file = directory / "atm.toml"
    file.write_text(text)
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    configuration = read(written(tmp_path, GOOD))
    assert configuration.ledger.file == tmp_path / "ledger.sqlite"
    assert configuration.service[0].options == {"serial_port": "/dev/ttyS0"}
    assert configuration.access.client[0].allow == ("CashDispenser.*", "Common.Status")


def mistakes(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigurationError) as raised:
        read(written(tmp_path, text))
    return [(one.line, one.text) for one in raised.value.mistakes]


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    text = GOOD.replace('host = "127.0.0.1"', 'hosst = "127.0.0.1"\nport = 70000').replace(
        'san = "switch.bank.example"\n', "san = 5\n"
    )
    found = mistakes(tmp_path, text)
    assert [line for line, _ in found] == [3, 4, 11]
    assert "did you mean host?" in found[0][1]
    assert "70000" in found[1][1] or "<= 65535" in found[1][1]
    assert "access.client[0].san" in found[2][1]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ('device = "xfs4iot.devices:Device"', 'device = "nowhere:Thing"', 15, "install its package"),
        ('device = "xfs4iot.devices:Device"', 'device = "dispenser9000"', 15, "module:Class"),
        ('device = "xfs4iot.devices:Device"', "", 13, "service[0].device is missing"),
        ('name = "CashDispenser"', 'name = "Cash Dispenser"', 14, "part of a URI"),
        ('san = "switch.bank.example"\n', "", 8, "fits nobody"),
        ("plain = true\n", '[tls]\ncertificate = "no.pem"\nkey = "no.key"\n', 5, "there is no file"),
        ("plain = true\n", "\n", 2, "there is no [tls]; add it, or say plain = true"),
        ('host = "127.0.0.1"', 'host = "0.0.0.0"', 3, "plain text on 0.0.0.0 would let anyone"),
        ("[ledger]", '[tls]\ncertificate = "no.pem"\nkey = "no.key"\n[ledger]', 4, "contradicts [tls]"),
        ("plain = true\n", '[tls]\ncertificate = "a"\nkey = "b"\n', 10, "no client is asked for one"),
        (
            "plain = true\n",
            '[tls]\nclient_ca = "c"\ncertificate = "a"\nkey = "b"\n',
            5,
            "say client_certificates",
        ),
        ("CashDispenser.*", "CashDispensr.*", 11, "did you mean CashDispenser?"),
        ("Common.Status", "Common.Statsu", 11, "did you mean Common.Status?"),
        ("Common.Status", "Common", 11, "write Interface.Command, Interface.* or *"),
        ('san = "switch.bank.example"', 'fingerprint = "12:34"', 10, "64 hexadecimal digits"),
        ('san = "switch.bank.example"', 'token_hash = "secret"', 10, "certificate token"),
        ("[ledger]", "[ledger", 5, "not TOML"),
        ("[publisher]", 'python_path = ["a\\u0000b"]\n[publisher]', 2, "has a NUL character"),
        ("ledger.sqlite", "ledger\\u0000.sqlite", 6, "ledger.file: 'ledger\\x00.sqlite' has a NUL character"),
        ("xfs4iot.devices:Device", "xfs4iot.devices\\u0000:Device", 15, "has a NUL character"),
    ],
)
def test_a_mistake_says_what_to_do(tmp_path: Path, before: str, after: str, line: int, words: str) -> None:
    found = mistakes(tmp_path, GOOD.replace(before, after))
    assert any(number == line and words in text for number, text in found), found


def test_two_services_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = GOOD + '\n[[service]]\nname = "CashDispenser"\ndevice = "xfs4iot.devices:Device"\n'
    assert "configured twice" in mistakes(tmp_path, twice)[0][1]


def test_what_one_table_shows_does_not_hide_what_another_does(tmp_path: Path) -> None:
    text = GOOD.replace("[ledger]", "[publisher]\nprot = 1\n[ledger]", 1).replace(
        "[publisher]\nhost", "[log]\nlevl", 1
    )
    text = text.replace('device = "xfs4iot.devices:Device"', 'device = "nowhere:Thing"')
    text = text.replace('san = "switch.bank.example"\n', "")
    text = text.replace('file = "ledger.sqlite"', 'file = "no/such/place/ledger.sqlite"')
    found = mistakes(tmp_path, text)
    words = " ".join(line for _, line in found)
    for part in ("levl", "prot", "nowhere", "fits nobody", "no directory"):
        assert part in words, part
    assert [line for line, _ in found] == sorted(line for line, _ in found)


def test_a_device_module_that_fails_on_import_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_vendor.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    text = GOOD.replace('device = "xfs4iot.devices:Device"', 'device = "failing_vendor:Thing"')
    assert "no licence" in mistakes(tmp_path, text)[0][1]


def test_a_module_beside_the_file_is_found_by_python_path(tmp_path: Path) -> None:
    (tmp_path / "besides.py").write_text("from xfs4iot.devices import Device\n\nclass Besides(Device): ...\n")
    text = GOOD.replace("xfs4iot.devices:Device", "besides:Besides")
    [(_, told)] = mistakes(tmp_path, text)
    assert told == (
        f"Python finds no module besides; it is in {tmp_path}: "
        'write python_path = ["."] at the top of the file'
    )
    read(written(tmp_path, 'python_path = ["."]\n' + text))


def test_a_class_that_is_misspelt_is_named(tmp_path: Path) -> None:
    (tmp_path / "misspelt.py").write_text("from xfs4iot.devices import Device\n\nclass Acme(Device): ...\n")
    text = 'python_path = ["."]\n' + GOOD.replace("xfs4iot.devices:Device", "misspelt:Acne")
    assert mistakes(tmp_path, text) == [(16, "module misspelt has no Acne; did you mean misspelt:Acme?")]


def test_a_directory_of_modules_must_exist(tmp_path: Path) -> None:
    text = 'python_path = ["drivers"]\n' + GOOD
    assert mistakes(tmp_path, text) == [(1, f"python_path: there is no directory {tmp_path / 'drivers'}")]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('metrics = "127.0.0.1"', 'write one such as "127.0.0.1:9464"'),
        ('metrics = "127.0.0.1:99999"', "a port up to 65535"),
        ('metrics = "127.0.0.1:0"', "a port up to 65535"),
        ('metrics = "::1:9464"', '"[::1]:9464"'),
        ('metrics = "http://127.0.0.1:9464"', 'write one such as "127.0.0.1:9464"'),
        ('metrics = "127.0.0.1:5846"', "the port of [publisher]"),
        ('otlp = "127.0.0.1:4318"', 'write one such as "http://127.0.0.1:4318"'),
        ('otlp = "grpc://127.0.0.1:4317"', 'write one such as "http://127.0.0.1:4318"'),
        ('otlp = "http://127.0.0.1:99999"', 'write one such as "http://127.0.0.1:4318"'),
        ('otlp = "http://127.0.0.1:4318/v1/traces"', "/v1/traces and /v1/metrics are added"),
    ],
)
def test_where_telemetry_cannot_be_served_or_sent_is_a_mistake(
    tmp_path: Path, setting: str, said: str
) -> None:
    written_so = GOOD.replace("plain = true", f"plain = true\nport = 5846\n[telemetry]\n{setting}")
    ((line, text),) = mistakes(tmp_path, written_so)
    assert line == 7
    assert said in text


@pytest.mark.parametrize(
    "setting",
    ['metrics = "[::1]:9464"', 'metrics = "0.0.0.0:9464"', 'otlp = "https://otel.bank.example/collector"'],
)
def test_where_telemetry_can_be_served_and_sent_is_right(tmp_path: Path, setting: str) -> None:
    assert read(written(tmp_path, f"{GOOD}\n[telemetry]\n{setting}\n")).telemetry


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('servers = ["x"]\ndevice = "atm17"', "write tls://host:port"),
        ('servers = []\ndevice = "atm17"', "name the broker"),
        ('servers = ["nats://127.0.0.1"]\ndevice = ""', "1 to 64 letters"),
        ('servers = ["tls://a.example"]\ndevice = "atm17"\ncertificate = "none.pem"', "there is no file"),
        ('servers = ["tls://a.example"]\ndevice = "atm17"\ngateway_ca = "none.pem"', "there is no file"),
        ('servers = ["tls://a.example"]\ndevice = "atm17"\nspread = inf', "1000000000"),
    ],
)
def test_a_fleet_that_cannot_be_dialled_is_a_mistake(tmp_path: Path, table: str, words: str) -> None:
    ((_, text),) = mistakes(tmp_path, f"{GOOD}\n[uplink]\n{table}\n")
    assert words in text


def test_no_time_is_without_end(tmp_path: Path) -> None:
    """Threads could not wait so long, and the guard against an end that hangs would be gone."""
    ((_, text),) = mistakes(tmp_path, f"{GOOD}\n[limits]\ndrain_seconds = inf\n")
    assert "1000000000" in text


def test_a_file_of_which_nothing_can_be_read_is_told_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: No such file"):
        read(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match=": cannot be read: Is a directory"):
        read(tmp_path)


def test_a_file_in_another_encoding_is_told_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "atm.toml"
    file.write_bytes(b"[publisher]\nhost = 'M\xfcnchen'\n")
    with pytest.raises(ConfigurationError, match=r"atm\.toml:2: cannot be read: 'utf-8' codec"):
        read(file)
