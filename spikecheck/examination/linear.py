"""A linear map from inputs to classes, fitted by ridge regression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spikecheck.examination.significance import chance
from spikecheck.examination.subject import Batch, Subject
from spikecheck.report.treated import MAX_P

MAX_SAMPLES = 768  # to fit with: the system of equations has as many unknowns
MAX_FEATURES = 40_000  # per sample; of more, sums over the time axis are taken
PENALTY = 1e-2  # of the mean diagonal of the kernel: judgment call, measured to suit 60 to 800 samples


def probe(training: Sequence[Batch], held_out: Sequence[Batch], axis: int) -> tuple[list[bool], float]:
    """Return for each held-out sample whether its class was predicted, and the share of the most frequent class."""
    x, y = gathered(training, axis, MAX_SAMPLES)
    test, right = gathered(held_out, axis, MAX_SAMPLES)
    mean = x.mean(0, keepdim=True)
    x, test = x - mean, test - mean
    classes = int(max(y.max(), right.max())) + 1
    goal = torch.nn.functional.one_hot(y, classes).float()
    kernel = x @ x.T
    kernel.diagonal().add_(PENALTY * float(kernel.diagonal().mean()) + 1e-9)
    weights = torch.linalg.solve(kernel, goal - goal.mean(0))
    predicted = (test @ x.T @ weights + goal.mean(0)).argmax(1)
    majority = float(torch.bincount(right).max()) / len(right)
    return (predicted == right).tolist(), majority


def gathered(batches: Sequence[Batch], axis: int, most: int) -> tuple[Tensor, Tensor]:
    """Return the features and labels of the first samples."""
    rows, labels = [], []
    for batch in batches:
        sample_first = torch.nan_to_num(batch.first.detach().cpu().float().movedim(axis, 0))
        if sample_first[0].numel() > MAX_FEATURES and sample_first.dim() > 2:
            sample_first = sample_first.sum(1)
        rows.append(sample_first.flatten(1))
        labels.append(torch.as_tensor(batch.targets).cpu().long())
        if sum(map(len, labels)) >= most:
            break
    return torch.cat(rows)[:most], torch.cat(labels)[:most]


def labels_follow(subject: Subject, axis: int) -> bool:
    """Return whether a linear map predicts the labels of held-out batches, with the samples along an axis."""
    if any(batch.labels is None for batch in subject.batches) or not subject.held_out:
        return False
    correct, majority = probe(subject.training, subject.held_out, axis)
    return chance(correct, majority) < MAX_P
