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

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, reduce
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor

from spikecheck.packages import classes_in
from spikecheck.site import Capture, SiteKind

S = TypeVar("S", bound="State")


def merged_by(rule: Callable[[Any, Any], Any]) -> Any:
    """Declare a field of a state and the rule that merges two of its values."""
    return field(metadata={"merge": rule})


def keep_first(a: Any, b: Any) -> Any:
    """Merge rule: keep the earlier value."""
    return a


def keep_last(a: Any, b: Any) -> Any:
    """Merge rule: keep the later value."""
    return b


@dataclass(frozen=True)
class State:
    """The accumulated numbers of a statistic: tensors on the device, and counts known without reading values."""

    def __add__(self: S, other: S) -> S:
        """Merge this state with a later one; return the later one if the shapes differ (the layer was changed)."""
        if not self.fits(other):
            return other
        a, b = vars(self), vars(other)
        return type(self)(*[rule(a[name], b[name]) for name, rule in rules_of(self)])

    def fits(self, other: State) -> bool:
        """Return whether both states have the same shapes; concatenated fields may differ in length."""
        return self.shapes() == other.shapes()

    @property
    def is_meta(self) -> bool:
        """Return whether the state was measured from meta tensors, which have no values."""
        return any(isinstance(v, Tensor) and v.is_meta for v in vars(self).values())

    @property
    def shows_break(self) -> bool:
        """Return whether values were not finite, as far as that can be told without waiting for the device."""
        return False

    def shapes(self) -> tuple[object, ...]:
        """Return shapes and devices of the tensors that are merged elementwise."""
        values, kind = vars(self), cast(Any, type(self))
        tensors = [values[name] for name in elementwise_fields(kind)]
        return tuple([(v.shape, v.device) for v in tensors if isinstance(v, Tensor)])


ELEMENTWISE = (torch.add, torch.maximum, torch.minimum)


def rules_of(state: State) -> tuple[tuple[str, Callable[[Any, Any], Any]], ...]:
    """Return the fields of a state in order, each with its merge rule."""
    kind: Any = type(state)
    return merge_rules(kind)


@cache
def merge_rules(kind: Any) -> tuple[tuple[str, Callable[[Any, Any], Any]], ...]:
    """Return the fields of a class of states in order, each with its merge rule."""
    return tuple((f.name, f.metadata["merge"]) for f in fields(kind))


@cache
def elementwise_fields(kind: Any) -> tuple[str, ...]:
    """Return the fields of a class of states that are merged elementwise."""
    return tuple(name for name, rule in merge_rules(kind) if rule in ELEMENTWISE)


class Statistic(Generic[S]):
    """Measures one kind of site and returns one kind of reading.

    Attributes:
        kind: kind of site whose captures are measured.
        reading: class of the readings.
        order_matters: whether `+` is not commutative.
        one_pass: "first" or "last" for a statistic of one forward pass of each window; "" for one that adds them up.
        tier: 1 is measured in every forward pass and update, 2 in those that the schedule selects.
        evaluation_reading: class of the readings of passes without gradients in a run that trains; None: not read.
        windowed: whether readings differ between the first forward pass, the recent ones and all of them; a timeline
            is one for the whole run, and no part of the first forward pass.
    """

    kind: ClassVar[SiteKind]
    reading: ClassVar[type[Any]]
    order_matters: ClassVar[bool] = False
    one_pass: ClassVar[str] = ""
    tier: ClassVar[int] = 2
    evaluation_reading: ClassVar[type[Any] | None] = None
    windowed: ClassVar[bool] = True

    def measure(self, capture: Capture[Tensor]) -> S:
        """Return the state of one capture. Runs on the device without waiting for it, and does not depend on values."""
        raise NotImplementedError

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> S:
        """Return the sum of the states of several captures of one form: shapes, and whatever else is no number."""
        return reduce(operator.add, map(self.measure, captures))

    def join(self, states: Sequence[S]) -> S:
        """Return the state of several processes that trained together, each on its own data."""
        return reduce(operator.add, states)

    def summarize(self, state: S) -> tuple[Any, ...]:
        """Return one reading per site of the capture. The only place where values are copied to the host."""
        raise NotImplementedError


@cache
def statistics() -> tuple[Statistic[Any], ...]:
    """Return all statistics of this package."""
    made = classes_in("spikecheck.stats", Statistic)
    return tuple(kind() for kind in made if "reading" in vars(kind))
