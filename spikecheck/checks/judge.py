"""Judge a run or a file: every check at every site that it is for, with one of four outcomes each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from spikecheck.checks.base import UNDATED, Check, Observations
from spikecheck.checks.discovery import RETIRED, discover, known_causes, unusable_extensions
from spikecheck.checks.fixes import for_run
from spikecheck.checks.late_start import late_start
from spikecheck.checks.progress import may_still_resolve
from spikecheck.checks.waking import is_waking, out_of_reach
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Finding, FindingState, Interval, Outcome, Severity, Unseen, UnseenKind, Verdict
from spikecheck.ledger import EMPTY, Ledger, Record
from spikecheck.packages import ExtensionCode
from spikecheck.settings import Settings, SiteLimits, suggestion
from spikecheck.site import FILE_KINDS, Moment, Site, SiteKind


@dataclass(frozen=True)
class IgnoreRule:
    """Findings that are ignored, and the reason.

    `pattern` is an id, the beginning of one, or a slug; with `:site`, at sites of this name or pattern alone.
    """

    pattern: str
    reason: str = ""

    @property
    def site(self) -> str:
        """The name or pattern of the sites; empty for all."""
        return self.pattern.partition(":")[2]

    def names(self, check: str, slug: str) -> bool:
        """Return whether the rule is for a check."""
        name = self.pattern.partition(":")[0]
        return slug == name or check.startswith(name.upper())

    def covers(self, finding: Finding) -> bool:
        """Return whether the rule is for a finding."""
        at_site = not self.site or fnmatchcase(finding.site.name, self.site)
        return at_site and self.names(finding.check, finding.slug)


@dataclass(frozen=True)
class Judge:
    """The configured checks, what is ignored, and the limits of single sites."""

    checks: tuple[Check, ...]
    ignore_rules: tuple[IgnoreRule, ...] = ()
    site_limits: tuple[SiteLimits, ...] = ()

    @classmethod
    def of(cls, settings: Settings, ignore: Iterable[str] = ()) -> Judge:
        """Return a judge with every known check, configured by the settings; `ignore` adds to what they ignore.

        Raises:
            SpikecheckError: a check or a limit is unknown, or limits contradict each other.
        """
        known = discover()
        place = settings.place
        for limits in (settings.limits, *(site.limits for site in settings.sites)):
            for id_, values in limits.items():
                if id_ in known:
                    known[id_].configured({**settings.limits.get(id_, {}), **values}, place)
                elif not may_be_unusable(id_):
                    raise SpikecheckError(f"{place} {id_}: no check has this id{suggest_check(id_, known)}")
        rules = (*map(IgnoreRule, ignore), *(IgnoreRule(what, why) for what, why in settings.ignore.items()))
        for rule in rules:
            name = rule.pattern.partition(":")[0]
            known_name = any(rule.names(id_, check.slug) for id_, check in known.items())
            if not name or not (known_name or may_be_unusable(name)):
                raise SpikecheckError(
                    f"ignore {rule.pattern!r}: no check has this id or name{suggest_check(name, known)}"
                )
        checks = tuple(check.configured(settings.limits.get(id_, {})) for id_, check in known.items())
        return cls(checks, rules, settings.sites)

    @cached_property
    def changed_limits(self) -> dict[str, dict[str, Any]]:
        """The limits that differ from their defaults, by the id of the check."""
        changed = {
            check.id: {f.name: getattr(check, f.name) for f in fields(check) if getattr(check, f.name) != f.default}
            for check in self.checks
        }
        return {id_: values for id_, values in changed.items() if values}

    def verdicts(
        self,
        observations: Observations,
        ledger: Ledger = EMPTY,
        failed: Callable[[Exception], object] | None = None,
    ) -> tuple[Verdict, ...]:
        """Return one verdict per check.

        `ledger` has what earlier evaluations of the run found. `failed` is told of errors of our own checks, which are
        raised without it.
        """

        def verdict(check: Check) -> Verdict:
            if not is_own_check(check):
                return self.guarded_verdict(check, observations, ledger)
            try:
                return self.verdict(check, observations, ledger)
            except Exception as error:
                if failed is None:
                    raise
                failed(error)
                return Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason="spikecheck itself failed")

        return tuple(map(verdict, self.checks))

    def guarded_verdict(self, check: Check, observations: Observations, ledger: Ledger = EMPTY) -> Verdict:
        """Return the verdict of another package's check; where it raises, it could not run, and the report says why."""
        with ExtensionCode() as code:
            return self.verdict(check, observations, ledger)
        why = f"{check.id} {check.slug}, which raised {code.why}. Update its package, or uninstall it"
        return Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason=why, failed=True)

    def verdict(self, check: Check, observations: Observations, ledger: Ledger = EMPTY) -> Verdict:
        """Return the verdict of a check: what holds now, and what held earlier in the run.

        It is not applicable without a site of its kind, and could not run where a site lacks the readings it needs.
        """
        wanted = check.sites.value
        sites = [site for kind, site in observations.sites_with_kinds if kind & wanted]
        records = ledger.of_check(check.id)
        if not sites and not records:
            return Verdict(check.id, check.slug, Outcome.NOT_APPLICABLE, reason=why_not_applicable(check, observations))
        readable = [site for site in sites if all(observations.readings(site).get(need) for need in check.needs)]
        now = {finding.key: finding for site in readable for finding in self.findings_at(check, site, observations)}
        readable_by_name = {(site.kind, site.name): site for site in reversed(readable)}
        past = {
            key: self.restated(check, record.finding, observations, readable_by_name)
            for key, record in records.items()
            if key not in now
        }
        over = [
            finding
            for made_now, findings in ((True, now), (False, past))
            for finding in findings.values()
            if self.is_over(check, finding, observations, readable_by_name, made_now=made_now)
        ]
        late = {
            f.key: warning
            for f in over
            if (warning := late_start(check, f, records.get(f.key), observations.readings(f.site)))
        }
        over = [finding for finding in over if finding.key not in late]
        gone = {finding.key for finding in over}
        held = {**now, **past}
        active = [late.get(key) or dated(f, records.get(key), observations.run.update) for key, f in held.items()]
        ignored = {f.key: rule for f in active for rule in self.ignore_rules if rule.covers(f)}
        reported = tuple(f for f in active if f.key not in ignored and f.key not in gone)
        lines = tuple(
            f"{f.check} at {f.site}: {ignored[f.key].reason or 'ignored'}"
            for f in now.values()
            if f.key in ignored and f.key not in gone
        )
        history = tuple(in_history(check, f, records.get(f.key)) for f in over if f.key not in ignored)
        outcome, reason = Outcome.FINDINGS if reported else Outcome.PASSED, ""
        if not reported and not sites:
            outcome, reason = Outcome.NOT_APPLICABLE, why_not_applicable(check, observations)
        elif not reported and not readable:
            lacking = [need for need in check.needs if observations.readings(sites[0]).get(need) is None]
            needs = " or ".join(in_words(need.__name__.removesuffix("Reading")) for need in lacking)
            outcome, reason = Outcome.COULD_NOT_RUN, f"no {needs} observed"
        meaning = check.sections().get("What it means", "") if reported else ""
        return Verdict(check.id, check.slug, outcome, reported, reason, lines, history, meaning=meaning)

    def is_over(
        self,
        check: Check,
        finding: Finding,
        observations: Observations,
        readable: Mapping[tuple[SiteKind, str], Site],
        *,
        made_now: bool,
    ) -> bool:
        """Return whether a finding no longer holds, as its check says; unknown where nothing finite was read."""
        site = readable.get((finding.site.kind, finding.site.name))
        if site is None:
            return False
        readings = observations.readings(site)
        if not made_now and any(not_finite(readings.get(need)) for need in check.needs):
            return False
        return self.with_site_limits(check, site).is_over(finding, readings, made_now=made_now)

    def restated(
        self,
        check: Check,
        finding: Finding,
        observations: Observations,
        readable: Mapping[tuple[SiteKind, str], Site],
    ) -> Finding:
        """Return a finding of an earlier evaluation as it is now, where its site can be read."""
        site = readable.get((finding.site.kind, finding.site.name))
        return finding if site is None else check.restated(finding, observations.readings(site))

    def awaits(self, members: Sequence[Finding], observations: Observations) -> bool:
        """Return whether it is too early to warn of a cause and its consequences: training may still repair it.

        It may do so for longer where a silent layer comes nearer to its threshold. A high first loss is as harmless as
        later losses show, and so is a note that explains nothing else, or nothing but what training may repair.
        """
        cause, warned = members[0], [finding for finding in members if finding.severity > Severity.NOTE]
        checks = {check.id: check for check in self.checks}
        repaired = {f.key for f in members if f.check in checks and checks[f.check].may_be_repaired(f)}
        about_first_loss = {f.key for f in members if f.check in checks and checks[f.check].of_first_loss}
        waits = cause.key in repaired or (bool(warned) and {f.key for f in warned} <= repaired | about_first_loss)
        readings = observations.readings(cause.site)
        young = may_still_resolve(cause.site, readings) and not out_of_reach(cause.site, readings)
        return waits and (young or is_waking(cause.site, readings))

    def findings_at(self, check: Check, site: Site, observations: Observations) -> list[Finding]:
        """Return a check's findings at a site, dated from the start where the first forward pass shows them already."""
        check = self.with_site_limits(check, site)
        findings = [self.with_code(f, check, observations) for f in check.judge(site, observations.readings(site))]
        if any(finding.when is UNDATED for finding in findings):
            start = observations.at_first
            readings = start.readings(site, "first")
            complete = all(readings.get(need) for need in check.needs)
            first = start.sites_by_name.get((site.kind, site.name), site)
            early = {finding.key for finding in check.judge(first, readings)} if complete else set()
            now = Moment(observations.run.update)
            findings = [
                replace(f, when=Moment(0) if f.key in early else now) if f.when is UNDATED else f for f in findings
            ]
        others = tuple(cause for cause in known_causes().get(check.id, ()) if cause not in check.explained_by)
        return [replace(f, explained_by=(*f.explained_by, *others)) for f in findings] if others else findings

    def with_code(self, finding: Finding, check: Check, observations: Observations) -> Finding:
        """Return a finding whose fixes name the script's model, and are for the run's library if the site has none."""
        run, site, fixes = observations.run, finding.site, finding.fixes
        if site.framework is None and len(run.frameworks) == 1 and fixes == check.fixes(site):
            fixes = check.fixes(site, run.frameworks[0])
        return replace(finding, fixes=for_run(fixes, site, run))

    def with_site_limits(self, check: Check, site: Site) -> Check:
        """Return the check with the limits that hold at a site; where several tables name it, the last one counts."""
        if not self.site_limits:
            return check
        tables = [table.limits.get(check.id, {}) for table in self.site_limits if table.covers(site.name)]
        values = {name: value for table in tables for name, value in table.items()}
        return replace(check, **values) if values else check

    def settings_without_effect(self, observations: Observations) -> tuple[Unseen, ...]:
        """Return a line for every ignore, and every table of limits, for sites that were not observed.

        Only where a check that it is for had any site at all: one pyproject.toml serves runs and files.
        """
        return tuple(Unseen(UnseenKind.SETTING, line) for line in self._without_effect(observations))

    def _without_effect(self, observations: Observations) -> Iterator[str]:
        for rule in self.ignore_rules:
            checks = [check for check in self.checks if rule.names(check.id, check.slug)]
            if rule.site and (line := unmatched((rule.site,), checks, observations)):
                yield f"ignore {rule.pattern!r} has no effect: {line}"
        for table in self.site_limits:
            checks = [check for check in self.checks if check.id in table.limits]
            if line := unmatched(table.match, checks, observations):
                yield f"limits of {', '.join(table.limits)} for {', '.join(table.match)} have no effect: {line}"


def unmatched(patterns: Iterable[str], checks: Iterable[Check], observations: Observations) -> str:
    """Return why patterns select no site that any of the checks is for; empty where they do, or no check has a site."""
    checks = list(checks)
    names = {site.name for site in observations.sites for check in checks if site.kind in check.sites}
    if not names or any(fnmatchcase(name, pattern) for name in names for pattern in patterns):
        return ""
    return f"nothing that was checked has this name{suggestion(next(iter(patterns)), names)}"


def in_words(name: str) -> str:
    """Return a class name in words: GradientToSpikes as "gradient to spikes"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def why_not_applicable(check: Check, observations: Observations) -> str:
    """Return why a check has no site."""
    if not observations.are_of_a_file and not check.sites & ~FILE_KINDS:
        return "a check of checkpoint files"
    if check.sites is SiteKind.EXPERIMENT:
        return "an experiment of spikecheck.examine()"
    return f"no {check.sites.label} observed"


def not_finite(reading: object) -> bool:
    """Return whether a reading counts values that are not finite: then it says nothing of what ordinary ones were."""
    bad = getattr(reading, "non_finite", None)
    return bad is not None and bad.count > 0


def dated(finding: Finding, record: Record | None, update: int) -> Finding:
    """Return a finding that holds now, dated from when it began to, as far as earlier evaluations say."""
    if record is None:
        return finding
    began = record.intervals[-1].first if record.is_open else update
    known = [when for when in (record.finding.when, finding.when) if record.last_absent < when.update <= began]
    when = min(known, key=lambda moment: moment.update, default=Moment(began))
    return replace(finding, when=when, intervals=record.intervals)


def in_history(check: Check, finding: Finding, record: Record | None) -> Finding:
    """Return a finding that no longer holds, in the past tense."""
    start = finding.when.update
    intervals = (Interval(start, start),) if record is None else record.intervals
    state = FindingState.OVER if record is None else record.past_state
    return replace(
        finding,
        message=check.past_message(finding.site),
        when=Moment(intervals[0].first),
        intervals=intervals,
        state=state,
    )


def is_own_check(check: Check) -> bool:
    """Return whether a check is one of spikecheck's own: an error in it is spikecheck's own error."""
    return type(check).__module__.startswith("spikecheck.")


def may_be_unusable(name: str) -> bool:
    """Return whether an unknown name may be that of a check whose package cannot be loaded, which the report names."""
    return bool(unusable_extensions()) and not name.upper().startswith("SPK")


def suggest_check(name: str, known: Mapping[str, type[Check]]) -> str:
    """Return what was probably meant by a name that no check has, as the rest of a sentence."""
    if name.upper() in RETIRED:
        return f": {name.upper()} {RETIRED[name.upper()]}"
    slugs = {check.slug: id_ for id_, check in known.items()}
    if name in slugs:
        return f", it is the name of {slugs[name]}"
    return (suggestion(name, (*known, *slugs, "ignore", "sites")) or ":") + " `spikecheck checks` lists them"
