"""`xfs4iot certificate`: what an operator makes, shows and checks."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509

from xfs4iot.cli.certificate import certificate
from xfs4iot.transport.pairs import load_certificates
from xfs4iot.transport.tokens import check_token


def run(*arguments: object, code: int = 0) -> str:
    """Call a subcommand; its standard output, or standard error if it was to fail."""
    result = CliRunner().invoke(certificate, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def told(*arguments: object, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    run("authority", tmp_path / "ca")
    return tmp_path / "ca"


def test_a_test_bench_makes_authority_device_and_client(bench: Path) -> None:
    device = told("device", bench, "atm17", "--host", "atm17.bank.example", "--host", "10.0.0.1")
    client = told("client", bench, "CN=monitor,O=Bank", "--san", "monitor.bank.example")
    assert client["subject"] == "CN=monitor,O=Bank"
    shown = told("show", device["certificate"])[0]
    assert shown["names"] == ["atm17.bank.example", "10.0.0.1"]
    assert shown["usage"] == ["serverAuth"]
    assert shown["daysLeft"] in (364, 365)
    # To be copied from a terminal of 80 columns.
    assert f" {shown['fingerprint']} " in run("show", device["certificate"])
    for pair, options in ((device, ["--host", "10.0.0.1"]), (client, ["--client"])):
        answer = told("check", pair["certificate"], pair["key"], "--ca", bench / "ca.pem", *options)
        assert answer["good"]
        assert {"key", "certificate", "trust"} <= {finding["what"] for finding in answer["findings"]}


def test_a_request_becomes_a_certificate_with_the_names_asked_for(bench: Path, tmp_path: Path) -> None:
    asked = told("request", "CN=atm18,O=Bank", tmp_path / "atm18.csr", "--host", "atm18", "--kind", "rsa")
    assert Path(asked["key"]).stat().st_mode & 0o777 == 0o600
    run("sign", bench, asked["request"], tmp_path / "atm18.pem")
    assert told("check", tmp_path / "atm18.pem", asked["key"], "--host", "atm18", "--ca", bench / "ca.pem")
    shown = told("show", tmp_path / "atm18.pem")[0]
    assert (shown["subject"], shown["key"]) == ("CN=atm18,O=Bank", "RSA 3072")
    assert told("show", asked["request"])[0]["kind"] == "request"


def test_a_request_never_writes_over_a_key(tmp_path: Path) -> None:
    run("request", "atm18", tmp_path / "atm18.csr")
    assert "is there already" in run("request", "atm18", tmp_path / "atm18.csr", code=1)
    run("request", "atm18", tmp_path / "atm18.csr", "--key", tmp_path / "atm18.key")


def test_a_check_names_everything_that_will_not_do(bench: Path, tmp_path: Path) -> None:
    device = told("device", bench, "atm17")
    other = told("device", bench, "atm18")
    run("authority", tmp_path / "stranger")
    answer = told(
        "check",
        device["certificate"],
        other["key"],
        "--ca",
        tmp_path / "stranger" / "ca.pem",
        "--host",
        "atm19",
        "--client",
        code=1,
    )
    assert not answer["good"]
    bad = {finding["what"]: finding["text"] for finding in answer["findings"] if not finding["good"]}
    assert "is not the key of CN=atm17" in bad["key"]
    assert "lacks clientAuth" in bad["certificate"]
    assert "it is for atm17; asked for: atm19" in bad["host"]
    assert "trust" in bad
    assert "✗ key" in run("check", device["certificate"], other["key"], code=1)


def test_a_revoked_certificate_is_found(bench: Path) -> None:
    device = told("device", bench, "atm17")
    trust = ("--ca", bench / "ca.pem", "--crl", bench / "crl.pem")
    run("revoke", bench)
    assert told("check", device["certificate"], *trust)["good"]
    run("revoke", bench, device["certificate"])
    assert "is revoked" in run("check", device["certificate"], *trust, code=1)
    assert len(told("show", bench / "crl.pem")[0]["revoked"]) == 1


def test_certificate_and_key_go_through_pkcs12(bench: Path, tmp_path: Path) -> None:
    device = told("device", bench, "atm17")
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    package = tmp_path / "atm17.p12"
    run("pack", device["certificate"], device["key"], package, "--password-file", password)
    assert package.stat().st_mode & 0o777 == 0o600
    back = told("unpack", package, tmp_path / "back.pem", "--password-file", password)
    for name in ("certificate", "key"):
        assert Path(back[name]).read_bytes() == Path(device[name]).read_bytes()
    password.write_text("wrong\n")
    assert "password is wrong" in run(
        "unpack", package, tmp_path / "x.pem", "--password-file", password, code=1
    )


def test_pkcs12_from_other_tools_gives_certificate_and_chain_without_the_root(
    bench: Path, tmp_path: Path
) -> None:
    """As OpenSSL writes it now, as it wrote it once and Windows still does, and without encryption."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    device = told("device", bench, "atm17")
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    for name, options in (
        ("modern", []),
        ("legacy", ["-legacy"]),
        ("open", ["-keypbe", "NONE", "-certpbe", "NONE"]),
    ):
        package = tmp_path / f"{name}.p12"
        contents = ["-in", device["certificate"], "-inkey", device["key"], "-certfile", bench / "ca.pem"]
        where = ["-passout", f"file:{password}", "-out", package]
        subprocess.run(["openssl", "pkcs12", "-export", *options, *contents, *where], check=True)
        back = told("unpack", package, tmp_path / f"{name}.pem", "--password-file", password)
        for part in ("certificate", "key"):
            assert Path(back[part]).read_bytes() == Path(device[part]).read_bytes()
        assert Path(back["key"]).stat().st_mode & 0o777 == 0o600


def test_a_certificate_can_say_where_its_revocation_list_is(bench: Path) -> None:
    url = "http://bank.example/bank.crl"
    device = told("device", bench, "atm17", "--crl-url", url)
    certificate = load_certificates(Path(device["certificate"]))[0]
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for name in point.full_name or ()] == [url]


def test_no_key_is_written_over(bench: Path, tmp_path: Path) -> None:
    device = told("device", bench, "atm17")
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    package = tmp_path / "atm17.p12"
    run("pack", device["certificate"], device["key"], package, "--password-file", password)
    into = ("unpack", package, device["certificate"], "--password-file", password)
    assert "is there already" in run(*into, code=1)
    key = tmp_path / "atm18.key"
    assert "is a name for a key" in run("request", "atm18", key, code=1)
    assert not key.exists()


def test_a_token_comes_with_the_hash_for_the_configuration() -> None:
    made = told("token")
    assert check_token(made["token"], made["tokenHash"])


def test_what_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_text("nothing")
    assert "holds no certificate in PEM" in run("show", nothing, code=1)
    assert "does not exist" in run("show", tmp_path / "gone", code=2)


def test_a_key_is_replaced_only_by_force(bench: Path) -> None:
    run("client", bench, "switch")
    key = (bench / "switch.key").read_bytes()
    assert "--force" in run("client", bench, "switch", code=1)
    assert "--force" in run("device", bench, "switch", code=1)
    assert (bench / "switch.key").read_bytes() == key
    run("client", bench, "switch", "--force")
    assert (bench / "switch.key").read_bytes() != key


@pytest.mark.parametrize("command", ["device", "client"])
def test_a_mistyped_directory_makes_no_authority(tmp_path: Path, command: str) -> None:
    assert "--new" in run(command, tmp_path / "cs", "atm17", code=1)
    assert not (tmp_path / "cs").exists()
    run(command, tmp_path / "cs", "atm17", "--new")
    assert "no authority" in run("revoke", tmp_path / "ca", code=1)


@pytest.mark.parametrize("command", ["device", "client"])
def test_a_name_before_its_directory_is_told_to_be_that(
    bench: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.parent)
    said = (
        f"{bench.name} is the directory of an authority, and atm17 is none; write {bench.name} before atm17"
    )
    for more in ((), ("--new",)):
        assert said in run(command, "atm17", bench.name, *more, code=1)
    assert not Path("atm17").exists()
