"""Reports as SARIF 2.1.0, which code hosts show beside the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from spikecheck.finding import Finding, Severity
from spikecheck.report.model import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.NOTE: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}


def to_sarif(reports: Iterable[tuple[str, Report | None, str]], version: str) -> str:
    """The findings of several files, each given as name, report, and why the question could not be asked."""
    given = tuple(reports)
    found = [(name, finding) for name, report, _ in given if report is not None for finding in report.findings]
    rules = {finding.check: finding.slug for _, finding in found}
    order = {check: place for place, check in enumerate(sorted(rules))}
    driver = {
        "name": "spikecheck",
        "version": version,
        "rules": [{"id": check, "name": rules[check], "shortDescription": {"text": rules[check]}} for check in order],
    }
    unasked = [{"level": "error", "message": {"text": f"{name}: {error}"}} for name, _, error in given if error]
    run = {
        "tool": {"driver": driver},
        "results": [result(name, finding, order[finding.check]) for name, finding in found],
        "invocations": [{"executionSuccessful": not unasked, "toolExecutionNotifications": unasked}],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def result(name: str, finding: Finding, rule: int) -> dict[str, Any]:
    """One finding; its place is the file, and within it the site."""
    text = f"{finding.message}. Seen: {finding.observed.text}. Expected: {finding.expected.text}."
    return {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": quoted(name)}},
                "logicalLocations": [{"fullyQualifiedName": finding.site.name, "kind": finding.site.kind.label}],
            }
        ],
    }


def quoted(name: str) -> str:
    """A path as a URI reference."""
    from urllib.parse import quote

    return quote(name.replace("\\", "/"))
