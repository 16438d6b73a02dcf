"""Reports as SARIF 2.1.0, which code hosts show next to the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from spikecheck.finding import Finding, Severity
from spikecheck.report.format import stable_key
from spikecheck.report.model import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.NOTE: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
LINE_OF_A_SCRIPT = re.compile(r"(?P<file>[^:]+\.py):(?P<line>[1-9]\d*)(?: |$)")  # the name of a layer that is a line
FINGERPRINT = "spikecheckFinding/v1"


@dataclass(frozen=True)
class RuleText:
    """What a viewer shows of a check: one sentence, and its page in Markdown."""

    summary: str
    page: str
    severity: Severity
    uri: str = ""  # of its page on the web, if there is one


def to_sarif(
    reports: Iterable[tuple[str, Report | None, str]], version: str, texts: Mapping[str, RuleText] | None = None
) -> str:
    """Return the findings of several files, each given as name, report and error, as SARIF.

    `texts` are those of the checks, by id.
    """
    files = tuple(reports)
    findings = [(name, finding) for name, report, _ in files if report is not None for finding in report.findings]
    slugs = {finding.check: finding.slug for _, finding in findings}
    order = {check: place for place, check in enumerate(sorted(slugs))}
    driver = {
        "name": "spikecheck",
        "version": version,
        "rules": [rule(check, slugs[check], (texts or {}).get(check)) for check in order],
    }
    errors = [{"level": "error", "message": {"text": f"{name}: {error}"}} for name, _, error in files if error]
    run = {
        "tool": {"driver": driver},
        "results": [result(name, finding, order[finding.check]) for name, finding in findings],
        "invocations": [{"executionSuccessful": not errors, "toolExecutionNotifications": errors}],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def rule(check: str, slug: str, text: RuleText | None) -> dict[str, Any]:
    """Return one check, with its page as the help that a viewer shows."""
    if text is None:
        return {"id": check, "name": slug, "shortDescription": {"text": slug}}
    return {
        "id": check,
        "name": slug,
        "shortDescription": {"text": text.summary},
        "fullDescription": {"text": text.summary},
        "help": {"text": text.page, "markdown": text.page},
        **({"helpUri": text.uri} if text.uri else {}),
        "defaultConfiguration": {"level": LEVELS[text.severity]},
        "properties": {"tags": ["spiking-neural-network"]},
    }


def result(name: str, finding: Finding, rule: int) -> dict[str, Any]:
    """Return one finding, located in its file at its site: the line of a script, where the site is one."""
    fix = f" Fix: {finding.fix}" if finding.fix else ""
    text = f"{finding.message}. Observed: {finding.observed.text}. Expected: {finding.expected.text}."
    markdown = f"{text}\n\n```python\n{finding.fix}\n```" if finding.fix else text
    line = LINE_OF_A_SCRIPT.match(finding.site.name)
    file, row = (line["file"], int(line["line"])) if line else (name, 1)
    return {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": LEVELS[finding.severity],
        "message": {"text": text + fix, "markdown": markdown},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": quoted(file)}, "region": {"startLine": row}},
                "logicalLocations": [{"fullyQualifiedName": finding.site.name, "kind": finding.site.kind.label}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: fingerprint(finding)},
        "properties": {"fixes": [{"library": fix.library, "code": fix.code} for fix in finding.fixes]},
    }


def fingerprint(finding: Finding) -> str:
    """Return what tells that two results are the same finding, also in another checkpoint of the same model."""
    return sha256("\n".join(stable_key(finding)).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def quoted(name: str) -> str:
    """Return a path as a URI reference."""
    from urllib.parse import quote

    return quote(name.replace("\\", "/"))
