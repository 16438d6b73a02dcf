"""Findings that a project has accepted, in a file: only others, and worse ones, decide an exit code or a test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikecheck.errors import SpikecheckError
from spikecheck.finding import Finding, Severity
from spikecheck.outside_text import safe
from spikecheck.report.file import write
from spikecheck.report.format import counted, stable_key

SCHEMA = 1
Key = tuple[str, str, str, str]  # the test, or "" for a command; check, kind of site, site


@dataclass(frozen=True)
class AcceptedFindings:
    """The accepted findings by test, check and site, with their severity: a more severe one is not accepted."""

    severities: Mapping[Key, Severity] = field(default_factory=dict)
    source: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AcceptedFindings:
        """Return what is in a file.

        Raises:
            SpikecheckError: the file cannot be read, or is none that spikecheck wrote.
        """
        try:
            content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise SpikecheckError(f"{path} has schema {content['schema']!r}, and this spikecheck reads {SCHEMA}")
            entries = {
                (one.get("test", ""), one["check"], one["kind"], one["site"]): Severity.named(one["severity"])
                for one in content["accepted"]
            }
        except OSError as error:
            raise SpikecheckError(f"{path} cannot be read: {error.strerror}; --write-baseline creates it") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SpikecheckError(f"{path} holds no accepted findings: create it again") from error
        return cls(entries, safe(Path(path).name))

    def others(self, findings: Iterable[Finding], test: str = "") -> tuple[Finding, ...]:
        """Return the findings that are not accepted."""
        return tuple(
            one for one in findings if one.severity > self.severities.get((test, *stable_key(one)), Severity.NOTE - 1)
        )

    def summary(self, findings: Iterable[Finding]) -> str:
        """Return in one line how many of these are accepted, and how many accepted ones are not found any more."""
        every = list(findings)
        accepted, present = len(every) - len(self.others(every)), {("", *stable_key(one)) for one in every}
        gone = [key for key in self.severities if not key[0] and key not in present]
        parts = [f"{self.source}: {counted(accepted, 'finding')} accepted"]
        if gone:
            named = ", ".join(f"{safe(check)}:{safe(site)}" for _, check, _, site in gone[:3])
            parts.append(f"{len(gone):,} no longer found ({named}{', ...' if len(gone) > 3 else ''})")
        return ", ".join(parts)


NOTHING = AcceptedFindings()


def update_tests(path: Path, tests: Mapping[str, list[dict[str, str]]]) -> str:
    """Write what these tests found to a file, keep what it has of other tests, and return a line that says so.

    Raises:
        SpikecheckError: the file cannot be written, or is none that spikecheck wrote.
    """
    before = AcceptedFindings.load(path).severities if path.exists() else {}
    others = [
        {"test": test, "check": check, "kind": kind, "site": site, "severity": severity.label}
        for (test, check, kind, site), severity in before.items()
        if test not in tests
    ]
    made = [one for entries in tests.values() for one in entries]
    write_entries(path, [*others, *made])
    return f"{counted(len(made), 'accepted finding')} of {counted(len(tests), 'test')} written to {path}"


def write_accepted(path: str | os.PathLike[str], findings: Iterable[tuple[str, Finding]]) -> None:
    """Write findings, each with its test or "", to a file that accepts them.

    Raises:
        SpikecheckError: the file cannot be written.
    """
    write_entries(path, (entry(test, finding) for test, finding in findings))


def entry(test: str, finding: Finding) -> dict[str, str]:
    """Return one accepted finding as the file has it; the message is for the reader alone."""
    check, kind, site = stable_key(finding)
    made = {"check": check, "kind": kind, "site": site, "severity": finding.severity.label, "message": finding.message}
    return {"test": test, **made} if test else made


def write_entries(path: str | os.PathLike[str], entries: Iterable[dict[str, str]]) -> None:
    """Write the entries of a file, each once, in an order that changes little between versions."""
    unique = {tuple(one.get(name, "") for name in ("test", "check", "kind", "site")): one for one in entries}
    content = {"schema": SCHEMA, "accepted": [one for _, one in sorted(unique.items())]}
    write(path, json.dumps(content, indent=2) + "\n")
