"""Losses, seen where torch computes them, and the backward pass, seen where it begins.

`torch.nn`'s losses, `torch.nn.functional` and the losses of the spiking libraries all end in a handful of functions
of torch's C++ side, which the Python side looks up at every call. While any monitor listens, these are replaced by
ones that call the original and tell the listeners; a loss imported by name is seen as well. The last listener to go
puts the originals back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor

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
ON_TORCH = {"binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits", "kl_div": "kl_div"}


class Listener(Protocol):
    """Who is told."""

    def loss_computed(self, call: LossCall, logits: Tensor, targets: Tensor, value: Tensor) -> None:
        """A loss was computed."""

    def loss_failed(self, call: LossCall, logits: Tensor, targets: Tensor, error: Exception) -> None:
        """A loss raised; the error goes on to the user."""

    def backward_begins(self, roots: tuple[Tensor, ...]) -> None:
        """`backward()` was called on these tensors."""

    def backward_ended(self, error: Exception | None) -> None:
        """The backward pass is over; the error, if any, goes on to the user."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A function of torch that was put aside."""

    owner: Any
    name: str
    original: Callable[..., Any]


_listeners: list[Listener] = []
_replaced: list[Replaced] = []


def listen(listener: Listener) -> None:
    """Tell this listener of every loss and backward pass, until `stop`."""
    if not _replaced:
        replace_all()
    _listeners.append(listener)


def stop(listener: Listener) -> None:
    """Tell it no more; the last one to go puts torch's own functions back."""
    if listener in _listeners:
        _listeners.remove(listener)
    if not _listeners:
        while _replaced:
            put = _replaced.pop()
            setattr(put.owner, put.name, put.original)


def replace_all() -> None:
    """Put ours in the place of torch's; a function that this version of torch lacks is left out."""
    nn_functions: Any = torch._C._nn
    for name, known_as in (CLASSIFICATION | OTHERS).items():
        replace(nn_functions, name, known_as)
    for name, known_as in ON_TORCH.items():
        replace(torch, name, known_as)
    original = torch.autograd.backward
    _replaced.append(Replaced(torch.autograd, "backward", original))
    torch.autograd.backward = watched_backward(original)


def replace(owner: Any, name: str, known_as: str) -> None:
    """Replace one loss."""
    original = getattr(owner, name, None)
    if original is not None:
        _replaced.append(Replaced(owner, name, original))
        setattr(owner, name, watched_loss(original, known_as, known_as in CLASSIFICATION.values()))


def watched_loss(original: Callable[..., Any], name: str, over_classes: bool) -> Callable[..., Any]:
    """The original, and a word to the listeners before its result goes back."""

    @wraps(original)
    def loss(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        given = dict(zip(ARGUMENTS, args, strict=False)) | kwargs
        logits, targets = given.get("input"), given.get("target")
        if not (plain_tensor(logits) and plain_tensor(targets)):
            return original(*args, **kwargs)
        call = LossCall(
            name,
            classes(logits) if over_classes else None,
            over_classes and is_plain(given, targets),
            given.get("weight") is not None,
            given.get("ignore_index", -100) if over_classes else None,
        )
        try:
            value = original(*args, **kwargs)
        except (IndexError, RuntimeError, ValueError) as error:
            for listener in tuple(_listeners):
                listener.loss_failed(call, logits, targets, error)
            raise
        for listener in tuple(_listeners):
            listener.loss_computed(call, logits, targets, value)
        return value

    return loss


def watched_backward(original: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.autograd.backward`, which `Tensor.backward` calls, with a word before and after."""

    @wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        roots = (tensors,) if isinstance(tensors, Tensor) else tuple(t for t in tensors if isinstance(t, Tensor))
        for listener in tuple(_listeners):
            listener.backward_begins(roots)
        try:
            done = original(tensors, *args, **kwargs)
        except RuntimeError as error:
            for listener in tuple(_listeners):
                listener.backward_ended(error)
            raise
        for listener in tuple(_listeners):
            listener.backward_ended(None)
        return done

    return backward


def plain_tensor(value: object) -> TypeGuard[Tensor]:
    """A tensor with values, not one that a compiler or `torch.func` traces with."""
    if type(value) is not Tensor and type(value) is not torch.nn.Parameter:
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(value)


def classes(logits: Tensor) -> int:
    """Number of classes: the size of axis 1, or of axis 0 where there is no batch."""
    return logits.shape[min(1, logits.dim() - 1)] if logits.dim() else 1


def is_plain(given: dict[str, Any], targets: Tensor) -> bool:
    """Is ln(classes) this loss's value for equal logits?"""
    indices = not targets.is_floating_point()
    smoothed = bool(given.get("label_smoothing", 0.0))
    return given.get("weight") is None and given.get("reduction", MEAN) == MEAN and indices and not smoothed
