"""SPK109 repeated-input: a table of numbers, and networks that are trained on one input."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk109_repeated_input import RepeatedInput
from tests.unit.checks.build import inputs, observe, run, severity_of, targets

LIMIT = RepeatedInput.limits()["min_label_batches"][0]
STEPWISE = run(called_per_time_step=True, forward_passes=200, backward_passes=20)


@pytest.mark.parametrize(
    ("x", "labels", "run", "severity"),
    [
        pytest.param(inputs(distinct_batches=1), targets(), run(), "error", id="one input, many labels"),
        pytest.param(inputs(distinct_batches=1), targets(distinct_batches=LIMIT), run(), "error", id="at the limit"),
        pytest.param(inputs(distinct_batches=1), targets(distinct_batches=LIMIT - 1), run(), None, id="just below"),
        pytest.param(inputs(distinct_batches=1), targets(distinct_batches=1), run(), None, id="one batch is learned"),
        pytest.param(inputs(distinct_batches=2), targets(), run(), None, id="two inputs"),
        pytest.param(inputs(distinct_batches=10), targets(), STEPWISE, "error", id="the same ten time steps"),
        pytest.param(inputs(distinct_batches=16), targets(), STEPWISE, None, id="too many to tell apart"),
        pytest.param(inputs(distinct_batches=1, active=0), targets(), run(), None, id="an empty input is SPK102's"),
        pytest.param(inputs(distinct_batches=1), targets(), run(input_tensors=2), None, id="another input beside it"),
        pytest.param(inputs(), targets(), run(), None, id="healthy"),
    ],
)
def test_judge(x, labels, run, severity) -> None:
    observations = observe({"input": [x], "loss": [labels]}, run=run)
    assert severity_of(RepeatedInput(), observations, "input") == severity


class Masked(nn.Module):
    """Its first argument is the same in every call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, mask: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.fc(mask * x)


@pytest.mark.parametrize("several", [False, True])
def test_a_constant_first_argument_is_not_the_input(several: bool) -> None:
    torch.manual_seed(0)
    model, mask = (Masked() if several else nn.Linear(4, 2)), torch.ones(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            out = model(mask, torch.randn(8, 4)) if several else model(mask)
            nn.functional.cross_entropy(out, torch.randint(2, (8,))).backward()
            optimizer.step()
    assert ("SPK109" in {finding.check for finding in monitor.report().findings}) is not several


def test_one_filtered_target_is_no_batch_of_labels_per_update() -> None:
    """The loss compares traces of the output, made as the output is, with those of one fixed target."""
    torch.manual_seed(0)
    model, x, target = nn.Linear(4, 2), torch.randn(8, 4), torch.randn(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            trace = nn.functional.linear(model(x), torch.eye(2), torch.ones(2))
            ((trace - target) ** 2).mean().backward()
            optimizer.step()
    assert "SPK109" not in {finding.check for finding in monitor.report().findings}
