"""SPK219 shared-state: a table of numbers, no model."""

from __future__ import annotations

from math import inf

import pytest

from spikecheck.checks.spk219_shared_state import SharedState
from tests.unit.checks.build import findings, flow, neuron, observe

ONE = {"path": "model.lif", "framework": "snntorch"}
NAMES = ("lif (1st use)", "lif (2nd use)")


@pytest.mark.parametrize(
    ("shares", "paths", "expected"),
    [
        pytest.param(True, ONE, 1, id="one module for both, and one state"),
        pytest.param(False, ONE, 0, id="one module, which is given a state for each"),
        pytest.param(True, ONE | {"neuron": neuron(v_threshold=inf)}, 0, id="a readout that adds up what it gets"),
    ],
)
def test_judge(shares, paths, expected) -> None:
    observations = observe({name: [flow(shares_state=shares)] for name in NAMES}, sites=dict.fromkeys(NAMES, paths))
    made = [f for name in NAMES for f in findings(SharedState(), observations, name)]
    assert len(made) == expected
    for finding in made:
        assert finding.site.name == NAMES[0]
        assert finding.message.startswith("2 layers are one module")
