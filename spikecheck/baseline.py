"""A network's statistics in a small file, and the assertion that a change has not moved them."""

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
from spikecheck.assertions.learning import gradient_problem, scalar
from spikecheck.assertions.watched import Batch, Loss, Reset, isolated_copy, observe, tensors_of
from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number

SCHEMA = 1
DIGITS = 4  # significant, in the file: what a reader compares, and far below any tolerance worth setting
FLOOR = 0.01  # taste: a value below 1 % of the largest of its kind may move by what that 1 % may move
KINDS = {
    "rate": "{}: firing rate, spikes per neuron per step",
    "logits": "logits: {}",
    "loss": "{}",
    "gradient": "{}: gradient norm",
}
Numbers = dict[str, dict[str, float]]

updating = False  # set by pytest's --spikecheck-update: then a comparison writes the file
updated: list[str] = []  # the files that were written so


def record_baseline(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    path: str | os.PathLike[str],
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Write firing rates, logits, loss and gradient norms of one batch to a JSON file, to compare with later.

    The model and the batch have to be the same each time: `torch.manual_seed(0)` before they are made.
    """
    write(Path(path), measured(model, batch, loss, spikes, reset))


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
    """No firing rate, logit, loss or gradient norm has moved from the file's by more than a share of `tolerance`.

    `pytest --spikecheck-update` writes the file anew instead of comparing; read the difference before you commit it.
    """
    __tracebackhide__ = True
    file = Path(path)
    if not tolerance >= 0:
        raise SpikecheckError(f"tolerance= is a share, from 0 on, got {tolerance!r}")
    now = measured(model, batch, loss, spikes, reset)
    if updating:
        write(file, now)
        updated.append(str(file))
        return
    advice = "pytest --spikecheck-update, or spikecheck.record_baseline(model, batch, loss, path)"
    if not file.exists():
        raise UnhealthyError(f"there is no baseline to compare with\n  where     {file}\n  try       {advice}")
    rows = moved(read(file), now, tolerance)
    if rows:
        more = [f"  and {len(rows) - MOST} more"] if len(rows) > MOST else []
        lines = ["the network has moved from its baseline", *rows[:MOST], *more]
        lines += [f"  expected  within {tolerance:.3g} of {file}", f"  try       where the change is meant: {advice}"]
        raise UnhealthyError("\n".join(lines))


def measured(model: nn.Module, batch: Batch, loss: Loss, spikes: Iterable[str], reset: Reset | None) -> Numbers:
    """What the file holds, of one forward and backward of a copy; evaluated, so that no random number is in it."""
    with isolated_copy(model, train=False) as twin:
        twin.zero_grad(set_to_none=True)
        seen = observe(twin, batch, loss=loss, spikes=spikes, reset=reset)
        layers = {shown.name: float(shown.spikes.double().mean()) for shown in seen.chosen(None)}
        logits = seen.logits if seen.logits is not None else torch.cat([t.flatten() for t in tensors_of(seen.output)])
        value = scalar(seen.loss)
        if value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
        gradients = {name: norm(p.grad) for name, p in twin.named_parameters() if p.requires_grad}
    logits = logits.detach().double()
    return {
        "rate": layers,
        "logits": {"minimum": float(logits.min()), "maximum": float(logits.max()), "mean": float(logits.mean())},
        "loss": {"loss": float(value.detach())},
        "gradient": gradients,
    }


def norm(gradient: Tensor | None) -> float:
    """The gradient's norm, 0 where there is none; NaN where it is not finite."""
    if gradient is None:
        return 0.0
    trouble = gradient_problem(gradient)
    return math.nan if "NaN" in trouble else float(gradient.detach().double().norm())


def moved(then: Mapping[str, Mapping[str, float]], now: Numbers, tolerance: float) -> list[str]:
    """A block of lines for each number that moved too far, or that one side alone has."""
    rows = []
    for kind, words in KINDS.items():
        before, after = then.get(kind, {}), now[kind]
        floor = FLOOR * max([0.0, *(abs(v) for v in before.values() if math.isfinite(v))])
        for name in dict.fromkeys([*before, *after]):
            old, new = before.get(name), after.get(name)
            if old is None or new is None:
                side = "new, not in the file" if old is None else "in the file, not in the network"
                rows.append(f"  where     {words.format(name)}\n  seen      {side}")
            elif not same(old, new, tolerance, floor):
                share = f" ({(new - old) / abs(old):+.3g} of it)" if old else ""
                rows.append(f"  where     {words.format(name)}\n  seen      {number(old)}, now {number(new)}{share}")
    return rows


def same(old: float, new: float, tolerance: float, floor: float) -> bool:
    """Is the new number near enough? What the file rounded away, half a unit of its last digit, is let pass."""
    if math.isfinite(old) and math.isfinite(new):
        rounding = abs(old) * 10.0 ** (1 - DIGITS)
        return abs(new - old) <= tolerance * max(abs(old), floor) + rounding
    return old == new or (math.isnan(old) and math.isnan(new))


def write(file: Path, numbers: Numbers) -> None:
    """Write the file whole or not at all: several workers may be at it."""
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
    """The numbers of a file; SpikecheckError where it is none of ours."""
    try:
        held: Any = json.loads(file.read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            raise SpikecheckError(
                f"{file} has schema {held['schema']!r}, this spikecheck reads {SCHEMA}: record it anew"
            )
        return {kind: {name: float(value) for name, value in held[kind].items()} for kind in KINDS}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpikecheckError(f"{file} is no baseline ({type(error).__name__}: {error}): record it anew") from error
