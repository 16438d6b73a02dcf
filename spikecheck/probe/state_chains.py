"""Which application continues the state of which earlier one, read from the graph of the backward pass.

The argument of a surrogate is the membrane potential, less a threshold. Going upstream from it through differences and
scalings leads to the potential itself: the state of this application. The next application whose own way upstream,
through elementwise operations on tensors of one shape, meets that state is the next time step of the same neurons.
What mixes neurons (a product with a weight, a convolution, a normalization) is where a way ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

from torch import nn

from spikecheck.probe.applications import Application
from spikecheck.probe.torch_private import is_custom_function, parents_of, shape_of

VIEWS = frozenset(
    f"{name}Backward0"
    for name in (
        *("Select", "Slice", "Unbind", "View", "UnsafeView", "Unsqueeze", "Squeeze", "Clone", "ToCopy", "Alias"),
        *("ReshapeAlias", "Expand", "Permute", "Transpose", "Index"),
    )
) | {"SqueezeBackward1", "SqueezeBackward2", "CopySlices"}
MIXING = ("Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Einsum", "Mv", "Dot", "Mkldnn", "MkldnnRnn", "SparseMm")
ENDS = (*MIXING, "LayerNorm", "NativeGroupNorm", "AccumulateGrad", "Stack", "Cat", "Sum", "Mean", "Embedding")
OFFSETS = ("Sub", "Rsub", "Div", "Mul", "Neg")  # potential - threshold, scaled; an addition is the state's own update
MAX_NODES = 400  # visited on the way to the weights


def mixes(name: str) -> bool:
    """Return whether a node multiplies by a weight that mixes neurons."""
    return name.startswith(MIXING) or "Convolution" in name


def ends(name: str) -> bool:
    """Return whether a way upstream ends at a node of this name."""
    return name.startswith(ENDS) or any(part in name for part in ("Pool", "BatchNorm", "Convolution"))


def goes_on(node: Any, shape: tuple[int, ...]) -> bool:
    """Return whether a way upstream goes on behind a node: what it computes has this shape, a value per neuron."""
    name = type(node).__name__
    return not ends(name) and (shape_of(node) == shape or name in VIEWS)


def previous_applications(applications: Sequence[Application]) -> list[int | None]:
    """Return, for each application, the earlier one whose state it continues; None where the graph shows none.

    Each node is visited once in all. What an earlier application's way went over proves nothing for a later one.
    """
    of_node = {a.node: i for i, a in enumerate(applications) if a.node is not None}
    states = states_of(applications, of_node)
    previous: list[int | None] = [None] * len(applications)
    visited: set[Any] = set()
    for index, application in enumerate(applications):
        reached, passed = [], set()
        todo = [] if application.source is None else [application.source]
        while todo:
            node = todo.pop()
            if node in passed or node in visited:
                continue
            passed.add(node)
            if node in of_node:
                continue
            state = states.get(node)
            if state is None:
                visited.add(node)
            elif state != index:
                reached += [state] if state < index else []
                continue
            if goes_on(node, application.shape):
                todo += parents_of(node)
        same = [i for i in reached if applications[i].shape == application.shape]
        previous[index] = max(same, default=None)
    return previous


def states_of(applications: Sequence[Application], of_node: dict[Any, int]) -> dict[Any, int]:
    """Return the nodes from each argument down to the potential, by the first application that reaches them."""
    states: dict[Any, int] = {}
    for index, application in enumerate(applications):
        for _, node in way_to_state(application, lambda node: node in of_node or node in states):
            states[node] = index
    return states


def way_to_state(application: Application, is_over: Callable[[Any], bool]) -> Iterator[tuple[Any, Any]]:
    """Yield the nodes from the argument down to the potential, each behind the node that was computed from it.

    That of the argument itself is None. A way is over at nodes of which `is_over` says so, which are not yielded, and
    at the potential: an addition, or the input current that it starts as.
    """
    todo = [(None, application.source)]
    while todo:
        later, node = todo.pop()
        if node is None or is_over(node):
            continue
        yield later, node
        name = type(node).__name__
        if name.startswith(OFFSETS) or name in VIEWS:
            todo += [(node, parent) for parent in parents_of(node) if shape_of(parent) == application.shape]


def nearest_weights(application: Application, own: frozenset[Any] = frozenset()) -> tuple[nn.Parameter, ...]:
    """Return the weights that the argument is computed from without another surrogate between, the closest first.

    One that mixes neurons comes before one that scales them, such as a decay per branch of a dendrite. One that
    multiplies spikes of the layer's own, whose nodes are `own`, is recurrent and comes last.
    """
    feeding, scaling, recurrent = weights_by_kind(application, own)
    return (*feeding, *scaling, *recurrent)


def weights_by_kind(application: Application, own: frozenset[Any]) -> tuple[list[nn.Parameter], ...]:
    """Return the weights upstream that mix neurons, those that scale them, and those of the layer's own spikes."""
    feeding: list[nn.Parameter] = []
    scaling: list[nn.Parameter] = []
    recurrent: list[nn.Parameter] = []
    for weight, product in weights_upstream(application):
        if all(weight is not known for known in (*feeding, *scaling, *recurrent)):
            kind = scaling if product is None else recurrent if multiplies(product, own) else feeding
            kind.append(weight)
    return feeding, scaling, recurrent


def weights_upstream(application: Application) -> Iterator[tuple[nn.Parameter, Any]]:
    """Yield each weight of two or more axes, and the node that multiplies by it."""
    todo: list[tuple[Any, Any]] = [(application.source, None)]
    passed: set[Any] = set()
    while todo and len(passed) < MAX_NODES:
        node, product = todo.pop(0)
        if node is None or node in passed or is_custom_function(node):
            continue
        passed.add(node)
        name = type(node).__name__
        if name == "AccumulateGrad":
            if node.variable.dim() > 1:
                yield node.variable, product
            continue
        product = node if mixes(name) else product
        todo += [(parent, product) for parent in parents_of(node)]


def multiplies(product: Any, own: Set[Any]) -> bool:
    """Return whether a product's other factor is made of spikes that these nodes emitted."""
    todo = parents_of(product)
    passed: set[Any] = set()
    while todo and len(passed) < MAX_NODES:
        node = todo.pop()
        if node in own:
            return True
        if node not in passed and not is_custom_function(node) and not mixes(type(node).__name__):
            passed.add(node)
            todo += parents_of(node)
    return False
