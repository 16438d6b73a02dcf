"""Record statistics of a network in a small file, and assert that later versions still match them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.failure import MOST, UnhealthyError
from spikecheck.assertions.learning import scalar
from spikecheck.assertions.watched import Batch, Loss, Reset, isolated_copy, observe, tensors_of
from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number, percentage

SCHEMA = 1
DIGITS = 4  # significant digits in the file: readable, and far finer than any useful tolerance
FLOOR = 0.01  # judgment call: values below 1% of the largest of their kind get the tolerance of that 1%
KINDS = {
    "rate": "{}: firing rate, spikes per neuron per time step",
    "logits": "logits: {}",
    "loss": "{}",
    "gradient": "{}: gradient norm",
}
Numbers = dict[str, dict[str, float]]

updating = False  # set by pytest --spikecheck-update: write the file instead of comparing
updated: list[str] = []  # the files that were written that way


def record_baseline(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    path: str | os.PathLike[str],
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Write firing rates, logits, loss and gradient norms of one batch to a JSON file, for later comparisons.

    The model and the batch have to be the same each time: call `torch.manual_seed(0)` before you create them.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        path: the JSON file.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        SpikecheckError: an argument cannot be used, or no spiking layer was observed.
    """
    write(Path(path), measure(model, batch, loss, spikes, reset))


def assert_matches_baseline(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    path: str | os.PathLike[str],
    *,
    tolerance: float = 0.1,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that firing rates, logits, loss and gradient norms match the file.

    `pytest --spikecheck-update` rewrites the file instead of comparing; review the difference before you commit it.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        path: the JSON file that `record_baseline` wrote.
        tolerance: relative difference that passes, of each number: 0.1 for 10%.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: a number differs by more, or the file does not exist.
        SpikecheckError: an argument cannot be used, the file is no baseline, or no spiking layer was observed.
    """
    __tracebackhide__ = True
    file = Path(path)
    if not tolerance >= 0:
        raise SpikecheckError(f"tolerance= must be a relative difference of 0 or more, got {tolerance!r}")
    now = measure(model, batch, loss, spikes, reset)
    if updating:
        write(file, now)
        updated.append(str(file))
        return
    advice = "pytest --spikecheck-update, or spikecheck.record_baseline(model, batch, loss, path)"
    if not file.exists():
        raise UnhealthyError(f"the baseline file does not exist\n  where     {file}\n  try       {advice}")
    blocks = differences(read(file), now, tolerance)
    if blocks:
        more = [f"  and {len(blocks) - MOST} more"] if len(blocks) > MOST else []
        lines = ["the network does not match its baseline", *blocks[:MOST], *more]
        lines += [
            f"  expected  within {percentage(tolerance)} of {file}",
            f"  try       if the change is intended: {advice}",
        ]
        raise UnhealthyError("\n".join(lines))


def measure(model: nn.Module, batch: Batch, loss: Loss, spikes: Iterable[str], reset: Reset | None) -> Numbers:
    """Return the statistics of a forward pass and a backward pass of a copy, in evaluation mode."""
    with isolated_copy(model, train=False) as twin:
        twin.zero_grad(set_to_none=True)
        observed = observe(twin, batch, loss=loss, spikes=spikes, reset=reset)
        rates = {layer.name: float(layer.spikes.double().mean()) for layer in observed.chosen(None)}
        logits = (
            observed.logits
            if observed.logits is not None
            else torch.cat([t.flatten() for t in tensors_of(observed.output)])
        )
        value = scalar(observed.loss)
        if value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
        gradients = {name: norm(p.grad) for name, p in twin.named_parameters() if p.requires_grad}
    logits = logits.detach().double()
    return {
        "rate": rates,
        "logits": {"minimum": float(logits.min()), "maximum": float(logits.max()), "mean": float(logits.mean())},
        "loss": {"loss": float(value.detach())},
        "gradient": gradients,
    }


def norm(gradient: Tensor | None) -> float:
    """Return the norm of a gradient, 0 without one, and NaN if it contains NaN."""
    if gradient is None:
        return 0.0
    return float(gradient.detach().double().norm())


def differences(then: Mapping[str, Mapping[str, float]], now: Numbers, tolerance: float) -> list[str]:
    """Return a block of lines for each number that differs too much, or that only one side has."""
    blocks = []
    for kind, label in KINDS.items():
        before, after = then.get(kind, {}), now[kind]
        floor = FLOOR * max([0.0, *(abs(v) for v in before.values() if math.isfinite(v))])
        for name in dict.fromkeys([*before, *after]):
            old, new = before.get(name), after.get(name)
            if old is None or new is None:
                side = "new, not in the file" if old is None else "in the file, not in the network"
                blocks.append(f"  where     {label.format(name)}\n  observed  {side}")
            elif not matches(old, new, tolerance, floor):
                change = f" ({(new - old) / abs(old):+.1%})" if old else ""
                blocks.append(f"  where     {label.format(name)}\n  observed  {number(old)}, now {number(new)}{change}")
    return blocks


def matches(old: float, new: float, tolerance: float, floor: float) -> bool:
    """Return whether the new number is near enough; the rounding in the file is allowed for."""
    if math.isfinite(old) and math.isfinite(new):
        rounding = abs(old) * 10.0 ** (1 - DIGITS)
        return abs(new - old) <= tolerance * max(abs(old), floor) + rounding
    return old == new or (math.isnan(old) and math.isnan(new))


def write(file: Path, numbers: Numbers) -> None:
    """Write the whole file or nothing, since several workers may write it."""
    rounded = {
        kind: {name: float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value) for name, value in of.items()}
        for kind, of in numbers.items()
    }
    text = json.dumps({"schema": SCHEMA, **rounded}, indent=2, allow_nan=False) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def read(file: Path) -> dict[str, dict[str, float]]:
    """Return the numbers in a file; SpikecheckError if it is not a baseline."""
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise SpikecheckError(
                f"{file} has schema {content['schema']!r}, and this spikecheck reads {SCHEMA}: record it again"
            )
        return {kind: {name: float(value) for name, value in content[kind].items()} for kind in KINDS}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpikecheckError(f"{file} is not a baseline ({type(error).__name__}: {error}): record it again") from error
