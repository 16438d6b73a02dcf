"""Assertions on logits, loss and gradients: in range before training, and able to learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.assertions.failure import fail, first_place, span
from spikecheck.assertions.watched import (
    Batch,
    Loss,
    Names,
    Reset,
    isolated_copy,
    matching,
    observe,
    tensors_of,
    type_name,
    with_target,
)
from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number
from spikecheck.site import Layout

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
RATE = 0.01  # of Adam; measured: the example network learns a batch of 16 in about 20 updates


def optimizer_for(optimizer: MakeOptimizer | None, parameters: list[nn.Parameter], rate: float) -> Optimizer:
    """Return the optimizer that trains a copy: the user's, or Adam with this learning rate."""
    if optimizer is None:
        return torch.optim.Adam(parameters, lr=rate)
    if not callable(optimizer):
        raise SpikecheckError(
            f"optimizer= takes a function that creates one for the copy, such as lambda p: torch.optim.SGD(p, lr=0.1); "
            f"got {type_name(optimizer)}"
        )
    return optimizer(parameters)


def require_count(updates: int) -> None:
    """Raise SpikecheckError if `updates=` is not a positive integer."""
    if not isinstance(updates, int) or isinstance(updates, bool) or updates < 1:
        raise SpikecheckError(f"updates= must be a positive integer, got {updates!r}")


def assert_logits_in_range(
    model: nn.Module,
    batch: Batch,
    loss: Loss | None = None,
    *,
    low: float = -10.0,
    high: float = 10.0,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that logits are from `low` to `high`.

    With logits beyond 10, a softmax is almost one-hot: a difference of 10 leaves a probability of exp(-10) = 0.005%.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; the logits are what it hands to PyTorch's loss. Without it, they are the
            output.
        low: lowest logit that passes.
        high: highest logit that passes.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or the model returns several tensors and `loss` is missing.
    """
    __tracebackhide__ = True
    if not low <= high:
        raise SpikecheckError(f"low={low!r} is above high={high!r}")
    with isolated_copy(model) as copied:
        observed = observe(copied, batch, loss=loss, spikes=spikes, reset=reset)
    logits = observed.logits
    if logits is None:
        outputs = tensors_of(observed.output)
        if len(outputs) != 1:
            raise SpikecheckError(f"the model returned {len(outputs)} tensors: pass loss=, whose input are the logits")
        logits = outputs[0]
    logits = logits.detach()
    outside = ~((logits >= low) & (logits <= high))
    if bool(outside.any()):
        where, index = first_place(outside, Layout(batch=0) if logits.dim() == 2 else Layout(), "class")
        text = f"{number(float(logits[index]))}; all logits are {span(logits)}"
        tip = "logits = spikes.mean(time)  # instead of the sum; or use the mean membrane potential"
        fail("logits are out of range", [(f"logits, first at {where}", text)], f"{low:g} to {high:g}", tip)


def assert_initial_loss_near_chance(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    *,
    classes: int | None = None,
    factor: float = 3.0,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that the loss of an untrained model is at chance level, ln C.

    Measured with 20 classes: networks that learn well start at 2.6 times ln C or below, networks with a wrong scale at
    5.4 times ln C or above.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        classes: number of classes C, where the loss does not show it.
        factor: how many times above or below ln C the loss may be; 1 or more.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or the number of classes is unknown.
    """
    __tracebackhide__ = True
    if not factor >= 1:
        raise SpikecheckError(f"factor= must be 1 or more, got {factor!r}")
    with isolated_copy(model) as copied:
        observed = observe(copied, batch, loss=loss, spikes=spikes, reset=reset)
    known = observed.classes if classes is None else classes
    if known is None or known < 2:
        raise SpikecheckError("no loss over classes was observed: pass classes=, the number of classes")
    value, chance = float(scalar(observed.loss).detach()), math.log(known)
    if not chance / factor <= value <= chance * factor:
        text = f"{number(value)}, {number(value / chance)} times ln {known}"
        text += "" if observed.logits is None else f"; logits are {span(observed.logits)}"
        limits = f"{number(chance / factor)} to {number(chance * factor)}"
        expected = f"{limits}: within a factor of {number(factor)} of ln {known} = {number(chance)}"
        tip = "scale the logits: the mean over time instead of the sum, or smaller weights in the last layer"
        fail("the first loss is far from chance level", [("loss", text)], expected, tip)


def assert_gradients_reach_every_parameter(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that one backward pass gives every trainable parameter a finite, nonzero gradient.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        layer: names or patterns of parameters, such as "fc1.weight" or "fc*"; all of them by default.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no parameter is trainable.
    """
    __tracebackhide__ = True
    with isolated_copy(model, train=True) as copied:
        copied.zero_grad(set_to_none=True)
        observed = observe(copied, batch, loss=loss, spikes=spikes, reset=reset)
        value = scalar(observed.loss)
        if value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
        trainable = {name: p for name, p in copied.named_parameters() if p.requires_grad}
        if not trainable:
            raise SpikecheckError("the model has no trainable parameter (requires_grad=True)")
        wanted = matching(trainable, layer, "parameter")
        rows = [(name, problem) for name in wanted if (problem := gradient_problem(trainable[name].grad))]
    if rows:
        blocking = [
            name
            for name, flow in observed.flows.items()
            if flow.forward_passes and flow.blocked_forward_passes == flow.forward_passes
        ]
        tip = "check that forward() uses it, and that a surrogate gradient connects it to the loss"
        if blocking:
            tip = (
                f"give the spike function of {', '.join(blocking)} a surrogate gradient: no gradient passes through it"
            )
        fail("a parameter receives no gradient", rows, "a finite, nonzero gradient", tip)


def gradient_problem(gradient: Tensor | None) -> str:
    """Return what is wrong with a gradient; "" if nothing is."""
    if gradient is None:
        return "no gradient: the backward pass does not reach it"
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    wrong = int((~torch.isfinite(values)).sum())
    if wrong:
        return f"{wrong:,} of {values.numel():,} gradient elements are NaN or infinite"
    return "" if bool(values.any()) else f"all {values.numel():,} gradient elements are 0"


def assert_learns_one_batch(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    updates: int = 50,
    *,
    max_loss_ratio: float = 0.5,
    optimizer: MakeOptimizer | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that a copy can overfit one batch.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        updates: optimizer updates on the batch.
        max_loss_ratio: the last loss is at most this many times the first loss, or times chance level (ln C) if that is
            lower.
        optimizer: creates the optimizer, as in `lambda p: torch.optim.SGD(p, lr=0.1)`; by default, Adam with a learning
            rate of 0.01.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no parameter is trainable.
    """
    __tracebackhide__ = True
    require_count(updates)
    inputs, target = with_target(batch)
    losses: list[float] = []
    with isolated_copy(model, train=True) as copied:
        observed = observe(copied, batch, loss=loss, spikes=spikes, reset=reset)
        chance = math.log(observed.classes) if observed.classes is not None and observed.classes > 1 else math.inf
        trained = [p for _, p in copied.named_parameters() if p.requires_grad]
        if not trained:
            raise SpikecheckError("the model has no trainable parameter (requires_grad=True)")
        stepper = optimizer_for(optimizer, trained, RATE)
        if not scalar(observed.loss).requires_grad:
            tip = "check for detach(), no_grad(), argmax and other operations without a gradient"
            fail(
                "the loss depends on no parameter", [("loss", "requires_grad is False")], "a loss with a gradient", tip
            )
        for update in range(updates + 1):
            if reset is not None:
                reset(copied)
            value = loss(copied(*inputs), target)
            losses.append(float(value.detach()))
            if not math.isfinite(losses[-1]):
                tip = "spikecheck.attach(model) reports where the first non-finite values occur"
                fail(
                    "the loss is not finite",
                    [(f"update {update}", trail(losses))],
                    "a finite loss at every update",
                    tip,
                )
            if update < updates:
                stepper.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                stepper.step()
    limit = max_loss_ratio * min(losses[0], chance)
    if losses[-1] > limit:
        reference = (
            f"ln {observed.classes} ({number(chance)})"
            if chance < losses[0]
            else f"the first loss ({number(losses[0])})"
        )
        tip = "assert_gradients_reach_every_parameter and assert_no_dead_layers tell where it is stuck"
        fail(
            "the model does not learn one batch",
            [(f"loss over {updates} updates", trail(losses))],
            f"at most {number(limit)} at the end, which is {max_loss_ratio:g} times {reference}",
            tip,
        )


def trail(losses: list[float]) -> str:
    """Return a few of the losses, from the first to the last."""
    last = len(losses) - 1
    picked = sorted({0, last // 4, last // 2, 3 * last // 4, last})
    return ", ".join(number(losses[i]) for i in picked)


def scalar(loss: object) -> Tensor:
    """Return the loss, checked to be a single number."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        returned = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise SpikecheckError(f"loss(output, target) must return a tensor with one element, got {returned}")
    return loss
