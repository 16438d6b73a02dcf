"""Asks every check about every site it is for, and gives one of four verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spikecheck.checks.base import UNTOLD, Check, Evidence, discover
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Answer, Finding, Verdict
from spikecheck.site import Moment, Site


@dataclass(frozen=True)
class Silenced:
    """An id, the beginning of one, or a slug; with `:site` for one site alone. And the reason that was given."""

    what: str
    reason: str = ""

    @classmethod
    def all_of(cls, ignore: Mapping[str, str]) -> tuple[Silenced, ...]:
        """What the settings keep quiet, each with its reason."""
        return tuple(cls(what, reason) for what, reason in ignore.items())

    def covers(self, finding: Finding) -> bool:
        """Is this finding meant?"""
        check, _, site = self.what.partition(":")
        known = finding.slug == check or finding.check.startswith(check.upper())
        return known and (not site or finding.site.name == site)


@dataclass(frozen=True)
class Judge:
    """The configured checks, and what is to be kept quiet."""

    checks: tuple[Check, ...]
    silenced: tuple[Silenced, ...] = ()

    @classmethod
    def of(cls, limits: Mapping[str, Mapping[str, Any]], silenced: Iterable[Silenced]) -> Judge:
        """Every check that is known, with the limits that were set; SpikecheckError for an id that is unknown."""
        known = discover()
        if strange := sorted(set(limits) - set(known)):
            raise SpikecheckError(
                f"[tool.spikecheck.{strange[0]}]: no check has this id; `spikecheck checks` lists them"
            )
        silenced = tuple(silenced)
        for quiet in silenced:
            name = quiet.what.partition(":")[0]
            if not name or not any(id_.startswith(name.upper()) or check.slug == name for id_, check in known.items()):
                raise SpikecheckError(f"ignore {quiet.what!r}: no check is called so; `spikecheck checks` lists them")
        return cls(tuple(check.configured(limits.get(id_, {})) for id_, check in known.items()), silenced)

    def verdicts(self, evidence: Evidence) -> tuple[Verdict, ...]:
        """One verdict a check."""
        return tuple(self.verdict(check, evidence) for check in self.checks)

    def verdict(self, check: Check, evidence: Evidence) -> Verdict:
        """Found, clear, not applicable (no such site), or not seen (a site, but none of the readings needed)."""
        sites = [site for site in evidence.sites if site.kind in check.sites]
        if not sites:
            return Verdict(check.id, check.slug, Answer.NOT_APPLICABLE, reason=f"no {check.sites.label} was seen")
        seen = [site for site in sites if all(evidence.readings(site).get(need) for need in check.needs)]
        if not seen:
            needs = " and ".join(need.__name__.removesuffix("Reading").lower() for need in check.needs)
            return Verdict(check.id, check.slug, Answer.NOT_SEEN, reason=f"no {needs} was measured")
        found = [finding for site in seen for finding in self.at(check, site, evidence)]
        quiet = {f.key: s for f in found for s in self.silenced if s.covers(f)}
        loud = tuple(finding for finding in found if finding.key not in quiet)
        ignored = tuple(f"{f.check} at {f.site}: {quiet[f.key].reason or 'ignored'}" for f in found if f.key in quiet)
        answer = Answer.FOUND if loud else Answer.CLEAR
        return Verdict(check.id, check.slug, answer, loud, ignored=ignored)

    def at(self, check: Check, site: Site, evidence: Evidence) -> list[Finding]:
        """What a check finds at a site, dated: from the start where the first forward shows it already."""
        found = list(check.judge(site, evidence.readings(site)))
        if any(finding.when is UNTOLD for finding in found):
            start = replace(evidence, run=replace(evidence.run, live=False))
            readings = start.readings(site, "first")
            whole = all(readings.get(need) for need in check.needs)
            early = {finding.key for finding in check.judge(site, readings)} if whole else set()
            now = Moment(evidence.run.update)
            found = [replace(f, when=Moment(0) if f.key in early else now) if f.when is UNTOLD else f for f in found]
        return found
