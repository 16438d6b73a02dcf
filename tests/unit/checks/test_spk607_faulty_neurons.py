"""SPK607 faulty-neurons: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk607_faulty_neurons import FaultyNeurons
from spikecheck.experiment_readings import LearningReading, ReferenceNeuronReading
from tests.unit.checks.build import observe, severity_of

STUCK = LearningReading(64, 3.0, 3.0, 0.06, 0.07, learned=False)
LEARNS = replace(STUCK, learned=True)
HEALED = ReferenceNeuronReading(40, 2, 0.06, 0.6, 0.07, 1e-9)


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([HEALED, STUCK], "note", id="the neurons"),
        pytest.param([replace(HEALED, reference_accuracy=0.17), STUCK], "note", id="exactly at the limit"),
        pytest.param([replace(HEALED, reference_accuracy=0.16), STUCK], None, id="just below the limit"),
        pytest.param([replace(HEALED, p_value=0.002), STUCK], None, id="may be chance"),
        pytest.param([HEALED, LEARNS], None, id="it learns anyway"),
        pytest.param([HEALED, replace(STUCK, learned=None)], None, id="nothing was held out"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(FaultyNeurons(), observe({"the model": readings}), "the model") == severity
