"""The report as a page for people: the verdict of each profile first, then what failed, then everything."""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterable

from xfs4iot.conformance.case import APPLICATION, Result, Verdict
from xfs4iot.conformance.choosing import SCHEMA
from xfs4iot.conformance.running import Report
from xfs4iot.protocol.visible import visible

__all__ = ["WORDS", "page", "repeat"]

WORDS: dict[Verdict, str] = {
    "pass": "pass",
    "fail": "fail",
    "warn": "warn",
    "notApplicable": "n/a",
    "skipped": "skipped",
    "waived": "waived",
    "error": "error",
}
_ORDER: tuple[Verdict, ...] = ("error", "fail", "warn", "waived", "skipped", "notApplicable", "pass")
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top; }
tr + tr > td, thead + tbody > tr > td { border-top: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 12.5px/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; background: #8881; padding: .6rem; }
.v { font-weight: 600; border-radius: .3rem; padding: 0 .4rem; white-space: nowrap; }
.v.pass { background: #2a73; } .v.fail, .v.error { background: #c335; } .v.warn { background: #d905; }
.v.waived, .v.skipped, .v.notApplicable { background: #8883; }
article { border-left: 4px solid #c33; padding: .1rem 1rem; margin: 1rem 0; }
article.warn { border-color: #d90; } article.waived { border-color: #888; }
dt { color: var(--dim); } dd { margin: 0 0 .4rem; } .dim { color: var(--dim); }
"""


def escape(text: str) -> str:
    """Text for a page: what comes from the service does nothing to it."""
    return html.escape(visible(text))


def repeat(report: Report, result: Result) -> str:
    """The command that tries one case again; empty for what was watched, not tried."""
    if result.case.interface == APPLICATION:
        return ""
    level = "" if result.case.level == "safe" else f" --level {result.case.level}"
    level += " --attended" if result.case.attended else ""
    # What a message was an answer to is not known: all is tried again.
    case = "" if result.case.interface == SCHEMA else f" --case '{result.case.id}'"
    options = "".join(f" {shlex.quote(word)}" for word in report.options)
    return f"xfs4iot conform {report.uri}{options} --version {report.specification}{level}{case} --trace"


def page(report: Report) -> str:
    """A whole HTML document; nothing in it is loaded from elsewhere."""
    verdict, said = report.outcome
    level = "" if report.level is None else f" at level {report.level}"
    title = f"{report.service} {said} to XFS4IoT {report.specification}{level}"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{_badge(verdict)} {escape(title)}</h1>",
            f'<p class="dim">{escape(report.uri)}, {report.when.isoformat()}, '
            f"{len(report.results)} cases</p>",
            *_profiles(report),
            *_findings(report),
            *_all(report.results),
            "</body></html>",
        )
    )


def _badge(verdict: Verdict) -> str:
    return f'<span class="v {verdict}">{WORDS[verdict]}</span>'


def _profiles(report: Report) -> Iterable[str]:
    yield "<h2>Profiles</h2><table><thead><tr><th>profile<th>verdict"
    yield "".join(f'<th class="n">{WORDS[one]}' for one in _ORDER) + "</tr></thead><tbody>"
    for profile, verdict in report.profiles.items():
        counts = report.counts(profile)
        cells = "".join(f'<td class="n">{counts[one] or ""}' for one in _ORDER)
        yield f"<tr><td>{escape(profile)}<td>{_badge(verdict)}{cells}</tr>"
    yield "</tbody></table>"


def _findings(report: Report) -> Iterable[str]:
    for heading, verdicts in (
        ("What failed", ("error", "fail")),
        ("What would be better otherwise", ("warn",)),
        ("What somebody answers for", ("waived",)),
    ):
        found = [one for one in report.results if one.verdict in verdicts]
        if not found:
            continue
        yield f"<h2>{heading}</h2>"
        for one in found:
            yield f'<article id="{escape(one.case.id)}" class="{one.verdict}">'
            yield f"<h3>{_badge(one.verdict)} <code>{escape(one.case.id)}</code></h3>"
            yield f"<p>{escape(one.case.title)}</p><dl>"
            for name, text in (
                ("expected", one.expected),
                ("seen", one.seen),
                ("do" if one.case.interface == APPLICATION else "why", one.reason),
                ("rests on", one.case.cites),
            ):
                if text:
                    yield f"<dt>{name}</dt><dd>{escape(text)}</dd>"
            if again := repeat(report, one):
                yield f"<dt>again</dt><dd><code>{escape(again)}</code></dd>"
            yield "</dl>"
            if one.trace:
                messages = escape("\n".join(one.trace))
                yield f"<details><summary>messages</summary><pre>{messages}</pre></details>"
            yield "</article>"


def _all(results: Iterable[Result]) -> Iterable[str]:
    yield "<h2>All cases</h2><details><summary>show</summary><table><tbody>"
    for one in results:
        reason = f'<br><span class="dim">{escape(one.reason)}</span>' if one.reason else ""
        yield (
            f"<tr><td>{_badge(one.verdict)}<td><code>{escape(one.case.id)}</code>"
            f"<td>{escape(one.case.title)}{reason}</tr>"
        )
    yield "</tbody></table></details>"
