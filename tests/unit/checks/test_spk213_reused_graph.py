"""SPK213 reused-graph: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk213_reused_graph import AGAIN, ReusedGraph
from spikecheck.site import Raised
from tests.unit.checks.build import evidence, run, severity_of, state


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(run(), None, id="nothing was raised"),
        pytest.param(run(raised=(Raised("RuntimeError", f"{AGAIN} (or ...", 1),)), "error", id="raised"),
        pytest.param(run(raised=(Raised("IndexError", "Target 20 is out of bounds.", 0),)), None, id="another error"),
    ],
)
def test_judge(given, severity) -> None:
    assert (
        severity_of(ReusedGraph(), evidence({"the run": [given], "lif1": [state(carried=1)]}, run=given), "the run")
        == severity
    )
