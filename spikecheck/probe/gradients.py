"""Gradients over the whole run: whether any reaches a layer's spikes, and what becomes of those of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spikecheck.probe.frameworks.base import Observation
from spikecheck.probe.time_path import TimePath
from spikecheck.probe.unused import gradient_norms
from spikecheck.readings import FlowReading
from spikecheck.site import Capture, Site, SiteKind, SpikeArgument, SurrogateSlope

HOOKED_PASSES = 3  # forward passes in which a hook on the spikes notices whether any gradient arrives, until one does
HOOKED_LATER = (4, 16, 64, 256)  # and so many passes later: a layer that is silent at first may fire by then


class CallSpikes(NamedTuple):
    """The spikes of one call: their shape, and in which of its time steps any neuron fired."""

    shape: torch.Size
    active_steps: Tensor


@dataclass
class LayerGradients:
    """Whether gradients can pass a spiking layer, whether any ever reached it, and at which time steps."""

    forward_passes: int = 0  # with gradients
    blocked_passes: int = 0  # of those, in which the spikes were cut from the graph
    hooked: bool = False
    gradient_seen: bool = False  # by a hook on the spikes
    receives_gradient: bool | None = None  # None until a backward pass is over
    gradient_by_call: dict[int, Tensor] = field(default_factory=dict)  # per step of the call: is it other than 0?
    spikes_by_call: dict[int, CallSpikes] = field(default_factory=dict)  # of the forward pass that runs
    spikes_last_forward: dict[int, CallSpikes] = field(default_factory=dict)
    calls_last_forward: int = 0
    cut_in_time: bool | None = None  # None where the graph does not tell
    shares_state: bool = False  # between the layers that one module serves
    decay: float | None = None  # from one time step to the next; None where the graph does not tell
    argument: SpikeArgument | None = None  # of a hand-written layer's spike function
    surrogate: SurrogateSlope | None = None  # of its spike function, in a backward pass
    recurrent_weight: str | None = None  # the parameter by which the spikes of a hand-written layer drive it
    error: Exception | None = None  # of ours, in a hook on the spikes

    def hook(self, observation: Observation, call: int) -> None:
        """Notice whether a gradient arrives at the spikes of a call, in the first forward passes."""
        spikes = observation.spikes
        if spikes is None or not spikes.requires_grad or not self.is_hooked():
            return
        hook = GradientHook(self, call, spikes.shape, observation.layout.time)
        self.spikes_by_call[call] = CallSpikes(spikes.shape, hook.active_steps(spikes.detach()))
        source = spikes if observation.output is None else observation.output
        source.register_hook(hook)  # type: ignore[no-untyped-call]
        self.hooked = True

    def is_hooked(self) -> bool:
        """Return whether the gradients of the next forward pass are looked at."""
        return self.forward_passes in HOOKED_LATER or (self.forward_passes < HOOKED_PASSES and not self.gradient_seen)

    def count(self, *, blocked: bool) -> None:
        """Count a forward pass with gradients."""
        self.forward_passes += 1
        self.blocked_passes += blocked

    def forward_ended(self, calls: int, path: TimePath, *, several: bool) -> None:
        """A forward pass with gradients is over, with so many calls of the layer: of one layer, or of `several`.

        Its time steps are cut apart only where they are in every pass of which the graph was read.
        """
        self.calls_last_forward = calls
        if several:
            self.shares_state |= path.continued > 0
        elif path.is_cut is not None and self.cut_in_time is not False:
            self.cut_in_time = path.is_cut
        self.spikes_last_forward, self.spikes_by_call = self.spikes_by_call, {}

    def backward_ended(self) -> None:
        """A backward pass is over; note whether it reached the spikes, and raise what the hooks on them raised."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.gradient_seen:
            self.receives_gradient = True
        elif self.receives_gradient is None and self.hooked:
            self.receives_gradient = False

    def gradient_steps(self, uses: int = 1) -> list[tuple[Tensor, ...]]:
        """Return, per use, the steps of the last forward pass that a gradient reached, then those with any spike.

        One tensor per call; a call without a gradient counts as one step. Calls with different numbers of neurons are
        uses of one module in several places, and no time steps: then there is nothing to return.
        """
        gradients, self.gradient_by_call = self.gradient_by_call, {}
        if not (gradients and self.receives_gradient):
            return []
        none, spikes = next(iter(gradients.values())).new_zeros(1), self.spikes_last_forward
        steps: list[tuple[Tensor, ...]] = []
        for first in range(1, uses + 1):
            calls = range(first, self.calls_last_forward + 1, uses)
            fired = [spikes[call].active_steps if call in spikes else none for call in calls]
            alike = len({spikes[call].shape for call in calls if call in spikes}) <= 1
            steps.append((*(gradients.get(call, none) for call in calls), *fired) if alike else ())
        return steps

    @property
    def flow(self) -> FlowReading:
        """What the graph showed of the layer, and whether any gradient ever arrived."""
        return FlowReading(
            self.forward_passes,
            self.blocked_passes,
            self.receives_gradient,
            self.cut_in_time,
            self.shares_state,
            self.decay,
            self.argument,
            self.surrogate,
            self.recurrent_weight,
        )


class GradientHook:
    """A hook on a tensor that notices that a gradient arrives, and changes nothing."""

    __slots__ = ("call", "gradients", "shape", "time")
    __torch_unserializable__ = True  # a copy of the tensor has no hook; without this, torch warns of that

    def __init__(self, gradients: LayerGradients, call: int, shape: torch.Size, time: int | None) -> None:
        self.gradients, self.call, self.shape, self.time = gradients, call, shape, time

    @torch.no_grad()
    def __call__(self, gradient: Tensor) -> None:
        """Note at which steps it is other than 0; None tells torch to leave the gradient as it is."""
        self.gradients.gradient_seen = True
        try:
            self.gradients.gradient_by_call[self.call] = self.active_steps(gradient.detach())
        except Exception as error:  # noqa: BLE001 - torch calls this in the user's backward pass
            self.gradients.error = error

    @torch.no_grad()
    def active_steps(self, values: Tensor) -> Tensor:
        """Return, for each time step of the call, whether any value is other than 0."""
        if self.time is None:  # the layer may have returned more than its spikes
            steps = values.reshape(1, -1)
        else:
            steps = values.reshape(self.shape).movedim(self.time, 0).flatten(1)
        if not steps.numel():
            return steps.new_zeros(len(steps), dtype=torch.bool)
        return (steps.amax(1) != 0) | (steps.amin(1) != 0)  # a fifth of the time of comparing every value


class ParameterGradients:
    """The norms of the parameters' gradients where a backward pass begins and ends, to be compared at the update."""

    def __init__(
        self, named: dict[str, nn.Parameter], sites: Callable[[SiteKind, Sequence[str]], tuple[Site, ...]]
    ) -> None:
        self.named, self.sites = named, sites
        self.updated: set[str] = set()  # parameters that were updated, whose gradients may be stale
        self.stale: dict[str, Tensor] = {}  # the smallest norm that each had where a backward pass began
        self.fresh: dict[str, Tensor] = {}  # the norm that each had where the latest backward pass ended

    def backward_begins(self) -> None:
        """A backward pass begins: keep what remains of the gradients of an update that is over."""
        remaining = self.norms(sorted(self.updated)) if self.updated else {}
        for name in self.updated:
            norm, before = remaining.get(name), self.stale.get(name)
            if norm is None:
                self.stale[name] = self.named[name].new_empty(0)
            elif before is None or before.numel():
                self.stale[name] = norm if before is None else torch.minimum(norm, before)

    def backward_ended(self) -> None:
        """A backward pass is over: keep the gradients that the next update should use."""
        self.fresh = self.norms(list(self.named))

    def forget(self) -> None:
        """The next update is not compared."""
        self.fresh = {}

    def clear(self) -> None:
        """Keep no tensor."""
        self.stale, self.fresh = {}, {}

    def update(self, names: Sequence[str]) -> list[Capture[Tensor]]:
        """Return what is to be compared at an update of these parameters."""
        captures = []
        stale = {name: self.stale.pop(name) for name in names if name in self.stale}
        if stale:
            captures.append(Capture(self.sites(SiteKind.STALE_GRADIENT, list(stale)), tuple(stale.values())))
        self.updated.update(names)
        if not self.fresh.keys().isdisjoint(names):
            held = [self.named[name] for name in names]
            fresh = [self.fresh.pop(name, p.new_empty(0)) for name, p in zip(names, held, strict=True)]
            used = [p.new_empty(0) if p.grad is None else p.grad.detach() for p in held]
            captures.append(Capture(self.sites(SiteKind.GRADIENT_AT_STEP, names), (*fresh, *used)))
        return captures

    def norms(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the norm of each gradient that there is, in one fused call."""
        return gradient_norms({name: self.named[name] for name in names})
