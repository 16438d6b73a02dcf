"""SPK212 exploding-activity: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk212_exploding_activity import ExplodingActivity
from tests.unit.checks.build import evidence, flow, severity_of, spikes


def layers(*rates):
    """Layers that fire at these rates."""
    return {f"lif{n}": [spikes(elements=100_000, count=r * 100_000), flow()] for n, r in enumerate(rates)}


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(layers(0.05, 0.06, 0.07), None, id="even rates"),
        pytest.param(layers(0.125, 0.3, 0.5), "warning", id="exactly at the limit"),
        pytest.param(layers(0.126, 0.3, 0.5), None, id="less than four times"),
        pytest.param(layers(0.05, 0.3, 0.49), None, id="less than half"),
        pytest.param(layers(0.05, 0.6), None, id="two layers"),
        pytest.param(layers(0.05, 0.04, 0.9), None, id="no trend"),
    ],
)
def test_judge(given, severity) -> None:
    assert severity_of(ExplodingActivity(), evidence(given), list(given)[-1]) == severity


def test_a_trend_that_training_caused_is_left_alone() -> None:
    given = evidence(layers(0.125, 0.3, 0.5), first=layers(0.05, 0.05, 0.05))
    assert severity_of(ExplodingActivity(), given, "lif2") is None
