"""What training has repaired stays a warning where the updates it took are missing at the end, and only there."""

from __future__ import annotations

import pytest

from spikecheck.checks.base import Check
from spikecheck.checks.late_start import late_start
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk406_weight_scale import WeightScale
from spikecheck.finding import Finding, FindingState, Interval, Severity
from spikecheck.ledger import Record
from tests.unit.checks.build import findings, flow, logits, loss, observe, run, spikes, targets

SILENT = spikes(count=0.0, active=0, maximum=0.0, values=(0.0,), silent_neurons=64)
LEARNING = loss(updates=80, recent_mean=2.4, recent_slope=-0.01, recent_slope_error=0.0005)  # a guess has 3.00


def warning(
    lost: int = 20, of: int = 80, losses=LEARNING, check: Check | None = None, *, live: bool = False, read=()
) -> Finding | None:
    """The warning about a layer that was silent for the first updates, and fires now."""
    (finding,) = findings(DeadLayer(), observe({"lif1": [SILENT, flow()]}), "lif1")
    now = observe({"lif1": [spikes(), flow()], "loss": [losses, targets(), *read]}, run=run(update=of, live=live))
    record = Record(finding, (Interval(0, lost),))
    return late_start(check or DeadLayer(), finding, record, now.readings(finding.site))


def test_the_updates_it_took_are_missing_at_the_end() -> None:
    finding = warning()
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert finding.message == "lif1 was silent until update 20 of 80, and the loss is still 2.40"
    assert (finding.when.update, finding.state) == (0, FindingState.OVER)


@pytest.mark.parametrize(
    "healthy",
    [
        pytest.param({"losses": loss(recent_mean=1.2)}, id="it has learned much all the same"),
        pytest.param({"lost": 13}, id="less than a sixth of the run"),
        pytest.param({"of": 1000, "losses": loss(updates=1000, recent_mean=2.4)}, id="long ago"),
        pytest.param(
            {"losses": loss(recent_mean=2.4, recent_slope=-0.0001, recent_slope_error=0.0005)},
            id="the loss has stopped falling: it is as low as it gets, as with noise in the labels",
        ),
        pytest.param({"losses": loss(updates=63, recent_mean=2.4)}, id="too few losses to expect learning"),
        pytest.param({"losses": loss(classes=None, recent_mean=2.4)}, id="nobody knows how low the loss can get"),
        pytest.param(
            {"read": (logits(minimum=0.0, maximum=1.0),)}, id="half of the way to what firing rates allow, 2.08"
        ),
        pytest.param({"check": WeightScale()}, id="nothing that training repairs"),
        pytest.param({"live": True}, id="training goes on"),
    ],
)
def test_it_is_over_and_does_not_matter(healthy) -> None:
    assert warning(**healthy) is None
