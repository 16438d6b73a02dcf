"""SPK412 strong-weight-decay: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk412_strong_weight_decay import StrongWeightDecay
from spikecheck.site import Pace
from tests.unit.checks.build import evidence, findings, found, gradient, loss, parameter, update

FLAT = loss(first=3.0, recent_mean=3.01, recent_slope=0.0)


def net(pace, lost=FLAT, norm: float = 0.3):
    return evidence(
        {f"fc{n}.weight": [gradient(norm=norm), parameter(), update(pace=pace)] for n in (1, 2)} | {"loss": [lost]}
    )


def pace(shrink: float | None, decay: float):
    return Pace(2e-3, 2e-3, 80.0, 80, shrink, decay)


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(net(pace(0.0, 0.0)), None, id="none"),
        pytest.param(net(pace(2e-7, 1e-4)), None, id="AdamW with 1e-4"),
        pytest.param(net(pace(5e-4, 5e-4)), None, id="SGD with momentum, as for images"),
        pytest.param(net(pace(0.12, 60.0)), "warning", id="AdamW with 60"),
        pytest.param(net(pace(0.005, 2.5)), "warning", id="exactly at the limit"),
        pytest.param(net(pace(0.0049, 2.4)), None, id="just below it"),
        pytest.param(net(pace(0.12, 60.0), loss()), "warning", id="though the loss falls for now"),
        pytest.param(net(pace(None, 60.0)), "warning", id="Adam with 60: the gradient is nearly decay alone"),
        pytest.param(net(pace(None, 60.0), loss()), None, id="Adam with 60, and the loss falls"),
        pytest.param(net(pace(None, 1e-2)), None, id="Adam with 0.01"),
        pytest.param(net(pace(None, 60.0), norm=0.0), None, id="no gradient to compare with"),
        pytest.param(net(None), None, id="not known"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(StrongWeightDecay(), given, "fc1.weight") == severity


def test_one_finding_stands_for_all() -> None:
    made = [f for n in (1, 2) for f in findings(StrongWeightDecay(), net(pace(0.12, 60.0)), f"fc{n}.weight")]
    assert [f.message for f in made] == ["weight decay takes 0.12 of fc1.weight away in one update"]
