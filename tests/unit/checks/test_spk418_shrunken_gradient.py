"""SPK418 shrunken-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk410_cold_learning_rate import ColdLearningRate
from spikecheck.checks.spk418_shrunken_gradient import ShrunkenGradient
from spikecheck.update_readings import GradientAtStepReading
from tests.unit.checks.build import findings, gradient, loss, observe, run, severity_of, update

FLAT = loss(first=3.0, recent_mean=3.01, recent_slope=1e-5, recent_slope_error=1e-4)
LONG = run(update=80)
CLIPPED = GradientAtStepReading(14, 0, 0, shrunken_updates=14, backward_norm=0.4)
TINY = update(mean_relative_norm=2e-5)


def net(at_step=CLIPPED, moved=TINY, lost=FLAT, of_run=LONG, norm=1e-4):
    return observe({"fc1.weight": [gradient(mean_norm=norm), at_step, moved], "loss": [lost]}, run=of_run)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="clipped to 1e-4"),
        pytest.param(net(GradientAtStepReading(14, 0, 0, 13, 0.4)), None, id="one update had an ordinary gradient"),
        pytest.param(
            net(moved=update(mean_relative_norm=1e-4)), None, id="Adam, or unscaled: updates are large enough"
        ),
        pytest.param(net(moved=update(mean_relative_norm=9e-5)), "warning", id="just below that"),
        pytest.param(net(moved=update(mean_relative_norm=0.0)), None, id="no update at all is found by another check"),
        pytest.param(net(norm=0.0099), "warning", id="a small gradient is left"),
        pytest.param(net(norm=0.01), None, id="a scaled loss, whose gradients are scaled back to an ordinary size"),
        pytest.param(net(lost=loss(first=3.0, recent_mean=2.0)), None, id="the loss is down all the same"),
        pytest.param(net(of_run=run(update=49)), None, id="too early"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ShrunkenGradient(), observations, "fc1.weight") == severity


def test_it_gives_both_norms_and_clips_at_the_norm_of_all_gradients() -> None:
    places = {
        name: [gradient(mean_norm=1e-4), GradientAtStepReading(14, 0, 0, 14, norm), TINY]
        for name, norm in (("fc1.weight", 0.4), ("fc2.weight", 0.3))
    }
    [finding] = findings(ShrunkenGradient(), observe(places | {"loss": [FLAT]}, run=LONG), "fc1.weight")
    assert finding.message == (
        "the gradient of fc1.weight is 4,000 times smaller at the update than after backward(): one update changes it "
        "by 2e-5 of its norm"
    )
    assert finding.observed.text.startswith("gradient norm 0.4 after the backward pass, 0.0001 at the update")
    assert finding.fix.endswith("clip_grad_norm_(model.parameters(), max_norm=0.5)")


def test_it_explains_why_updates_are_small() -> None:
    assert "SPK410" in ShrunkenGradient.explains
    assert "SPK418" not in ColdLearningRate.explained_by  # the relation is stated once
