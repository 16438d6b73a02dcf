"""Weights that a model keeps as plain tensors: neither parameters, which are trained, nor buffers, which are saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from weakref import ref

import torch
from torch import Tensor, nn

from spikecheck.probe.find import clean
from spikecheck.probe.torch_private import has_values, saved_tensor, version
from spikecheck.probe.trace import is_of_torch
from spikecheck.probe.unregistered import outputs, upstream

PRODUCTS = ("MmBackward", "AddmmBackward", "BmmBackward", "BaddbmmBackward", "ConvolutionBackward", "LinearBackward")
FACTORS = ("_saved_self", "_saved_mat1", "_saved_mat2", "_saved_batch1", "_saved_batch2", "_saved_weight")
MIN_ELEMENTS = 64  # judgment call: a smaller tensor is seldom a weight
MIN_DISTINCT = 0.9  # judgment call: of the elements of a random tensor; a mask or a fixed transform repeats its values
Z_SCORE = 4.0  # derived: the mean of random values around 0 is further from 0 once in 16,000 tensors


class ConstantWeights:
    """Plain tensors of a model by which the output of the first loss was multiplied, drawn at random."""

    def __init__(self) -> None:
        self.used: dict[str, tuple[ref[Tensor], int | None]] | None = None  # None before the first loss

    @torch.no_grad()
    def backward_begins(self, model: nn.Module, roots: Sequence[Tensor], returned: int | None) -> None:
        """The first backward pass begins at these losses; `returned` is the latest node where the model returned."""
        if self.used is not None or returned is None:
            return
        held = dict(plain_tensors(model))
        factors = factors_of(roots, returned) if held else frozenset()
        used = {name: value for name, value in held.items() if value.data_ptr() in factors and is_random(value)}
        self.used = {name: (ref(value), version(value)) for name, value in used.items()}

    def names(self, model: nn.Module) -> tuple[str, ...]:
        """Return those that are still there, and what they were: a state is another tensor by now."""
        held = dict(plain_tensors(model)) if self.used else {}
        unchanged = []
        for name, (get, version_of_then) in (self.used or {}).items():
            weight = held.get(name)
            if weight is not None and weight is get() and version(weight) == version_of_then:
                unchanged.append(name)
        return tuple(unchanged)


def plain_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield attributes of the script's own modules that may be weights, by name."""
    for path, module in model.named_modules():
        if is_of_torch(module):
            continue
        for name, value in vars(module).items():
            if type(value) is Tensor and may_be_weight(value):
                yield clean(f"{path}.{name}" if path else name), value


def may_be_weight(value: Tensor) -> bool:
    """Return whether a tensor has the form of a weight, and nothing that a gradient could change."""
    is_plain = not value.requires_grad and value.is_floating_point() and has_values(value) and not value.is_meta
    return is_plain and value.dim() > 1 and value.numel() >= MIN_ELEMENTS


def factors_of(roots: Sequence[Tensor], returned: int) -> frozenset[int]:
    """Return where the factors of the products lie from which the model's output was computed."""
    nodes = upstream(list(outputs(roots, returned)))
    products = [node for node in nodes if type(node).__name__.startswith(PRODUCTS)]
    saved = (saved_tensor(node, name) for node in products for name in FACTORS)
    return frozenset(factor.data_ptr() for factor in saved if factor is not None and has_values(factor))


def is_random(values: Tensor) -> bool:
    """Return whether the values look drawn at random around 0."""
    flat = values.detach().double().flatten()
    distinct = flat.sort().values.diff().count_nonzero() >= MIN_DISTINCT * flat.numel()
    return bool(distinct) and bool(flat.mean().abs() <= Z_SCORE * flat.std() / flat.numel() ** 0.5)
