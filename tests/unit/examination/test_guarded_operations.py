"""Operations that are kept away from 0: what is changed, what is not, and what is said of it."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import Patient, treatment
from spikecheck.examination.treatments.guarded_operations import Guard
from tests.unit.examination.subjects import subject
from tests.unit.examination.test_treatments import reading, with_step


def test_only_lines_where_an_operation_is_not_finite_are_named() -> None:
    own = reading(lambda out: (out.relu() + 0.5).log() + out.abs().mul(0).sqrt())
    code = treatment("operations kept away from 0").apply(Patient(own)).code
    assert "root = torch.sqrt" in code
    assert "logarithm" not in code
    assert "test_guarded_operations.py:" in code


def test_gradients_of_a_guarded_quotient_are_no_larger_than_the_others() -> None:
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0]], requires_grad=True)
    with Guard({}):
        (x / x.sum(-1, keepdim=True)).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) <= 1.0


def test_the_optimizer_computes_as_ever_while_operations_are_guarded() -> None:
    losses = [], []
    for treated, out in zip((False, True), losses, strict=True):
        own = with_step(subject())
        if treated:
            treatment("operations kept away from 0").apply(Patient(own))
        out.extend(own.train(3))
    assert losses[0] == losses[1]
