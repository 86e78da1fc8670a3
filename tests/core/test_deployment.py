"""What is shipped for those who deploy: it parses, is understood, and gives no more rights than need be."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from xfs4iot.cli.serve import serve

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(ROOT / "tools"))
import check_release  # noqa: E402

SERVE = ["serve", "/etc/xfs4iot/atm.toml"]


def test_what_each_system_starts_is_a_command_of_ours() -> None:
    unit = (DEPLOY / "systemd" / "xfs4iot.service").read_text()
    started = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert started is not None
    assert started[1].split()[1:] == SERVE
    plist = plistlib.loads((DEPLOY / "launchd" / "example.xfs4iot.plist").read_bytes())
    assert plist["ProgramArguments"][1:] == SERVE
    assert plist["ExitTimeOut"] == 40
    windows = ElementTree.parse(DEPLOY / "windows" / "xfs4iot.xml").getroot()
    assert (windows.findtext("arguments") or "").split()[0] == "serve"
    # The one folder that the account may write: else the wrapper writes its logs beside its program.
    assert (windows.findtext("logpath") or "").startswith(f"{windows.findtext('workingdirectory')}\\")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
def test_a_source_distribution_has_the_packages_within_the_package() -> None:
    """Cargo leaves them out, and their files must be named."""
    maturin = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["maturin"]
    named = {file for one in maturin["include"] for file in ROOT.glob(one["path"]) if file.is_file()}
    within = [
        file.parent for file in (ROOT / "fuzz" / "Cargo.toml", ROOT / "benches" / "load" / "Cargo.toml")
    ]
    listed = subprocess.run(
        ["git", "ls-files", *within], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout
    assert {ROOT / file for file in listed.stdout.splitlines()} <= named


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_unit_of_systemd_gives_few_rights() -> None:
    unit = DEPLOY / "systemd" / "xfs4iot.service"
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout
    assert "1.5" in rated.stdout.splitlines()[-1]
    assert "rates it 1.5" in (ROOT / "docs" / "deployment.md").read_text().replace("\n", " ")


@pytest.mark.parametrize("page", ["deploy/container/atm.toml", "docs/deployment.md"])
def test_the_configurations_to_begin_with_are_good(tmp_path: Path, page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    if page.endswith(".md"):
        text = text.partition("```toml\n")[2].partition("```")[0]
    config = tmp_path / "atm.toml"
    config.write_text(text.replace("/var/lib/xfs4iot/", ""))
    checked = CliRunner().invoke(serve, [str(config), "--check"])
    assert checked.exit_code == 0, checked.output


def test_the_image_s_commands_have_the_options_that_they_are_given() -> None:
    recipe = (DEPLOY / "container" / "Containerfile").read_text()
    for command in re.findall(r'^\s*CMD \["(?:xfs4iot", ")?(.*)"\]', recipe, re.MULTILINE):
        name, *words = command.split('", "')
        help_text = subprocess.run(
            [sys.executable, "-m", "xfs4iot", name, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for option in (word for word in words if word.startswith("--")):
            assert option in help_text, (name, option)
    assert "USER 5846" in recipe


def test_what_git_ignores_goes_into_no_image() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    kept_out = (ROOT / ".dockerignore").read_text().split()
    # There a pattern without `**/` means the top folder alone.
    wanted = [one.strip("/") if one.startswith("/") else f"**/{one.strip('/')}" for one in ignored]
    assert [one for one in wanted if one not in kept_out] == []


CARGO = '[package]\nversion = "1.2.0"\n'


@pytest.mark.parametrize(
    ("tag", "cargo", "changelog", "said"),
    [
        ("v1.2.0", CARGO, "# Changelog\n\n## 1.2.0 (2026-11-26)\n\n- New.\n", None),
        ("v1.2.0rc1", CARGO.replace('0"', '0-rc.1"'), "## 1.2.0rc1 (2026-11-26)\n\n- New.\n", None),
        ("1.2.0", CARGO, "## 1.2.0 (2026-11-26)\n\n- New.\n", "not of the form"),
        ("v1.3.0", CARGO, "## 1.3.0 (2026-11-26)\n\n- New.\n", "Cargo.toml has version 1.2.0"),
        ("v1.2.0", CARGO, "## Unreleased\n\n- New.\n\n## 1.2.0 (2026-11-26)\n\n- Old.\n", "Unreleased"),
        ("v1.2.0", CARGO, "## 1.2.0 (2026-11-26)\n\n## 1.1.0 (2026-01-01)\n\n- Old.\n", "no changes"),
    ],
)
def test_a_release_is_told_what_it_lacks(tag: str, cargo: str, changelog: str, said: str | None) -> None:
    found = list(check_release.problems(tag, cargo, changelog))
    assert (said is None) == (not found)
    assert said is None or said in found[0]
