"""SPK402 vanishing-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk402_vanishing_gradient import VanishingGradient
from tests.unit.checks.build import findings, gradient, observe, parameter, run, severity_of


def net(*norms: float, dimensions: int = 2, update: int = 48):
    layers = {
        f"fc{n}.weight": [gradient(mean_norm=norm, dimensions=dimensions), parameter(dimensions=dimensions)]
        for n, norm in enumerate(norms)
    }
    return observe(layers, run=run(update=update))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(0.1, 0.2, 1.0), None, id="of ordinary size"),
        pytest.param(net(0.18, 1.0, 20.0), None, id="the largest ratio of a healthy network"),
        pytest.param(net(7e-7, 7e-5, 5e-3, 0.8), "warning", id="a surrogate that is too steep"),
        pytest.param(net(1.0, 10.0, 3000.0), "warning", id="at the limit"),
        pytest.param(net(1.0, 10.0, 2999.0), None, id="just below it"),
        pytest.param(net(500.0, 7.0, 0.1), None, id="the other way round"),
        pytest.param(net(7e-7, 0.8, update=47), None, id="too early: a last weight that starts at 0"),
        pytest.param(net(1e-9), None, id="one layer alone"),
        pytest.param(net(0.0, 0.0, 1.0), None, id="0 is found by another check"),
        pytest.param(net(float("nan"), 1.0), None, id="NaN is found by another check"),
        pytest.param(net(1e-9, 1.0, dimensions=1), None, id="biases and thresholds"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(VanishingGradient(), observations, "fc0.weight") == severity


def test_one_finding_names_both_ends_and_lists_what_lies_between() -> None:
    observations = net(7e-7, 7e-5, 5e-3, 0.8)
    made = [f for n in range(4) for f in findings(VanishingGradient(), observations, f"fc{n}.weight")]
    assert [f.message for f in made] == [
        "the gradient of fc0.weight is 1.14 million times smaller than that of fc3.weight (7e-7 vs 0.8)"
    ]
    assert "fc1.weight 7e-5" in made[0].observed.text
