"""Treatments of single lines of the model's code find the line, and leave lines that only look like it alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spikecheck.examination.treatments.base import NotApplicableError, Patient, treatment
from spikecheck.finding import Fix
from tests.unit.examination.subjects import Gated, Net, Stuck, branches_are_added, last_frame_matters, subject


def apply(model: Net, name: str = "each time step with its own frame") -> Fix:
    return treatment(name).apply(Patient(subject(model)))


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


ADDED = "branches added, not multiplied"


def test_branches_are_added_in_evaluation_too() -> None:
    own = subject(Gated())
    patch = treatment(ADDED).apply(Patient(own))
    assert patch.code.startswith("# subjects.py:")
    assert patch.code.endswith(": a + b in place of a * b")
    with torch.no_grad():
        assert branches_are_added(own)


@pytest.mark.parametrize(
    "factor",
    [
        pytest.param(lambda x: 0.5, id="a number"),
        pytest.param(lambda x: (x > 0).float(), id="a mask without weights"),
        pytest.param(lambda x: x + 0.5, id="values that are no spikes"),
    ],
)
def test_what_only_scales_spikes_is_left_alone(factor) -> None:
    class Scaled(Net):
        def forward(self, x: Tensor) -> Tensor:
            spikes = self.lif(self.fc1(x))
            return self.fc2(spikes * factor(spikes.detach())).mean(1)

    with pytest.raises(NotApplicableError, match="multiplies no spikes"):
        apply(Scaled(), ADDED)
