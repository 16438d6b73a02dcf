"""32-bit floating point throughout."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from spikecheck.examination.experiments.precision import REDUCED, Casts
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix

Function = TypeVar("Function", bound=Callable[..., Any])


class FullPrecision(Treatment):
    """Compute in 32-bit floating point."""

    name = "32-bit floating point"
    named_by = ("SPK608", "SPK405", "SPK001")

    def apply(self, patient: Patient) -> Fix:
        """Change model and input, and every conversion to 16 bits inside the code that is called."""
        subject, x = patient.subject, patient.batch.first
        held = x.dtype in REDUCED or any(p.dtype in REDUCED for _, p in subject.model.named_parameters())
        subject.model.float()
        patient.change_inputs(lambda x: x.float() if x.is_floating_point() else x)
        converted = converts(patient)
        if not held and not converted:
            raise NotApplicableError("everything is computed in 32 bits")
        if converted:
            compute_in_full(subject)
        lines = ["model.float()", "# before the model is called", "x = x.float()"] if held else []
        if converted:
            lines.append("# without .half(), .bfloat16(), .to(torch.float16) and torch.autocast in forward and loop")
        return Fix("\n".join(lines))


def converts(patient: Patient) -> bool:
    """Return whether the model or the loss makes 16-bit numbers of others."""
    with Casts(replace=False) as casts:
        output = patient.output()
        if patient.subject.loss_fn is not None:
            patient.subject.loss_fn(output, patient.batch.targets)
    return bool(casts.kinds)


def compute_in_full(subject: Subject) -> None:
    """Let forward pass, loss and training step make 32-bit numbers where they would make 16-bit ones."""
    subject.forward = in_full(subject.forward or subject.model)
    if subject.loss_fn is not None:
        subject.loss_fn = in_full(subject.loss_fn)
    if subject.step is not None:
        subject.step = in_full(subject.step)


def in_full(call: Function) -> Function:
    """Return a function that computes with 32-bit numbers."""

    @wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        with Casts(replace=True):
            return call(*args, **kwargs)

    return cast("Function", run)
