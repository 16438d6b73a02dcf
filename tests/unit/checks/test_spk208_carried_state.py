"""SPK208 carried-state: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk208_carried_state import CarriedState
from tests.unit.checks.build import evidence, findings, found, state


@pytest.mark.parametrize(
    ("read", "severity"),
    [
        pytest.param(state(), None, id="every sequence starts from rest"),
        pytest.param(state(sequences=3, carried=3, largest=0.4), "warning", id="exactly at the limit"),
        pytest.param(state(sequences=2, carried=2, largest=0.4), None, id="too few to say"),
        pytest.param(state(sequences=20, carried=10, largest=0.4), "warning", id="half of them"),
        pytest.param(state(sequences=20, carried=9, largest=0.4), None, id="fewer than half"),
        pytest.param(state(sequences=0, carried=0), None, id="no sequence"),
    ],
)
def test_judge(read, severity) -> None:
    assert found(CarriedState(), evidence({"lif1": [read]}), "lif1") == severity


def test_it_says_how_often_and_how_much() -> None:
    read = state(sequences=20, carried=19, largest=0.75)
    [finding] = findings(CarriedState(), evidence({"lif1": [read]}, sites={"lif1": {"framework": "sinabs"}}), "lif1")
    assert finding.message == "lif1 started 19 of 20 sequences with potentials left over"
    assert "up to 0.75" in finding.seen.text
    assert finding.fix.startswith("model.lif1.reset_states()")
