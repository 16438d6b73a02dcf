"""Whether a gradient can go from one time step of a layer back to the one before, read from the graph.

The nodes of a call, from its spikes up to what the layer was given, are kept until the next call. Where the next call's
nodes lead to none of them, nothing that the layer did before can be credited for what it does now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spikecheck.probe.frameworks.base import Observation, nested
from spikecheck.probe.state_chains import VIEWS
from spikecheck.probe.torch_private import parents_of

FIRST_STEP = 2  # of 0, 1, 2 ...: a potential may begin as the first input, and its node is then not the layer's own
LAST_STEP = 4
MAX_NODES = 256  # of one time step: a neuron takes ten to thirty
MAX_AFTER = 12  # nodes between a stack of time steps and what the layer returns


@dataclass
class TimePath:
    """The time steps of a layer in one forward pass: those that lead back to the one before, and those that do not."""

    step: int = 0
    joined: int = 0
    cut: int = 0
    before: frozenset[Any] = field(default_factory=frozenset)  # nodes of the time step before, without leaves

    @property
    def is_cut(self) -> bool | None:
        """Whether no time step leads back to the one before; None where too few were read."""
        return self.cut > 0 if self.joined == 0 and self.step > LAST_STEP else False if self.joined else None

    def follow(self, observation: Observation, args: Sequence[Any], *, has_state: bool) -> None:
        """Read the graph of a call: one time step, or all of them where the call shows them as a stack.

        What shows no state may be a surrogate gradient alone, whose potential is computed elsewhere.
        """
        spikes, inputs = observation.spikes, nested(args)[:1]
        if spikes is None or spikes.grad_fn is None:
            return
        ends = frozenset(tensor.grad_fn for tensor in inputs if tensor.grad_fn is not None)
        if observation.layout.time is None:
            if has_state or observation.potential is not None:
                self.add(spikes.grad_fn, ends)
            return
        source = spikes if observation.output is None else observation.output
        for node in stacked(source, spikes.shape[observation.layout.time])[: LAST_STEP + 1]:
            self.add(node, ends)

    def add(self, root: Any, ends: frozenset[Any]) -> None:
        """Read one time step, from its spikes on."""
        if self.step <= LAST_STEP:
            nodes, joined = upstream(root, ends, self.before)
            if self.step >= FIRST_STEP:
                self.joined += joined
                self.cut += not joined
            self.before = nodes
        self.step += 1
        if self.step > LAST_STEP:
            self.before = frozenset()  # a node keeps what it saved


def upstream(root: Any, ends: frozenset[Any], before: frozenset[Any]) -> tuple[frozenset[Any], bool]:
    """Return the nodes upstream that computed something, and whether any is of the time step before.

    So is what is too large to be read: it is more than a neuron, and proves nothing.
    """
    todo, visited, joined = [root], set(ends), False
    while todo and len(visited) < MAX_NODES:
        node = todo.pop()
        if node in before:
            joined = True
        elif node not in visited:
            visited.add(node)
            todo += parents_of(node)
    own = (node for node in visited - ends if (name := type(node).__name__) not in VIEWS and name != "AccumulateGrad")
    return frozenset(own), joined or bool(todo)


def stacked(output: Tensor, steps: int) -> list[Any]:
    """Return the nodes of the time steps that an output is a stack of; none where it is no such stack."""
    node = output.grad_fn
    for _ in range(MAX_AFTER):
        parents = parents_of(node)
        if type(node).__name__.startswith(("StackBackward", "CatBackward")):
            return parents if len(parents) == steps else []
        if len(parents) != 1:
            return []
        node = parents[0]
    return []
