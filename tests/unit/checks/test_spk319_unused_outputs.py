"""SPK319 unused-outputs: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk319_unused_outputs import UnusedOutputs
from tests.unit.checks.build import observe, run, severity_of, spikes, targets

POPULATION = {"classes": 20, "maximum": 1, "class_counts": (160, 160, *[0] * 18)}


@pytest.mark.parametrize(
    ("changed", "neurons", "severity"),
    [
        pytest.param({}, 20, "warning", id="ten neurons per class"),
        pytest.param({"classes": 16, "class_counts": (160, 160, *[0] * 14)}, 16, "warning", id="exactly at the limit"),
        pytest.param({"classes": 14, "class_counts": (160, 160, *[0] * 12)}, 14, None, id="just below the limit"),
        pytest.param({"classes": 21, "class_counts": (160, 160, *[0] * 19)}, 21, None, id="no multiple"),
        pytest.param({"maximum": 5, "class_counts": (160, *[0] * 4, 160, *[0] * 14)}, 20, None, id="labels 0 and 5"),
        pytest.param({"class_counts": (90, 90, *[0] * 18)}, 20, None, id="too few labels to say"),
        pytest.param({"maximum": 0, "class_counts": (320, *[0] * 19)}, 20, None, id="one class is SPK307's"),
        pytest.param({}, 64, None, id="a linear head with more outputs than classes"),
        pytest.param({"maximum": 19, "class_counts": (16,) * 20}, 20, None, id="healthy"),
    ],
)
def test_judge(changed, neurons, severity) -> None:
    observations = observe({"lif1": [spikes(neurons=neurons)], "loss": [targets(**POPULATION | changed)]})
    assert severity_of(UnusedOutputs(), observations, "loss") == severity


@pytest.mark.parametrize(("updates", "severity"), [(255, None), (256, "warning")])
def test_during_training_the_other_labels_may_be_to_come(updates, severity) -> None:
    places = {"lif1": [spikes(neurons=20)], "loss": [targets(**POPULATION)]}
    assert severity_of(UnusedOutputs(), observe(places, run=run(live=True, update=updates)), "loss") == severity
