"""Hooks under `torch.compile`, which traces them into the graph with the model.

There a hook may not look at anything that changes from call to call (the graph would be compiled again) nor run code
that the compiler cannot follow (the graph would break). So it does one thing: it calls an operator of ours, opaque to
the compiler and declared to have an effect, so that it is kept, and kept in order. At run time the operator is ordinary
Python again. It copies what it is given, since a compiled graph writes over its own intermediate results.

What the graph does not carry is not seen: whether a gradient passes, and the state that a layer keeps on itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Receiver = Callable[[bool, Sequence[Any], Any], None]  # grad mode, arguments, what was returned

_numbers = itertools.count(1)  # 0 is no receiver
_receivers: dict[int, Receiver] = {}
_library: Any = torch.library.Library("spikecheck", "FRAGMENT")  # type: ignore[no-untyped-call]
_library.define("seen(int number, bool grad, Tensor?[] given, Tensor?[] returned, bool bare) -> ()")


def receive(
    number: int, grad: bool, given: Sequence[Tensor | None], returned: Sequence[Tensor | None], bare: bool
) -> None:
    """At run time: hand copies on, to a receiver that is still there."""
    receiver = _receivers.get(number)
    if receiver is not None:
        output = tuple(copied(returned))
        receiver(grad, copied(given), output[0] if bare else output)


def copied(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Each tensor's values as they are now."""
    return [None if tensor is None else tensor.detach().clone() for tensor in tensors]


_library.impl("seen", receive, "CompositeExplicitAutograd")
_library.impl("seen", lambda *_: None, "Meta")


def declare_effect() -> bool:
    """Tell the compiler that the operator is there for its effect; False where this version of torch cannot be told."""
    try:
        from torch._higher_order_ops.effects import _EffectType, _register_effectful_op
    except ImportError:
        return False
    _register_effectful_op(torch.ops.spikecheck.seen.default, _EffectType.ORDERED)
    return True


KEPT = declare_effect()


_frames: Any = torch._C._dynamo.eval_frame  # what torch's compiler does with a frame of Python


def leave_alone(function: Any) -> None:
    """Keep the compiler from making a graph of this function by itself; in a graph that calls it, it is traced."""
    if hasattr(_frames, "set_code_exec_strategy"):
        action = _frames._FrameAction
        strategy = _frames._FrameExecStrategy(action.SKIP, action.DEFAULT)
        _frames.set_code_exec_strategy(function.__code__, strategy)
    elif hasattr(_frames, "skip_code"):  # before torch 2.7
        _frames.skip_code(function.__code__)


def in_backward() -> bool:
    """Is a backward pass going on? What runs in it is a checkpoint that computes a forward again."""
    return torch._C._current_graph_task_id() != -1


def outside(call: Callable[..., None], args: Sequence[Any]) -> None:
    """Call with the compiler switched off: beside a compiled model it would take our own code for the user's."""
    before = _frames.set_eval_frame(None)
    try:
        call(*args)
    finally:
        _frames.set_eval_frame(before)


leave_alone(outside)
leave_alone(in_backward)


def register(receiver: Receiver) -> int:
    """A number that traced code can name the receiver by; 0 where hooks cannot be traced."""
    if not KEPT:
        return 0
    number = next(_numbers)
    _receivers[number] = receiver
    return number


def forget(number: int) -> None:
    """Traced code that goes on calling this number is heard no more."""
    _receivers.pop(number, None)


def show(number: int, module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any = None) -> None:
    """Traced into the graph: what a hook was given, as an operator call."""
    given = [value.detach() if isinstance(value, Tensor) else None for value in [*args, *kwargs.values()]]
    bare = isinstance(output, Tensor)
    returned = [output] if bare else output if isinstance(output, tuple | list) else []
    shown = [value.detach() if isinstance(value, Tensor) else None for value in returned]
    torch.ops.spikecheck.seen.default(number, torch.is_grad_enabled(), given, shown, bare)
