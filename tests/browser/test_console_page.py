"""The console in a browser: what a person sees, and what his clicks do."""

from __future__ import annotations

import ast
import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfs4iot.protocol.catalogue import catalogue
from xfs4iot.protocol.sensitive import MASK, without_secrets
from xfs4iot.protocol.versions import SPECIFICATIONS
from xfs4iot.server.access import Access, ClientRule
from xfs4iot.telling import masked_text
from xfs4iot.transport.passwords import hash_password
from xfs4iot.transport.tokens import make_token

PASSWORD = "correct horse battery"
TABS = ("Machine", "Commands", "Status", "Ledger", "Scenarios")
ONLINE = "16 of 16 online"

Serve = Callable[..., Any]
Visit = Callable[..., Any]


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def choose_service(page: Any, name: str) -> None:
    page.locator(f"nav.services [data-service='{name}']").click()


def choose_command(page: Any, service: str, command: str) -> None:
    choose_service(page, service)
    open_tab(page, "Commands")
    page.locator(f"[data-command='{command}'].command").click()


def send(page: Any, expected: str = "success") -> None:
    page.locator("command-panel button.primary").click()
    page.locator(".outcome-code").get_by_text(expected, exact=True).wait_for()


def hand(page: Any, service: str, action: str) -> None:
    """A click on what somebody does to a simulated device."""
    choose_service(page, service)
    open_tab(page, "Machine")
    page.locator(f"[data-action='Simulator.{action}']:enabled").first.click()


def online(page: Any) -> None:
    page.get_by_text(ONLINE).wait_for()


def read_card(page: Any) -> None:
    """Put a card in, and read its second track."""
    online(page)
    hand(page, "CardReader", "InsertCard")
    choose_command(page, "CardReader", "CardReader.ReadRawData")
    page.locator("payload-form").get_by_label("track2", exact=True).select_option("true")
    send(page)


def test_a_customer_withdraws_money_by_clicks(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    read_card(page)
    page.locator("[data-part]").first.wait_for(state="attached")

    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    page.locator("[data-preset=fromCapabilities]").click()
    page.locator("payload-form .entry").get_by_label("Value").fill("120")
    assert '"EUR": 120' in page.locator("payload-form textarea").input_value()
    send(page)
    choose_command(page, "CashDispenser", "CashDispenser.Present")
    page.locator("[data-preset=fromCapabilities]").click()
    send(page)

    open_tab(page, "Machine")
    page.locator("figure.slot[aria-label='outDefault, open, notEmpty']").wait_for()
    hand(page, "CashDispenser", "TakeItems")
    page.locator("figure.slot[aria-label='outDefault, closed, empty']").wait_for()
    page.locator("[data-unit=unit4][aria-label*='199 / 2,000']").wait_for()
    page.locator("[data-unit=unit2][aria-label*='499 / 2,000']").wait_for()
    page.locator(".log [data-command='CashManagement.ItemsTakenEvent']").wait_for()

    hand(page, "CardReader", "InsertCard")
    open_tab(page, "Ledger")
    page.locator("ledger-view tbody tr").first.get_by_text("present", exact=True).wait_for()


def test_every_command_has_a_form_that_sends_what_it_shows(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    found = page.evaluate(
        """async () => {
          const { atm } = document.querySelector("xfs-console");
          // What this page asks besides would only cost time.
          atm.refresh = async () => {};
          const sent = [];
          const all = async (service) => {
            const panel = document.createElement("command-panel");
            document.body.append(panel);
            panel.show(atm, service);
            for (const command of Object.keys(service.commands).filter((one) => atm.catalogue.command(one))) {
              panel.choose(command);
              panel.querySelector("[data-preset=fromCapabilities]").click();
              const shown = JSON.parse(panel.form.raw.value);
              // Read back through the fields alone, as if each had been touched.
              if (panel.form.schema) panel.form.context.changed();
              panel.timeout.value = 50;
              const why = atm.hindrance(service, command);
              panel.querySelector("form").requestSubmit();
              const request = panel.request;
              await request.done;
              sent.push({ command, why, code: request.code, shown, sent: request.payload,
                asked: request.command, deviations: request.deviations, ms: request.duration });
            }
            panel.remove();
          };
          await Promise.all([...atm.services.values()].map(all));
          const events = atm.log.filter((one) => one.deviations.length && !("command" in one));
          return { sent, events: events.map((one) => [one.name, one.deviations]) };
        }"""
    )
    sent = found["sent"]
    assert [one["command"] for one in sent if one["asked"] != one["command"] or one["why"]] == []
    lost = ("notConnected", "connectionLost", "invalidMessage")
    assert [one["command"] for one in sent if one["code"] in lost] == []
    assert [one for one in sent if one["shown"] != one["sent"]] == []
    assert [(one["command"], one["deviations"]) for one in sent if one["deviations"]] == []
    assert found["events"] == []
    standard = {one["command"] for one in sent if not one["command"].startswith("Simulator.")}
    assert len(standard) > 150
    assert len({one["command"] for one in sent} - standard) > 70


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_every_command_of_all_interfaces_has_a_form_in_every_version(
    serve: Serve, visit: Visit, specification: str
) -> None:
    page = visit(serve())
    online(page)
    built = page.evaluate(
        """async (specification) => {
          const { Catalogue } = await import("/console/catalogue.js");
          const { atm } = document.querySelector("xfs-console");
          const catalogue = await Catalogue.load(specification, atm.facts.simulator);
          const built = {};
          for (const [part, content] of Object.entries(catalogue.content.interfaces))
            for (const [short, entry] of Object.entries(content.commands)) {
              const form = document.createElement("payload-form");
              const context = { masks: atm.masks, choices: () => [] };
              form.show(entry.payload, catalogue.content.definitions, {}, context);
              const labels = [...form.querySelectorAll(".field > label, legend > label")];
              built[`${part}.${short}`] = labels.map((one) => one.textContent.trim());
            }
          return built;
        }""",
        specification,
    )
    interfaces = catalogue(specification)["interfaces"]
    assert set(built) == {f"{part}.{one}" for part in interfaces for one in interfaces[part]["commands"]}
    for part, content in interfaces.items():
        for short, entry in content["commands"].items():
            names = set(((entry["payload"] or {}).get("properties")) or {})
            assert names <= set(built[f"{part}.{short}"])


def test_it_comes_back_by_itself_when_the_atm_is_restarted(
    serve: Serve, visit: Visit, complaints: list[str]
) -> None:
    served = serve()
    page = visit(served)
    online(page)
    served.stop()
    page.get_by_text("0 of 16 online").wait_for()
    choose_command(page, "CashDispenser", "Common.Status")
    page.get_by_text("Not connected; it is tried again.").first.wait_for()
    assert page.locator("command-panel button.primary").is_disabled()
    served.start()
    online(page)
    send(page)
    # The browser tells each attempt that failed.
    complaints[:] = [one for one in complaints if "ERR_CONNECTION_REFUSED" not in one]


def test_who_logs_in_sees_what_he_may_not_do_and_why(
    serve: Serve, visit: Visit, complaints: list[str]
) -> None:
    rules = [
        ClientRule("viewer", ("Common.*", "Storage.GetStorage"), password_hash=hash_password(PASSWORD)),
        ClientRule("monitoring", ("Common.Status",), token_hash=make_token()[1]),
    ]
    page = visit(serve(access=Access(rules, anonymous=())))
    page.get_by_label("Name").fill("viewer")
    page.get_by_label("Password or token").fill("not this one")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That is not right.").wait_for()
    page.get_by_label("Password or token").fill(PASSWORD)
    page.keyboard.press("Enter")
    online(page)
    assert page.evaluate("document.cookie") == ""

    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    barred = page.locator("[data-command='CashDispenser.Dispense'].command")
    assert "barred" in (barred.get_attribute("class") or "")
    page.get_by_text(
        "You may not use CashDispenser.Dispense: the rules in [access] do not allow it."
    ).wait_for()
    assert page.locator("command-panel button.primary").is_disabled()
    page.locator("[data-command='Common.Status'].command").click()
    send(page)

    open_tab(page, "Machine")
    choose_service(page, "CashDispenser")
    assert page.locator("[data-action='Simulator.TakeItems']").is_disabled()
    assert "Simulator.TakeItems" in (
        page.locator("[data-action='Simulator.TakeItems']").get_attribute("title") or ""
    )
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Password or token").wait_for()
    # The browser tells each answer that was an error, which these were meant to be.
    complaints[:] = [one for one in complaints if "401" not in one]


def test_cash_of_a_real_machine_moves_only_when_asked_twice(serve: Serve, visit: Visit) -> None:
    page = visit(serve(simulated=False))
    page.get_by_text("15 of 15 online").wait_for()
    page.get_by_text("real hardware").wait_for()
    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    page.locator("[data-preset=fromCapabilities]").click()
    page.locator("command-panel button.primary").click()
    page.get_by_role("button", name="Do nothing").click()
    assert page.locator(".log [data-command='CashDispenser.Dispense']").count() == 0
    page.locator("command-panel button.primary").click()
    page.get_by_role("dialog", name="Move cash?").get_by_role("button", name="Send it").click()
    page.locator(".outcome-code").get_by_text("success", exact=True).wait_for()
    assert page.locator(".log [data-command='CashDispenser.Dispense']").count() == 1
    # What moves nothing is sent at once.
    page.locator("[data-command='CashDispenser.Denominate'].command").click()
    page.locator("[data-preset=fromCapabilities]").click()
    send(page)


def names_of(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        inside = {one for value in schema.values() for one in names_of(value)}
        return inside | set(
            schema.get("properties") or {} if isinstance(schema.get("properties"), dict) else {}
        )
    return {one for value in schema for one in names_of(value)} if isinstance(schema, list) else set()


def test_the_page_masks_what_the_log_masks(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    names = sorted(set().union(*(names_of(catalogue(one)) for one in SPECIFICATIONS)))
    assert len(names) > 500
    cases = [
        {name: value, "a": [{name: {"x": value, "value": 5}}], "payload": {name: [value]}}
        for name in (*names, "PIN_2", "my-secret", "bearerToken", "Track 3", "hmacKey")
        for value in ("text", 7, True, None, "")
    ]
    masked = page.evaluate(
        """(cases) => JSON.stringify(
            JSON.parse(cases).map((one) => document.querySelector("xfs-console").atm.masks.masked(one)))""",
        json.dumps(cases),
    )
    assert json.loads(masked) == [without_secrets(one) for one in cases]


def test_the_page_masks_card_numbers_in_any_text(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    texts = [
        "card 4929000000006 stuck", "4929 0000 0000 6=2512101", "no 4929000000007", "0000000000000",
        "1.4929000000006", "2026-11-28T08:00:00.123456Z", "5413330089020011 and 4929000000006",
        "12345678901234567890",
    ]  # fmt: skip
    shown = page.evaluate(
        """(texts) => document.querySelector("xfs-console").atm.masks.masked({said: texts}).said""", texts
    )
    assert shown == [masked_text(one) for one in texts]
    assert shown[0] == "card ••• stuck"


def test_a_track_is_neither_shown_nor_kept(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    read_card(page)
    row = page.locator(".log [data-command='CardReader.ReadRawData'] summary")
    row.click()
    answer = page.evaluate(
        """document.querySelector("xfs-console").atm.log
            .find((one) => one.command === "CardReader.ReadRawData").answer"""
    )
    track = answer["track2"]["data"]
    shown = page.locator("body").inner_text()
    assert len(track) > 20
    assert track not in shown
    assert MASK in shown

    choose_command(page, "PinPad", "Crypto.Digest")
    secret = page.locator("payload-form").get_by_label("dataToHash")
    if secret.count():
        secret.fill("U2VjcmV0IQ==")
    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    field = page.locator("payload-form").get_by_label("token", exact=True)
    assert field.get_attribute("type") == "password"
    field.fill("NONCE=1234567890")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("command-panel button.primary").click()
    page.locator(".outcome-code").wait_for()
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert "CashDispenser.Dispense" in kept
    assert "NONCE" not in kept
    assert track not in kept


def test_what_deviates_from_the_standard_is_marked(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    cases: dict[str, Any] = {
        "$.common.device": {"common": {"device": "sleepy"}},
        "$.common.powerSaveRecoveryTime": {"common": {"device": "online", "powerSaveRecoveryTime": -1}},
        "$.common.colour": {"common": {"device": "online", "colour": "red"}},
        "$.cashDispenser.positions": {"cashDispenser": {"positions": "outDefault"}},
        "": {"common": {"device": "online"}},
    }
    found = page.evaluate(
        """(cases) => {
          const { catalogue } = document.querySelector("xfs-console").atm;
          const header = { name: "Common.Status", requestId: 1, type: "completion", version: "3.0" };
          return cases.map((payload) => catalogue.deviations({ header, payload })[0]?.path ?? "");
        }""",
        list(cases.values()),
    )
    assert found == list(cases)
    # As if a service had sent it: the row says so, and its details say what.
    page.evaluate(
        """() => {
          const { atm } = document.querySelector("xfs-console");
          const name = "Common.StatusChangedEvent";
          const header = { name, type: "unsolicited", version: "9" };
          const message = { header, payload: { common: { device: 1 } } };
          const deviations = atm.catalogue.deviations(message);
          const detail = { id: 1e9, service: "Lights", time: new Date(), name, message, deviations };
          atm.services.get("Lights").connection.dispatchEvent(new CustomEvent("event", { detail }));
        }"""
    )
    page.get_by_label("Kind").select_option("deviations")
    page.locator(".log summary", has_text="Common.StatusChangedEvent").click()
    page.locator(".log .deviation", has_text="$.common.device").wait_for()


def test_a_request_can_be_copied_repeated_and_cancelled(serve: Serve, visit: Visit) -> None:
    served = serve()
    page = visit(served, permissions=["clipboard-read", "clipboard-write"])
    online(page)
    choose_command(page, "CashDispenser", "CashDispenser.Denominate")
    page.locator("[data-preset=fromCapabilities]").click()
    payload = json.loads(page.locator("payload-form textarea").input_value())
    send(page)
    row = page.locator(".log [data-command='CashDispenser.Denominate']").first
    row.locator("summary").click()
    copied = {}
    for what in ("JSON", "command line", "Python"):
        row.get_by_role("button", name=f"Copy {what}").click()
        row.get_by_role("button", name="Copied").first.wait_for()
        copied[what] = page.evaluate("navigator.clipboard.readText()")
    assert json.loads(copied["JSON"])[0]["payload"] == payload
    words = shlex.split(copied["command line"])
    assert words[:2] == ["xfs4iot", "call"]
    assert words[2] == f"ws://127.0.0.1:{served.port}/xfs4iot/v1.0/CashDispenser"
    assert (words[3], json.loads(words[4])) == ("CashDispenser.Denominate", payload)
    ast.parse(f"async def main():\n    {copied['Python'].replace(chr(10), chr(10) + '    ')}")
    row.get_by_role("button", name="Repeat").click()
    page.locator(".log [data-command='CashDispenser.Denominate']").nth(1).wait_for()

    choose_command(page, "CardReader", "CardReader.ReadRawData")
    page.locator("command-panel button.primary").click()
    page.locator("command-panel button.danger").click()
    page.locator(".outcome-code").get_by_text("canceled", exact=True).wait_for()
    page.get_by_label("Time-out (ms)").fill("100")
    page.locator("command-panel button.primary").click()
    page.locator(".outcome-code").get_by_text("timeOut", exact=True).wait_for()


def test_the_form_and_the_json_beside_it_follow_each_other(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    choose_command(page, "CashDispenser", "CashDispenser.Present")
    raw = page.locator("payload-form textarea")
    raw.fill('{"position": "outFront"}')
    assert page.locator("payload-form").get_by_label("position", exact=True).input_value() == '"outFront"'
    page.locator("payload-form").get_by_label("position", exact=True).select_option('"outDefault"')
    assert json.loads(raw.input_value()) == {"position": "outDefault"}
    raw.fill('{"position": ')
    assert page.locator("command-panel button.primary").is_disabled()
    raw.fill('{"position": "upstairs"}')
    page.locator(".deviations", has_text="$.position").wait_for()
    # Not as the standard has it, but sent all the same: that is what a test bench is for.
    send(page, "invalidData")


def test_a_scenario_runs_step_by_step_and_stops_where_it_fails(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    open_tab(page, "Scenarios")
    for name, steps in (("Withdrawal", 7), ("Jam and reset", 4)):
        page.locator("scenario-view select").select_option(name)
        page.get_by_role("button", name="Run").click()
        page.locator(".steps li.good").nth(steps - 1).wait_for()
        assert page.locator(".steps li").count() == steps
    wrong = [
        {"service": "CashDispenser", "command": "CashDispenser.Reject", "payload": {}},
        {"service": "CashDispenser", "command": "Common.Status", "payload": {}},
    ]
    page.locator("scenario-view textarea").fill(json.dumps(wrong))
    page.get_by_role("button", name="Run").click()
    page.locator(".steps li.bad").wait_for()
    assert page.locator(".steps li.waiting").count() == 1


@pytest.mark.parametrize("specification", ["2021-1", "2023-2"])
def test_older_versions_are_spoken_without_deviations(serve: Serve, visit: Visit, specification: str) -> None:
    page = visit(serve())
    online(page)
    page.get_by_label("Version").select_option(specification)
    online(page)
    choose_command(page, "CashDispenser", "Common.Capabilities")
    send(page)
    wrong = page.evaluate(
        """document.querySelector("xfs-console").atm.log.filter((one) => one.deviations.length)
            .map((one) => [one.command ?? one.name, one.deviations])"""
    )
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_a_role_and_enough_contrast(serve: Serve, visit: Visit, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
    page = visit(serve(), color_scheme=scheme)
    online(page)
    page.evaluate(script)
    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    page.locator("[data-preset=fromCapabilities]").click()
    send(page)
    page.locator(".log summary").first.click()
    for tab in TABS:
        open_tab(page, tab)
        # Names and roles are the same in the dark.
        rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
        found = page.evaluate("(rules) => axe.run(document, rules)", rules)
        wrong = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
        assert not wrong, (tab, wrong)


def test_it_can_be_used_with_the_keyboard_alone(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    page.get_by_role("tab", name="Machine").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Commands").get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowLeft")
    page.locator("[data-part=CardReader]").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="CardReader").wait_for()
    page.get_by_role("button", name="Insert card").focus()
    page.keyboard.press("Space")
    page.locator(".log [data-command='Simulator.InsertCard'].good").wait_for()
    choose_command(page, "CashDispenser", "CashDispenser.Denominate")
    page.locator("[data-preset=fromCapabilities]").click()
    page.locator("payload-form textarea").focus()
    page.keyboard.press("Control+Enter")
    page.locator(".outcome-code").get_by_text("success", exact=True).wait_for()
    page.locator(".log summary").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copy JSON").wait_for()


def test_a_change_leaves_who_reads_the_status_where_he_is(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    online(page)
    hand(page, "CardReader", "InsertCard")
    open_tab(page, "Status")
    # What the device can do is long: it is opened by who wants to read it.
    capabilities = page.locator("details[data-path='capabilities.cardReader']")
    assert capabilities.get_attribute("open") is None
    status = page.locator("details[data-path='status.cardReader'] > summary")
    status.focus()
    page.evaluate(
        "document.querySelector('xfs-console').atm.send('CardReader', 'CardReader.ReadRawData', {})"
    )
    page.locator(".badge", has_text="changed").first.wait_for()
    focused = "document.activeElement.closest('details').dataset.path"
    assert page.evaluate(focused) == "status.cardReader"
    assert capabilities.get_attribute("open") is None


@pytest.mark.parametrize(("language", "word"), [("de", "Befehle"), ("ja", "コマンド"), ("es", "Comandos")])
def test_it_speaks_the_readers_language(serve: Serve, visit: Visit, language: str, word: str) -> None:
    page = visit(serve(), locale=language)
    page.get_by_role("tab", name=word).wait_for()
    assert page.evaluate("document.documentElement.lang") == language
    page.locator(".pick select").nth(1).select_option("en")
    page.get_by_role("tab", name="Commands").wait_for()


def test_it_fits_on_a_telephone(serve: Serve, visit: Visit) -> None:
    page = visit(serve(), viewport={"width": 390, "height": 844})
    online(page)
    for tab in TABS:
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab


def test_pictures_of_it_are_made_for_the_documentation(
    serve: Serve, visit: Visit, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    image = pytest.importorskip("PIL.Image")
    directory = Path(pytestconfig.getoption("--pictures") or tmp_path)

    def picture(page: Any, name: str) -> None:
        page.mouse.move(0, 0)
        with image.open(io.BytesIO(page.screenshot())) as shot:
            # A palette is enough for flat colours, and a third of the size.
            shot.convert("RGB").quantize(128).save(directory / f"console_{name}.png", optimize=True)
        assert (directory / f"console_{name}.png").stat().st_size > 10_000

    served = serve()
    page = visit(served, viewport={"width": 1360, "height": 820})
    online(page)
    hand(page, "CardReader", "InsertCard")
    choose_command(page, "CashDispenser", "CashDispenser.Dispense")
    page.locator("[data-preset=fromCapabilities]").click()
    page.locator("payload-form .entry").get_by_label("Value").fill("120")
    send(page)
    picture(page, "commands")
    choose_command(page, "CashDispenser", "CashDispenser.Present")
    page.locator("[data-preset=fromCapabilities]").click()
    send(page)
    open_tab(page, "Machine")
    page.locator("figure.slot[aria-label='outDefault, open, notEmpty']").wait_for()
    picture(page, "machine")
    open_tab(page, "Ledger")
    page.locator("ledger-view tbody tr").nth(2).wait_for()
    page.locator(".log [data-command='CashDispenser.Present'] summary").click()
    picture(page, "ledger")
    dark = visit(served, viewport={"width": 1360, "height": 820}, color_scheme="dark")
    online(dark)
    choose_service(dark, "CashDispenser")
    open_tab(dark, "Status")
    hand(dark, "CashDispenser", "TakeItems")
    open_tab(dark, "Status")
    dark.locator(".leaf.new").first.wait_for()
    picture(dark, "status")
