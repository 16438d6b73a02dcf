"""The four verdicts, silencing, limits, and the code of a fix: with checks made up for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from spikecheck.checks.base import Check, Observations, Readings, limit, place_of
from spikecheck.checks.discovery import discover, merged_causes, validated
from spikecheck.checks.fixes import for_site
from spikecheck.checks.judge import IgnoreRule, Judge
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Expected, Finding, Observed, Outcome, Severity, UnseenKind
from spikecheck.readings import LogitReading, RunReading, TargetReading
from spikecheck.settings import Settings, SiteLimits
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class High(Check):
    """Made up: the highest target is above {most}.

    ## What it means
    More than {most}.

    ## Fix
    ```python any
    layer.threshold = 1
    ```
    ```python sinabs
    layer.spike_threshold = 1
    ```
    """

    id: ClassVar = "SPK299"
    slug: ClassVar = "high"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (TargetReading,)
    message: ClassVar = "{site}: {highest} is above {most}"

    most: int = limit(10, why="made up")
    share: float = limit(0.5, why="made up")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        highest = readings[TargetReading].maximum
        if highest > self.most:
            yield self.finding(
                site, observed=Observed("{highest}", highest=highest), expected=Expected("less"), most=self.most
            )


def reading(highest: int) -> TargetReading:
    return TargetReading(1, 1, 0, highest)


def evidence(now: dict[str, int], first: dict[str, int] | None = None, *, update: int = 5) -> Observations:
    """Spiking layers of these names, with a number that `High` judges; None of them has logits."""
    run = RunReading(live=False, update=update, forward_passes=9, backward_passes=9, called_per_time_step=False)
    sites = tuple(Site(SiteKind.SPIKES, name, number) for number, name in enumerate(now, 1))
    windows = {"recent": now, "all": now, "first": now if first is None else first}
    return Observations(
        run, sites, {w: {name: {TargetReading: reading(v)} for name, v in of.items()} for w, of in windows.items()}
    )


def judged(observations: Observations, *silenced: IgnoreRule, check: Check | None = None) -> Any:
    return Judge((check or High(),), silenced).verdicts(observations)[0]


# -- verdicts


def test_found_and_clear() -> None:
    verdict = judged(evidence({"a": 11, "b": 10}))
    assert verdict.outcome is Outcome.FINDINGS
    assert [f.message for f in verdict.findings] == ["a: 11 is above 10"]
    assert judged(evidence({"a": 10})).outcome is Outcome.PASSED


def test_without_such_a_site_it_is_not_applicable() -> None:
    verdict = judged(evidence({}))
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_APPLICABLE, "no spikes observed")


def test_without_the_readings_it_is_not_seen_rather_than_clear() -> None:
    class Logits(High):
        """As `High`.

        ## Fix
        """

        needs: ClassVar = (TargetReading, LogitReading)

    verdict = judged(evidence({"a": 99}), check=Logits())
    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert verdict.reason == "no logit observed"  # targets were


def test_a_site_that_was_seen_is_judged_though_another_was_not() -> None:
    observations = evidence({"a": 11})
    more = Observations(
        observations.run, (*observations.sites, Site(SiteKind.SPIKES, "unseen", 7)), observations.windows
    )
    assert [f.site.name for f in judged(more).findings] == ["a"]


def test_what_the_first_forward_shows_is_dated_from_the_start() -> None:
    (old, new) = judged(evidence({"old": 11, "new": 11}, first={"old": 11, "new": 3})).findings
    assert (old.when, new.when) == (Moment(0), Moment(5))


# -- silencing


@pytest.mark.parametrize(
    ("what", "quiet"),
    [
        ("SPK299", {"a", "b.0"}),
        ("spk299", {"a", "b.0"}),
        ("SPK2", {"a", "b.0"}),
        ("SPK", {"a", "b.0"}),
        ("high", {"a", "b.0"}),
        ("SPK299:a", {"a"}),
        ("SPK2:b.0", {"b.0"}),
        ("high:a", {"a"}),
        ("SPK299:other", set()),
        ("SPK3", set()),
        ("hig", set()),
        ("SPK299:b", set()),
        ("SPK299:b.*", {"b.0"}),
        ("high:*", {"a", "b.0"}),
    ],
)
def test_silencing_by_id_beginning_slug_and_site(what: str, quiet: set[str]) -> None:
    verdict = judged(evidence({"a": 11, "b.0": 12}), IgnoreRule(what, "meant so"))
    assert {f.site.name for f in verdict.findings} == {"a", "b.0"} - quiet
    assert verdict.ignored == tuple(f"SPK299 at {name}: meant so" for name in ("a", "b.0") if name in quiet)
    assert verdict.outcome is (Outcome.PASSED if len(quiet) == 2 else Outcome.FINDINGS)


def test_nothing_silences_everything_by_being_empty() -> None:
    with pytest.raises(SpikecheckError, match="no check has this id or name"):
        Judge.of(Settings(), [""])
    with pytest.raises(SpikecheckError, match="no check has this id or name"):
        Judge.of(Settings(), [":lif1"])


# -- limits


def test_limits_are_those_that_were_set() -> None:
    assert High.configured({}) == High()
    assert High.configured({"most": 20}).most == 20  # type: ignore[attr-defined]
    assert not judged(evidence({"a": 11}), check=High.configured({"most": 20})).findings
    assert High.limits() == {"most": (10, "made up"), "share": (0.5, "made up")}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"least": 3}, ["SPK299", "least", "most, share"]),
        ({"most": "3"}, ["SPK299", "most", "'3'", "must be a whole number"]),
        ({"most": True}, ["most", "must be a whole number"]),
        ({"most": [3]}, ["most", "must be a whole number"]),
        ({"most": 2.5}, ["most", "2.5", "must be a whole number"]),
        ({"share": True}, ["share", "must be a number"]),
        ({"share": float("nan")}, ["share", "must be a number"]),  # no comparison with NaN is ever true
        ({"share": float("inf")}, ["share", "must be a number"]),
        ({"share": -float("inf")}, ["share", "must be a number"]),
    ],
)
def test_a_limit_that_cannot_be_is_said_with_its_name(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpikecheckError) as caught:
        High.configured(values)
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


def test_the_judge_knows_every_check_and_refuses_others() -> None:
    assert {c.id for c in Judge.of(Settings()).checks} == set(discover())
    with pytest.raises(SpikecheckError, match=r"XYZ000: no check has this id: `spikecheck checks`"):
        Judge.of(Settings({"XYZ000": {}}))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"SPK20": {"min_forward_passes": 1}}, "SPK20: no check has this id, did you mean SPK2"),
        ({"spk203": {"min_forward_passes": 1}}, "did you mean SPK203"),
        ({"dead-layer": {"min_forward_passes": 1}}, "it is the name of SPK203"),
        ({"dead-lyer": {"min_forward_passes": 1}}, "did you mean dead-layer"),
        ({"ignored": {"SPK203": "closed here"}}, "did you mean ignore"),
        ({"SPK203": {"min_forward_pases": 1}}, "min_alive_rate), did you mean min_forward_passes?"),
        (
            {"SPK203": {"xyz": 1}},
            "SPK203: there is no limit xyz (it has min_weight_scale, min_",
        ),
        ({"SPK203": {"min_forward_passes": 2.5}}, "min_forward_passes = 2.5 must be a whole number"),
        (
            {"ignore": {"dead-lyer": "closed here"}},
            "ignore 'dead-lyer': no check has this id or name, did you mean dead-layer",
        ),
        ({"sites": [{"match": "gate", "SPK203": {"min_forward_pases": 1}}]}, "did you mean min_forward_passes"),
        ({"sites": [{"match": "gate", "SPK293": {}}]}, "SPK293: no check has this id"),
        ({"sites": [{"match": "gate", "ignore": {"SPK293": "closed"}}]}, "ignore 'SPK293:gate'"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_the_nearest(table: dict[str, Any], words: str) -> None:
    with pytest.raises(SpikecheckError) as caught:
        Judge.of(Settings.parsed(table, Path("pyproject.toml")))
    assert words in str(caught.value)


def test_limits_of_some_sites_hold_there_alone_and_the_last_table_counts() -> None:
    tables = (
        SiteLimits(("encoder.*", "gate"), {"SPK299": {"most": 20, "share": 0.1}}),
        SiteLimits(("encoder.1",), {"SPK299": {"most": 5}, "SPK203": {"min_forward_passes": 3}}),
    )
    judge = Judge((High(most=10),), site_limits=tables)
    observations = evidence({"encoder.0": 11, "encoder.1": 6, "gate": 21, "other": 11, "encoder": 11})
    made = judge.verdicts(observations)[0].findings
    assert [f.message for f in made] == [
        "encoder.1: 6 is above 5",
        "gate: 21 is above 20",
        "other: 11 is above 10",
        "encoder: 11 is above 10",
    ]
    assert judge.with_site_limits(High(), Site(SiteKind.SPIKES, "encoder.1")) == High(most=5, share=0.1)


# -- the text of a check


def test_the_docstring_shows_the_limits() -> None:
    assert High.sections()[""] == "Made up: the highest target is above 10."
    assert High.sections()["What it means"] == "More than 10."


def test_code_for_a_hand_written_layer_is_not_shown_for_a_library() -> None:
    @dataclass(frozen=True)
    class Own(High):
        """Made up.

        ## Fix
        ```python handwritten
        layer.threshold = 1
        ```
        """

    sites = [Site(SiteKind.SPIKES, "net.0", 1, library) for library in (None, "torch", "snntorch")]
    assert [len(Own().fixes(site)) for site in sites] == [1, 1, 0]


@pytest.mark.parametrize(
    ("framework", "code", "library"),
    [
        ("sinabs", "model.net[0].spike_threshold = 1", "sinabs"),
        ("snntorch", "model.net[0].threshold = 1", "any"),
        (None, "model.net[0].threshold = 1", "any"),
    ],
)
def test_the_fix_is_that_of_the_library_and_names_the_layer(framework: str | None, code: str, library: str) -> None:
    (fix,) = High().fixes(Site(SiteKind.SPIKES, "net.0", 1, framework))
    assert (fix.code, fix.library) == (code, library)


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (SiteKind.SPIKES, "lif", "model.lif.threshold = relayer.x"),
        (SiteKind.SPIKES, "net.0", "model.net[0].threshold = relayer.x"),
        (SiteKind.SPIKES, "net.10.lif", "model.net[10].lif.threshold = relayer.x"),
        (SiteKind.CURRENT, "0", "model[0].threshold = relayer.x"),
        (SiteKind.PARAMETER, "fc1.weight", "model.fc1.threshold = relayer.x"),
        (SiteKind.INPUT, "input", "layer.threshold = relayer.x"),
        (SiteKind.RUN, "run", "layer.threshold = relayer.x"),
    ],
)
def test_the_word_layer_becomes_the_layers_own_name(kind: SiteKind, name: str, code: str) -> None:
    (fix,) = for_site("layer.threshold = relayer.x", Site(kind, name), "any")
    assert fix.code == code


def test_logits_targets_and_loss_of_one_loss_are_read_at_one_place() -> None:
    kinds = {SiteKind.LOGITS: "logits 2", SiteKind.TARGETS: "targets 2", SiteKind.LOSS: "loss 2"}
    assert {place_of(Site(kind, name)) for kind, name in kinds.items()} == {"loss 2"}
    assert place_of(Site(SiteKind.SPIKES, "logits")) == "logits"


# -- limits that contradict each other, or cannot work


@pytest.mark.parametrize(
    ("check", "values", "words"),
    [
        ("SPK107", {"small_integer_bits": 17}, "contradicts large_integer_bits = 16"),
        (
            "SPK312",
            {"min_fraction_of_chance": 0.95},
            "0.95 contradicts max_fraction_of_chance",
        ),
        ("SPK302", {"loss_window": 300}, "loss_window = 300 contradicts min_losses_in_training = 256"),
        ("SPK302", {"loss_window": 2}, "loss_window = 2 cannot work: it must be at least 3"),
        ("SPK204", {"max_saturated_fraction": 1.5}, "cannot work: it must be between 0 and 1"),
        ("SPK203", {"min_forward_passes": -1}, "cannot work: it must be at least 0"),
    ],
)
def test_limits_that_cannot_work_are_refused(check: str, values: dict[str, float], words: str) -> None:
    for settings in (Settings({check: values}), Settings(sites=(SiteLimits(("lif*",), {check: values}),))):
        with pytest.raises(SpikecheckError, match=re.escape(words)):
            Judge.of(settings)


def test_a_limit_of_one_site_is_compared_with_what_holds_everywhere() -> None:
    wide = {"SPK302": {"min_losses_in_training": 500}}
    site = SiteLimits(("loss",), {"SPK302": {"loss_window": 400}})
    assert Judge.of(Settings(wide, sites=(site,)))
    with pytest.raises(SpikecheckError, match="contradicts"):
        Judge.of(Settings(sites=(site,)))


# -- settings for sites that are not there


@pytest.mark.parametrize(
    ("rules", "limits", "words"),
    [
        (
            ["SPK299:encodr"],
            (),
            "ignore 'SPK299:encodr' has no effect: nothing that was checked has this name, did",
        ),
        (["high:x*"], (), "ignore 'high:x*' has no effect"),
        (["SPK299:enc*"], (), None),
        (["SPK299"], (), None),
        (["SPK501:encodr"], (), None),
        ([], (SiteLimits(("encodr", "x"), {"SPK299": {"most": 5}}),), "limits of SPK299 for encodr, x have no effect"),
        ([], (SiteLimits(("encodr", "encoder"), {"SPK299": {"most": 5}}),), None),
        ([], (SiteLimits(("encodr",), {"SPK203": {"min_forward_passes": 5}}),), None),
    ],
)
def test_a_setting_for_a_site_that_is_not_there_is_reported(rules, limits, words) -> None:
    judge = Judge((High(),), tuple(map(IgnoreRule, rules)), limits)
    lines = judge.settings_without_effect(evidence({"encoder": 1}))
    assert [line.kind for line in lines] == [UnseenKind.SETTING] * (words is not None)
    assert all(words in line.text for line in lines)
    assert judge.settings_without_effect(evidence({})) == ()


# -- which check explains which


def made(id_: str, **relation: tuple[str, ...]) -> type[Check]:
    return type(f"Made{id_}", (High,), {"id": id_, "slug": id_.lower(), "__doc__": "Made up.", **relation})


def test_a_cause_can_be_stated_at_either_end() -> None:
    relation = merged_causes([made("LAB001", explains=("LAB002", "SPK302")), made("LAB002", explained_by=("LAB003",))])
    assert relation["LAB002"] == ("LAB003", "LAB001")
    assert relation["SPK302"] == ("LAB001",)


def test_a_cause_stated_twice_counts_once() -> None:
    checks = [made("LAB001", explains=("LAB002",)), made("LAB002", explained_by=("LAB001",))]
    assert merged_causes(checks)["LAB002"] == ("LAB001",)


@pytest.mark.parametrize("second", [{"explains": ("LAB001",)}, {"explained_by": ("LAB001",), "explains": ("LAB001",)}])
def test_a_check_that_explains_what_explains_it_is_refused(second: dict[str, tuple[str, ...]]) -> None:
    first = made("LAB001", explains=("LAB002",))
    with pytest.raises(SpikecheckError, match=r"explain what explains it: LAB00[12] is explained by LAB00[12]"):
        validated(made("LAB002", **second), {"LAB001": first})


def test_a_finding_carries_the_causes_that_other_checks_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecheck.checks.judge.known_causes", lambda: {"SPK299": ("LAB001",)})
    (finding,) = judged(evidence({"a": 11})).findings
    assert finding.explained_by == ("LAB001",)
