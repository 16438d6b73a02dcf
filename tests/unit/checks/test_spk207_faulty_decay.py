"""SPK207 faulty-decay: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk207_faulty_decay import FaultyDecay
from tests.unit.checks.build import evidence, found, modules, neuron, spikes


def layer(library="snntorch", most=9.0, **known):
    """One layer, 20 steps a forward."""
    sites = {"lif1": {"framework": library, "neuron": neuron(**known)}}
    return modules(evidence({"lif1": [spikes(most=most)]}, sites=sites))


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(layer(), None, id="ordinary"),
        pytest.param(layer(decay=1.0), None, id="no leak"),
        pytest.param(layer(decay=-0.1), "warning", id="below 0"),
        pytest.param(layer(decay=1.01), "warning", id="above 1"),
        pytest.param(layer("torch", decay=1.65), None, id="by hand, and no neuron fires on and on"),
        pytest.param(layer("torch", most=10.0, decay=1.65), "warning", id="by hand, and one fires on"),
        pytest.param(layer(decay=0.009), "warning", id="no memory"),
        pytest.param(layer(decay=0.01), None, id="exactly at the limit"),
        pytest.param(layer(decay=0.9998, input_gain=0.0002), "warning", id="the input hardly counts"),
        pytest.param(layer(decay=0.95, input_gain=0.05), None, id="an input that is normalised"),
        pytest.param(layer(decay=None), None, id="unknown"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(FaultyDecay(), given, "lif1") == severity
