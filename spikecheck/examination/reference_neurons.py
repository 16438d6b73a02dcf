"""Replace the neurons of every spiking layer, of any library, by a leaky neuron that is known to work.

A hook on each layer computes the reference neuron from the layer's input current, and puts its spikes and its potential
in the place of those in what the layer returned: so each library gets back what it expects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.examination.experiments.base import NotApplicableError
from spikecheck.examination.subject import Subject, seed_everything
from spikecheck.probe.frameworks.base import Framework, Observation
from spikecheck.probe.layer import Layer, Status
from spikecheck.probe.session import Session
from spikecheck.site import Layout
from spikecheck.stats.engine import measure_values

DECAY, THRESHOLD = 0.9, 1.0
SLOPE = 10.0  # of the surrogate gradient 1 / (1 + 10 |v|)^2: a fast sigmoid, as published by Zenke and Ganguli (2018)
SPREADS = 1.5  # standard deviations of the free potential up to the threshold: as of Rossbroich et al. (2022)


class SurrogateSpike(torch.autograd.Function):
    """A step function, whose gradient is that of a fast sigmoid."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        """Return 1 where the potential is above the threshold."""
        ctx.save_for_backward(v)
        spikes: Tensor = (v > 0).to(v.dtype)
        return spikes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Return the surrogate gradient."""
        (v,) = ctx.saved_tensors
        surrogate: Tensor = grad / (SLOPE * v.abs() + 1) ** 2
        return surrogate


@dataclass
class Replacement:
    """The reference neuron of one layer: `gain` and `offset` scale its input current."""

    framework: Framework
    layout: Layout | None = None  # learned, where the framework does not show it
    gain: float = 1.0
    offset: float = 0.0
    potential: Tensor | None = None
    currents: list[Tensor] | None = field(default=None)

    def hook(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> Any:
        """Return the layer's output with the spikes and the potential of the reference neuron."""
        shown = self.framework.observe(module, args, kwargs, output)
        if shown.current is None or shown.spikes is None:
            return output
        self.layout = self.layout or shown.layout
        if self.currents is not None:
            self.currents.append(shown.current.detach().float())
        spikes, potential = self.computed(shown.current)
        return substituted(output, {id(shown.spikes): spikes, id(shown.potential): potential}, shown)

    def computed(self, current: Tensor) -> tuple[Tensor, Tensor]:
        """Return spikes and potential for the current of one time step, or of a whole sequence."""
        scaled = torch.nan_to_num((current - self.offset) * self.gain)
        axis = None if self.layout is None else self.layout.time
        if axis is None:
            return self.step(scaled)
        self.potential = None
        steps = [self.step(one) for one in scaled.unbind(axis)]
        spikes, potentials = zip(*steps, strict=True)
        return torch.stack(spikes, axis), torch.stack(potentials, axis)

    def step(self, current: Tensor) -> tuple[Tensor, Tensor]:
        """Make one time step."""
        v = self.potential
        v = current if v is None or v.shape != current.shape else DECAY * v + current
        spikes: Tensor = SurrogateSpike.apply(v - THRESHOLD)  # type: ignore[no-untyped-call]
        self.potential = v - spikes.detach() * THRESHOLD
        return spikes, v

    def calibrate(self) -> None:
        """Scale the current so that the free potential fluctuates around 0, the threshold 1.5 deviations above it."""
        currents, self.currents = self.currents or [], None
        if not currents:
            raise NotApplicableError("the input current of a spiking layer is not known")
        axis = None if self.layout is None else self.layout.time
        steps = currents if axis is None else list(currents[0].unbind(axis))
        mean = float(torch.stack([torch.nan_to_num(one).mean() for one in steps]).mean())
        v, squares = torch.zeros_like(steps[0]), []
        for one in steps:
            v = DECAY * v + torch.nan_to_num(one) - mean
            squares.append(float(v.square().mean()))
        spread = math.sqrt(sum(squares) / len(squares))
        if not math.isfinite(spread) or spread < 1e-9:
            raise NotApplicableError("a spiking layer receives the same current in every neuron and time step")
        self.gain, self.offset = THRESHOLD / SPREADS / spread, mean


def substituted(output: Any, values: Mapping[int, Tensor], shown: Observation) -> Any:
    """Return an output with other tensors in the place of some; one that shows its spikes as a view keeps its shape."""
    if isinstance(output, Tensor):
        if id(output) in values:
            return values[id(output)].to(output.dtype)
        if shown.output is output and shown.spikes is not None:
            return values[id(shown.spikes)].reshape(output.shape).to(output.dtype)
        return output
    if isinstance(output, tuple | list):
        parts = [substituted(part, values, shown) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


def replace_neurons(subject: Subject) -> int:
    """Replace the neurons of every spiking layer, scaled for the first batch; return the number of layers.

    Raises:
        NotApplicableError: there is no spiking layer, or the input current of one is not known.
    """
    layers = spiking_layers(subject)
    replacements = {layer.module: Replacement(layer.framework, layer.layout) for layer in layers}

    def begin(*args: Any) -> None:
        for replacement in replacements.values():
            replacement.potential = None

    subject.model.register_forward_pre_hook(begin)
    for module, replacement in replacements.items():
        module.register_forward_hook(replacement.hook, with_kwargs=True)
    batch = subject.training[0]
    subject.model.train()
    for replacement in replacements.values():  # in the order of the data flow: each sees the one before it replaced
        replacement.currents = []
        seed_everything()
        begin()
        subject.output(batch)
        replacement.calibrate()
    begin()
    return len(replacements)


def spiking_layers(subject: Subject) -> list[Layer]:
    """Return the spiking layers in the order of the data flow.

    Raises:
        NotApplicableError: there is none, or one is no module.
    """
    session = Session(subject.model, lambda capture, tier=2: None, values_of=measure_values)
    session.install()
    subject.model.train()
    seed_everything()
    try:
        subject.output(subject.training[0])
        session.finish()
    finally:
        session.remove()
    layers = session.layers.spiking()
    if not layers:
        raise NotApplicableError("no spiking layer was observed")
    if not all(watched.status is Status.SPIKING for watched in layers):
        raise NotApplicableError("a spiking layer is no module, and cannot be replaced")
    return [watched.layer for watched in layers]
