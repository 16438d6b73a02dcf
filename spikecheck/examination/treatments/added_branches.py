"""Branches that are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spikecheck.examination.operations import Operations
from spikecheck.examination.reference_neurons import spiking_layers
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, is_binary, line_of_user
from spikecheck.finding import Fix

PRODUCTS = {"mul", "multiply", "__mul__", "__rmul__"}


class AddedBranches(Treatment):
    """Add the spikes of two branches where the model multiplies them, which leaves fewer with each layer."""

    name = "branches added, not multiplied"
    named_by = ("SPK211", "SPK203", "SPK205")

    def apply(self, patient: Patient) -> Fix:
        """Find the lines in a forward pass, and add there from then on."""
        added = Added()
        added.watch(patient.subject.model, [layer.module for layer in spiking_layers(patient.subject)])
        with torch.enable_grad():
            patient.subject.output(patient.batch)
        if not added.lines:
            raise NotApplicableError("the model multiplies no spikes")
        return Fix("\n".join(f"# {place}: a + b in place of a * b" for place in added.lines))


class Added(Operations):
    """Adds the spikes of two branches that are multiplied outside of the spiking layers; notes the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        if not self.depth and getattr(func, "__name__", "") in PRODUCTS and have_one_shape(args):
            place, is_own = line_of_user()
            if place in self.lines or (is_own and all(map(is_branch, args))):  # sums of spikes are not binary
                self.lines[place] = None
                return args[0] + args[1]
        return func(*args, **(kwargs or {}))


def have_one_shape(args: Sequence[Any]) -> bool:
    """Return whether an operation takes two tensors of the same shape."""
    return len(args) == 2 and all(isinstance(one, Tensor) for one in args) and args[0].shape == args[1].shape


def is_branch(value: Tensor) -> bool:
    """Return whether a tensor holds spikes that depend on weights."""
    return value.requires_grad and is_binary(value.detach())
