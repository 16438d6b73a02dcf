"""Asks every check about every site it is for, and gives one of four verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from spikecheck.checks.base import UNDATED, Check, Observations, discover, unusable_extensions
from spikecheck.checks.progress import may_still_resolve
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Finding, Outcome, Verdict
from spikecheck.packages import ExtensionCode
from spikecheck.settings import Settings, SiteLimits, suggestion
from spikecheck.site import Moment, Site


@dataclass(frozen=True)
class IgnoreRule:
    """An id, the beginning of one, or a slug; with `:site` for the sites of one name or pattern. And the reason why."""

    pattern: str
    reason: str = ""

    def covers(self, finding: Finding) -> bool:
        """Is this finding meant?"""
        check, _, site = self.pattern.partition(":")
        known = finding.slug == check or finding.check.startswith(check.upper())
        return known and (not site or fnmatchcase(finding.site.name, site))


@dataclass(frozen=True)
class Judge:
    """The configured checks, what is to be kept quiet, and where other limits hold."""

    checks: tuple[Check, ...]
    ignore_rules: tuple[IgnoreRule, ...] = ()
    site_limits: tuple[SiteLimits, ...] = ()

    @classmethod
    def of(cls, settings: Settings, ignore: Iterable[str] = ()) -> Judge:
        """Every check that is known, with the limits that were set; `ignore` is kept quiet besides.

        SpikecheckError for a check or a limit that is unknown.
        """
        known = discover()
        place = settings.place
        for limits in (settings.limits, *(site.limits for site in settings.sites)):
            for id_, values in limits.items():
                if id_ in known:
                    known[id_].configured(values, place)
                elif not may_be_unusable(id_):
                    raise SpikecheckError(f"{place} {id_}: no check has this id{suggest_check(id_, known)}")
        silenced = (*map(IgnoreRule, ignore), *(IgnoreRule(what, why) for what, why in settings.ignore.items()))
        for quiet in silenced:
            name = quiet.pattern.partition(":")[0]
            called = any(id_.startswith(name.upper()) or check.slug == name for id_, check in known.items())
            if not name or not (called or may_be_unusable(name)):
                raise SpikecheckError(f"ignore {quiet.pattern!r}: no check is called so{suggest_check(name, known)}")
        checks = tuple(check.configured(settings.limits.get(id_, {})) for id_, check in known.items())
        return cls(checks, silenced, settings.sites)

    def verdicts(self, evidence: Observations) -> tuple[Verdict, ...]:
        """One verdict a check."""
        return tuple(self.verdict(c, evidence) if is_own_check(c) else self.tried(c, evidence) for c in self.checks)

    def tried(self, check: Check, evidence: Observations) -> Verdict:
        """The verdict of another package's check; where it raises, nothing was seen, and the report says why."""
        with ExtensionCode() as code:
            return self.verdict(check, evidence)
        why = f"{check.id} {check.slug}, which raised {code.why}. Update its package, or uninstall it"
        return Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason=why, failed=True)

    def verdict(self, check: Check, evidence: Observations) -> Verdict:
        """Found, clear, not applicable (no such site), or not seen (a site, but none of the readings needed)."""
        sites = [site for site in evidence.sites if site.kind in check.sites]
        if not sites:
            return Verdict(check.id, check.slug, Outcome.NOT_APPLICABLE, reason=f"no {check.sites.label} was seen")
        seen = [site for site in sites if all(evidence.readings(site).get(need) for need in check.needs)]
        if not seen:
            needs = " and ".join(need.__name__.removesuffix("Reading").lower() for need in check.needs)
            return Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason=f"no {needs} was measured")
        found = [finding for site in seen for finding in self.at(check, site, evidence)]
        quiet = {f.key: s for f in found for s in self.ignore_rules if s.covers(f)}
        loud = tuple(finding for finding in found if finding.key not in quiet)
        ignored = tuple(f"{f.check} at {f.site}: {quiet[f.key].reason or 'ignored'}" for f in found if f.key in quiet)
        answer = Outcome.FOUND if loud else Outcome.PASSED
        return Verdict(check.id, check.slug, answer, loud, ignored=ignored)

    def awaits(self, finding: Finding, evidence: Observations) -> bool:
        """Is it too early to warn of this, since training mends such things and has only begun?"""
        passes = any(check.self_resolving for check in self.checks if check.id == finding.check)
        return passes and may_still_resolve(finding.site, evidence.readings(finding.site))

    def at(self, check: Check, site: Site, evidence: Observations) -> list[Finding]:
        """What a check finds at a site, dated: from the start where the first forward shows it already."""
        check = self.limited(check, site)
        found = list(check.judge(site, evidence.readings(site)))
        if any(finding.when is UNDATED for finding in found):
            start = replace(evidence, run=replace(evidence.run, live=False))
            readings = start.readings(site, "first")
            whole = all(readings.get(need) for need in check.needs)
            early = {finding.key for finding in check.judge(site, readings)} if whole else set()
            now = Moment(evidence.run.update)
            found = [replace(f, when=Moment(0) if f.key in early else now) if f.when is UNDATED else f for f in found]
        return found

    def limited(self, check: Check, site: Site) -> Check:
        """The check with the limits that hold at a site; of several tables that name it, the last one counts."""
        tables = [table.limits.get(check.id, {}) for table in self.site_limits if table.covers(site.name)]
        values = {name: value for table in tables for name, value in table.items()}
        return replace(check, **values) if values else check


def is_own_check(check: Check) -> bool:
    """Is it one of spikecheck's own? Then what it raises is spikecheck's own error."""
    return type(check).__module__.startswith("spikecheck.")


def may_be_unusable(name: str) -> bool:
    """May a check be called so whose package cannot be loaded? Then it is let pass: the report names the package."""
    return bool(unusable_extensions()) and not name.upper().startswith("SPK")


def suggest_check(name: str, known: Mapping[str, type[Check]]) -> str:
    """What was probably meant by a name that no check has, as the rest of a sentence."""
    slugs = {check.slug: id_ for id_, check in known.items()}
    if name in slugs:
        return f", it is the name of {slugs[name]}"
    return (suggestion(name, (*known, *slugs, "ignore", "sites")) or ":") + " `spikecheck checks` lists them"
