"""SPK609 unfitting-learning-rate: a table of numbers, no model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from spikecheck.checks.spk609_unfitting_learning_rate import UnfittingLearningRate
from spikecheck.experiment_readings import LearningReading, RateLadderReading
from tests.unit.checks.build import observe, severity_of

STUCK = LearningReading(64, 3.0, 3.0, 0.06, 0.07, learned=False)
FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
COLD = RateLadderReading(24, 3.0, FACTORS, (3.0, 3.0, 2.95, 2.9, 1.5), 0.05)


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([COLD, STUCK], "note", id="a cold rate"),
        pytest.param([replace(COLD, losses=(2.9, 1.5, math.inf, math.inf, math.inf)), STUCK], "note", id="a hot rate"),
        pytest.param([replace(COLD, losses=(3.0, 3.0, 2.95, 2.9, 2.4)), STUCK], "note", id="exactly at the limit"),
        pytest.param([replace(COLD, losses=(3.0, 3.0, 2.95, 2.9, 2.41)), STUCK], None, id="just above the limit"),
        pytest.param([replace(COLD, losses=(3.0, 3.0, 2.8, 2.0, 1.5)), STUCK], None, id="it falls anyway"),
        pytest.param([replace(COLD, noise=0.6), STUCK], None, id="within the noise"),
        pytest.param([COLD, replace(STUCK, learned=True)], None, id="it learns"),
        pytest.param([replace(COLD, first_loss=math.nan), STUCK], None, id="no first loss"),
        pytest.param([replace(COLD, losses=(3.0, 3.0, 1.0, 2.9, 1.5)), STUCK], None, id="the best rate is in use"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(UnfittingLearningRate(), observe({"the model": readings}), "the model") == severity
