"""A loop that takes the same frame in each time step is found by its line, and only such a loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spikecheck.examination.treatments.base import NotApplicableError, Patient, treatment
from spikecheck.finding import Fix
from tests.unit.examination.subjects import Net, Stuck, last_frame_matters, subject


def apply(model: Net) -> Fix:
    return treatment("each time step with its own frame").apply(Patient(subject(model)))


def test_the_patch_names_the_line_and_the_index() -> None:
    assert apply(Stuck()).code.startswith("# subjects.py:")
    assert apply(Stuck()).code.endswith(": x[:, t] in place of x[:, 0]")


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(lambda x: x, id="no loop"),
        pytest.param(lambda x: torch.stack([x[:, t] for t in range(x.shape[1])], 1), id="each its own"),
        pytest.param(lambda x: torch.stack([x[:, 0], *x[:, 1:].unbind(1)], 1), id="the first one once"),
    ],
)
def test_a_loop_that_takes_each_frame_is_left_alone(frames) -> None:
    class Looping(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(frames(x))

    assert last_frame_matters(subject(Looping()))
    with pytest.raises(NotApplicableError, match="no line takes the same frame"):
        apply(Looping())


def test_a_batch_of_another_size_is_treated_too() -> None:
    own = subject(Stuck())
    treatment("each time step with its own frame").apply(Patient(own))
    batch = own.training[0]
    assert torch.allclose(own.model(batch.first[:5]), own.model(batch.first)[:5])
    assert last_frame_matters(own)
