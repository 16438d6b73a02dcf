"""Styles of networks whose neurons are modules that no library's file knows, each as people publish it.

`record(layer, spikes)` notes the true spikes, [batch, neuron], of every time step. A style's network, how a script runs
it, and what the report has to say of its layers are in STYLES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.conformance.functional_styles import (
    BATCH,
    CLASSES,
    HIDDEN,
    INPUTS,
    STEPS,
    FastSigmoid,
    record,
    spike_fn,
    weight,
)


class TimeLast(nn.Module):
    """A layer of [batch, channel, time], as where a kernel size of 1 in a convolution over time weighs each step."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.weigh, self.drop, self.name = nn.Conv1d(inputs, neurons, 1), nn.Dropout(0.2), name

    def forward(self, x: Tensor) -> Tensor:
        current = 3 * self.weigh(x)
        potential, shown = torch.zeros_like(current[..., 0]), []
        for t in range(x.shape[-1]):
            potential = 0.9 * potential + current[..., t]
            spikes = spike_fn(potential - 0.5)
            potential = potential * (1 - spikes.detach())
            shown.append(spikes)
        dropped = self.drop(torch.stack(shown, -1))
        for step in dropped.unbind(-1):
            record(self.name, step)
        return dropped  # type: ignore[no-any-return]


class TimeFirst(nn.Module):
    """A class for a layer of [time, batch, feature], which holds its own weights."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.fc, self.name, self.threshold = nn.Linear(inputs, neurons), name, 0.3

    def spike(self, distance: Tensor) -> Tensor:
        return spike_fn(distance)

    def forward(self, x: Tensor) -> Tensor:
        potential, shown = x.new_zeros(x.shape[1], self.fc.out_features), []
        for frame in x:
            potential = 0.8 * potential + 2 * self.fc(frame)
            spikes = record(self.name, self.spike(potential - self.threshold))
            potential = potential - self.threshold * spikes.detach()
            shown.append(spikes)
        return torch.stack(shown)


class WithoutSurrogate(TimeFirst):
    """The same, with a comparison: its weights and all before them get no gradient."""

    def spike(self, distance: Tensor) -> Tensor:
        return (distance > 0).float()


class OwnParameters(nn.Module):
    """A layer of [time, batch, feature] whose weights are parameters of its own, the recurrent one included."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.recurrent, self.w = weight(neurons, neurons, 0.3), weight(inputs, neurons, 2.0)
        self.name, self.threshold = name, 0.5

    def forward(self, x: Tensor) -> Tensor:
        potential = spikes = x.new_zeros(x.shape[1], self.w.shape[1])
        shown = []
        for current in x @ self.w:
            potential = 0.9 * potential * (1 - spikes.detach()) + current + spikes @ self.recurrent
            spikes = record(self.name, spike_fn(potential - self.threshold))
            shown.append(spikes)
        return torch.stack(shown)


class Gated(nn.Module):
    """A layer of [time, batch, feature] like an LSTM: every gate weighs the input and the layer's own spikes."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.gates, self.feedback = nn.Linear(inputs, 3 * neurons), nn.Linear(neurons, 3 * neurons, bias=False)
        self.neurons, self.name, self.threshold = neurons, name, 0.1

    def forward(self, x: Tensor) -> Tensor:
        cell = spikes = x.new_zeros(x.shape[1], self.neurons)
        shown = []
        for step in x:
            keep, write, value = (self.gates(step) + self.feedback(spikes)).chunk(3, -1)
            cell = keep.sigmoid() * cell + write.sigmoid() * value.tanh()
            spikes = record(self.name, spike_fn(cell - self.threshold))
            shown.append(spikes)
        return torch.stack(shown)


class Dendritic(nn.Module):
    """A layer of [time, batch, feature] whose branches each have a decay of their own, a parameter of two axes."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.branches, self.decays = nn.Linear(inputs, 2 * neurons), nn.Parameter(torch.zeros(neurons, 2))
        self.name, self.threshold = name, 0.3

    def forward(self, x: Tensor) -> Tensor:
        branch, shown = x.new_zeros(x.shape[1], *self.decays.shape), []
        for step in x:
            branch = self.decays.sigmoid() * branch + self.branches(step).view_as(branch)
            shown.append(record(self.name, spike_fn(branch.sum(-1) - self.threshold)))
        return torch.stack(shown)


class Readout(nn.Module):
    """Layers and a linear readout of the mean over an axis."""

    def __init__(self, *layers: nn.Module, axis: int) -> None:
        super().__init__()
        self.layers, self.out, self.axis = nn.ModuleList(layers), nn.Linear(HIDDEN, CLASSES), axis

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.out(x.mean(self.axis))  # type: ignore[no-any-return]


class Checkpointed(Readout):
    """Each layer is computed again in the backward pass, by the older kind of checkpoint."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = checkpoint(layer, x.requires_grad_(), use_reentrant=True)
        return self.out(x.mean(self.axis))  # type: ignore[no-any-return]


class Integrate(torch.autograd.Function):
    """A leaky integration over the whole last axis, forward and backward: no loop is left in the graph."""

    @staticmethod
    def forward(ctx: Any, current: Tensor) -> Tensor:
        state, shown = torch.zeros_like(current[..., 0]), []
        for step in current.unbind(-1):
            state = 0.8 * state + step
            shown.append(state)
        return torch.stack(shown, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        state, shown = torch.zeros_like(gradient[..., 0]), []
        for step in gradient.unbind(-1)[::-1]:
            state = 0.8 * state + step
            shown.append(state)
        return torch.stack(shown[::-1], -1)


class WholeNeuron(nn.Module):
    """Neurons that integrate and compare a whole sequence [batch, channel, time] at once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.threshold = name, 0.4

    def forward(self, current: Tensor) -> Tensor:
        spikes: Tensor = FastSigmoid.apply(Integrate.apply(current) - self.threshold)
        for step in spikes.unbind(-1):
            record(self.name, step)
        return spikes


class WholeBlock(nn.Module):
    """A synapse and neurons, as in libraries that keep time last."""

    def __init__(self, inputs: int, neurons: int, name: str) -> None:
        super().__init__()
        self.synapse, self.neuron = nn.Conv1d(inputs, neurons, 1), WholeNeuron(name)

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.synapse(x))  # type: ignore[no-any-return]


class Surrogate(nn.Module):
    """A surrogate as a module, made for each node."""

    def forward(self, distance: Tensor) -> Tensor:
        return spike_fn(distance)


class Node(nn.Module):
    """A neuron of a class hierarchy: its state is on it, its threshold a frozen parameter, `n_reset` forgets."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.5), requires_grad=False)
        self.act_fun, self.name = Surrogate(), name
        self.n_reset()

    def n_reset(self) -> None:
        self.mem: Tensor | float = 0.0
        self.spike: Tensor | float = 0.0

    def integral(self, inputs: Tensor) -> None:
        self.mem = self.mem + (inputs - self.mem) / 2

    def calc_spike(self) -> None:
        self.spike = record(self.name, self.act_fun(self.mem - self.threshold))
        self.mem = self.mem * (1 - self.spike.detach())

    def forward(self, inputs: Tensor) -> Tensor:
        self.integral(inputs)
        self.calc_spike()
        assert isinstance(self.spike, Tensor)
        return self.spike


class Nodes(nn.Module):
    """A classifier that resets its nodes and calls its features once per time step."""

    def __init__(self) -> None:
        super().__init__()
        first, second = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        for layer in (first, second):
            layer.weight.data.mul_(4)
        self.feature = nn.Sequential(first, Node("first"), second, Node("second"))
        self.fc = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.modules():
            if isinstance(module, Node):
                module.n_reset()
        return sum(self.fc(self.feature(step)) for step in x.unbind(1)) / x.shape[1]  # type: ignore[no-any-return]


class NodeOverTime(Node):
    """The same for all time steps at once, which are one axis with the batch, as the layers before need it."""

    def forward(self, inputs: Tensor) -> Tensor:
        shown = []
        for step in inputs.unflatten(0, (STEPS, -1)):
            shown.append(super().forward(step))
        return torch.stack(shown).flatten(0, 1)


class LayerByLayer(nn.Module):
    """A classifier that runs layer by layer: time and batch are one axis."""

    def __init__(self) -> None:
        super().__init__()
        first, second = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        for layer in (first, second):
            layer.weight.data.mul_(4)
        self.feature = nn.Sequential(first, NodeOverTime("first"), second, NodeOverTime("second"))
        self.fc = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.modules():
            if isinstance(module, Node):
                module.n_reset()
        spikes = self.feature(x.transpose(0, 1).flatten(0, 1))
        return self.fc(spikes).unflatten(0, (STEPS, -1)).mean(0)  # type: ignore[no-any-return]


class Group(nn.Module):
    """A group of neurons that a simulation lets evolve; nobody calls it as a module."""

    def __init__(self, neurons: int, name: str) -> None:
        super().__init__()
        self.neurons, self.name, self.spk_nl = neurons, name, spike_fn

    def configure(self, samples: int) -> None:
        self.input = self.mem = self.out = torch.zeros(samples, self.neurons)

    def add(self, current: Tensor) -> None:
        self.input = self.input + current

    def evolve(self) -> None:
        self.mem = 0.8 * self.mem * (1 - self.out.detach()) + self.input
        self.out = record(self.name, self.spk_nl(self.mem - 1.0))
        self.input = torch.zeros_like(self.input)


class Simulation(nn.Module):
    """A model of groups and connections, run by `forward_pass`, which is not `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = nn.ModuleList([Group(HIDDEN, "first"), Group(HIDDEN, "second")])
        self.into, self.between = weight(INPUTS, HIDDEN, 2.0), weight(HIDDEN, HIDDEN, 2.0)
        self.readout = nn.Linear(HIDDEN, CLASSES)

    def forward_pass(self, x: Tensor) -> Tensor:
        first, second = (group for group in self.groups if isinstance(group, Group))
        for group in (first, second):
            group.configure(len(x))
        total = x.new_zeros(len(x), CLASSES)
        for step in x.unbind(1):
            first.add(step @ self.into)
            first.evolve()
            second.add(first.out @ self.between)
            second.evolve()
            total = total + self.readout(second.out)
        return total


@dataclass(frozen=True)
class Style:
    """A network, how the script calls it, and its layers: the name in the report by that of the true spikes.

    `axis` is the time axis of the layers' output, None where each call is a step. `weight` is the one inside of each
    layer that makes its current. `doubtful`: without `arguments`, nothing tells the axis, and the report says so.
    """

    build: Callable[[], nn.Module]
    layers: dict[str, str]
    axis: int | None
    call: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: model(x)
    arguments: dict[str, Any] = field(default_factory=dict)
    doubtful: bool = False
    weight: str = ""
    checks: tuple[str, ...] = ()  # what is wrong with it, above a note


def sequence() -> Tensor:
    return (torch.rand(BATCH, STEPS, INPUTS) < 0.4).float()


def two(kind: Callable[[int, int, str], nn.Module]) -> tuple[nn.Module, nn.Module]:
    return kind(INPUTS, HIDDEN, "first"), kind(HIDDEN, HIDDEN, "second")


LAYERS = {"first": "layers.0", "second": "layers.1"}

STYLES = {
    "time last": Style(
        lambda: Readout(*two(TimeLast), axis=-1), LAYERS, 2, lambda model, x: model(x.transpose(1, 2)),
        weight="weigh",
    ),
    "time, batch, feature": Style(
        lambda: Readout(*two(TimeFirst), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1)), weight="fc"
    ),
    "parameters of its own": Style(
        lambda: Readout(*two(OwnParameters), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1)), weight="w"
    ),
    "gates": Style(
        lambda: Readout(*two(Gated), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1)), weight="gates"
    ),
    "dendrites": Style(
        lambda: Readout(*two(Dendritic), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1)),
        weight="branches",
    ),
    "no surrogate": Style(
        lambda: Readout(*two(WithoutSurrogate), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1)),
        weight="fc", checks=("SPK401",),
    ),
    "reentrant checkpoint": Style(
        lambda: Checkpointed(*two(TimeFirst), axis=0), LAYERS, 0, lambda model, x: model(x.transpose(0, 1))
    ),
    "whole sequences, time last": Style(
        lambda: Readout(*two(WholeBlock), axis=-1), {"first": "layers.0.neuron", "second": "layers.1.neuron"}, 2,
        lambda model, x: model(x.transpose(1, 2)), {"time": -1}, doubtful=True,
    ),
    "nodes that keep their state": Style(Nodes, {"first": "feature.1", "second": "feature.3"}, None),
    "layer by layer": Style(LayerByLayer, {"first": "feature.1", "second": "feature.3"}, 0),
    "simulated groups": Style(
        Simulation, {"first": "groups.0", "second": "groups.1"}, None, lambda model, x: model.forward_pass(x)  # type: ignore[operator]
    ),
}  # fmt: skip
