"""Reports as JUnit XML, which CI services show: one suite per file, one case per check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from spikecheck.diagnosis import Cause
from spikecheck.finding import Outcome, Severity, Verdict
from spikecheck.report.model import Report
from spikecheck.report.wording import warning_text

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0


def to_junit(reports: Iterable[tuple[str, Report | None, str]], level: Severity) -> str:
    """Return several files, each given as name, report and error, as JUnit XML.

    A finding of at least the severity `level` fails its case.
    """
    root = ET.Element("testsuites", name="spikecheck")
    for name, report, error in reports:
        suite = ET.SubElement(root, "testsuite", name=clean(name))
        if error:
            case = ET.SubElement(suite, "testcase", classname=clean(name), name="readable")
            ET.SubElement(case, "error", message=clean(error))
        for verdict in report.verdicts if report is not None else ():
            add(suite, clean(name), verdict, level)
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            suite.set(attribute, str(len(list(suite.iter(tag)))))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def add(suite: ET.Element, name: str, verdict: Verdict, level: Severity) -> None:
    """Add the case of one check."""
    case = ET.SubElement(suite, "testcase", classname=name, name=f"{verdict.check} {verdict.slug}")
    findings = [finding for finding in verdict.findings if finding.severity >= level]
    if findings:
        failure = ET.SubElement(case, "failure", type=verdict.check, message=clean(findings[0].message))
        failure.text = clean("\n\n".join(map(warning_text, map(Cause, findings))))
    elif verdict.outcome in (Outcome.NOT_APPLICABLE, Outcome.COULD_NOT_RUN):
        ET.SubElement(case, "skipped", message=clean(verdict.reason))


def clean(text: str) -> str:
    """Return a text without the characters that XML forbids."""
    return FORBIDDEN.sub("�", text)
