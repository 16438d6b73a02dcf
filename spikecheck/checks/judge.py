"""Asks every check about every site it is for, and gives one of four verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from spikecheck.checks.base import UNTOLD, Check, Evidence, broken, discover
from spikecheck.checks.progress import mendable
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Answer, Finding, Verdict
from spikecheck.packages import PackagesCode
from spikecheck.settings import Settings, SiteLimits, meant
from spikecheck.site import Moment, Site


@dataclass(frozen=True)
class Silenced:
    """An id, the beginning of one, or a slug; with `:site` for the sites of one name or pattern. And the reason why."""

    what: str
    reason: str = ""

    def covers(self, finding: Finding) -> bool:
        """Is this finding meant?"""
        check, _, site = self.what.partition(":")
        known = finding.slug == check or finding.check.startswith(check.upper())
        return known and (not site or fnmatchcase(finding.site.name, site))


@dataclass(frozen=True)
class Judge:
    """The configured checks, what is to be kept quiet, and where other limits hold."""

    checks: tuple[Check, ...]
    silenced: tuple[Silenced, ...] = ()
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
                elif not of_the_broken(id_):
                    raise SpikecheckError(f"{place} {id_}: no check has this id{hint(id_, known)}")
        silenced = (*map(Silenced, ignore), *(Silenced(what, why) for what, why in settings.ignore.items()))
        for quiet in silenced:
            name = quiet.what.partition(":")[0]
            called = any(id_.startswith(name.upper()) or check.slug == name for id_, check in known.items())
            if not name or not (called or of_the_broken(name)):
                raise SpikecheckError(f"ignore {quiet.what!r}: no check is called so{hint(name, known)}")
        checks = tuple(check.configured(settings.limits.get(id_, {})) for id_, check in known.items())
        return cls(checks, silenced, settings.sites)

    def verdicts(self, evidence: Evidence) -> tuple[Verdict, ...]:
        """One verdict a check."""
        return tuple(self.verdict(c, evidence) if is_ours(c) else self.tried(c, evidence) for c in self.checks)

    def tried(self, check: Check, evidence: Evidence) -> Verdict:
        """The verdict of another package's check; where it raises, nothing was seen, and the report says why."""
        with PackagesCode() as code:
            return self.verdict(check, evidence)
        why = f"{check.id} {check.slug}, which raised {code.why}. Update its package, or uninstall it"
        return Verdict(check.id, check.slug, Answer.NOT_SEEN, reason=why, failed=True)

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

    def awaits(self, finding: Finding, evidence: Evidence) -> bool:
        """Is it too early to warn of this, since training mends such things and has only begun?"""
        passes = any(check.passes for check in self.checks if check.id == finding.check)
        return passes and mendable(finding.site, evidence.readings(finding.site))

    def at(self, check: Check, site: Site, evidence: Evidence) -> list[Finding]:
        """What a check finds at a site, dated: from the start where the first forward shows it already."""
        check = self.limited(check, site)
        found = list(check.judge(site, evidence.readings(site)))
        if any(finding.when is UNTOLD for finding in found):
            start = replace(evidence, run=replace(evidence.run, live=False))
            readings = start.readings(site, "first")
            whole = all(readings.get(need) for need in check.needs)
            early = {finding.key for finding in check.judge(site, readings)} if whole else set()
            now = Moment(evidence.run.update)
            found = [replace(f, when=Moment(0) if f.key in early else now) if f.when is UNTOLD else f for f in found]
        return found

    def limited(self, check: Check, site: Site) -> Check:
        """The check with the limits that hold at a site; of several tables that name it, the last one counts."""
        tables = [table.limits.get(check.id, {}) for table in self.site_limits if table.covers(site.name)]
        values = {name: value for table in tables for name, value in table.items()}
        return replace(check, **values) if values else check


def is_ours(check: Check) -> bool:
    """Is it one of spikecheck's own? Then what it raises is spikecheck's own error."""
    return type(check).__module__.startswith("spikecheck.")


def of_the_broken(name: str) -> bool:
    """May a check be called so whose package cannot be loaded? Then it is let pass: the report names the package."""
    return bool(broken()) and not name.upper().startswith("SPK")


def hint(name: str, known: Mapping[str, type[Check]]) -> str:
    """What was probably meant by a name that no check has, as the rest of a sentence."""
    slugs = {check.slug: id_ for id_, check in known.items()}
    if name in slugs:
        return f", it is the name of {slugs[name]}"
    return (meant(name, (*known, *slugs, "ignore", "sites")) or ":") + " `spikecheck checks` lists them"
