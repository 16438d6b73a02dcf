"""SPK225 training-mode: a table of numbers, and a model that is trained and then evaluated."""

from __future__ import annotations

from dataclasses import fields

import pytest
import snntorch as snn
import torch
from snntorch import utils
from torch import nn

import spikecheck
from spikecheck.checks.spk225_training_mode import TrainingMode
from spikecheck.evaluation_readings import ModeInEvaluationReading
from spikecheck.readings import EvaluationInputReading
from tests.unit.checks.build import inputs, mode, observe, severity_of

PASSES = 20


def evaluated(samples: int) -> EvaluationInputReading:
    """Return the input of evaluation, with so many samples in its forward passes."""
    reading = inputs(samples=samples, forward_passes=PASSES)
    return EvaluationInputReading(**{one.name: getattr(reading, one.name) for one in fields(reading)})


@pytest.mark.parametrize(
    ("passes", "in_training_mode", "samples", "momentum", "severity"),
    [
        pytest.param(PASSES, 0, PASSES, 0.1, None, id="evaluation mode"),
        pytest.param(PASSES, PASSES, PASSES, 0.1, "warning", id="single samples in training mode"),
        pytest.param(PASSES, PASSES, 64 * PASSES, 0.1, "note", id="batches as large as in training"),
        pytest.param(PASSES, PASSES, PASSES, None, "note", id="dropout alone"),
        pytest.param(PASSES, PASSES // 2, PASSES, 0.1, None, id="the script switches"),
        pytest.param(3, 3, PASSES, 0.1, None, id="too few"),
        pytest.param(PASSES, PASSES, 0, 0.1, "note", id="samples unknown"),
    ],
)
def test_judge(passes: int, in_training_mode: int, samples: int, momentum: float | None, severity: str | None) -> None:
    places = {
        "input": [inputs(samples=64 * PASSES, forward_passes=PASSES), evaluated(samples)],
        "norm": [mode(momentum=momentum), ModeInEvaluationReading(passes, in_training_mode)],
    }
    assert severity_of(TrainingMode(), observe(places), "norm") == severity


@pytest.mark.parametrize("switches", [True, False])
def test_a_model_that_is_evaluated_one_by_one(switches: bool) -> None:
    torch.manual_seed(0)
    leaky = snn.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), leaky, nn.Flatten(), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(model.parameters())

    def forward(samples: int) -> torch.Tensor:
        utils.reset(model)
        return sum(model(torch.rand(samples, 1, 6, 6)) for _ in range(4))

    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(3):
            nn.functional.cross_entropy(forward(8), torch.randint(3, (8,))).backward()
            optimizer.step()
        model.train(not switches)
        with torch.no_grad():
            for _ in range(10):
                forward(1)
    findings = [one for one in monitor.report().findings if one.check == "SPK225"]
    assert [one.severity.label for one in findings] == ([] if switches else ["warning"])
