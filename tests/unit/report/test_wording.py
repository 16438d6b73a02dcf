"""What a run did not show, and what would show it."""

from __future__ import annotations

from typing import Any

import pytest

from spikecheck.finding import UnseenKind
from spikecheck.readings import RunReading
from spikecheck.report.wording import unobserved
from spikecheck.site import TorchError

CUT = TorchError("RuntimeError", "element 0 of tensors does not require grad", 0)
RANGE = TorchError("IndexError", "Target 10 is out of bounds.", 0)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "optimizer= names one that is not detected automatically"),
        ({"foreign_optimizer": "Adam"}, "Adam steps, and holds none of the model's parameters"),
        ({"torch_errors": (RANGE,)}, "PyTorch raised IndexError: Target 10 is out of bounds."),
        ({"torch_errors": (CUT,)}, "grad; look for detach(), no_grad() or argmax() between the weights and the loss"),
    ],
)
def test_a_run_without_an_update_says_why(facts: dict[str, Any], why: str) -> None:
    run = RunReading(False, 0, 1, 0, False, **facts)
    (text,) = (one.text for one in unobserved(run, 2, True, None, {}) if one.kind is UnseenKind.UPDATE)
    assert why in text
