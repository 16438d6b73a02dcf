"""No finding that holds contradicts the table of layers beside it, whatever was measured when."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from spikecheck.checks.judge import Judge
from spikecheck.checks.layers import ALIVE_RATE
from spikecheck.evidence.evidence import Evidence
from spikecheck.finding import Finding
from spikecheck.ledger import Ledger
from spikecheck.readings import NonFinite
from spikecheck.report.model import LayerRow, Report
from spikecheck.settings import Settings
from spikecheck.timelines import SpikeTimelineReading, TimelinePoint
from tests.unit.checks.build import drive, flow, loss, observe, run, spikes

JUDGE = Judge.of(Settings())
SILENT = re.compile(r"is silent|went silent|0 spikes|to 0 spikes")
RATES = st.sampled_from([0.0, ALIVE_RATE / 10, ALIVE_RATE, 0.05, 0.99])
CHANCE = {"recent_mean": 3.0, "recent_slope": 0.0, "first": 3.0}


def layer(measured: float, course: list[float]) -> list[object]:
    """A layer whose measured forward passes have one rate, and whose timeline has its own course."""
    points = tuple(TimelinePoint(n, n, 1, mean) for n, mean in enumerate(course))
    active, neurons = round(409_600 * measured), 64
    counts = {"silent_neurons": 0 if active else neurons, "saturated_neurons": neurons if measured > 0.9 else 0}
    made = spikes(count=float(active), active=active, maximum=float(active > 0), **counts)
    return [made, flow(), drive(rms=0.05, maximum=0.2), SpikeTimelineReading(points, NonFinite(0, 1))]


def report_of(layers: dict[str, list[object]], ledger: Ledger, update: int, learns: bool) -> Report:
    losses = loss() if learns else loss(**CHANCE)
    observations = observe({**layers, "loss": [losses]}, run=run(update=update))
    return Evidence(observations, ledger=ledger, unseen=()).report(JUDGE)


def contradictions(findings: list[Finding], row: LayerRow) -> list[str]:
    """Return the sentences about a layer that its row of the table contradicts."""
    rate = row.rate_now or 0.0
    here = [f for f in findings if f.site.name == row.name]
    silent = [f.message for f in here if rate > 0 and SILENT.search(f.message)]
    low = [f.message for f in here if f.check == "SPK205" and rate > 0]
    high = [f.message for f in here if f.check == "SPK204" and row.saturated_now == 0 and rate < 1 / 4]
    return silent + low + high


@given(st.tuples(RATES, RATES, RATES), st.lists(RATES, min_size=1, max_size=14), RATES, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_finding_contradicts_the_rates_in_the_table(measured, course, before, learns) -> None:
    names = ("lif1", "lif2", "lif3")
    earlier = {name: layer(before, [before]) for name in names}
    ledger = Ledger().observe(report_of(earlier, Ledger(), 10, learns).findings, 10)
    later = {name: layer(rate, course) for name, rate in zip(names, measured, strict=True)}
    report = report_of(later, ledger, 100, learns)
    assert [line for row in report.layers for line in contradictions(list(report.findings), row)] == []
