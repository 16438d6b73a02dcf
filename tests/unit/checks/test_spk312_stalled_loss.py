"""SPK312 stalled-loss: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk312_stalled_loss import StalledLoss
from tests.unit.checks.build import loss, observe, severity_of


def stopped(**changed):
    flat = {"updates": 300, "window": 64, "recent_mean": 1.4, "recent_slope": 1e-5, "recent_slope_error": 5e-4}
    return loss(**(flat | changed))


@pytest.mark.parametrize(
    ("lost", "severity"),
    [
        pytest.param(loss(), None, id="it falls"),
        pytest.param(stopped(), "note", id="it has stopped half way"),
        pytest.param(stopped(recent_slope=-0.003), None, id="slowly, but it falls"),
        pytest.param(stopped(recent_slope_error=2e-3), None, id="too noisy to say"),
        pytest.param(stopped(recent_mean=3.0), None, id="a plateau at chance is another check's"),
        pytest.param(stopped(recent_mean=0.3), None, id="learned"),
        pytest.param(stopped(updates=255), None, id="too few losses"),
        pytest.param(stopped(plain_mean=False), None, id="another kind of loss"),
        pytest.param(stopped(classes=None), None, id="no classes"),
    ],
)
def test_judge(lost, severity) -> None:
    assert severity_of(StalledLoss(), observe({"loss": [lost]}), "loss") == severity
