"""What a check of a device found: as rows, as JSON, and as JUnit XML for a build server."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, field
from typing import Any
from xml.etree import ElementTree as xml

from xfs4iot.dataclass import dataclass

__all__ = ["Finding", "Report"]


@dataclass(frozen=True)
class Finding:
    """How one thing went.

    Attributes:
        subject: a command by its wire name, or what else was looked at.
        fault: what was done to the device meanwhile; "" for nothing.
        outcome: how the command ended: `success`, a completion code or an error code; "" if it was not sent.
        problem: what was wrong; "" for nothing.
        seconds: how long it took.
        skipped: why it was not done; "" if it was.
    """

    subject: str
    fault: str = ""
    outcome: str = ""
    problem: str = ""
    seconds: float = 0.0
    skipped: str = ""


@dataclass
class Report:
    """Everything that was found about one device class.

    Attributes:
        device: name of the class.
        interfaces: that it is served with.
        offered: commands that it offers.
        missing: commands of these interfaces that it does not offer, with the reason.
        findings: in the order in which they were made.
    """

    device: str
    interfaces: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was wrong."""
        return not any(one.problem for one in self.findings)

    def counts(self) -> Counter[str]:
        """How many findings are `good`, `wrong` and `skipped`."""
        return Counter(
            "wrong" if one.problem else "skipped" if one.skipped else "good" for one in self.findings
        )

    def text(self) -> str:
        """What was wrong, a line for each."""
        lines = [
            f"{one.subject}{f' ({one.fault})' if one.fault else ''}: {one.problem}"
            for one in self.findings
            if one.problem
        ]
        return "\n".join([f"{self.device}: {len(lines)} of {len(self.findings)} wrong", *lines])

    def plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "device": self.device,
            "good": self.good,
            "interfaces": self.interfaces,
            "offered": self.offered,
            "notOffered": self.missing,
            "findings": [{**asdict(one), "seconds": round(one.seconds, 3)} for one in self.findings],
        }

    def junit(self) -> str:
        """As JUnit XML: a test case for each finding."""
        counts = self.counts()
        suite = xml.Element(
            "testsuite",
            name=f"xfs4iot check-device {self.device}",
            tests=str(len(self.findings)),
            failures=str(counts["wrong"]),
            errors="0",
            skipped=str(counts["skipped"]),
            time=f"{sum(one.seconds for one in self.findings):.3f}",
        )
        for one in self.findings:
            name = one.subject + (f" ({one.fault})" if one.fault else "")
            case = xml.SubElement(
                suite, "testcase", classname=self.device, name=_clean(name), time=f"{one.seconds:.3f}"
            )
            if one.problem:
                text = _clean(one.problem)
                xml.SubElement(case, "failure", message=text.partition("\n")[0]).text = text
            elif one.skipped:
                xml.SubElement(case, "skipped", message=_clean(one.skipped))
        suites = xml.Element("testsuites")
        suites.append(suite)
        xml.indent(suites)
        return xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Without characters that XML cannot have."""
    return "".join(one if one in "\n\t" or one.isprintable() else "?" for one in text)
