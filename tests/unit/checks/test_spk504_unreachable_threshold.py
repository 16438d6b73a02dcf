"""SPK504 unreachable-threshold: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk504_unreachable_threshold import UnreachableThreshold
from tests.unit.checks.build import findings, observe, severity_of, stored_neuron

NAME = "lif1.threshold"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored_neuron(), None, id="easily reached"),
        pytest.param(stored_neuron(minimum=-0.2, maximum=-0.2, out_of_range=1), "error", id="below 0"),
        pytest.param(stored_neuron(minimum=0.0, maximum=0.0, out_of_range=1), "error", id="exactly 0"),
        pytest.param(stored_neuron(minimum=-0.2, maximum=1.0, out_of_range=3, elements=64), "error", id="some neurons"),
        pytest.param(stored_neuron(max_potential=0.9, unreachable_neurons=64), "error", id="out of reach"),
        pytest.param(stored_neuron(max_potential=1.1, unreachable_neurons=63), None, id="one neuron reaches it"),
        pytest.param(stored_neuron(max_potential=None), None, id="not known"),
        pytest.param(
            stored_neuron(max_potential=0.9, unreachable_neurons=64, is_last_layer=True), "note", id="the last layer"
        ),
        pytest.param(
            stored_neuron(max_potential=0.9, unreachable_neurons=64, reads_model_input=True),
            None,
            id="the input may hold counts",
        ),
        pytest.param(
            stored_neuron(max_potential=0.09, unreachable_neurons=64, reads_model_input=True),
            "error",
            id="too little even for counts",
        ),
        pytest.param(
            stored_neuron(max_potential=-0.5, unreachable_neurons=64, reads_model_input=True),
            "error",
            id="inhibition alone",
        ),
        pytest.param(stored_neuron(role="decay", minimum=-1.0, out_of_range=1), None, id="a decay"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(UnreachableThreshold(), observe({NAME: [reading]}), NAME) == severity


def test_it_names_the_highest_reachable_potential() -> None:
    reading = stored_neuron(max_potential=0.25, unreachable_neurons=64)
    [finding] = findings(UnreachableThreshold(), observe({NAME: [reading]}), NAME)
    assert finding.message == "lif1.threshold is 1, but no input can raise the membrane potential above 0.25"
