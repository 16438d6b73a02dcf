"""Losses, observed where torch computes them, and the backward pass, observed where it begins.

`torch.nn`'s losses, `torch.nn.functional` and the losses of the spiking libraries all end in a handful of functions
of torch's C++ side, which the Python side looks up at every call. While any monitor listens, these are replaced by
ones that call the original and tell the listeners; a loss imported by name is observed as well. `watchers` puts them
in place for the first monitor, and the originals back after the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from itertools import zip_longest
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from spikecheck.probe.scripting import scripting_without_hooks
from spikecheck.probe.torch_private import is_compiling, is_dense, is_plain_tensor, is_traced, loss_functions
from spikecheck.site import LossCall

MEAN = 1  # torch.nn._reduction's number for reduction="mean"
ARGUMENTS = ("input", "target", "weight", "reduction", "ignore_index", "label_smoothing")
CLASSIFICATION = {"cross_entropy_loss": "cross_entropy", "nll_loss_nd": "nll_loss"}
OTHERS = {
    "mse_loss": "mse_loss",
    "l1_loss": "l1_loss",
    "smooth_l1_loss": "smooth_l1_loss",
    "huber_loss": "huber_loss",
    "binary_cross_entropy": "binary_cross_entropy",
    "multi_margin_loss": "multi_margin_loss",
    "soft_margin_loss": "soft_margin_loss",
}
ONE_INDEX_PER_SAMPLE = ("multi_margin_loss",)  # the target is no number to compare the outputs with
#: Where the reduction stands among the arguments; what is between the target and it are weights.
REDUCTIONS = {"mse_loss": 2, "l1_loss": 2, "binary_cross_entropy": 3, "binary_cross_entropy_with_logits": 4}
ON_TORCH = {"binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits", "kl_div": "kl_div"}


class Listener(Protocol):
    """Who is told."""

    def loss_computed(
        self, call: LossCall, logits: Tensor, targets: Tensor, value: Tensor, class_weights: Tensor | None = None
    ) -> None:
        """A loss was computed."""

    def loss_failed(self, call: LossCall, logits: Tensor, targets: Tensor, error: Exception) -> None:
        """A loss raised; the error goes on to the user."""

    def backward_begins(self, roots: tuple[Tensor, ...]) -> None:
        """`backward()` was called on these tensors."""

    def backward_ended(self, error: Exception | None) -> None:
        """The backward pass is over; the error, if any, goes on to the user."""

    def optimizer_steps(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""

    def optimizer_stepped(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""

    def own_error(self, error: Exception) -> None:
        """An error of ours was caught on the way to the listeners."""


Listeners = Callable[[], Sequence[Listener]]  # who is told now, in this thread


@dataclass(frozen=True, slots=True)
class Replacement:
    """A function of torch, and ours to stand in its place."""

    owner: Any
    name: str
    original: Callable[..., Any]
    ours: Callable[..., Any]

    def put(self) -> None:
        """Put ours in its place."""
        setattr(self.owner, self.name, self.ours)

    def put_back(self) -> None:
        """Put torch's own back."""
        setattr(self.owner, self.name, self.original)


def replacements(listeners: Listeners) -> Iterator[Replacement]:
    """Yield ours for each of torch's functions; one that this version of torch lacks is left out."""
    for owner, names in ((loss_functions(), CLASSIFICATION | OTHERS), (torch, ON_TORCH)):
        for name, known_as in names.items():
            original = getattr(owner, name, None)
            if original is not None:
                ours = watched_loss(original, known_as, known_as in CLASSIFICATION.values(), listeners)
                yield Replacement(owner, name, original, ours)
    yield Replacement(torch.jit, "script", torch.jit.script, scripting_without_hooks(torch.jit.script))
    original = torch.autograd.backward
    yield Replacement(torch.autograd, "backward", original, watched_backward(original, listeners))


def watched_loss(
    original: Callable[..., Any], name: str, over_classes: bool, listeners: Listeners
) -> Callable[..., Any]:
    """Return a function that calls the original, and tells the listeners before its result goes back."""

    @wraps(original)
    def loss(*args: Any, **kwargs: Any) -> Any:
        if is_compiling():
            return original(*args, **kwargs)
        try:
            described = None if is_traced() else describe(name, over_classes, args, kwargs)
        except Exception as error:  # noqa: BLE001 - the user's loss is computed all the same
            described = None
            inform(listeners, "own_error", error)
        if described is None:
            return original(*args, **kwargs)
        call, logits, targets, weights = described
        try:
            value = original(*args, **kwargs)
        except (IndexError, RuntimeError, ValueError) as error:
            inform(listeners, "loss_failed", call, logits, targets, error)
            raise
        inform(listeners, "loss_computed", call, logits, targets, value, weights)
        return value

    return loss


def describe(
    name: str, over_classes: bool, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[LossCall, Tensor, Tensor, Tensor | None] | None:
    """Return what is known of a call of a loss, its logits, its targets, and the weights of its classes.

    None where logits and targets are no plain tensors.
    """
    arguments = {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}
    logits, targets, weights = arguments.get("input"), arguments.get("target"), arguments.get("weight")
    if not (plain_tensor(logits) and plain_tensor(targets)):
        return None
    call = LossCall(
        name,
        classes(logits) if over_classes else None,
        is_plain(arguments, targets) if over_classes else averages(name, args, kwargs),
        weights is not None,
        arguments.get("ignore_index", -100) if over_classes else None,
        () if over_classes or name in ONE_INDEX_PER_SAMPLE else broadcast_shapes(logits, targets),
    )
    return call, logits, targets, weights if over_classes and plain_tensor(weights) else None


def inform(listeners: Listeners, event: str, *what: Any) -> None:
    """Tell everybody who listens in this thread; each listener is behind a guard of its own."""
    listening: Sequence[Listener] = ()
    with suppress(Exception):  # without listeners, there is nobody to tell of an error of ours
        listening = listeners()
    for listener in listening:
        getattr(listener, event)(*what)


def watched_backward(original: Callable[..., Any], listeners: Listeners) -> Callable[..., Any]:
    """Return `torch.autograd.backward`, which `Tensor.backward` calls, with the listeners told before and after."""

    @wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        roots = (tensors,) if isinstance(tensors, Tensor) else tensors if isinstance(tensors, list | tuple) else ()
        inform(listeners, "backward_begins", tuple(t for t in roots if isinstance(t, Tensor)))
        try:
            result = original(tensors, *args, **kwargs)
        except RuntimeError as error:
            inform(listeners, "backward_ended", error)
            raise
        inform(listeners, "backward_ended", None)
        return result

    return backward


def plain_tensor(value: object) -> TypeGuard[Tensor]:
    """Return whether it is a tensor with values, not one that a compiler or `torch.func` traces with."""
    return is_plain_tensor(value)


def broadcast_shapes(output: Tensor, target: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return both shapes where a loss compares all pairs, or all outputs of a sample with one number; else ()."""
    if not (is_dense(output) and is_dense(target)):
        return ()
    first, second = own_shape(output), own_shape(target)
    elements = math.prod(max(a, b) for a, b in zip_longest(reversed(first), reversed(second), fillvalue=1))
    all_pairs = elements > max(math.prod(first), math.prod(second))
    one_for_all = len(second) > 1 and math.prod(second) > 1 == second[-1] < first[-1]
    return (first, second) if all_pairs or one_for_all else ()


def own_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape before it was expanded, as torch's losses do, without leading axes of one entry."""
    shape = [1 if stride == 0 else size for size, stride in zip(tensor.shape, tensor.stride(), strict=True)]
    while len(shape) > 1 and shape[0] == 1 and tensor.shape[0] > 1:
        shape.pop(0)
        tensor = tensor[0]
    return tuple(shape)


def classes(logits: Tensor) -> int:
    """Return the number of classes: the size of axis 1, or of axis 0 where there is no batch."""
    return logits.shape[min(1, logits.dim() - 1)] if logits.dim() else 1


def is_plain(arguments: dict[str, Any], targets: Tensor) -> bool:
    """Return whether ln(classes) is this loss's value for equal logits."""
    indices = not targets.is_floating_point()
    smoothed = bool(arguments.get("label_smoothing", 0.0))
    return arguments.get("weight") is None and arguments.get("reduction", MEAN) == MEAN and indices and not smoothed


def averages(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Return whether a loss over numbers is the mean over all elements, without weights."""
    place = REDUCTIONS.get(name)
    if place is None:
        return False
    weights = [*args[2:place], kwargs.get("weight"), kwargs.get("pos_weight")]
    reduction = args[place] if len(args) > place else kwargs.get("reduction", MEAN)
    return reduction == MEAN and all(weight is None for weight in weights)


class GuardedListener:
    """A listener behind a guard, which keeps its errors from those who compute losses."""

    def __init__(self, listener: Listener, guard: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
        self.loss_computed = guard(listener.loss_computed)
        self.loss_failed = guard(listener.loss_failed)
        self.backward_begins = guard(listener.backward_begins)
        self.backward_ended = guard(listener.backward_ended)
        self.optimizer_steps = guard(listener.optimizer_steps)
        self.optimizer_stepped = guard(listener.optimizer_stepped)
        self.own_error = guard(listener.own_error)
