"""The decay of a hand-written layer, read from the graph: how its potential in a time step depends on the one before.

Between the arguments of a surrogate in two successive time steps lie elementwise operations. The derivative of one by
the other, along all ways but those through the spikes, is the decay, whatever rule resets the potential of neurons that
spike. It is known where each operation on the way scales all neurons by one number, or each by one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from itertools import pairwise, zip_longest
from typing import Any

from torch import Tensor

from spikecheck.probe.applications import Application
from spikecheck.probe.state_chains import MAX_NODES, VIEWS, goes_on, way_to_state
from spikecheck.probe.torch_private import is_custom_function, is_dense, saved_number, saved_tensor

Links = list[tuple[Any, float | None]]  # each node upstream, and the derivative by it; None where it is not known
MAX_READ = 4  # time steps: the first sees a potential that is still constant, and may be followed by a copy
CHOICES = ("WhereBackward0", "MaskedFillBackward0")  # between a potential and what replaces it


def decay_of(applications: Sequence[Application]) -> float | None:
    """Return the decay of a layer, of its applications in the order of time; None where the graph does not show it."""
    spikes = {one.node for one in applications}
    pairs = pairwise(one for one in applications[:MAX_READ] if not one.is_packed)
    decays = (decay_between(before, after, spikes) for before, after in pairs)
    return next((decay for decay in decays if decay is not None), None)


def decay_between(before: Application, after: Application, spikes: Set[Any]) -> float | None:
    """Return the decay from one time step to the next; `spikes` are nodes that the way does not go through."""
    scales = scales_of(before, spikes)
    if not scales.keys().isdisjoint(scales_of(after, spikes)):  # the same potential once more, for the reset
        return None
    states = {node: 1 / scale if scale else None for node, scale in scales.items()}
    derivatives = derivatives_by(states, after, lambda node: is_spike(node, spikes) or not goes_on(node, after.shape))
    met = scales.keys() & derivatives.keys()  # several: the threshold continues a state of its own, say
    return derivatives.get(after.source) if len(met) == 1 else None


def derivatives_by(
    known: Mapping[Any, float | None], application: Application, ends: Callable[[Any], bool]
) -> dict[Any, float | None]:
    """Return the derivatives of the nodes upstream of an argument by those `known`; none where there are too many.

    A node at which a way `ends` has none of the known ones upstream.
    """
    derivatives: dict[Any, float | None] = {}
    todo = [] if application.source is None else [application.source]
    while todo and len(derivatives) < MAX_NODES:
        node = todo[-1]
        if node in known:
            derivatives[node] = known[node]
        elif ends(node):
            derivatives[node] = 0.0
        else:
            links = links_of(node)
            if missing := [parent for parent, _ in links if parent not in derivatives]:
                todo += missing
                continue
            derivatives[node] = combined(node, [(derivatives[parent], factor) for parent, factor in links])
        todo.pop()
    return {} if todo else derivatives


def scales_of(application: Application, spikes: Set[Any]) -> dict[Any, float | None]:
    """Return the derivative of the argument by each node from there down to the potential."""
    scales: dict[Any, float | None] = {}
    for later, node in way_to_state(application, lambda node: node in scales or is_spike(node, spikes)):
        scale, factor = (1.0, 1.0) if later is None else (scales[later], dict(links_of(later)).get(node))
        scales[node] = None if scale is None or factor is None else scale * factor
    return scales


def is_spike(node: Any, spikes: Set[Any]) -> bool:
    """Return whether a node made spikes, of this layer or of another."""
    return node in spikes or is_custom_function(node)


def combined(node: Any, parts: Sequence[tuple[float | None, float | None]]) -> float | None:
    """Return the derivative of a node, of those of the nodes upstream and by them; None where one is not known.

    Of a choice, that of the part that continues the potential: the others replace it.
    """
    ways = [(derivative, factor) for derivative, factor in parts if derivative != 0]
    if any(derivative is None or factor is None for derivative, factor in ways):
        return None
    products = [derivative * factor for derivative, factor in ways if derivative is not None and factor is not None]
    if type(node).__name__ in CHOICES:
        return 0.0 if not products else products[0] if len(set(products)) == 1 else None
    return sum(products)


def links_of(node: Any) -> Links:
    """Return the nodes just upstream, and the derivative by each."""
    name = type(node).__name__
    parents = [parent for parent, _ in node.next_functions]
    derivative = DERIVATIVES.get(name, unknown)
    factors = [1.0] * len(parents) if name in VIEWS or name in CHOICES else derivative(node)
    return [(parent, factor) for parent, factor in zip_longest(parents, factors) if parent is not None]


def unknown(node: Any) -> list[float | None]:
    """Return no derivative: that of any other operation is not known."""
    return []


def alpha(node: Any) -> float:
    """Return what the second term of a sum is multiplied by."""
    saved = saved_number(node, "_saved_alpha")
    return 1.0 if saved is None else saved


def product(node: Any) -> list[float | None]:
    """Return the derivatives of a product: each is the other factor."""
    return [number_in(saved_tensor(node, "_saved_other")), number_in(saved_tensor(node, "_saved_self"))]


def quotient(node: Any) -> list[float | None]:
    """Return the derivative of a quotient by its first part."""
    divisor = number_in(saved_tensor(node, "_saved_other"))
    return [1 / divisor if divisor else None]


def interpolation(node: Any) -> list[float | None]:
    """Return the derivatives of `torch.lerp`."""
    weight = saved_number(node, "_saved_weight")
    weight = number_in(saved_tensor(node, "_saved_weight")) if weight is None else weight
    return [] if weight is None else [1 - weight, weight]


DERIVATIVES: Mapping[str, Callable[[Any], list[float | None]]] = {
    "AddBackward0": lambda node: [1.0, alpha(node)],
    "SubBackward0": lambda node: [1.0, -alpha(node)],
    "RsubBackward0": lambda node: [-alpha(node), 1.0],
    "RsubBackward1": lambda node: [-alpha(node)],
    "NegBackward0": lambda node: [-1.0],
    "MulBackward0": product,
    "DivBackward0": quotient,
    "LerpBackward0": interpolation,
    "LerpBackward1": interpolation,
}


def number_in(values: Tensor | None) -> float | None:
    """Return the one number in a factor, or 1 where a reset multiplies by 0 and 1; the mean of one value per neuron."""
    if values is None or not (values.is_cpu and values.numel() and is_dense(values)) or values.is_complex():
        return None
    first = float(values.reshape(-1)[0])  # amin() of a number that torch wrapped returns what the memory held before
    if values.numel() == 1 or bool((values == first).all()):
        return first
    if bool(((values == 0) | (values == 1)).all()):
        return 1.0
    return float(values.float().mean()) if values.numel() == max(values.shape) else None
