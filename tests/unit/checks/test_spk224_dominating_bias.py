"""SPK224 dominating-bias: a table of numbers, no model."""

from __future__ import annotations

from math import sqrt

import pytest

from spikecheck.checks.spk224_dominating_bias import DominatingBias
from tests.unit.checks.build import drive, findings, flow, loss, observe, parameter, run, severity_of, spikes

LIMITS = {name: value for name, (value, _) in DominatingBias.limits().items()}
BIAS = LIMITS["min_bias"]
BUSY = spikes(count=0.7 * spikes().elements)


def layer(bias: float, rest: float, *, own=False, spiking=BUSY, loss_level: float | None = None, trains=False):
    """Return the observations of a layer and its bias, in thresholds per time step; evaluated, unless it trains."""
    current = rest if own else sqrt(bias**2 + rest**2)
    places = {"lif1": [spiking, drive(rms=current), flow()], f"{'lif1' if own else 'fc1'}.bias": [parameter(rms=bias)]}
    places |= {} if loss_level is None else {"loss": [loss(recent_mean=loss_level)]}
    return observe(places, sites={"lif1": {"fed_by": "fc1"}}, run=run(without_gradients=not trains))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(0.87, 0.12), "warning", id="biases of sums, added in every time step"),
        pytest.param(layer(0.87, 0.12, trains=True), None, id="training lets bias and input cancel each other"),
        pytest.param(layer(0.87, 0.0), None, id="a current no larger than the bias, as behind a pooling"),
        pytest.param(layer(1.0, 0.07, own=True, trains=True), "warning", id="a current that was meant as a switch"),
        pytest.param(layer(BIAS, 0.99 * BIAS / LIMITS["min_ratio"]), "warning", id="at both limits"),
        pytest.param(layer(BIAS, 1.01 * BIAS / LIMITS["min_ratio"]), None, id="more input"),
        pytest.param(layer(0.99 * BIAS, 0.01), None, id="a smaller bias"),
        pytest.param(layer(0.022, 0.18), None, id="biases divided by the number of time steps"),
        pytest.param(layer(0.87, 0.12, spiking=spikes()), None, id="a bias that lets it fire rarely"),
        pytest.param(layer(0.87, 0.12, own=True, loss_level=0.3, trains=True), "note", id="a network that has learned"),
        pytest.param(layer(0.87, 0.12, own=True, loss_level=2.9, trains=True), "warning", id="one that has not"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(DominatingBias(), observations, "lif1") == severity


def test_the_fix_divides_by_the_number_of_time_steps_or_removes_the_current() -> None:
    (before,), (own,) = (findings(DominatingBias(), layer(0.87, 0.1, own=is_own), "lif1") for is_own in (False, True))
    assert before.fix.endswith("model.fc1.bias.data /= 20")
    assert own.fix.endswith("model.lif1.bias.data.zero_()")
