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


@pytest.mark.parametrize(
    ("known", "kind", "text"),
    [
        (True, UnseenKind.LEARNING, "no loss shows that anything is learned"),
        (False, UnseenKind.UNCLEAR_LEARNING, "no loss shows whether anything is learned"),
    ],
)
def test_losses_that_cannot_tell_are_no_sign_that_little_is_learned(known: bool, kind: UnseenKind, text: str) -> None:
    run = RunReading(False, 70, 70, 70, False)
    (missing,) = unobserved(run, 2, True, "Adam", {}, 70, knows_a_guess=known)
    assert missing.kind is kind
    assert text in missing.text
