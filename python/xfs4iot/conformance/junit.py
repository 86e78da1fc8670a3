"""The report as JUnit XML, for build servers."""

from __future__ import annotations

from xml.etree import ElementTree as xml

from xfs4iot.conformance.running import Report

__all__ = ["junit"]

_ALLOWED = {"\t", "\n", "\r"}


def junit(report: Report) -> str:
    """A test suite for each profile, a test case for each case; warnings are output of a passing test."""
    root = xml.Element("testsuites", name=f"xfs4iot conform {report.uri}")
    for profile in report.profiles:
        results = [one for one in report.results if one.case.interface == profile]
        counts = report.counts(profile)
        suite = xml.SubElement(
            root, "testsuite", name=profile, tests=str(len(results)), failures=str(counts["fail"]),
            errors=str(counts["error"]),
            skipped=str(counts["skipped"] + counts["notApplicable"] + counts["waived"]),
        )  # fmt: skip
        for one in results:
            test = xml.SubElement(
                suite, "testcase", classname=f"{profile}.{one.case.level}", name=one.case.id,
                time=f"{one.seconds:.3f}",
            )  # fmt: skip
            said = _legal(f"{one.case.title}\nexpected: {one.expected}\nseen: {one.seen}\n{one.reason}")
            trace = _legal("\n".join(one.trace))
            if one.verdict in ("fail", "error"):
                kind = "failure" if one.verdict == "fail" else "error"
                inner = xml.SubElement(test, kind, message=_legal(one.seen or one.reason))
                inner.text = f"{said}\n{trace}"
            elif one.verdict in ("skipped", "notApplicable", "waived"):
                xml.SubElement(test, "skipped", message=_legal(f"{one.verdict}: {one.reason}"))
            elif one.verdict == "warn":
                xml.SubElement(test, "system-out").text = said
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True)


def _legal(text: str) -> str:
    """A text without the characters that XML cannot have."""
    return "".join(
        one if one in _ALLOWED or (one >= " " and one not in "\ufffe\uffff") else "�" for one in text
    )
