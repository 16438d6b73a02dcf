"""A permutation instead of a view."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spikecheck.errors import SpikecheckError
from spikecheck.examination.forward_pass import changed_entries, fresh_output, sample_axes
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


def before_view(x: Tensor) -> Tensor:
    """Return an input that a view in the other order, inside the model, puts right."""
    return x.transpose(0, 1).contiguous().reshape(x.shape)


def after_reshape(x: Tensor) -> Tensor:
    """Return an input that a transposition and a reshape, inside the model, put right."""
    return x.reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


PATCHES: dict[Callable[[Tensor], Tensor], str] = {
    before_view: """\
# in place of x.view(...) or x.reshape(...), which mixes samples and time steps
x = x.transpose(0, 1)""",
    after_reshape: """\
# without a reshape after it, which mixes samples and time steps
x = x.transpose(0, 1)""",
}

IN_THE_LOADER = """\
# where the batch is made: without a reshape after it, which mixes samples and time steps
x = x.transpose(0, 1)"""


class UnmixedAxes(Treatment):
    """Undo a view or reshape that was meant to swap time and batch, and mixed the samples instead."""

    name = "axes permuted instead of reshaped"
    named_by = ("SPK601", "SPK603", "SPK106", "SPK312", "SPK302")
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Change the batches so that no sample has a part in the output of another one."""
        x = patient.batch.first
        if x.dim() < 3 or 1 in x.shape[:2]:
            raise NotApplicableError("the input has no two axes to mix up")
        mixed = others_changed(patient.subject, lambda x: x)
        if mixed == 0:  # not inside the model: the batches may be mixed already
            patient.change_inputs(after_reshape)
            return Fix(IN_THE_LOADER)
        for change, patch in PATCHES.items():
            if mixed is None or others_changed(patient.subject, change) == 0:
                patient.change_inputs(change)
                return Fix(patch)
        raise NotApplicableError("the samples are mixed in another way")


def others_changed(subject: Subject, change: Callable[[Tensor], Tensor]) -> int | None:
    """Return how many other samples have other outputs once one sample of a changed input is replaced.

    It is replaced by another one in reverse order, and where that changes no output, by the largest value everywhere.
    None where no output depends on it: a network that is silent shows nothing of its axes.
    """
    batch = subject.training[0]
    axis = sample_axes(batch)[0]
    sample = batch.first.narrow(axis, 0, 1)
    others = batch.first.narrow(axis, 1, 1).flip(1 - axis), torch.full_like(sample, float(batch.first.max()))
    try:
        before = fresh_output(subject, batch.with_first(change(batch.first)))
        for other in others:
            x = batch.first.clone()
            x.narrow(axis, 0, 1).copy_(other)
            changed, _ = changed_entries(before, fresh_output(subject, batch.with_first(change(x))), 0)
            if changed:
                return len(changed) - (0 in changed)
    except SpikecheckError as error:  # what the model raises has nothing to do with its axes
        raise NotApplicableError(str(error)) from error
    return None
