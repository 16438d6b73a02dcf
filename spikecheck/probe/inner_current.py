"""The input current of a hand-written layer that makes it with weights of its own: what a module inside of it returns.

The graph shows which: the weighted module, or the normalization behind it, that the potential is computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from spikecheck.probe.applications import Application
from spikecheck.probe.frameworks.base import PER_STEP
from spikecheck.probe.graph_decay import derivatives_by, is_spike
from spikecheck.probe.held import Held
from spikecheck.probe.hook import HookSet
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.passes import Passes
from spikecheck.probe.state_chains import MAX_NODES, mixes, multiplies, way_to_state, weights_by_kind
from spikecheck.probe.torch_private import (
    has_values,
    in_backward,
    is_custom_function,
    is_dense,
    parents_of,
    takes_hooks,
)

READ_STEP = 4  # the time step whose graph is read: the first sees a constant potential, the last all before it


class InnerCurrents:
    """Observes what the modules return that make the currents of layers; the hooks stay on until `remove`."""

    def __init__(self, passes: Passes, guard: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
        self.passes, self.hooks = passes, HookSet(guard)
        self.watched: set[str] = set()  # the layers whose modules are hooked

    def watch(self, watched: WatchedLayer, maker: nn.Module, gain: float) -> None:
        """Observe the module that makes a layer's current, from its next call on."""
        if watched.name not in self.watched and takes_hooks(maker):
            self.watched.add(watched.name)
            watched.take_gain(gain)
            hook = self.hooks.make(partial(self.returned, watched), lambda: not in_backward())
            self.hooks.add(maker.register_forward_hook(hook))

    def returned(self, watched: WatchedLayer, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Keep a reference to what the module returned, in a call of the layer."""
        if watched.hooked and isinstance(output, Tensor) and has_values(output) and is_dense(output):
            self.passes.here().recorder.calls(watched.name).inner_currents.append(Held.of(output, PER_STEP))


@dataclass(frozen=True)
class Maker:
    """The module inside a layer that makes its current, and the factor by which that enters the potential."""

    name: str
    gain: float


def maker_of(applications: Sequence[Application], layer: str, parameters: Mapping[int, str]) -> Maker | None:
    """Return what makes the current of a layer; None where there is none, or several, or the factor is not known."""
    step = applications[:READ_STEP][-1]
    own = frozenset(one.node for one in applications if one.node is not None)
    feeding, *_ = weights_by_kind(step, own)
    weighted = {owner(weight, parameters) for weight in feeding}
    weighted = {name for name in weighted if name.startswith(f"{layer}.")}
    node = nearest_maker(step, own)
    if len(weighted) != 1 or node is None:
        return None
    normalizing = {owner(parent.variable, parameters) for parent in parents_of(node) if is_parameter(parent)}
    names = weighted if mixes(type(node).__name__) else normalizing
    name = next((name for name in names if name.startswith(f"{layer}.")), None)
    gain = gain_of(node, step, applications)
    return Maker(name, gain) if name is not None and gain else None


def owner(parameter: Tensor, parameters: Mapping[int, str]) -> str:
    """Return the name of the module that holds a parameter; empty for none."""
    return parameters.get(id(parameter), "").rpartition(".")[0].removesuffix(".parametrizations.weight")


def nearest_maker(application: Application, own: Set[Any]) -> Any:
    """Return the nearest product upstream of a potential, or the normalization of one; spikes of its own make none."""
    todo, passed = [application.source], set[Any]()
    while todo and len(passed) < MAX_NODES:
        node = todo.pop(0)
        if node is None or node in passed or is_custom_function(node):
            continue
        passed.add(node)
        name = type(node).__name__
        if not (mixes(name) and multiplies(node, own)):
            if mixes(name) or "Norm" in name:
                return node
            todo += parents_of(node)
    return None


def is_parameter(node: Any) -> bool:
    """Return whether a node stands for a parameter."""
    return type(node).__name__ == "AccumulateGrad"


def gain_of(maker: Any, step: Application, applications: Sequence[Application]) -> float | None:
    """Return the derivative of a potential by what made the current of the same time step."""
    earlier = applications[: applications.index(step)]
    spikes = {one.node for one in applications}
    states = {node for one in earlier for _, node in way_to_state(one, lambda node: is_spike(node, spikes))}
    derivatives = derivatives_by({maker: 1.0}, step, lambda node: is_spike(node, spikes) or node in states)
    return derivatives.get(step.source)
