"""All that a report is made of, in plain values: what a monitor knows, and what a checkpoint can keep of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

from spikecheck import excerpts as drawn
from spikecheck import readings
from spikecheck.checks.base import WINDOWS, Check, Observations, Readings
from spikecheck.checks.discovery import discover
from spikecheck.checks.judge import IgnoreRule, Judge
from spikecheck.checks.progress import has_recovered
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import EvidenceError, SpikecheckError
from spikecheck.evidence.findings import plain_finding, rebuilt_finding
from spikecheck.evidence.plain import Clean, MisfitError, mapping, misfit, plain, rebuild
from spikecheck.finding import Finding, Outcome, Severity, Unseen, UnseenKind, Verdict
from spikecheck.readings import RunReading
from spikecheck.report.model import Report
from spikecheck.report.rows import layer_rows, loss_rows, weight_rows
from spikecheck.settings import ID, Limits, Settings, SiteLimits
from spikecheck.site import Site

FORMAT = "spikecheck evidence"
VERSION = 1
LONGEST = 1 << 25  # characters of JSON: some hundred layers with their pictures; read back it takes 8 times as much
MOST_PARTS = 1_000_000  # lists and dicts in it
# What a check or a reading of numbers that contradict each other can run into.
CONTRADICTIONS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Evidence:
    """What a run showed.

    `earlier` was found while training went on. `error` is a finding about spikecheck itself. `limits` are those of the
    run's checks that are not the defaults, by id, `site_limits` those of some sites alone; `silenced` is what was to be
    kept quiet.
    """

    observations: Observations
    earlier: tuple[Finding, ...] = ()
    error: Finding | None = None
    unseen: tuple[Unseen, ...] = ()
    cost: float | None = None
    silenced: tuple[IgnoreRule, ...] = ()
    limits: Limits | None = None
    site_limits: tuple[SiteLimits, ...] = ()

    def verdicts(self, judge: Judge) -> tuple[Verdict, ...]:
        """One verdict a check, what it found earlier included."""
        loud = [f for f in self.earlier if not any(quiet.covers(f) for quiet in judge.ignore_rules)]
        passing = {check.id: check.downgrade_on_any_progress for check in judge.checks if check.self_resolving}
        verdicts = tuple(self.with_earlier(verdict, loud, passing) for verdict in judge.verdicts(self.observations))
        if self.error is not None:
            verdicts += (Verdict(OwnError.id, OwnError.slug, Outcome.FOUND, (self.error,)),)
        return verdicts

    def with_earlier(self, verdict: Verdict, loud: Iterable[Finding], passing: Mapping[str, bool]) -> Verdict:
        """A verdict with what the check found while training went on, dated when it was first found.

        What no longer holds is a note for the checks in `passing`, where the network learned all the same: much, or
        anything at all for those that map to True.
        """
        early = {finding.key: finding for finding in loud if finding.check == verdict.check}
        now = [replace(f, when=early.pop(f.key).when) if f.key in early else f for f in verdict.findings]
        if verdict.outcome in (Outcome.PASSED, Outcome.FOUND) and verdict.check in passing:
            easily = passing[verdict.check]
            past = [self.passed(f) if has_recovered(self.whole, f.until, easily=easily) else f for f in early.values()]
        else:
            past = list(early.values())
        findings = (*now, *past)
        return replace(verdict, outcome=Outcome.FOUND, findings=findings) if findings else verdict

    @property
    def whole(self) -> Readings:
        """The run, and no place in it."""
        return Readings(self.observations, "")

    def passed(self, finding: Finding) -> Finding:
        """The note on a finding that no longer holds."""
        last = self.observations.run.update if finding.until is None else finding.until
        return replace(finding, severity=Severity.NOTE, message=f"{finding.message}; no longer, after update {last}")

    def report(self, judge: Judge) -> Report:
        """The report on the run, judged as if it ended here."""
        facts = self.facts()
        unseen = (*facts.pop("unseen", ()), *judge.settings_without_effect(self.observations))
        return Report.of(self.verdicts(judge), **facts, unseen=unseen)

    def facts(self) -> dict[str, Any]:
        """What the report says beside the verdicts, without what is not known: a file's own report may know it."""
        run, sites, readings = self.observations.run, self.observations.sites, self.observations.readings
        facts = {
            "layers": layer_rows(sites, readings),
            "losses": loss_rows(sites, readings),
            "weights": weight_rows(sites, readings),
            "unseen": self.unseen,
            "frameworks": run.frameworks,
            "updates": run.update,
            "forward_passes": run.forward_passes,
            "cost": self.cost,
        }
        return {name: value for name, value in facts.items() if value not in ((), None)}

    # -- in a file

    def state_dict(self) -> dict[str, Any]:
        """Plain values that `torch.save` writes and `torch.load(weights_only=True)` reads.

        The content is one text of JSON: torch's reader takes each number of a list by itself, which would make the
        loading of a checkpoint slower by as much as the evidence is long.
        """
        content = json.dumps(self.content())
        if len(content) > LONGEST:  # the pictures go first: no check needs them
            content = json.dumps(self.content(without=excerpts()))
        return {"format": FORMAT, "version": VERSION, "content": content}

    def content(self, without: frozenset[type[Any]] = frozenset()) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        windows = {
            window: {
                place: {kind.__name__: plain(read) for kind, read in found.items() if kind not in without}
                for place, found in self.observations.windows[window].items()
            }
            for window in WINDOWS
        }
        return {
            "run": plain(self.observations.run),
            "sites": plain(self.observations.sites),
            "windows": windows,
            "earlier": [plain_finding(finding) for finding in self.earlier],
            "error": None if self.error is None else plain_finding(self.error),
            "unseen": plain(self.unseen),
            "cost": self.cost,
            "silenced": plain(self.silenced),
            "limits": plain(self.limits or {}),
            "site_limits": [{"match": list(one.match), **plain(one.limits)} for one in self.site_limits],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], clean: Clean = str) -> Evidence:
        """What `state_dict` was made of; texts pass through `clean`.

        Raises:
            EvidenceError: it is of a newer version, or no evidence at all; the message says why.
        """
        version, content = state.get("version"), state.get("content")
        if isinstance(version, int) and version > VERSION:
            shown = f"version {version}" if version < LONGEST else "a version far from here"
            raise EvidenceError(
                f"it is written in {shown}, and this spikecheck reads version {VERSION}: update spikecheck"
            )
        if version != VERSION or isinstance(version, bool) or not isinstance(content, str):
            raise EvidenceError("its version or its content is missing, or of another type")
        if len(content) > LONGEST or content.count("[") + content.count("{") > MOST_PARTS:
            raise EvidenceError(f"it is larger than any that spikecheck writes: {len(content)} characters")
        try:
            return cls.from_content(mapping(json.loads(content), "evidence"), clean)
        except (MisfitError, SpikecheckError) as error:
            raise EvidenceError(clean(str(error))) from error
        except CONTRADICTIONS as error:  # no JSON, too deep, or numbers of thousands of digits
            raise EvidenceError(f"it cannot be read: {clean(str(error))}") from error

    @classmethod
    def from_content(cls, given: dict[str, Any], clean: Clean) -> Evidence:
        """The account of these plain values."""
        kinds = {one.__name__: one for one in kinds_of_readings()}
        windows: dict[str, dict[str, dict[type[Any], Any]]] = {}
        for window in WINDOWS:
            found = windows.setdefault(window, {})
            for place, parts in mapping(mapping(given.get("windows"), "windows").get(window), window).items():
                known = mapping(parts, place)
                at = f"{window} of {place}"
                found[clean(place)] = {
                    kinds[n]: rebuild(kinds[n], part, clean, at) for n, part in known.items() if n in kinds
                }
        run = rebuild(RunReading, given.get("run"), clean, "run")
        sites = rebuild(tuple[Site, ...], given.get("sites"), clean, "sites")
        given = without_strangers(given)
        earlier, error = given["earlier"], given.get("error")
        made = tuple(rebuilt_finding(named(one), one, clean) for one in earlier)
        limits = {id_: mapping(values, id_) for id_, values in mapping(given.get("limits"), "limits").items()}
        return cls(
            Observations(run, sites, windows),
            made,
            None if error is None else rebuilt_finding(named(error), error, clean),
            rebuild(tuple[Unseen, ...], given.get("unseen"), clean, "unseen"),
            rebuild(float | None, given.get("cost"), clean, "cost"),
            rebuild(tuple[IgnoreRule, ...], given.get("silenced"), clean, "silenced"),
            limits,
            Settings.parsed({"sites": given.get("site_limits", [])}).sites,
        )

    def judged(self, settings: Settings) -> Judge:
        """A judge with the limits of the run, but where others are set here; silent about what either keeps quiet.

        Raises:
            SpikecheckError: a limit is unknown or no number, or a check that was to be kept quiet is unknown.
        """
        own = self.limits or {}
        both = {id_: {**own.get(id_, {}), **settings.limits.get(id_, {})} for id_ in (*own, *settings.limits)}
        judge = Judge.of(Settings(both, settings.ignore, (*self.site_limits, *settings.sites)))
        return replace(judge, ignore_rules=(*judge.ignore_rules, *self.silenced))


def without_strangers(given: dict[str, Any]) -> dict[str, Any]:
    """The plain values without what belongs to checks of packages that are not installed here; a line tells which."""
    earlier, tables = given.get("earlier"), given.get("site_limits", [])
    if not isinstance(earlier, list) or not isinstance(tables, list):
        misfit("earlier or site_limits", "no list")
    limits, tables = mapping(given.get("limits"), "limits"), [mapping(one, "site_limits") for one in tables]
    ids = [
        *(mapping(one, "a finding").get("check") for one in earlier),
        *limits,
        *(id_ for one in tables for id_ in one),
    ]
    strangers = sorted({id_ for id_ in ids if isinstance(id_, str) and is_strange(id_)})
    if not strangers:
        return given
    told = f"what {', '.join(strangers)} found: it is of a package that is not installed here"
    return {
        **given,
        "earlier": [one for one in earlier if one.get("check") not in strangers],
        "limits": {id_: values for id_, values in limits.items() if id_ not in strangers},
        "site_limits": [{key: value for key, value in one.items() if key not in strangers} for one in tables],
        "unseen": [*given.get("unseen", ()), plain(Unseen(UnseenKind.EXTENSION, told))],
    }


def is_strange(id_: str) -> bool:
    """Is this the id of a check that no package here brings?"""
    return bool(ID.fullmatch(id_)) and not id_.startswith("SPK") and id_ not in discover()


def named(finding: Any) -> type[Check]:
    """The check that found something."""
    checks, id_ = discover(), mapping(finding, "a finding").get("check")
    if not isinstance(id_, str) or id_ not in checks:
        misfit("a finding", f"no check is called {id_!r}: it was another spikecheck's, or another package's")
    return checks[id_]


def limits_of(checks: Iterable[Check]) -> dict[str, dict[str, Any]]:
    """The limits that are not the defaults, by id."""
    changed = {
        check.id: {f.name: getattr(check, f.name) for f in fields(check) if getattr(check, f.name) != f.default}
        for check in checks
    }
    return {id_: values for id_, values in changed.items() if values}


@cache
def kinds_of_readings() -> tuple[type[Any], ...]:
    """Every kind of reading that a run can have."""
    return tuple(
        thing
        for module in (readings, drawn)
        for thing in vars(module).values()
        if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.__name__
    )


def excerpts() -> frozenset[type[Any]]:
    """The readings that are pictures of one forward."""
    from spikecheck.stats.base import statistics

    return frozenset(statistic.reading for statistic in statistics() if statistic.once)
