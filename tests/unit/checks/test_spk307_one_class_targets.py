"""SPK307 one-class-targets: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk307_one_class_targets import OneClassTargets
from tests.unit.checks.build import observe, run, severity_of, targets

SAME = {"classes": 20, "minimum": 3, "maximum": 3}


@pytest.mark.parametrize(
    ("labels", "of_run", "severity"),
    [
        pytest.param(targets(classes=20), run(), None, id="several classes"),
        pytest.param(targets(**SAME), run(), "error", id="always 3"),
        pytest.param(targets(**SAME, samples=63), run(), None, id="too few to say"),
        pytest.param(targets(**SAME, samples=64), run(), "error", id="just enough"),
        pytest.param(targets(**SAME, updates=19), run(live=True), None, id="during training, too early to say"),
        pytest.param(targets(**SAME), run(live=True), "error", id="during training, long enough"),
        pytest.param(targets(**SAME, out_of_range=320), run(), None, id="no class at all is SPK306's"),
        pytest.param(targets(classes=1, minimum=0, maximum=0), run(), None, id="a single output"),
    ],
)
def test_judge(labels, of_run, severity) -> None:
    assert severity_of(OneClassTargets(), observe({"loss": [labels]}, run=of_run), "loss") == severity
