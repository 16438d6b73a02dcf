"""SPK409 unmoved-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk409_unmoved_weights import UnmovedWeights
from tests.unit.checks.build import evidence, findings, found, gradient, parameter, update

STILL = update(unmoved=20, mean=0.0, path=0.0)


def net(moved, grad, *, position: int = 1, dimensions: int = 2):
    return evidence(
        {
            "fc1.weight": [grad, parameter(dimensions=dimensions), moved],
            "fc2.weight": [gradient(), parameter(), update()],
        },
        sites={"fc1.weight": {"position": position}},
    )


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(net(update(), gradient()), None, id="it moves"),
        pytest.param(net(STILL, gradient(norm=0.0, zero=20)), "warning", id="its gradient is 0"),
        pytest.param(net(STILL, gradient(norm=0.0, missing=20)), "warning", id="it has none, though its module ran"),
        pytest.param(net(STILL, gradient(norm=0.0, missing=20), position=0), "note", id="its module never ran"),
        pytest.param(net(STILL, gradient(), dimensions=1), None, id="a threshold"),
        pytest.param(net(update(unmoved=19), gradient()), None, id="it moved once"),
        pytest.param(net(update(updates=9, unmoved=9), gradient()), None, id="too few steps to say"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(UnmovedWeights(), given, "fc1.weight") == severity


@pytest.mark.parametrize(
    ("moved", "grad", "why"),
    [
        pytest.param(STILL, gradient(norm=0.0, zero=20), "its gradient is 0", id="gradient"),
        pytest.param(STILL, gradient(norm=0.0, missing=20), "it gets no gradient", id="missing"),
        pytest.param(update(unmoved=20, learning_rate=0.0), gradient(), "its rate is 0", id="rate"),
        pytest.param(STILL, gradient(), "its steps round to 0", id="rounding"),
    ],
)
def test_the_reason_is_said(moved, grad, why) -> None:
    (finding,) = findings(UnmovedWeights(), net(moved, grad), "fc1.weight")
    assert finding.message == f"fc1.weight never moved in 20 steps: {why}"


def test_where_nothing_moves_it_is_no_single_weight() -> None:
    given = evidence({"fc1.weight": [gradient(), parameter(), STILL]})
    assert found(UnmovedWeights(), given, "fc1.weight") is None
