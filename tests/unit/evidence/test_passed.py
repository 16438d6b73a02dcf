"""A finding that is over is a note if the network learned since, and keeps its severity otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from spikecheck.checks.judge import Judge
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk211_fading_activity import FadingActivity
from spikecheck.checks.spk406_weight_scale import WeightScale
from spikecheck.evidence.evidence import Evidence
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import SiteKind
from tests.unit.checks.build import flow, loss, observe, parameter, site, spikes

SILENT = spikes(active=0, count=0.0, maximum=0.0, values=(0.0,), silent_neurons=64, max_count=0.0)
LEARNED = loss(first=3.1, recent_mean=1.2)
STUCK = loss(first=3.0, recent_mean=3.0, recent_slope=0.0)
SLOW = loss(first=3.0, recent_mean=2.6)


def report(now: object, losses: object, *earlier: Finding, weight: Iterable[object] = (parameter(),)) -> Report:
    observations = observe({"fc1.weight": weight, "lif1": [now, flow()], "loss": [losses]})
    return Evidence(observations, earlier=earlier).report(Judge.of(Settings()))


def dead(until: int = 20) -> Finding:
    at = site(SiteKind.SPIKES, "lif1")
    finding = DeadLayer().finding(at, observed=Observed("", steps=200, neurons=64), expected=Expected("spikes"))
    return replace(finding, until=until)


def problems(made: Report) -> list[str]:
    return [finding.check for finding in made.at_least(Severity.WARNING)]


def test_a_layer_that_woke_up_in_a_run_that_learns_is_a_note() -> None:
    made = report(spikes(), LEARNED, dead(until=9))
    assert not problems(made)
    (note,) = [finding for finding in made.findings if finding.check == "SPK203"]
    assert note.severity is Severity.NOTE
    assert note.message == "lif1 is silent: 0 spikes in 200 time steps (64 neurons); over since update 9"


@pytest.mark.parametrize(("now", "losses"), [(spikes(), STUCK), (spikes(), SLOW), (SILENT, LEARNED)])
def test_it_stays_an_error_where_little_is_learned_or_it_still_holds(now: object, losses: object) -> None:
    assert problems(report(now, losses, dead())).count("SPK203") == 1


def test_in_a_run_that_learns_slowly_it_is_a_note_where_it_was_over_in_a_quarter_of_it() -> None:
    """The run has 20 updates."""
    assert not problems(report(spikes(), SLOW, dead(until=4)))
    assert problems(report(spikes(), SLOW, dead(until=5))) == ["SPK203"]
    assert problems(report(spikes(), STUCK, dead(until=4))) == ["SPK203"]


def test_activity_that_faded_is_a_note_once_anything_was_learned_however_long_it_took() -> None:
    at = site(SiteKind.SPIKES, "lif1")
    faded = FadingActivity().finding(at, observed=Observed(""), expected=Expected(""), layers=4, first=0.01, last=1e-4)
    faded = replace(faded, until=19)
    assert not problems(report(spikes(), SLOW, faded))
    assert problems(report(spikes(), STUCK, faded)) == ["SPK211"]
    assert problems(report(spikes(), loss(first=8.0, recent_mean=3.0), faded)) == ["SPK211"]  # logits that shrink


def test_what_training_does_not_mend_stays() -> None:
    at = site(SiteKind.PARAMETER, "fc1.weight")
    large = WeightScale().finding(at, observed=Observed("", scale=26.5, layer="lif1"), expected=Expected("0.6 to 1.4"))
    assert "SPK406" in problems(report(spikes(), LEARNED, large))
