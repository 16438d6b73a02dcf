"""Reports as SARIF 2.1.0, which code hosts show next to the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from spikecheck.finding import Finding, Severity
from spikecheck.report.model import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.NOTE: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}


def to_sarif(reports: Iterable[tuple[str, Report | None, str]], version: str) -> str:
    """Return the findings of several files, each given as name, report and error, as SARIF."""
    files = tuple(reports)
    findings = [(name, finding) for name, report, _ in files if report is not None for finding in report.findings]
    rules = {finding.check: finding.slug for _, finding in findings}
    order = {check: place for place, check in enumerate(sorted(rules))}
    driver = {
        "name": "spikecheck",
        "version": version,
        "rules": [{"id": check, "name": rules[check], "shortDescription": {"text": rules[check]}} for check in order],
    }
    errors = [{"level": "error", "message": {"text": f"{name}: {error}"}} for name, _, error in files if error]
    run = {
        "tool": {"driver": driver},
        "results": [result(name, finding, order[finding.check]) for name, finding in findings],
        "invocations": [{"executionSuccessful": not errors, "toolExecutionNotifications": errors}],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def result(name: str, finding: Finding, rule: int) -> dict[str, Any]:
    """Return one finding, located in its file at its site."""
    fix = f" Fix: {finding.fix}" if finding.fix else ""
    text = f"{finding.message}. Observed: {finding.observed.text}. Expected: {finding.expected.text}.{fix}"
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
    """Return a path as a URI reference."""
    from urllib.parse import quote

    return quote(name.replace("\\", "/"))
