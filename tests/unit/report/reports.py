"""Reports made up, with long names and many consequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from spikecheck.finding import (
    Expected,
    Finding,
    FindingState,
    Fix,
    Interval,
    Observed,
    Outcome,
    Severity,
    Unseen,
    UnseenKind,
    Verdict,
)
from spikecheck.readings import NonFinite, SpikeReading
from spikecheck.report.model import LayerRow, Report
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.timelines import SpikeTimelineReading, TimelinePoint, TimeSteps

LONG = "encoder.blocks.3.temporal_fusion.spiking_attention.lif_output"


def spikes(**changed: Any) -> SpikeReading:
    facts: dict[str, Any] = {
        "forward_passes": 12, "time_steps": 1200, "samples": 768, "neurons": 256,
        "elements": 19_660_800, "count": 983_040.0,
        "active": 983_040, "minimum": 0.0, "maximum": 1.0, "values": (0.0, 1.0),
        "non_binary": 0, "sampled_elements": 49_152,
        "non_integer": 0, "silent_neurons": 3, "saturated_neurons": 0,
        "max_count": 31.0, "min_count": 0.0, "non_finite": NonFinite(0, 1),
    }  # fmt: skip
    return SpikeReading(**(facts | changed))


def timeline(rates: Sequence[float | None], steps: TimeSteps | None = None) -> SpikeTimelineReading:
    """A firing rate in intervals of 4 updates; 40 time steps, one per call."""
    points = tuple(TimelinePoint(4 * n, 4 * n + 3, 4, rate, 1.0, 0.01) for n, rate in enumerate(rates))
    return SpikeTimelineReading(points, NonFinite(0, 100), steps or TimeSteps(40, 40))


def finding(check: str, slug: str, kind: SiteKind, name: str, position: int, message: str, **more: Any) -> Finding:
    facts: dict[str, Any] = {
        "severity": Severity.ERROR, "observed": Observed("something"), "expected": Expected("something else"),
        "when": Moment(0),
    }  # fmt: skip
    return Finding(check, slug, site=Site(kind, name, position), message=message, **(facts | more))


def broken() -> Report:
    """One root cause with many consequences at sites of long names, a second one, a note, and what was not seen."""
    count = finding(
        "SPK101", "count-input", SiteKind.INPUT, "input", 0, "input holds event counts (0 to 47), not binary spikes",
        observed=Observed(
            "values {values}; {share:.1%} of the active bins hold more than one", values="0..47", share=0.061
        ),
        expected=Expected(
            "0 or 1 in every bin",
            because="ToFrame sums the events of a bin, and a neuron's threshold is made for single spikes",
        ),
        fixes=(Fix("x = (x > 0).float()          # before the model"),), excess=1.2,
    )  # fmt: skip
    effects = [
        finding(
            "SPK201", "multi-spike", SiteKind.SPIKES, f"{LONG}{n}", n + 1,
            f"{LONG}{n} emits up to 2,821 spikes per step", explained_by=("SPK101",),
        )
        for n in range(6)
    ]  # fmt: skip
    logits = finding(
        "SPK301", "large-logits", SiteKind.LOGITS, "logits", 20, "logits span 211,029", explained_by=("SPK201",),
        severity=Severity.WARNING,
    )  # fmt: skip
    loss = finding(
        "SPK303", "high-initial-loss", SiteKind.LOSS, "loss", 21, "the first loss is 119,000; guessing gives 3.00",
        explained_by=("SPK301",), observed=Observed("{loss}", loss=119005.0),
    )  # fmt: skip
    rate = finding(
        "SPK408", "large-update", SiteKind.UPDATE, f"{LONG}.weight", 3, "one update changes the weight by 180%",
        when=Moment(7), severity=Severity.WARNING, observed=Observed("{share}", share=math.nan),
        fixes=(Fix("optimizer = torch.optim.Adam(\n    model.parameters(), lr=1e-3,\n)"),),
    )  # fmt: skip
    note = finding(
        "SPK210", "long-memory", SiteKind.SPIKES, "readout", 9, "readout never leaks: beta = 1", severity=Severity.NOTE
    )
    woke = finding(
        "SPK205", "weak-drive", SiteKind.CURRENT, f"{LONG}1", 2,
        f"the potential of {LONG}1 did not reach its threshold",
        state=FindingState.OVER, intervals=(Interval(0, 3),),
    )  # fmt: skip
    flickered = finding(
        "SPK101", "count-input", SiteKind.INPUT, "input 2", 0, "input 2 held event counts",
        state=FindingState.INTERMITTENT, intervals=(Interval(0, 1), Interval(4, 4), Interval(7, 9)),
    )  # fmt: skip
    verdicts = [Verdict(f.check, f.slug, Outcome.FINDINGS, (f,)) for f in (count, logits, loss, rate, note)]
    verdicts += [
        Verdict("SPK201", "multi-spike", Outcome.FINDINGS, tuple(effects)),
        Verdict("SPK203", "dead-layer", Outcome.PASSED, ignored=("SPK203 at gate: inhibitory, closed on this task",)),
        Verdict("SPK205", "weak-drive", Outcome.PASSED, history=(woke, flickered)),
        Verdict("SPK401", "no-gradient", Outcome.COULD_NOT_RUN, reason="no gradient observed"),
        Verdict("SPK207", "carried-state", Outcome.NOT_APPLICABLE, reason="no state observed"),
    ]
    rows = [
        LayerRow("lif1", spikes(), timeline=timeline((0.025, 0.03, None, 0.04, 0.05))),
        LayerRow("fading", spikes(), timeline=timeline((0.05, 0.05, 0.02, 0.0, 0.0), TimeSteps(20, 40, axis=1))),
        LayerRow("doubtful", spikes(), timeline=timeline((0.1,) * 20, TimeSteps(1, 1, known=False))),
        LayerRow(LONG, spikes(maximum=2821.0, values=(0.0, 2.0, 5.0, 6.0, 7.0, 9.0, 12.0, 13.0), max_count=211_029.0)),
        LayerRow("nan", spikes(count=math.nan, maximum=math.nan, max_count=math.nan, values=(0.0, 0.5))),
        LayerRow(
            "never called",
            spikes(elements=0, neurons=0, values=(), count=0.0, maximum=0.0, silent_neurons=0, max_count=0.0),
        ),
    ]
    unseen = (
        Unseen(
            UnseenKind.UPDATE, "no optimizer update was observed, so updates could not be checked; optimizer= names one"
        ),
    )
    return Report.of(
        verdicts, layers=tuple(rows), unseen=unseen, frameworks=("snntorch",), updates=12, forward_passes=12, cost=0.021
    )


def healthy() -> Report:
    verdicts = [Verdict("SPK203", "dead-layer", Outcome.PASSED), Verdict("SPK401", "no-gradient", Outcome.PASSED)]
    return Report.of(
        verdicts, layers=(LayerRow("lif1", spikes()),), frameworks=("sinabs",), updates=1, forward_passes=1
    )


def nothing() -> Report:
    return Report.of(
        [], unseen=(Unseen(UnseenKind.FORWARD_PASS, "the model was not called after attach(); run a batch through it"),)
    )


REPORTS = {"broken": broken, "healthy": healthy, "nothing": nothing}
