"""Hooks under `torch.compile`, which traces them into the graph with the model.

There a hook may not look at anything that changes from call to call (the graph would be compiled again) nor run code
that the compiler cannot follow (the graph would break). So it does one thing: it calls an operator of ours, opaque to
the compiler and declared to have an effect, so that it is kept, and kept in order. At run time the operator is ordinary
Python again. It copies its arguments, since a compiled graph writes over its own intermediate results.

What the graph does not carry is not seen: whether a gradient passes, and the state that a layer keeps on itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from spikecheck.probe.torch_private import define_operator
from spikecheck.probe.watchers import Receiver, watchers


def receive(
    number: int, grad: bool, args: Sequence[Tensor | None], returned: Sequence[Tensor | None], bare: bool
) -> None:
    """At run time: pass on what is shown, to a receiver that is still there."""
    receiver = watchers.receiver(number)
    if receiver is not None:  # behind a guard, which keeps our errors from the compiled graph
        receiver(grad, args, returned, bare)


def on_copies(call: Callable[..., None]) -> Receiver:
    """Return a receiver that passes on copies, since a compiled graph writes over its own intermediate results."""

    def received(grad: bool, args: Sequence[Tensor | None], returned: Sequence[Tensor | None], bare: bool) -> None:
        output = tuple(copies(returned))
        call(grad, copies(args), output[0] if bare else output)

    return received


def copies(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return each tensor's values as they are now."""
    return [None if tensor is None else tensor.detach().clone() for tensor in tensors]


# Made once, when this file is imported, and never changed: torch registers an operator for the life of the process.
LIBRARY = define_operator(
    "seen", "(int number, bool grad, Tensor?[] given, Tensor?[] returned, bool bare) -> ()", receive
)


def register(receiver: Receiver) -> int:
    """Return a number that traced code can name the receiver by; 0 where hooks cannot be traced."""
    return 0 if LIBRARY is None else watchers.register(receiver)


def show(number: int, module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any = None) -> None:
    """Traced into the graph: pass on what a hook was given, as an operator call."""
    inputs = [value.detach() if isinstance(value, Tensor) else None for value in [*args, *kwargs.values()]]
    bare = isinstance(output, Tensor)
    returned = [output] if bare else output if isinstance(output, tuple | list) else []
    shown = [value.detach() if isinstance(value, Tensor) else None for value in returned]
    torch.ops.spikecheck.seen.default(number, torch.is_grad_enabled(), inputs, shown, bare)
