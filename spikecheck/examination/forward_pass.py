"""One forward pass of a copy for an experiment, always from the same state and with the same random numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spikecheck.assertions.watched import Observed, observe, tensors_of
from spikecheck.examination.experiments.base import NotApplicableError
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import SEED, Batch, Subject, class_scores, seed_everything

CLOSE = 1e-4  # judgment call, relative to the largest value: equal operations on equal shapes differ by less


def output_of(subject: Subject, batch: Batch, seed: int = SEED) -> Tensor:
    """Return the output for a batch in evaluation mode: the scores per class, else the first floating-point tensor.

    Raises:
        NotApplicableError: the model returned no such tensor.
    """
    subject.model.eval()
    seed_everything(seed)
    with torch.no_grad():
        return main_tensor(subject.output(batch), batch)


def main_tensor(output: Any, batch: Batch) -> Tensor:
    """Return what is compared of a model's output."""
    scores = class_scores(output, batch.labels)
    if scores is not None:
        return scores
    shown = next((t for t in tensors_of(output) if t.is_floating_point() and t.dim()), None)
    if shown is None:
        raise NotApplicableError("the model returned no floating-point tensor")
    return torch.nan_to_num(shown.detach().float()).clone()


def fresh_output(subject: Subject, batch: Batch, seed: int = SEED) -> Tensor:
    """Return the output for a batch, computed by a copy of its own: no state is left behind."""
    return run_isolated(lambda own: output_of(own, batch, seed), subject).get()


def fresh_observation(subject: Subject, batch: Batch) -> Observed:
    """Return what the spiking layers emit for a batch, and the axes of the input, observed in a copy of its own."""

    def look(own: Subject) -> Observed:
        own.model.eval()
        seed_everything()
        observed = observe(own.model, (*batch.inputs, batch.targets), call=own.forward)
        observed.output = [tensor.detach() for tensor in tensors_of(observed.output)]  # the graph shows the time axis
        return observed

    return run_isolated(look, subject).get()


def changed_entries(before: Tensor, after: Tensor, axis: int) -> tuple[list[int], float]:
    """Return at which entries of an axis two tensors differ, and the largest change relative to the largest value."""
    if before.shape != after.shape:
        raise NotApplicableError(f"the output has shape {list(before.shape)}, then {list(after.shape)}")
    size = max(1e-12, float(before.abs().max()))
    change = (after - before).abs().movedim(axis, 0).reshape(before.shape[axis], -1).amax(1) / size
    return torch.nonzero(change > CLOSE).flatten().tolist(), float(change.max())


def sample_axes(batch: Batch) -> list[int]:
    """Return the axes of the input that may be the samples: of the first two, those as long as the targets.

    Raises:
        NotApplicableError: there is none, or a single sample.
    """
    if not isinstance(batch.targets, Tensor) or not batch.targets.dim():
        raise NotApplicableError("there are no targets, which tell the number of samples")
    if batch.samples < 2:
        raise NotApplicableError("the batch has a single sample")
    axes = [axis for axis, size in enumerate(batch.first.shape[:2]) if size == batch.samples]
    if not axes:
        raise NotApplicableError(f"no axis of the input {list(batch.first.shape)} has {batch.samples} samples")
    return axes
