"""SPK209 dropped-state: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk209_dropped_state import DroppedState
from tests.unit.checks.build import drive, findings, memory, observe, severity_of


def test_a_layer_without_input_has_nothing_to_remember() -> None:
    assert (
        severity_of(DroppedState(), observe({"lif1": [memory(stateful_forward_passes=0), drive(rms=0.0)]}), "lif1")
        is None
    )
    assert (
        severity_of(DroppedState(), observe({"lif1": [memory(stateful_forward_passes=0), drive(rms=1e-6)]}), "lif1")
        == "error"
    )


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(memory(), None, id="state is kept"),
        pytest.param(memory(stateful_forward_passes=0), "error", id="state is never kept"),
        pytest.param(memory(stateful_forward_passes=1), None, id="state was kept once"),
        pytest.param(memory(stateful_forward_passes=0, forward_passes=3), "error", id="exactly at the limit"),
        pytest.param(memory(stateful_forward_passes=0, forward_passes=2), None, id="too few to say"),
        pytest.param(memory(informative_elements=100, memoryless_elements=100), "error", id="passed in and not used"),
        pytest.param(memory(informative_elements=100, memoryless_elements=99), None, id="used once"),
        pytest.param(memory(informative_elements=99, memoryless_elements=99), None, id="too few neurons to say"),
        pytest.param(
            memory(informative_elements=100, memoryless_elements=100, forward_passes=2),
            None,
            id="not used, in too few forward passes",
        ),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(DroppedState(), observe({"lif1": [reading]}), "lif1") == severity


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (memory(stateful_forward_passes=0), "its state is 0 in the middle of a sequence"),
        (memory(informative_elements=500, memoryless_elements=500), "it ignores the state passed in"),
    ],
)
def test_it_says_which_of_the_two_it_is(reading, why) -> None:
    (finding,) = findings(DroppedState(), observe({"lif1": [reading]}), "lif1")
    assert finding.message == f"lif1 keeps no state between time steps: {why}"
