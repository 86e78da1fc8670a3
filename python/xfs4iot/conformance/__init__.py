"""Conformance: whether a service, anybody's, does what the standard says."""

from xfs4iot.conformance.application import Auditor
from xfs4iot.conformance.case import LEVELS, Case, Level, Result, Verdict
from xfs4iot.conformance.choosing import Choice, NothingChosen
from xfs4iot.conformance.junit import junit
from xfs4iot.conformance.outcome import Deviates
from xfs4iot.conformance.page import page, repeat
from xfs4iot.conformance.person import Act, Person
from xfs4iot.conformance.running import Report, cases_of, run
from xfs4iot.conformance.target import Target
from xfs4iot.conformance.waivers import Waiver, WaiverError, read_waivers

__all__ = [
    "LEVELS",
    "Act",
    "Auditor",
    "Case",
    "Choice",
    "Deviates",
    "Level",
    "NothingChosen",
    "Person",
    "Report",
    "Result",
    "Target",
    "Verdict",
    "Waiver",
    "WaiverError",
    "cases_of",
    "junit",
    "page",
    "read_waivers",
    "repeat",
    "run",
]
