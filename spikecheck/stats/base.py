"""The shape of a statistic: measure on the device, add, and say in plain numbers.

The laws, which `tests/property/test_statistic_laws.py` runs over every statistic found:

1. `summarize(measure(x))` says what the naive version in `tests/oracles/` says.
2. Cutting x anywhere in time or batch and adding the parts changes nothing, but in an excerpt, which is of one forward.
3. `+` is associative; commutative too unless the statistic says `ordered`.
4. The bytes of a state do not depend on how many were added.
5. x is unchanged, no gradient is recorded, the random state is untouched.
6. `measure` and `+` run on `device="meta"`, where anything that waits for a value raises.
7. Halves, bools, integers and empty tensors are counted; sums do not saturate.
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


def merged(rule: Callable[[Any, Any], Any]) -> Any:
    """A field of a state, and how two of them become one."""
    return field(metadata={"merge": rule})


def earliest(a: Any, b: Any) -> Any:
    """Rule of a field whose earlier value stays."""
    return a


@dataclass(frozen=True)
class State:
    """What a statistic remembers: tensors on the device, and counts that are known without looking at values."""

    def __add__(self: S, other: S) -> S:
        """This state and a later one together; the later alone where the shapes no longer fit (the layer changed)."""
        if not self.fits(other):
            return other
        both = ((f, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return type(self)(**{f.name: f.metadata["merge"](a, b) for f, a, b in both})

    def fits(self, other: State) -> bool:
        """Are the two of the same layer shape? Fields that are joined end to end may differ in length."""
        return self.shapes() == other.shapes()

    @property
    def is_meta(self) -> bool:
        """Was it measured of tensors without values? Then there is nothing to say."""
        return any(isinstance(v, Tensor) and v.is_meta for v in vars(self).values())

    def shapes(self) -> tuple[object, ...]:
        """Shapes and devices of the tensors that are merged element by element."""
        values = ((f.metadata["merge"], getattr(self, f.name)) for f in fields(self))
        return tuple(
            (v.shape, v.device)
            for rule, v in values
            if isinstance(v, Tensor) and rule in (torch.add, torch.maximum, torch.minimum)
        )


class Statistic(Generic[S]):
    """Counts one kind of site and says one kind of reading; the reading's fields carry the units."""

    kind: ClassVar[SiteKind]
    reading: ClassVar[type[Any]]
    ordered: ClassVar[bool] = False
    once: ClassVar[bool] = False  # an excerpt: the first capture of a window counts, and only that one is measured

    def measure(self, capture: Capture[Tensor]) -> S:
        """What one capture adds. Runs on the device and never waits for it; raises nothing that depends on values."""
        raise NotImplementedError

    def summarize(self, state: S) -> tuple[Any, ...]:
        """One reading a site of the capture. The only place where values are copied to the host."""
        raise NotImplementedError


@cache
def statistics() -> tuple[Statistic[Any], ...]:
    """Every statistic of this folder, found by import."""
    found: list[Statistic[Any]] = []
    package = importlib.import_module("spikecheck.stats")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for thing in vars(module).values():
            ours = inspect.isclass(thing) and issubclass(thing, Statistic) and thing.__module__ == module.__name__
            if ours and "reading" in vars(thing):
                found.append(thing())
    return tuple(found)
