"""Reports as JUnit XML, which every CI shows: a suite a file, a case a check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from spikecheck.finding import Outcome, Severity, Verdict
from spikecheck.report.model import Report

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0


def to_junit(reports: Iterable[tuple[str, Report | None, str]], level: Severity) -> str:
    """Several files, each given as name, report, and why the question could not be asked.

    A finding from `level` on fails its case.
    """
    root = ET.Element("testsuites", name="spikecheck")
    for name, report, error in reports:
        suite = ET.SubElement(root, "testsuite", name=clean(name))
        if error:
            case = ET.SubElement(suite, "testcase", classname=clean(name), name="asked")
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
    """The case of one check."""
    case = ET.SubElement(suite, "testcase", classname=name, name=f"{verdict.check} {verdict.slug}")
    grave = [finding for finding in verdict.findings if finding.severity >= level]
    if grave:
        failure = ET.SubElement(case, "failure", type=verdict.check, message=clean(grave[0].message))
        failure.text = clean("\n".join(f"{f.message}\n  observed: {f.observed.text}\n  fix: {f.fix}" for f in grave))
    elif verdict.outcome in (Outcome.NOT_APPLICABLE, Outcome.COULD_NOT_RUN):
        ET.SubElement(case, "skipped", message=clean(verdict.reason))


def clean(text: str) -> str:
    """Text that XML can hold."""
    return FORBIDDEN.sub("�", text)
