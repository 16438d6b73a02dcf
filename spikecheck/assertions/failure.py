"""The message of a failed assertion: what is wrong, where, what was observed and expected, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import torch
from torch import Tensor

from spikecheck.number_format import number, percentage
from spikecheck.report.format import counted
from spikecheck.report.model import Report
from spikecheck.site import Layout

MOST = 6  # places, or distinct values, in one message


class UnhealthyError(AssertionError):
    """A failed assertion, with its `message`; `report` is the whole report, for the assertions that make one."""

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


def fail(problem: str, rows: Iterable[tuple[str, str]], expected: str, tip: str = "") -> NoReturn:
    """Raise UnhealthyError with the problem, the places as (where, observed), what was expected, and what to try."""
    __tracebackhide__ = True
    rows = list(rows)
    lines = [problem]
    for where, observed in rows[:MOST]:
        lines += [f"  where     {where}", f"  observed  {observed}"]
    if len(rows) > MOST:
        lines.append(f"            and {counted(len(rows) - MOST, 'more place')}")
    lines.append(f"  expected  {expected}")
    if tip:
        lines.append(f"  try       {tip}")
    raise UnhealthyError("\n".join(lines))


def distinct_values(values: Tensor) -> str:
    """Return the smallest few distinct values of a tensor."""
    distinct = torch.unique(values.detach().flatten().float()).tolist()
    shown = [number(value) for value in distinct[:MOST]]
    return "{" + ", ".join(shown if len(distinct) <= MOST else [*shown, "..."]) + "}"


def span(values: Tensor) -> str:
    """Return the smallest and the largest value."""
    low, high = values.detach().float().aminmax()
    return f"between {number(float(low))} and {number(float(high))}"


def first_place(mask: Tensor, layout: Layout = Layout(), rest: str = "neuron") -> tuple[str, tuple[int, ...]]:
    """Return the first True of a mask, in words and as an index; the earliest time step if the time axis is known.

    `rest` names what the axes other than time and batch count.
    """
    axes = [axis for axis in (layout.time, layout.batch) if axis is not None]
    others = [axis for axis in range(mask.dim()) if axis not in axes]
    order = [*axes, *others]
    inside = mask.permute(order).nonzero()[0].tolist() if order else []
    index = [0] * mask.dim()
    for axis, at in zip(order, inside, strict=True):
        index[axis] = at
    if not axes:
        return f"index {tuple(index)}" if index else "its only element", tuple(index)
    words = [f"time step {index[layout.time]}"] if layout.time is not None else []
    words += [f"sample {index[layout.batch]}"] if layout.batch is not None else []
    if others:
        other = tuple(index[axis] for axis in others)
        words.append(f"{rest} {other[0] if len(other) == 1 else other}")
    return ", ".join(words), tuple(index)


def amount(count: int, total: int) -> str:
    """Return a number of values out of a total, with the percentage."""
    return f"{count:,} of {total:,} values ({percentage(count / total)})" if total else "0 of 0 values"
