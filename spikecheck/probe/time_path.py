"""Whether a gradient can go from one time step of a layer back to the one before, read from the graph.

The nodes of a call, from its spikes up to what the layer was given, are kept until the next call. Where the next call's
nodes lead to none of them, nothing that the layer did before can be credited for what it does now. Where the two calls
are no time steps, but one module in two places of the network, they should lead to none: each place has its own state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spikecheck.probe.frameworks.base import Observation, nested
from spikecheck.probe.state_chains import VIEWS
from spikecheck.probe.torch_private import parents_of, sequence_number, shape_of

FIRST_STEP = 2  # of 0, 1, 2 ...: a potential may begin as the first input, and its node is then not the layer's own
LAST_STEP = 4
MAX_NODES = 256  # of one time step: a neuron takes ten to thirty
MAX_OF_LAST = 24  # of the last one: its potential is among the nearest
MAX_AFTER = 12  # nodes between a stack of time steps and what the layer returns


@dataclass
class TimePath:
    """The time steps of a layer in one forward pass: those that lead back to the one before, and those that do not."""

    step: int = 0
    joined: int = 0
    cut: int = 0
    continued: int = 0  # of those joined: by a tensor of the spikes' own shape, as a potential is
    root: Any = None  # the node of the latest spikes
    before: frozenset[Any] = field(default_factory=frozenset)  # nodes of the time step before, without leaves
    ended: frozenset[Any] = field(default_factory=frozenset)  # the same of the last time step of a call that holds all

    @property
    def is_cut(self) -> bool | None:
        """Whether no time step leads back to the one before; None where too few were read."""
        return False if self.joined else True if self.cut > LAST_STEP - FIRST_STEP else None

    def follow(
        self, observation: Observation, args: Sequence[Any], learned_time: int | None, *, has_state: bool
    ) -> None:
        """Read the graph of a call: one time step, or all of them where the call shows them as a stack.

        What shows no state may be a surrogate gradient alone, whose potential is computed elsewhere.
        """
        spikes, inputs = observation.spikes, nested(args)[:1]
        if spikes is None or spikes.grad_fn is None:
            return
        ends = frozenset(tensor.grad_fn for tensor in inputs if tensor.grad_fn is not None)
        time = learned_time if observation.layout.time is None else observation.layout.time
        if time is None or not -spikes.dim() <= time < spikes.dim():
            if has_state or observation.potential is not None:
                self.add(spikes.grad_fn, ends, tuple(spikes.shape))
            return
        source = spikes if observation.output is None else observation.output
        steps = stacked(source, spikes.shape[time])
        if len(steps) <= 1:
            return
        self.continued += has_shape(upstream(steps[0], ends, self.ended)[1], shape_of(steps[0]))
        self.ended = own(upstream(steps[-1], ends, frozenset(), MAX_OF_LAST)[0], steps[-2])
        for node in steps[: LAST_STEP + 1]:
            self.add(node, ends)

    def add(self, root: Any, ends: frozenset[Any], shape: tuple[int, ...] | None = None) -> None:
        """Read one time step, from its spikes on; the shape of its potential, where it is a call of its own."""
        if self.step <= LAST_STEP:
            nodes, met = upstream(root, ends, self.before)
            nodes = nodes if self.root is None else own(nodes, self.root)
            if self.step >= FIRST_STEP and met is not None:
                self.joined += bool(met)
                self.cut += not met
                self.continued += has_shape(met, shape)
            self.before, self.root = nodes, root
        self.step += 1
        if self.step > LAST_STEP:
            self.before, self.root = frozenset(), None  # a node keeps what it saved


def own(nodes: frozenset[Any], root: Any) -> frozenset[Any]:
    """Return the nodes that were made after another one: the rest is of earlier time steps, or of other layers."""
    number = sequence_number(root)  # 0 where torch does not number its nodes
    return frozenset(node for node in nodes if sequence_number(node) > number) if number else nodes


def has_shape(nodes: list[Any] | None, shape: tuple[int, ...] | None) -> bool:
    """Return whether any of some nodes computed a tensor of this shape."""
    return shape is not None and any(shape_of(node) == shape for node in nodes or ())


def upstream(
    root: Any, ends: frozenset[Any], before: frozenset[Any], most: int = MAX_NODES
) -> tuple[frozenset[Any], list[Any] | None]:
    """Return the nodes upstream that computed something, and those of the time step before that they lead to.

    None where there are too many to be read: that is more than a neuron, and proves nothing.
    """
    todo, visited, met = [root], set(ends), []
    while todo and len(visited) < most:
        node = todo.pop()
        if node in before:
            met.append(node)
        elif node not in visited:
            visited.add(node)
            todo += parents_of(node)
    made = (node for node in visited - ends if (name := type(node).__name__) not in VIEWS and name != "AccumulateGrad")
    return frozenset(made), None if todo else met


def stacked(output: Tensor, steps: int) -> list[Any]:
    """Return the nodes of the time steps that an output is a stack of; none where it is no such stack."""
    node = output.grad_fn
    for _ in range(0 if node is None else MAX_AFTER):
        parents = parents_of(node)
        if type(node).__name__.startswith(("StackBackward", "CatBackward")):
            return parents if len(parents) == steps else []
        if len(parents) != 1:
            return []
        node = parents[0]
    return []
