"""The order of the modules in a forward pass, and which weighted module feeds which layer.

Traced in the first forward pass alone. A module's output is recognized as an input by being the same tensor; where an
operation lies between (an addition, a reshape), the weighted module that ran last is taken to be the one. A layer that
holds weights makes its current with those, unless they map its own neurons to as many and its input is a current.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from torch import Tensor, nn


class Trace:
    """What ran when, and what came from where."""

    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}  # of what the latest call returned
        self.fed_by: dict[str, str] = {}
        self.sources: dict[str, list[str | None]] = {}  # of each call, the weighted module that feeds it
        self.places: dict[str, list[int]] = {}  # of each call
        self.first_fed: dict[str, int] = {}  # the place of the first layer that a weight feeds inside of its module
        self._source: dict[int, str | None] = {}  # id of a tensor -> weighted module whose output it is, or came from
        self._currents: set[int] = set()  # ids of those between which lie normalizations, pooling and the like
        self._is_square: dict[str, bool] = {}  # of weighted modules, the latest at the end: do they map n inputs to n?
        self._alive: list[Tensor] = []  # an id is unique only while its tensor lives
        self._places = 0

    def record(self, name: str, module: nn.Module, args: Iterable[Any], output: Any) -> None:
        """A module ran: record its place, what fed it, and what it returned."""
        self.place(name)
        self.calls[name] = self.calls.get(name, 0) + 1
        known = next((id(a) for a in args if isinstance(a, Tensor) and id(a) in self._source), None)
        source = self.latest_outside(name) if known is None else self._source[known]
        is_current = known is None or known in self._currents
        self.sources.setdefault(name, []).append(source)
        self.places.setdefault(name, []).append(self.take_place())
        if weighted := is_weighted(module):
            self._is_square.pop(name, None)
            self._is_square[name] = is_square(module)
        else:
            source = self.weight_inside(name, is_current=is_current and source is not None) or source
        if source is not None:
            self.fed_by.setdefault(name, source)
        for tensor in output if isinstance(output, tuple | list) else [output]:
            if isinstance(tensor, Tensor):
                self.shapes[name] = tuple(tensor.shape)
                if id(tensor) not in self._source and (weighted or (is_current and passes_currents_on(module))):
                    self._currents.add(id(tensor))
                self._source[id(tensor)] = name if weighted else source
                self._alive.append(tensor)

    def latest_outside(self, name: str) -> str | None:
        """Return the weighted module that ran last, but for those inside of this one."""
        return next((other for other in reversed(self._is_square) if not other.startswith(f"{name}.")), None)

    def weight_inside(self, name: str, *, is_current: bool) -> str | None:
        """Return the weighted module inside that may have made a current of this module's input.

        One that maps as many neurons to as many is taken for recurrence where another does not, or where the input is a
        current itself; of several such, the first is the one that gets the input.
        """
        inside = {part: square for part, square in self._is_square.items() if part.startswith(f"{name}.")}
        forward = [part for part, square in inside.items() if not square]
        return forward[-1] if forward else next(iter(inside), None) if not is_current else None

    def uses(self, name: str) -> int:
        """Return how many layers one module serves: 3 where its calls are fed by a, b, c, and again by a, b, c.

        1 where they are not, or where one weighted module feeds all: then the calls are time steps.
        """
        sources = self.sources.get(name, [])
        period = len(dict.fromkeys(sources))
        repeating = all(source == sources[i % period] for i, source in enumerate(sources))
        return period if repeating and period > 1 and None not in sources and len(sources) % period == 0 else 1

    def inside(self, name: str) -> list[tuple[int, tuple[int, ...]]]:
        """Return how often each module inside of this one was called for one call of it, and what it returned."""
        parts = [part for part in self.calls if part.startswith(f"{name}.") and part in self.shapes]
        return [(self.calls[part], self.shapes[part]) for part in parts] if self.calls.get(name) == 1 else []

    def place(self, name: str) -> None:
        """Give a module or a tap the next place, where it has none."""
        if name not in self.order:
            self.order[name] = self.take_place()

    def take_place(self) -> int:
        """Return the next place, which nothing else gets."""
        self._places += 1
        return self._places

    def position(self, name: str) -> int:
        """Return a module's place; 0 where it never ran."""
        return self.order.get(name, 0)

    def position_of_parameter(self, name: str) -> int:
        """Return a parameter's place: that of its module, or of a layer inside of that which it feeds."""
        of_module = self.position(name.rpartition(".")[0])
        return min(of_module, self.first_fed.get(name.removesuffix(".weight"), of_module))

    def feed(self, layer: str, weight: str) -> None:
        """Keep which weight makes a layer's current, by the name of its module or its own."""
        self.fed_by[layer] = weight
        place = self.position(layer)
        self.first_fed[weight] = min(place, self.first_fed.get(weight, place))

    def close(self) -> None:
        """Release the tensors; order and sources stay."""
        self._source.clear()
        self._currents.clear()
        self.sources.clear()
        self.places.clear()
        self._alive.clear()


def is_weighted(module: nn.Module) -> bool:
    """Return whether the module mixes its inputs by a weight of its own with two or more axes."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() > 1


def is_square(module: nn.Module) -> bool:
    """Return whether the weight of a module maps as many neurons, or channels, to as many."""
    outputs, inputs, *_ = cast(Tensor, module.weight).shape
    return outputs == inputs


def is_of_torch(module: nn.Module) -> bool:
    """Return whether a module is torch's own."""
    return type(module).__module__.startswith("torch.")


def passes_currents_on(module: nn.Module) -> bool:
    """Return whether a module makes of a current another one: any of torch's own that is no activation function."""
    return is_of_torch(module) and type(module).__module__ != nn.ReLU.__module__
