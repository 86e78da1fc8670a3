"""`xfs4iot forms`: forms and media in files, looked at, converted and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image, ImageOps

from xfs4iot.cli.forms import forms

RECEIPT = """XFSFORM "receipt"
BEGIN
  UNIT MM, 1, 1
  SIZE 72, 60
  XFSFIELD "amount"
  BEGIN
    POSITION 2, 14
    SIZE 60, 6
    CLASS REQUIRED
  END
  XFSFIELD "code" BEGIN TYPE BARCODE POSITION 5, 30 SIZE 60, 15 FONT "EAN13" END
  XFSFIELD "logo" BEGIN TYPE GRAPHIC POSITION 40, 0 SIZE 10, 10 END
END
"""
ROLL = 'XFSMEDIA "roll" BEGIN UNIT MM, 1, 1 SIZE 80, 0 END\n'
LOGIN = {
    "size": {"width": 20, "height": 2},
    "fields": {"id": {"position": {"x": 0, "y": 1}, "size": {"width": 6}}},
}


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(name: str, content: str | bytes) -> str:
    file = Path(name)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def run(*arguments: str) -> Result:
    return CliRunner().invoke(forms, arguments)


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_good_files_are_told_as_what_they_are() -> None:
    both = written("both.form", RECEIPT + ROLL)
    login = written("login.json", json.dumps(LOGIN))
    result = run("check", both, login)
    assert result.exit_code == 0
    assert lines(result) == [
        "both.form: form receipt of a Printer: good",
        "both.form: media roll of a Printer: good",
        "login.json: form login of a TextTerminal: good",
    ]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("CLASS REQUIRED", "CLASS REQUIERD", "9:11: error: expected one of OPTIONAL, STATIC, REQUIRED"),
        ("POSITION 5, 30", "POSITION 50, 30", "11:12: error: form receipt: field code: 60 x 15 at 50, 30"),
        ('"EAN13"', '"EAN99"', "11:12: error: form receipt: field code: its font names no barcode"),
        ('XFSFIELD "code"', 'XFSFIELD "amount"', '11:12: error: there is another XFSFIELD "amount"'),
        ("SIZE 72, 60", "SIZE 72, 60 LANGUAGE 7", "1:9: warning: form receipt: LANGUAGE means nothing"),
    ],
)
def test_what_is_wrong_with_a_text_has_its_line_and_column(before: str, after: str, says: str) -> None:
    result = run("check", written("receipt.form", RECEIPT.replace(before, after)))
    assert lines(result)[0].startswith(f"receipt.form:{says}")
    assert result.exit_code == ("warning" not in says)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"width": 6', '"width": 6,,', "13:20: error: this is not JSON"),
        (
            '"width": 6',
            '"width": "6"',
            "13:9: error: form login: fields.id.size.width: expected `int | null`",
        ),
        ('"width": 6', '"width": 60', "7:5: error: form login: field id: 60 x 1 at 0, 1 is"),
        ('"width": 6', '"width": 6, "width": 7', '13:21: error: "width" stands here a second time'),
        (
            '"width": 6',
            '"width": 6, "hight": 1',
            '13:21: warning: form login: "hight" is no property here, and is ignored; did you mean height?',
        ),
        ('"size": {\n    "width"', '"siz": {\n    "width"', "1:1: error: expected a form or a media"),
    ],
)
def test_what_is_wrong_with_json_has_its_line_and_column(before: str, after: str, says: str) -> None:
    text = json.dumps(LOGIN, indent=2).replace(before, after)
    result = run("check", written("login.json", text))
    assert lines(result)[0].startswith(f"login.json:{says}")
    assert result.exit_code == ("warning" not in says)


@pytest.mark.parametrize("levels", [102, 900, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [('{"form":', "}"), ("[", "]")])
def test_values_too_deep_in_one_another_are_told(levels: int, opens: str, closes: str) -> None:
    result = run("check", written("deep.json", opens * levels + "1" + closes * levels))
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert lines(result)[0].startswith("deep.json:1:")
    assert "levels deep" in result.stdout or "cannot be read" in result.stdout


@pytest.mark.parametrize(
    ("media", "says"),
    [
        ({"size": {"width": 72}}, "unit is missing; give base, x and y"),
        (
            {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 72, "height": 0}},
            "of endless paper leave it out",
        ),
    ],
)
def test_a_media_that_no_printer_takes_is_told(media: dict[str, object], says: str) -> None:
    result = run("check", written("roll.json", json.dumps({"name": "roll", "media": media})))
    assert result.exit_code == 1
    assert lines(result)[0].startswith("roll.json:1:")
    assert says in lines(result)[0]


def test_one_bad_file_does_not_hide_the_others() -> None:
    bad, good = written("bad.form", 'XFSFORM "für"'.encode("cp1252")), written("good.form", RECEIPT)
    result = run("check", bad, good, "--json")
    assert result.exit_code == 1
    wrong, fine = json.loads(result.stdout)
    assert (wrong["file"], wrong["line"], wrong["column"], wrong["severity"]) == (bad, 1, 11, "error")
    assert "--encoding cp1252" in wrong["text"]
    assert fine == {
        "file": good,
        "interface": "Printer",
        "what": "form",
        "name": "receipt",
        "severity": None,
    }
    result = run(
        "check",
        written("bad.form", RECEIPT.replace("receipt", "für").encode("cp1252")),
        "--encoding",
        "cp1252",
    )
    assert lines(result) == ["bad.form: form für of a Printer: good"]


def test_two_of_one_name_in_a_file_are_an_error() -> None:
    result = run("check", written("twice.form", RECEIPT + RECEIPT))
    assert (
        lines(result)[1]
        == "twice.form:14:9: error: form receipt: there is another one of this name in the file"
    )


def test_a_file_becomes_the_payload_of_set_form_and_comes_back_the_same() -> None:
    file = written("receipt.form", RECEIPT)
    result = run("convert", file, "--output", "receipt.json")
    assert (result.exit_code, result.output) == (0, "")
    payload = json.loads(Path("receipt.json").read_text())
    assert set(payload) == {"name", "form"}
    assert payload["form"]["fields"]["amount"]["class"] == "required"
    again = run("convert", "receipt.json")
    written("again.form", again.stdout)
    assert json.loads(run("convert", "again.form").stdout) == payload


def test_several_definitions_become_a_list_and_come_back() -> None:
    result = run("convert", written("both.form", RECEIPT + ROLL))
    form, media = json.loads(result.stdout)
    assert (form["name"], media["name"]) == ("receipt", "roll")
    back = run("convert", written("both.json", result.stdout)).stdout
    assert back.count("XFSFORM") == back.count("XFSMEDIA") == 1
    assert json.loads(run("convert", written("back.form", back)).stdout) == [form, media]


def test_what_the_language_cannot_say_is_told_and_what_would_print_otherwise_is_refused() -> None:
    media = {"unit": {"base": "mm", "x": 1, "y": 1}, "size": {"width": 72}, "source": "tray7"}
    result = run("convert", written("tray.json", json.dumps({"name": "tray", "media": media})))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert 'tray.json:1:18: media tray: source: the form language has no word for "tray7"' in result.stderr
    field = {**LOGIN["fields"]["id"], "format": "x", "colour": "red"}  # type: ignore[index]
    result = run("convert", written("login.json", json.dumps({**LOGIN, "fields": {"id": field}})))
    assert result.exit_code == 0
    assert '"colour" is no property here' in result.stderr
    assert "fields.id.colour: the form language has no word for it" in result.stderr
    assert 'FORMAT "x"' in result.stdout


def test_a_form_is_drawn_with_values_and_a_picture() -> None:
    Image.new("1", (10, 10)).save("logo.png")
    file = written("both.form", RECEIPT + ROLL)
    values = written("values.json", json.dumps({"amount": "EUR 70.00", "code": "000000000000"}))
    given = ("--values", values, "--value", "code=400638133393", "--value", "logo=@logo.png")
    result = run("draw", file, *given, "--output", "receipt.png")
    assert (result.exit_code, result.output) == (0, "")
    picture = Image.open("receipt.png")
    assert (picture.width, picture.info["dpi"][0]) == (639, pytest.approx(203, abs=1))
    assert [one.text for one in zxingcpp.read_barcodes(picture.convert("L"))] == ["4006381333931"]
    box = ImageOps.invert(picture.convert("L").crop((300, 0, 450, 100))).getbbox()
    assert box == (20, 0, 100, 80), "the logo, all black, from 40 to 50 mm"


def test_a_pdf_has_every_page() -> None:
    pages = RECEIPT.replace("POSITION 2, 14", "POSITION 2, 14, 1")
    result = run("draw", written("two.form", pages), "--value", "amount=1", "--output", "two.pdf")
    assert result.exit_code == 0
    assert Path("two.pdf").read_bytes().count(b"/Type /Page ") == 2
    run("draw", "two.form", "--value", "amount=1", "--output", "two.png")
    assert sorted(one.name for one in Path().glob("*.png")) == ["two-2.png", "two.png"]


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ([], 1, "receipt.form:5:12: form receipt: field amount: a value is required"),
        (["--value", "amount=1", "--value", "cod=1"], 1, "field cod: the form has no such field"),
        (
            ["--value", "amount=1", "--value", "code=x"],
            1,
            "receipt.form:11:12: form receipt: field code: EAN13",
        ),
        (["--value", "amount=" + "1" * 100], 1, "field amount: the value does not fit into the field"),
        (["--value", "amount"], 2, "'amount' is not FIELD=VALUE"),
        (["--value", "logo=@nothing.png"], 2, "nothing.png: No such file"),
        (["--form", "bill"], 2, "has no form bill; it has receipt"),
        (["--media", "receipt.form"], 1, "receipt.form has no media"),
        (["--values", "receipt.form"], 2, "is not a JSON object of texts"),
        (["--output", "receipt.jpg"], 2, "neither .png nor .pdf"),
        (["--output", "nowhere/receipt.png"], 2, "there is no directory nowhere"),
        (["--encoding", "klingon"], 2, "'klingon' is no encoding of text"),
        (["--encoding", "base64"], 2, "'base64' is no encoding of text"),
    ],
)
def test_what_cannot_be_drawn_is_told(more: list[str], code: int, says: str) -> None:
    result = run("draw", written("receipt.form", RECEIPT), "--output", "receipt.png", *more)
    assert result.exit_code == code
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert not Path("receipt.png").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "login.form",
            'XFSFORM "login" BEGIN SIZE 9,1 XFSFIELD "id" BEGIN POSITION 0,0 SIZE 6,1 KEYS NUMERIC END END',
        ),
        ("login.json", json.dumps(LOGIN)),
    ],
)
def test_a_form_of_a_text_terminal_is_not_drawn(name: str, content: str) -> None:
    result = run("draw", written(name, content), "--output", "x.png")
    assert result.exit_code == 1
    assert "form login: it is a text terminal's; printers' forms are drawn" in " ".join(result.stderr.split())


def test_what_was_cut_or_replaced_is_told() -> None:
    cut = RECEIPT.replace("CLASS REQUIRED", "CLASS REQUIRED OVERFLOW TRUNCATE")
    result = run("draw", written("cut.form", cut), "--value", "amount=" + "漢" * 100, "--output", "cut.png")
    assert result.exit_code == 0
    assert "warning: field amount: the value does not fit, and is cut" in result.stderr
    assert "warning: amount: the font lacks 漢, and prints a replacement" in result.stderr
