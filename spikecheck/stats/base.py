"""The interface of a statistic: measure on the device, add states, summarize in plain numbers.

`tests/property/test_statistic_laws.py` tests these laws for every statistic:

1. `summarize(measure(x))` equals the naive version in `tests/oracles/`.
2. Splitting x anywhere in time or batch and adding the states changes nothing, except for an excerpt, which is part of
   one forward pass.
3. `+` is associative, and commutative unless the statistic sets `order_matters`.
4. The memory of a state does not depend on the number of added states.
5. x is not changed, no gradient is recorded, the random state is not used.
6. `measure` and `+` run on `device="meta"`, where anything that waits for a value raises.
7. Half precision, bool, integer and empty tensors are measured; sums do not saturate.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from spikecheck.site import Capture, SiteKind

S = TypeVar("S", bound="State")


def merged_by(rule: Callable[[Any, Any], Any]) -> Any:
    """Declare a field of a state and the rule that merges two of its values."""
    return field(metadata={"merge": rule})


def keep_first(a: Any, b: Any) -> Any:
    """Merge rule: keep the earlier value."""
    return a


@dataclass(frozen=True)
class State:
    """The accumulated numbers of a statistic: tensors on the device, and counts known without reading values."""

    def __add__(self: S, other: S) -> S:
        """Merge this state with a later one; return the later one if the shapes differ (the layer was changed)."""
        if not self.fits(other):
            return other
        both = ((f, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return type(self)(**{f.name: f.metadata["merge"](a, b) for f, a, b in both})

    def fits(self, other: State) -> bool:
        """Return whether both states have the same shapes; concatenated fields may differ in length."""
        return self.shapes() == other.shapes()

    @property
    def is_meta(self) -> bool:
        """Return whether the state was measured from meta tensors, which have no values."""
        return any(isinstance(v, Tensor) and v.is_meta for v in vars(self).values())

    def shapes(self) -> tuple[object, ...]:
        """Return shapes and devices of the tensors that are merged elementwise."""
        values = ((f.metadata["merge"], getattr(self, f.name)) for f in fields(self))
        return tuple(
            (v.shape, v.device)
            for rule, v in values
            if isinstance(v, Tensor) and rule in (torch.add, torch.maximum, torch.minimum)
        )


class Statistic(Generic[S]):
    """Measures one kind of site and returns one kind of reading.

    Attributes:
        kind: kind of site whose captures are measured.
        reading: class of the readings.
        order_matters: whether `+` is not commutative.
        first_only: for an excerpt: measure only the first capture of each window.
        tier: 1 is measured in every forward pass and update, 2 in those that the schedule selects.
        windowed: whether readings differ between the first forward pass, the recent ones and all of them; a timeline
            is one for the whole run.
    """

    kind: ClassVar[SiteKind]
    reading: ClassVar[type[Any]]
    order_matters: ClassVar[bool] = False
    first_only: ClassVar[bool] = False
    tier: ClassVar[int] = 2
    windowed: ClassVar[bool] = True

    def measure(self, capture: Capture[Tensor]) -> S:
        """Return the state of one capture. Runs on the device without waiting for it, and does not depend on values."""
        raise NotImplementedError

    def summarize(self, state: S) -> tuple[Any, ...]:
        """Return one reading per site of the capture. The only place where values are copied to the host."""
        raise NotImplementedError


@cache
def statistics() -> tuple[Statistic[Any], ...]:
    """Return all statistics of this package."""
    result: list[Statistic[Any]] = []
    package = importlib.import_module("spikecheck.stats")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for thing in vars(module).values():
            ours = inspect.isclass(thing) and issubclass(thing, Statistic) and thing.__module__ == module.__name__
            if ours and "reading" in vars(thing):
                result.append(thing())
    return tuple(result)
