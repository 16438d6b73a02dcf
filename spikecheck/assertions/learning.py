"""Assertions on the readout, the loss and the gradients: in range at the start, and able to learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.assertions.failure import fail, first_place, number, span
from spikecheck.assertions.watched import (
    Batch,
    Loss,
    Names,
    Reset,
    apart,
    look,
    matching,
    said,
    tensors_of,
    with_target,
)
from spikecheck.errors import SpikecheckError
from spikecheck.site import Layout

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
RATE = 0.01  # Adam's; measured on the example network: learns a batch of 16 in some 20 steps


def made_by(optimizer: MakeOptimizer | None, parameters: list[nn.Parameter], rate: float) -> Optimizer:
    """The optimizer that trains a copy: of the user's making, or Adam at a rate."""
    if optimizer is None:
        return torch.optim.Adam(parameters, lr=rate)
    if not callable(optimizer):
        raise SpikecheckError(
            f"optimizer= takes a function that makes one for the copy, such as lambda p: torch.optim.SGD(p, lr=0.1); "
            f"got {said(optimizer)}"
        )
    return optimizer(parameters)


def counted(steps: int) -> None:
    """SpikecheckError where `steps=` is no number of steps."""
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise SpikecheckError(f"steps= is a whole number from 1 on, got {steps!r}")


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
    """Logits lie from `low` to `high`: as torch's loss sees them where `loss` is given, else as the model returns them.

    Beyond 10 a softmax is one-hot for all that a gradient can tell: a difference of 10 leaves exp(-10) = 5e-5.
    """
    __tracebackhide__ = True
    if not low <= high:
        raise SpikecheckError(f"the lowest logit is above the highest: low={low!r}, high={high!r}")
    with apart(model) as twin:
        seen = look(twin, batch, loss=loss, spikes=spikes, reset=reset)
    logits = seen.logits
    if logits is None:
        outputs = tensors_of(seen.output)
        if len(outputs) != 1:
            raise SpikecheckError(f"the model returned {len(outputs)} tensors: pass loss=, which picks the logits")
        logits = outputs[0]
    logits = logits.detach()
    outside = ~((logits >= low) & (logits <= high))
    if bool(outside.any()):
        where, index = first_place(outside, Layout(batch=0) if logits.dim() == 2 else Layout(), "class")
        seen_there = f"{number(float(logits[index]))}; all logits lie in {span(logits)}"
        tip = "logits = spikes.mean(time)  # not the sum; or read out the mean potential"
        fail("logits are out of range", [(f"logits, first at {where}", seen_there)], f"{low:g} to {high:g}", tip)


def assert_initial_loss_near_chance(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    *,
    classes: int | None = None,
    times: float = 3.0,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """The loss of an untrained model is that of a uniform guess, ln C, within a factor of `times`.

    Measured: with 20 classes, networks that learn well start at 2.6 times ln C or below; where a scale is at fault, at
    5.4 times or above.
    """
    __tracebackhide__ = True
    if not times >= 1:
        raise SpikecheckError(f"times= is a factor from 1 on, got {times!r}")
    with apart(model) as twin:
        seen = look(twin, batch, loss=loss, spikes=spikes, reset=reset)
    known = seen.classes if classes is None else classes
    if known is None or known < 2:
        raise SpikecheckError("no loss over classes was seen: pass classes=, the number of them")
    value, chance = float(scalar(seen.loss).detach()), math.log(known)
    if not chance / times <= value <= chance * times:
        of = f"{number(value)}, {number(value / chance)} times ln {known}"
        where = "loss" if seen.logits is None else f"loss; its logits lie in {span(seen.logits)}"
        expected = f"{number(chance / times)} to {number(chance * times)}, about ln {known} = {number(chance)}"
        fail("the first loss is far from a uniform guess", [(where, of)], expected)


def assert_gradients_reach_every_parameter(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """One backward pass gives every parameter that asks for it a gradient that is finite and not all 0.

    `layer` picks parameters by name or pattern: "fc1.weight", "fc*".
    """
    __tracebackhide__ = True
    with apart(model, train=True) as twin:
        twin.zero_grad(set_to_none=True)
        seen = look(twin, batch, loss=loss, spikes=spikes, reset=reset)
        value = scalar(seen.loss)
        if value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
        asking = {name: p for name, p in twin.named_parameters() if p.requires_grad}
        if not asking:
            raise SpikecheckError("no parameter of the model asks for a gradient (requires_grad)")
        wanted = matching(asking, layer, "parameter")
        rows = [(name, trouble) for name in wanted if (trouble := gradient_trouble(asking[name].grad))]
    if rows:
        blocking = [
            name
            for name, flow in seen.flows.items()
            if flow.forward_passes and flow.blocked_forward_passes == flow.forward_passes
        ]
        tip = "is it used in forward, and is there a surrogate gradient between it and the loss?"
        if blocking:
            tip = f"{', '.join(blocking)}: the input asks for a gradient, the spikes carry none: a surrogate is missing"
        fail("a parameter gets no gradient", rows, "a finite gradient, not 0 throughout", tip)


def gradient_trouble(gradient: Tensor | None) -> str:
    """What is wrong with a gradient; empty where nothing is."""
    if gradient is None:
        return "no gradient: nothing connects it to the loss"
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    wrong = int((~torch.isfinite(values)).sum())
    if wrong:
        return f"{wrong:,} of {values.numel():,} elements of the gradient are NaN or infinite"
    return "" if bool(values.any()) else f"a gradient of 0 in all {values.numel():,} elements"


def assert_learns_one_batch(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    steps: int = 50,
    *,
    to: float = 0.5,
    optimizer: MakeOptimizer | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """A copy learns the batch by heart: its loss falls to `to` times the first loss, or chance where that is less.

    `optimizer` makes one from the copy's parameters: `lambda p: torch.optim.SGD(p, lr=0.1)`; Adam at 0.01 without.
    """
    __tracebackhide__ = True
    counted(steps)
    inputs, target = with_target(batch)
    losses: list[float] = []
    with apart(model, train=True) as twin:
        seen = look(twin, batch, loss=loss, spikes=spikes, reset=reset)
        chance = math.log(seen.classes) if seen.classes is not None and seen.classes > 1 else math.inf
        trained = [p for p in twin.parameters() if p.requires_grad]
        if not trained:
            raise SpikecheckError("no parameter of the model asks for a gradient (requires_grad)")
        made = made_by(optimizer, trained, RATE)
        if not scalar(seen.loss).requires_grad:
            fail("the loss depends on no parameter", [("loss", "it carries no gradient")], "a gradient to learn from")
        for step in range(steps + 1):
            if reset is not None:
                reset(twin)
            value = loss(twin(*inputs), target)
            losses.append(float(value.detach()))
            if not math.isfinite(losses[-1]):
                fail("the loss is not finite", [(f"step {step}", trail(losses))], "a finite loss in every step")
            if step < steps:
                made.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                made.step()
    bar = to * min(losses[0], chance)
    if losses[-1] > bar:
        begin = (
            f"ln {seen.classes} = {number(chance)}" if chance < losses[0] else f"the first loss, {number(losses[0])}"
        )
        tip = "assert_gradients_reach_every_parameter and assert_no_dead_layers say where it is stuck"
        fail(
            "one batch is not learned",
            [(f"loss over {steps} steps", trail(losses))],
            f"{number(bar)} or less at the end: {to:g} of {begin}",
            tip,
        )


def trail(losses: list[float]) -> str:
    """A few of the losses from first to last."""
    last = len(losses) - 1
    picked = sorted({0, last // 4, last // 2, 3 * last // 4, last})
    return ", ".join(number(losses[i]) for i in picked)


def scalar(loss: object) -> Tensor:
    """The loss, which must be one number."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        given = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise SpikecheckError(f"loss(output, target) must return a tensor of one number, got {given}")
    return loss
