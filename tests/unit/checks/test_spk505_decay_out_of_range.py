"""SPK505 decay-out-of-range: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk505_decay_out_of_range import DecayOutOfRange
from tests.unit.checks.build import findings, observe, severity_of, stored_neuron

NAME = "lif1.beta"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored_neuron(role="decay", minimum=0.9, maximum=0.9), None, id="0.9"),
        pytest.param(stored_neuron(role="decay", minimum=0.0, maximum=1.0), None, id="the ends"),
        pytest.param(stored_neuron(role="decay", minimum=1.37, maximum=1.37, out_of_range=1), "warning", id="above 1"),
        pytest.param(stored_neuron(role="decay", minimum=-0.1, maximum=0.5, out_of_range=1), "warning", id="below 0"),
        pytest.param(
            stored_neuron(role="tau", minimum=-3.0, maximum=20.0, out_of_range=2),
            "warning",
            id="a time constant below 0",
        ),
        pytest.param(stored_neuron(role="tau", minimum=20.0, maximum=20.0), None, id="a time constant"),
        pytest.param(stored_neuron(role="threshold", minimum=-1.0, out_of_range=1), None, id="a threshold"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(DecayOutOfRange(), observe({NAME: [reading]}), NAME) == severity


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (stored_neuron(role="decay", minimum=0.5, maximum=1.37, out_of_range=1), "is 1.37: above 1"),
        (stored_neuron(role="decay", minimum=-0.1, maximum=0.5, out_of_range=1), "is -0.1: below 0"),
        (
            stored_neuron(role="tau", minimum=-3.0, maximum=5.0, out_of_range=1),
            "is -3: a time constant must be above 0",
        ),
    ],
)
def test_it_names_the_value_and_the_range(reading, words) -> None:
    [finding] = findings(DecayOutOfRange(), observe({NAME: [reading]}), NAME)
    assert words in finding.message
