"""SPK209 dropped-state: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk209_dropped_state import DroppedState
from tests.unit.checks.build import evidence, found, memory


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(memory(), None, id="it goes on"),
        pytest.param(memory(held=0), "error", id="never"),
        pytest.param(memory(held=1), None, id="once is enough"),
        pytest.param(memory(held=0, forwards=3), "error", id="exactly at the limit"),
        pytest.param(memory(held=0, forwards=2), None, id="too few to say"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(DroppedState(), evidence({"lif1": [given]}), "lif1") == severity
