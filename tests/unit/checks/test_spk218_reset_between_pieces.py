"""SPK218 reset-between-pieces: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk218_reset_between_pieces import ResetBetweenPieces
from tests.unit.checks.build import findings, inputs, loss, observe, severity_of, state, targets


def net(*, repeated: int = 60, updates: int = 80, batches: int = 16, sequences: int = 8, carried: int = 0, level=2.9):
    """A network of 20 classes that is trained on pieces of 20 batches, four of each."""
    labels = targets(updates=updates, repeated_batches=repeated, distinct_batches=batches)
    places = {
        "input": [inputs(distinct_batches=16)],
        "lif1": [state(sequences=sequences, carried_sequences=carried)],
        "loss": [labels, loss(recent_mean=level, recent_deviation=0.02)],
    }
    return observe(places)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="four pieces"),
        pytest.param(net(repeated=48), "warning", id="just above the limit"),
        pytest.param(net(repeated=47), None, id="just below it"),
        pytest.param(net(repeated=40), None, id="two passes per batch"),
        pytest.param(net(carried=1), None, id="a state that goes on"),
        pytest.param(net(sequences=7), None, id="too few sequences"),
        pytest.param(net(updates=63, repeated=50), None, id="too few updates"),
        pytest.param(net(batches=1), None, id="one batch, again and again"),
        pytest.param(net(level=0.5), None, id="a network that learns from single pieces"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ResetBetweenPieces(), observations, "lif1") == severity


def test_it_counts_the_pieces() -> None:
    (finding,) = findings(ResetBetweenPieces(), net(), "lif1")
    assert finding.message == "lif1 starts from 0 with every piece of a recording (60 of 80 batches go on)"
