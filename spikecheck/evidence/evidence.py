"""Hold everything that a report is made of, in plain values, and convert it to the form that a checkpoint keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from typing import Any

from spikecheck import (
    evaluation_readings,
    excerpts,
    experiment_readings,
    loss_readings,
    readings,
    state_readings,
    timelines,
    update_readings,
)
from spikecheck.checks.base import WINDOWS, Check, Observations
from spikecheck.checks.discovery import discover
from spikecheck.checks.judge import IgnoreRule, Judge
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import EvidenceError, SpikecheckError
from spikecheck.evidence.findings import plain_finding, plain_record, rebuild_finding, rebuild_record
from spikecheck.evidence.plain import Clean, MisfitError, mapping, misfit, plain, rebuild
from spikecheck.evidence.ranks import Ranks
from spikecheck.evidence.resumed import joined_report
from spikecheck.finding import Finding, Outcome, Unseen, UnseenKind, Verdict
from spikecheck.ledger import EMPTY, Ledger
from spikecheck.readings import RunReading
from spikecheck.report.model import Report
from spikecheck.report.rows import layer_rows, loss_rows, optimizer_rows, weight_rows
from spikecheck.settings import ID, Limits, Settings, SiteLimits
from spikecheck.site import Site

FORMAT = "spikecheck evidence"
VERSION = 1
MAX_LENGTH = 1 << 25  # characters of JSON: some hundred layers with their pictures; in memory 8 times as much
MAX_PARTS = 1_000_000  # lists and dicts in it
# Judgment calls: hundreds of spiking layers have fewer; checks compare each site with all others.
MAX_SITES = 3000
MAX_EARLIER = 8  # parts of a run that was resumed again and again: the first and the latest ones
MAX_RULES = 1000  # to ignore findings, and tables of limits for some sites
# What checks and tables raise for numbers that contradict each other.
CONTRADICTIONS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Evidence:
    """What a run showed.

    `ledger` says which findings evaluations during training made, and when. `error` is a finding about spikecheck
    itself. `limits` are the limits of the run's checks that differ from the defaults, by id, `site_limits` those of
    single sites; `silenced` are the run's ignore rules. `earlier` are the parts of a training that was resumed, the
    first one first, without earlier parts of their own; `first_update` is how many updates they made.
    """

    observations: Observations
    ledger: Ledger = EMPTY
    error: Finding | None = None
    unseen: tuple[Unseen, ...] = ()
    cost: float | None = None
    silenced: tuple[IgnoreRule, ...] = ()
    limits: Limits | None = None
    site_limits: tuple[SiteLimits, ...] = ()
    start_cost: float | None = None
    earlier: tuple[Evidence, ...] = ()
    first_update: int = 0
    ranks: Ranks | None = None  # of a run of several processes, whose data `observations` has together

    @property
    def updates(self) -> int:
        """The updates of the whole training, with those of its earlier parts."""
        return self.first_update + self.observations.run.update

    def parts(self) -> tuple[Evidence, ...]:
        """Return this evidence as the earlier parts of a run that resumes it; of many, the first and the last ones."""
        every = (*self.earlier, replace(self, earlier=(), ranks=None))
        return every if len(every) <= MAX_EARLIER else (every[0], *every[1 - MAX_EARLIER :])

    def verdicts(self, judge: Judge, failed: Callable[[Exception], object] | None = None) -> tuple[Verdict, ...]:
        """Return one verdict per check: what holds at the end, and what held earlier."""
        verdicts = judge.verdicts(self.observations, self.ledger, failed)
        if self.error is not None:
            verdicts += (Verdict(OwnError.id, OwnError.slug, Outcome.FINDINGS, (self.error,)),)
        return verdicts

    def report(self, judge: Judge, failed: Callable[[Exception], object] | None = None) -> Report:
        """Return the report on the run, judged as if it ended here; `failed` is told of errors of our own checks."""
        report = Report.of(self.verdicts(judge, failed), **self.facts())
        earlier = ((one.first_update, Report.of(one.verdicts(judge, failed), **one.facts())) for one in self.earlier)
        report = joined_report([*earlier, (self.first_update, report)]) if self.earlier else report
        return report if self.ranks is None else self.ranks.joined(report)

    def facts(self) -> dict[str, Any]:
        """Return the parts of the report beside the verdicts, without the empty ones."""
        run, sites, readings = self.observations.run, self.observations.sites, self.observations.readings
        facts = {
            "layers": layer_rows(sites, readings),
            "losses": loss_rows(sites, readings),
            "weights": weight_rows(sites, readings),
            "optimizers": optimizer_rows(sites, readings),
            "unseen": self.unseen,
            "frameworks": run.frameworks,
            "updates": run.update,
            "observed_updates": run.update,
            "forward_passes": run.forward_passes,
            "cost": self.cost,
            "start_cost": self.start_cost,
        }
        return {name: value for name, value in facts.items() if value not in ((), None)}

    # -- in a file

    def state_dict(self, without: frozenset[type[Any]] = frozenset()) -> dict[str, Any]:
        """Return plain values that `torch.save` writes and `torch.load(weights_only=True)` reads.

        Readings of the kinds in `without` are left out.

        The content is one text of JSON: torch reads each number of a list by itself, so that long lists would make
        every load of the checkpoint slower.
        """
        content = json.dumps(self.content(without))
        if len(content) > MAX_LENGTH:  # leave out the pictures, which no check needs
            content = json.dumps(self.content(without=picture_readings()))
        return {"format": FORMAT, "version": VERSION, "content": content}

    def content(self, without: frozenset[type[Any]] = frozenset()) -> dict[str, Any]:
        """Return everything, as JSON can hold it, as of a run that is over: whoever reads it sees no more of it."""
        windows = {
            window: {
                place: {
                    kind.__name__: plain(finished(reading))
                    for kind, reading in readings_here.items()
                    if kind not in without
                }
                for place, readings_here in self.observations.windows[window].items()
            }
            for window in WINDOWS
        }
        return {
            "run": plain(finished(self.observations.run)),
            "sites": plain(self.observations.sites),
            "windows": windows,
            "first_sites": plain(self.observations.first_sites),
            "evaluated": self.ledger.update,
            "earlier": [plain_record(record) for record in self.ledger.records.values()],
            "error": None if self.error is None else plain_finding(self.error),
            "unseen": plain(self.unseen),
            "cost": self.cost,
            "start_cost": self.start_cost,
            "silenced": plain(self.silenced),
            "limits": plain(self.limits or {}),
            "site_limits": [{"match": list(one.match), **plain(one.limits)} for one in self.site_limits],
            **({"first_update": self.first_update} if self.first_update else {}),
            **({} if self.ranks is None else {"ranks": self.ranks.plain()}),
            **({"resumed": [one.content(picture_readings()) for one in self.earlier]} if self.earlier else {}),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], clean: Clean = str) -> Evidence:
        """Return the evidence that `state_dict` was made from; texts pass through `clean`.

        Raises:
            EvidenceError: it has a newer version or is invalid; the message says why.
        """
        version, content = state.get("version"), state.get("content")
        if isinstance(version, int) and version > VERSION:
            written = f"version {version}" if version < MAX_LENGTH else "a much newer version"
            raise EvidenceError(f"it has {written}, and this spikecheck reads version {VERSION}: update spikecheck")
        if version != VERSION or isinstance(version, bool) or not isinstance(content, str):
            raise EvidenceError("its version or its content is missing, or has the wrong type")
        if len(content) > MAX_LENGTH or content.count("[") + content.count("{") > MAX_PARTS:
            raise EvidenceError(f"it is larger than any that spikecheck writes: {len(content):,} characters")
        try:
            return cls.from_content(mapping(json.loads(content), "evidence"), clean)
        except (MisfitError, SpikecheckError) as error:
            raise EvidenceError(clean(str(error))) from error
        except CONTRADICTIONS as error:  # invalid JSON, nested too deeply, or numbers of thousands of digits
            raise EvidenceError(f"it is damaged: {clean(str(error))}") from error

    @classmethod
    def from_content(cls, content: dict[str, Any], clean: Clean) -> Evidence:
        """Return the evidence of these plain values; readings that are not known here are ignored."""
        refuse_too_many(content)
        kinds = {kind.__name__: kind for kind in kinds_of_readings()}
        windows: dict[str, dict[str, dict[type[Any], Any]]] = {}
        for window in WINDOWS:
            places = windows.setdefault(window, {})
            for place, parts in mapping(mapping(content.get("windows"), "windows").get(window), window).items():
                where = f"{window} of {place}"
                places[clean(place)] = {
                    kinds[name]: rebuild(kinds[name], part, clean, where)
                    for name, part in mapping(parts, place).items()
                    if name in kinds
                }
        run = rebuild(RunReading, content.get("run"), clean, "run")
        sites = rebuild(tuple[Site, ...], content.get("sites"), clean, "sites")
        first_sites = rebuild(tuple[Site, ...], content.get("first_sites", []), clean, "first_sites")
        evaluated = rebuild(int, content.get("evaluated", run.update), clean, "evaluated")
        content = without_unknown_checks(content)
        earlier, error = content["earlier"], content.get("error")
        limits = {id_: mapping(values, id_) for id_, values in mapping(content.get("limits"), "limits").items()}
        return cls(
            Observations(run, sites, windows, first_sites),
            Ledger.of((rebuild_record(check_of(one), one, clean) for one in earlier), evaluated),
            None if error is None else rebuild_finding(check_of(error), error, clean),
            rebuild(tuple[Unseen, ...], content.get("unseen"), clean, "unseen"),
            rebuild(float | None, content.get("cost"), clean, "cost"),
            rebuild(tuple[IgnoreRule, ...], content.get("silenced"), clean, "silenced"),
            limits,
            Settings.parsed({"sites": content.get("site_limits", [])}).sites,
            rebuild(float | None, content.get("start_cost"), clean, "start_cost"),
            tuple(cls.from_content(mapping(one, "resumed"), clean) for one in earlier_parts(content)),
            rebuild(int, content.get("first_update", 0), clean, "first_update"),
            Ranks.from_plain(content.get("ranks"), check_of, clean),
        )

    def judge(self, settings: Settings) -> Judge:
        """Return a judge with the limits of the run, overridden by those set here, and the ignore rules of both.

        Raises:
            SpikecheckError: a limit or a check is unknown, or a limit is not a number.
        """
        own = self.limits or {}
        both = {id_: {**own.get(id_, {}), **settings.limits.get(id_, {})} for id_ in (*own, *settings.limits)}
        judge = Judge.of(Settings(both, settings.ignore, (*self.site_limits, *settings.sites)))
        return replace(judge, ignore_rules=(*judge.ignore_rules, *self.silenced))


def finished(reading: Any) -> Any:
    """Return a reading as it is when the run is over."""
    return replace(reading, live=False) if isinstance(reading, RunReading) else reading


def earlier_parts(content: Mapping[str, Any]) -> list[Any]:
    """Return the plain values of the earlier parts of a resumed run, without what these may claim to have resumed."""
    parts = content.get("resumed", [])
    if not isinstance(parts, list) or len(parts) > MAX_EARLIER:
        misfit("resumed", f"expected a list of at most {MAX_EARLIER} parts")
    return [{**mapping(one, "resumed"), "resumed": []} for one in parts]


def refuse_too_many(content: Mapping[str, Any]) -> None:
    """Raise EvidenceError where there are more sites or rules than in any run, which would take too long to judge."""
    limits = {"sites": MAX_SITES, "first_sites": MAX_SITES, "silenced": MAX_RULES, "site_limits": MAX_RULES}
    for name, limit in limits.items():
        if isinstance(part := content.get(name), list) and len(part) > limit:
            raise EvidenceError(f"it has {len(part):,} entries in {name}, more than any run")


def without_unknown_checks(content: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values without those of checks in packages that are not installed, and a line that says so."""
    earlier, tables = content.get("earlier"), content.get("site_limits", [])
    if not isinstance(earlier, list) or not isinstance(tables, list):
        misfit("earlier or site_limits", "expected a list")
    limits, tables = mapping(content.get("limits"), "limits"), [mapping(one, "site_limits") for one in tables]
    ids = [
        *(mapping(one, "a finding").get("check") for one in earlier),
        *limits,
        *(id_ for one in tables for id_ in one),
    ]
    unknown = sorted({id_ for id_ in ids if isinstance(id_, str) and is_from_missing_package(id_)})
    if not unknown:
        return content
    text = f"findings and limits of {', '.join(unknown)} are not shown: install the package that has these checks"
    return {
        **content,
        "earlier": [one for one in earlier if one.get("check") not in unknown],
        "limits": {id_: values for id_, values in limits.items() if id_ not in unknown},
        "site_limits": [{key: value for key, value in one.items() if key not in unknown} for one in tables],
        "unseen": [*content.get("unseen", ()), plain(Unseen(UnseenKind.EXTENSION, text))],
    }


def is_from_missing_package(id_: str) -> bool:
    """Return whether this is the id of a check in a package that is not installed."""
    return bool(ID.fullmatch(id_)) and not id_.startswith("SPK") and id_ not in discover()


def check_of(finding: Any) -> type[Check]:
    """Return the check of a finding."""
    checks, id_ = discover(), mapping(finding, "a finding").get("check")
    if not isinstance(id_, str) or id_ not in checks:
        misfit("a finding", f"there is no check {id_!r}: is it of another version of spikecheck?")
    return checks[id_]


@cache
def kinds_of_readings() -> tuple[type[Any], ...]:
    """Return every kind of reading that a run can have."""
    return tuple(
        thing
        for module in (
            readings,
            evaluation_readings,
            state_readings,
            update_readings,
            loss_readings,
            excerpts,
            timelines,
            experiment_readings,
        )
        for thing in vars(module).values()
        if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.__name__
    )


def picture_readings() -> frozenset[type[Any]]:
    """Return the readings that are pictures of a single forward pass."""
    from spikecheck.stats.base import statistics

    return frozenset(statistic.reading for statistic in statistics() if statistic.one_pass)
