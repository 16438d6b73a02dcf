"""SPK213 reused-graph: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk213_reused_graph import SECOND_BACKWARD, ReusedGraph
from spikecheck.site import TorchError
from tests.unit.checks.build import findings, observe, run, severity_of, state


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(run(), None, id="no error"),
        pytest.param(
            run(torch_errors=(TorchError("RuntimeError", f"{SECOND_BACKWARD} (or ...", 1),)), "error", id="the error"
        ),
        pytest.param(
            run(torch_errors=(TorchError("IndexError", "Target 20 is out of bounds.", 0),)), None, id="another error"
        ),
    ],
)
def test_judge(reading, severity) -> None:
    assert (
        severity_of(
            ReusedGraph(),
            observe({"the run": [reading], "lif1": [state(carried_sequences=1)]}, run=reading),
            "the run",
        )
        == severity
    )


@pytest.mark.parametrize(
    ("carried", "message"),
    [(1, "earlier batch; layers that kept their state: lif1"), (0, "earlier backward pass")],
)
def test_only_a_state_that_was_carried_makes_it_the_graph_of_an_earlier_batch(carried, message) -> None:
    reading = run(torch_errors=(TorchError("RuntimeError", SECOND_BACKWARD, 1),))
    places = {"the run": [reading], "lif1": [state(carried_sequences=carried)]}
    [finding] = findings(ReusedGraph(), observe(places, run=reading), "the run")
    assert finding.message == f"backward ran through the graph of an {message}"
