"""SARIF and JUnit as their readers want them: required fields, known levels, text that XML can hold."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from spikecheck.finding import Expected, Finding, Fix, Outcome, Severity, Verdict
from spikecheck.finding import Observed as SeenText
from spikecheck.report.junit import to_junit
from spikecheck.report.model import Report
from spikecheck.report.sarif import RuleText, to_sarif
from spikecheck.site import Site, SiteKind

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
PLACE = {
    "required": ["artifactLocation", "region"],
    "properties": {
        "artifactLocation": {"required": ["uri"], "properties": {"uri": {"type": "string", "format": "uri-reference"}}},
        "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
    },
}
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
                                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                                "locations": {"items": {"properties": {"physicalLocation": PLACE}}},
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


def test_a_rule_has_its_page_as_help_and_a_result_is_found_again() -> None:
    text = RuleText("Weights are NaN.", "# SPK501\n\nWeights ...", Severity.ERROR, "https://docs.org/checks/SPK501")
    made = [
        json.loads(to_sarif(files, "0.1", {"SPK501": text}))["runs"][0] for files in (FILES, [("b.pt", *FILES[0][1:])])
    ]
    (rule,) = made[0]["tool"]["driver"]["rules"]
    assert rule["help"] == {"text": text.page, "markdown": text.page}
    assert (rule["helpUri"], rule["defaultConfiguration"]) == (text.uri, {"level": "error"})
    prints = [[one["partialFingerprints"]["spikecheckFinding/v1"] for one in run["results"]] for run in made]
    assert prints[0] == prints[1], "in another file"
    assert len(set(prints[0])) == 2, "at another site"


def test_a_finding_at_a_line_of_a_script_is_shown_there_with_its_fix() -> None:
    site = Site(SiteKind.SPIKES, "models/net.py:57 spike_fn")
    one = Finding(
        "SPK203", "dead-layer", Severity.ERROR, site, "it is silent", SeenText("0"), Expected("1"), (Fix("x = 1"),)
    )
    (result,) = json.loads(to_sarif([("train.py", report(one), "")], "0.1"))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("models/net.py", {"startLine": 57})
    assert result["message"]["markdown"].endswith("```python\nx = 1\n```")
    assert result["properties"]["fixes"] == [{"library": "any", "code": "x = 1"}]


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
