"""SPK215 heavy-dropout: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk215_heavy_dropout import HeavyDropout
from tests.unit.checks.build import mode, observe, severity_of


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([mode()], None, id="no dropout"),
        pytest.param([mode(dropout_probability=0.9)], "warning", id="exactly at the limit"),
        pytest.param([mode(dropout_probability=0.89)], None, id="just below it"),
        pytest.param([mode(dropout_probability=0.97, evaluation_updates=20)], None, id="never in use"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(HeavyDropout(), observe({"norm": readings}), "norm") == severity
