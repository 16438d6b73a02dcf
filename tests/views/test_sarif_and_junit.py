"""SARIF and JUnit as their readers want them: required fields, known levels, text that XML can hold."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from spikecheck.finding import Expected, Finding, Outcome, Severity, Verdict
from spikecheck.finding import Observed as SeenText
from spikecheck.report.junit import to_junit
from spikecheck.report.model import Report
from spikecheck.report.sarif import to_sarif
from spikecheck.site import Site, SiteKind

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
# The part of the SARIF 2.1.0 schema that a result viewer relies on.
SARIF = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results", "invocations"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {"driver": {"required": ["name", "version", "rules"]}},
                    },
                    "invocations": {"items": {"required": ["executionSuccessful"]}},
                    "results": {
                        "items": {
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "ruleIndex": {"type": "integer", "minimum": 0},
                            },
                        }
                    },
                },
            }
        },
    },
}


def finding(severity: Severity, name: str = "fc1.weight") -> Finding:
    site = Site(SiteKind.STORED, name)
    return Finding(
        "SPK501", "non-finite-weights", severity, site, f"{name} holds NaN", SeenText("1 NaN"), Expected("none")
    )


def report(*findings: Finding) -> Report:
    verdicts = [
        Verdict("SPK501", "non-finite-weights", Outcome.FINDINGS if findings else Outcome.PASSED, findings),
        Verdict("SPK508", "dead-moments", Outcome.NOT_APPLICABLE, reason="no moment was seen"),
    ]
    return Report.of(verdicts, subject="ck.pt")


FILES = [
    ("runs/a b.pt", report(finding(Severity.ERROR), finding(Severity.NOTE, "x\x0b")), ""),
    ("good.pt", report(), ""),
    ("bad.pt", None, "the file is empty"),
    ("half.pt", report(), "the model was not run: it raised ValueError"),
]


def test_sarif_has_what_a_viewer_needs() -> None:
    made = json.loads(to_sarif(FILES, "0.1"))
    jsonschema.validate(made, SARIF)
    [run] = made["runs"]
    assert [result["level"] for result in run["results"]] == ["error", "note"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    place = run["results"][0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "runs/a%20b.pt"
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "fc1.weight"
    assert run["invocations"][0]["executionSuccessful"] is False
    message = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert message == ["bad.pt: the file is empty", "half.pt: the model was not run: it raised ValueError"]


@pytest.mark.parametrize(("level", "failures"), [(Severity.NOTE, 1), (Severity.ERROR, 1)])
def test_junit_counts_what_it_holds(level: Severity, failures: int) -> None:
    root = ET.fromstring(to_junit(FILES, level).encode())
    assert root.tag == "testsuites"
    first, good, bad, half = root
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == ("2", str(failures), "1")
    assert (good.get("failures"), bad.get("errors")) == ("0", "1")
    assert (half.get("tests"), half.get("failures"), half.get("errors")) == ("3", "0", "1")
    for suite in root:
        assert len(suite.findall("testcase")) == int(suite.get("tests", "-1"))
        assert all(case.get("name") and case.get("classname") for case in suite)


def test_a_finding_below_the_level_fails_no_case() -> None:
    root = ET.fromstring(to_junit([("a.pt", report(finding(Severity.NOTE)), "")], Severity.WARNING).encode())
    assert root[0].get("failures") == "0"
