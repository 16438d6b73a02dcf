"""What an assertion says when it fails: the claim, and for each place what was seen and what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import torch
from torch import Tensor

from spikecheck.report.model import Report
from spikecheck.site import Layout

MOST = 6  # places, or distinct values, in one message


class UnhealthyError(AssertionError):
    """An assertion failed; `report` is the whole diagnosis, where there is one."""

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


def fail(claim: str, rows: Iterable[tuple[str, str]], expected: str, tip: str = "") -> NoReturn:
    """Raise with the claim, the places as (where, seen), what was expected, and what to try."""
    __tracebackhide__ = True
    rows = list(rows)
    lines = [claim]
    for where, seen in rows[:MOST]:
        lines += [f"  where     {where}", f"  observed  {seen}"]
    if len(rows) > MOST:
        lines.append(f"            and at {len(rows) - MOST} more places")
    lines.append(f"  expected  {expected}")
    if tip:
        lines.append(f"  try       {tip}")
    raise UnhealthyError("\n".join(lines))


def number(value: float) -> str:
    """A number in as few characters as say it."""
    return f"{value:.4g}"


def some(values: Tensor) -> str:
    """The distinct values of a tensor, the smallest few of them."""
    distinct = torch.unique(values.detach().flatten().float()).tolist()
    shown = [number(value) for value in distinct[:MOST]]
    return "{" + ", ".join(shown if len(distinct) <= MOST else [*shown, "..."]) + "}"


def span(values: Tensor) -> str:
    """The smallest and the largest value."""
    low, high = values.detach().float().aminmax()
    return f"[{number(float(low))}, {number(float(high))}]"


def first_place(mask: Tensor, layout: Layout = Layout(), rest_is: str = "neuron") -> tuple[str, tuple[int, ...]]:
    """The first True of a mask, in the order of time where an axis is known to be time: in words, and its index.

    `rest_is` names what the axes other than time and batch count.
    """
    axes = [axis for axis in (layout.time, layout.batch) if axis is not None]
    rest = [axis for axis in range(mask.dim()) if axis not in axes]
    order = [*axes, *rest]
    inside = mask.permute(order).nonzero()[0].tolist() if order else []
    index = [0] * mask.dim()
    for axis, at in zip(order, inside, strict=True):
        index[axis] = at
    if not axes:
        return f"index {tuple(index)}" if index else "its only element", tuple(index)
    words = [f"time step {index[layout.time]}"] if layout.time is not None else []
    words += [f"sample {index[layout.batch]}"] if layout.batch is not None else []
    if rest:
        other = tuple(index[axis] for axis in rest)
        words.append(f"{rest_is} {other[0] if len(other) == 1 else other}")
    return ", ".join(words), tuple(index)


def amount(count: int, total: int) -> str:
    """How many out of how many, with the share."""
    return f"{count:,} of {total:,} ({count / total:.2g})" if total else "none of none"
