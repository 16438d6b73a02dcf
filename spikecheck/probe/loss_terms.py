"""Which part of the sum that is minimized each of torch's losses makes, read off the last nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from spikecheck.probe.torch_private import saved_number, saved_tensor, sequence_number

MOST_NODES = 2048  # additions and multiplications of one loss: a term for each time step, and a few around them
UNCHANGED = (
    *("ViewBackward", "UnsqueezeBackward", "SqueezeBackward", "ReshapeAliasBackward", "ToCopyBackward"),
    *("CloneBackward", "StackBackward", "CatBackward", "SumBackward"),
)


@torch.no_grad()
def own_part(root: Tensor, numbers: Sequence[int], values: Sequence[Tensor]) -> Tensor | None:
    """Return the part of a loss that these values make, by the numbers of their nodes; None where none of them does."""
    by_number = dict(zip(numbers, values, strict=True))
    parts = [factor * by_number[number].float().sum() for number, factor in terms(root, by_number)]
    return torch.stack(parts).sum() if parts else None


def terms(root: Tensor, wanted: Mapping[int, Tensor]) -> list[tuple[int, Any]]:
    """Return the wanted terms of a sum by the number of their node, each with the factor that it has in the sum."""
    front: list[tuple[Any, Any]] = [] if root.grad_fn is None else [(root.grad_fn, 1.0)]
    matches = []
    for node, factor in front:  # grows while it is read
        number = sequence_number(node)
        if number in wanted:
            matches.append((number, factor))
        elif len(front) < MOST_NODES:
            front += [(parent, factor * own) for parent, own in addends(node) if parent is not None]
    return matches


def addends(node: Any) -> list[tuple[Any, Any]]:
    """Return what a node adds up, each with its factor; nothing where it does something else."""
    name, parents = type(node).__name__, [parent for parent, _ in node.next_functions]
    if name.startswith("AddBackward"):
        return list(zip(parents, (1.0, saved_number(node, "_saved_alpha") or 1.0), strict=False))
    if name.startswith("SubBackward"):
        return list(zip(parents, (1.0, -(saved_number(node, "_saved_alpha") or 1.0)), strict=False))
    if name.startswith(("NegBackward", "RsubBackward")):
        return [(parent, -1.0) for parent in parents[:1]]
    if name.startswith(UNCHANGED):
        return [(parent, 1.0) for parent in parents]
    if name.startswith("MeanBackward"):
        count = saved_number(node, "_saved_self_sym_numel")
        return [(parent, 1 / count) for parent in parents] if count else []
    if name.startswith("MulBackward"):
        factors = [scalar(saved_tensor(node, held)) for held in ("_saved_other", "_saved_self")]
        return [(parent, factor) for parent, factor in zip(parents, factors, strict=False) if factor is not None]
    if name.startswith("DivBackward"):
        divisor = scalar(saved_tensor(node, "_saved_other"))
        return [] if divisor is None else [(parents[0], 1 / divisor)]
    return []


def scalar(factor: Tensor | None) -> Tensor | None:
    """Return a factor that is one number."""
    return factor.reshape(()) if factor is not None and factor.numel() == 1 else None
