"""The console against those who should not be there, and against what devices may say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xfs4iot.server.access import Access, ClientRule
from xfs4iot.transport.certificates import test_authority as authority_in
from xfs4iot.transport.passwords import hash_password
from xfs4iot.transport.tls import TLSConfig

PASSWORD = "correct horse battery"
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe\u202c",
    "a\u200bb\ufeffc\u0000d",
    "\U000e0041",
    "'; rm -rf ~; '$(id)`id`",
    "{count} {command}",
)

Serve = Callable[..., Any]
Visit = Callable[..., Any]


def log_in(page: Any, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password or token").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("16 of 16 online").wait_for()


def operator(*allow: str) -> Access:
    return Access([ClientRule("anna", allow or ("*",), password_hash=hash_password(PASSWORD))], anonymous=())


def test_a_browser_is_known_by_its_certificate(
    serve: Serve, visit: Visit, tmp_path: Path, complaints: list[str]
) -> None:
    authority = authority_in(tmp_path / "authority")
    certificate, key = authority.issue_client("anna")
    pair = authority.issue_device("atm17", ["127.0.0.1"])
    tls = TLSConfig(*pair, client_certificates="optional", client_ca=authority.certificate_file)
    rule = ClientRule("anna", ("Common.*", "Storage.GetStorage"), subject="CN=anna")
    served = serve(access=Access([rule], anonymous=()), tls=tls)
    origin = served.uri.removesuffix("/console/")
    own = [{"origin": origin, "certPath": str(certificate), "keyPath": str(key)}]
    page = visit(served, client_certificates=own, ignore_https_errors=True)
    page.get_by_text("16 of 16 online").wait_for()
    page.locator(".user", has_text="anna").wait_for()
    assert page.get_by_role("button", name="Log out").count() == 0
    page.get_by_role("tab", name="Commands").click()
    page.locator("[data-command='CashDispenser.Present'].command").click()
    assert page.locator("command-panel button.primary").is_disabled()

    stranger = visit(served, ignore_https_errors=True)
    stranger.get_by_text("This device knows its clients by certificate or address").wait_for()
    complaints[:] = [one for one in complaints if "401" not in one]


def test_a_page_whose_login_ends_asks_for_another_and_shows_nothing_more(
    serve: Serve, visit: Visit, complaints: list[str]
) -> None:
    page = visit(serve(access=operator()))
    log_in(page, "anna")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_text("16 of 16 online").wait_for()
    other.get_by_role("button", name="Log out").click()
    other.get_by_label("Password or token").wait_for()
    # The first page is told by its connections, which the service has closed.
    page.get_by_text("Your login has ended.").wait_for()
    assert page.locator("nav.services").count() == 0
    assert page.evaluate("document.querySelector('xfs-console').atm === undefined")
    log_in(page, "anna")
    complaints[:] = [one for one in complaints if "401" not in one]


def test_a_page_is_logged_out_when_its_time_is_over(
    serve: Serve, visit: Visit, complaints: list[str]
) -> None:
    page = visit(serve(access=operator(), session_seconds=8))
    log_in(page, "anna")
    page.get_by_text("Your login has ended.").wait_for()
    complaints[:] = [one for one in complaints if "401" not in one]


def test_what_is_greyed_out_is_refused_to_whom_sends_it_all_the_same(
    serve: Serve, visit: Visit, complaints: list[str]
) -> None:
    page = visit(serve(access=operator("Common.*", "Storage.GetStorage")))
    log_in(page, "anna")
    answers = page.evaluate(
        """async () => {
          const { atm } = document.querySelector("xfs-console");
          const codes = [];
          for (const [service, command] of [["CashDispenser", "CashDispenser.Present"],
              ["Simulator", "Simulator.TakeItems"], ["CashDispenser", "Common.Status"]]) {
            const request = atm.send(service, command, {});
            await request.done;
            codes.push(request.code);
          }
          return codes;
        }"""
    )
    assert answers == ["authorizationRequired", "authorizationRequired", "success"]
    complaints[:] = [one for one in complaints if "401" not in one]


def test_nothing_that_a_device_says_is_more_than_text(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    page.get_by_text("16 of 16 online").wait_for()
    messages: list[Any] = [
        {"header": {"name": name, "type": "unsolicited"}, "payload": {"text": name, name: name}}
        for name in (*HOSTILE, "__proto__", "constructor.name", "toString.toString")
    ]
    messages += [
        None,
        7,
        "text",
        [],
        {},
        {"header": None},
        {"header": []},
        {"header": {"name": 7, "type": {}}},
        {"header": {"name": "Common.Status", "type": "constructor", "requestId": "__proto__"}},
        {"header": {"name": "Common.StatusChangedEvent", "type": "unsolicited"}, "payload": [None]},
        {
            "header": {"name": "Common.StatusChangedEvent", "type": "unsolicited"},
            "payload": {"constructor": 1, "toString": {}, "hasOwnProperty": 2},
        },
    ]
    said = [json.dumps(one) for one in messages]
    said += ["{", '{"header": {"name": "x.y", "type": "event"}, "payload": {"__proto__": {"polluted": 1}}}']
    found = page.evaluate(
        """async (said) => {
          const { atm } = document.querySelector("xfs-console");
          const { socket } = atm.services.get("Lights").connection;
          const before = atm.log.length;
          for (const data of said) socket.onmessage({ data });
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
          for (const one of document.querySelectorAll(".log details")) one.open = true;
          await new Promise((resolve) => setTimeout(resolve, 300));
          const events = atm.log.slice(before).filter((one) => !("command" in one));
          return { kept: events.length, polluted: {}.polluted ?? null,
            unmarked: events.filter((one) => !one.deviations.length).map((one) => one.message) };
        }""",
        said,
    )
    assert found == {"kept": len(said), "polluted": None, "unmarked": []}
    shown = page.locator(".log").inner_text()
    assert page.locator(".log img").count() == 0
    assert HOSTILE[0] in shown
    assert not set(shown) & set("\u202e\u202c\u200b\ufeff\u0000\U000e0041")
    assert "\\u202egnp.exe\\u202c" in shown
    page.locator(".log .deviation", has_text="$.constructor").first.wait_for()


def test_what_is_copied_runs_nothing_else(serve: Serve, visit: Visit) -> None:
    page = visit(serve())
    page.get_by_text("16 of 16 online").wait_for()
    copied = page.evaluate(
        """async (said) => {
          const { asCall, asPython } = await import("/console/timeline.js");
          return said.map((one) => {
            const request = { command: one, timeout: 0 };
            return [asCall("ws://a:1/xfs4iot/v1.0/B", request, { [one]: one }),
              asPython("ws://a:1/xfs4iot/v1.0/B", request, { [one]: one, true: "true", n: [null, true, 1] })];
          });
        }""",
        list(HOSTILE),
    )
    for text, (line, program) in zip(HOSTILE, copied, strict=True):
        words = shlex.split(line)
        assert words[:3] == ["xfs4iot", "call", "ws://a:1/xfs4iot/v1.0/B"]
        assert words[3] == text
        assert json.loads(words[4]) == {text: text}
        assert not set(program) & set("\u202e\u200b\ufeff\u0000\U000e0041")
        asked: list[Any] = []
        source = "\n".join(line[4:] for line in program.splitlines()[1:]).replace("await ", "", 1)

        class Service:
            def call(self, *all_of_it: Any) -> None:
                asked.extend(all_of_it)  # noqa: B023

        exec(source, {"service": Service()})
        assert asked == [text, {text: text, "true": "true", "n": [None, True, 1]}]


def test_secrets_are_neither_kept_nor_copied(serve: Serve, visit: Visit) -> None:
    page = visit(serve(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("16 of 16 online").wait_for()
    page.locator("nav.services [data-service='CashDispenser']").click()
    page.get_by_role("tab", name="Commands").click()
    page.locator("[data-command='CashDispenser.Present'].command").click()
    page.locator("payload-form textarea").fill(
        '{"token": "NONCE=77SECRET77", "__proto__": {"token": "77SECRET77"}}'
    )
    page.locator("command-panel button.primary").click()
    page.locator(".outcome-code").wait_for()
    row = page.locator(".log [data-command='CashDispenser.Present']").first
    row.locator("summary").click()
    row.get_by_role("button", name="Add to scenario").click()
    for what in ("JSON", "command line", "Python"):
        row.get_by_role("button", name=f"Copy {what}").click()
        row.get_by_role("button", name="Copied").first.wait_for()
        assert "77SECRET77" not in page.evaluate("navigator.clipboard.readText()")
    assert "77SECRET77" not in page.locator(".log").inner_text()
    page.get_by_role("tab", name="Scenarios").click()
    assert "77SECRET77" not in page.locator("scenario-view textarea").input_value()
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert "77SECRET77" not in kept
