"""The layers of one model under watch: which of them emit spikes, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from spikecheck.probe.find import MAX_UNDECIDED_PASSES, emits_spikes
from spikecheck.probe.frameworks import generic
from spikecheck.probe.layer import Layer, Status, Use, WatchedLayer
from spikecheck.probe.recorder import LayerCalls, Recorder
from spikecheck.probe.trace import Trace
from spikecheck.readings import InputReading
from spikecheck.site import SiteKind


class Layers:
    """The layers by name: those that emit spikes, and candidates that may turn out to."""

    def __init__(self, watched: Iterable[WatchedLayer]) -> None:
        self.by_name = {layer.name: layer for layer in watched}

    def __iter__(self) -> Iterator[WatchedLayer]:
        return iter(self.by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def spiking(self) -> list[WatchedLayer]:
        """Return the layers that are known to emit spikes, in the order of the data flow."""
        return sorted((w for w in self if w.status.spikes), key=lambda watched: watched.layer.position)

    @property
    def framework(self) -> str | None:
        """The library of the layers that emit spikes; the first, where they are of several."""
        return next((watched.layer.framework.name for watched in self if watched.status.spikes), None)

    def tapped(self, name: str, recorder: Recorder) -> WatchedLayer:
        """Return the layer that taps of this name show; the hooks of a module of that name observe nothing more."""
        watched = self.by_name.get(name)
        if watched is None:
            watched = WatchedLayer(Layer(name, nn.Identity(), generic.Generic()))
            self.by_name[name] = watched
        if watched.status is not Status.TAPPED:
            watched.become(Status.TAPPED)
            recorder.layers.pop(name, None)
        return watched

    def decide(
        self, recorder: Recorder, values_of: Callable[[Tensor], InputReading], forward_passes: int | None
    ) -> None:
        """Keep the candidates that turned out to emit spikes; stop observing those that did not.

        The innermost are decided first: what holds a spiking layer hands on that layer's spikes. `forward_passes` is
        None while a forward pass goes on, which rejects none.
        """
        candidates = [w for w in self if w.status is Status.CANDIDATE and recorder.count(w.name)]
        for watched in reversed(candidates):
            calls = recorder.calls(watched.name)
            calls.own_function |= recorder.applied_without_graph(watched.name)
            spikes = emits_spikes(watched.layer.module, calls, values_of, forward_passes or 0)
            if watched.is_shared_part and spikes and (not calls.training or calls.functions & recorder.claimed):
                spikes = False if calls.training else None  # the modules that share it are the layers
            if spikes and not calls.own_function and self.holds_spiking(watched):
                spikes = False if calls.training else None
            if spikes is True:
                watched.become(Status.SPIKING)
                self.take_for_part(watched, recorder)
            elif forward_passes is None:
                continue
            elif spikes is False:
                watched.become(Status.REJECTED)
                del self.by_name[watched.name]
            elif forward_passes >= MAX_UNDECIDED_PASSES:
                watched.become(Status.UNDECIDED)

    def take_for_part(self, watched: WatchedLayer, recorder: Recorder) -> None:
        """Take a function that is a module for a part of the neuron that returns what it returns: only that has state.

        A surrogate gradient as a module keeps nothing; the neuron around it keeps a potential, a threshold or a decay.
        """
        if is_neuron(watched.layer.module):
            return
        holders = [w for w in self if w.status is Status.CANDIDATE and w.name == watched.name.rpartition(".")[0]]
        for holder in holders:
            same = returns_the_same(recorder.calls(holder.name), recorder.calls(watched.name))
            if same and is_neuron(holder.layer.module):
                holder.become(Status.SPIKING)
                watched.become(Status.REJECTED)
                del self.by_name[watched.name]

    def accept(self, recorder: Recorder, values_of: Callable[[Tensor], InputReading]) -> None:
        """Keep the candidates that have shown spikes already, while the forward pass goes on; reject none."""
        if any(w.status is Status.CANDIDATE and recorder.count(w.name) for w in self):
            self.decide(recorder, values_of, None)

    def holds_spiking(self, watched: WatchedLayer) -> bool:
        """Return whether a module inside of this one is known to emit spikes."""
        inside = {id(part) for _, part in watched.layer.module.named_modules()} - {id(watched.layer.module)}
        return any(other.status.spikes and id(other.layer.module) in inside for other in self)

    def await_gradients(self) -> None:
        """A forward pass with gradients begins: it decides what those without did not."""
        for watched in self:
            if watched.status is Status.UNDECIDED:
                watched.become(Status.CANDIDATE)

    def place(self, trace: Trace) -> None:
        """Keep where each layer stands in the forward pass, as it was traced, and which modules serve as several."""
        for watched in self.spiking():
            if watched.status is Status.SPIKING and (uses := trace.uses(watched.name)) > 1:
                places, sources = trace.places[watched.name], trace.sources[watched.name]
                watched.uses = tuple(Use(i, places[i], sources[i]) for i in range(uses))
        for watched in self:
            watched.place(trace.order.get(watched.name, 0), trace.fed_by.get(watched.name))

    def forget_specs(self) -> None:
        """Read the neurons' parameters again with the next forward pass: they may be learned."""
        for watched in self:
            watched.forget_spec()


def is_neuron(module: nn.Module) -> bool:
    """Return whether a module has what a neuron has: a state, a threshold or a decay, by their usual names."""
    names = (*generic.STATES, *generic.THRESHOLDS, *generic.DECAYS)
    return any(getattr(module, name, None) is not None for name in names)


def returns_the_same(one: LayerCalls, other: LayerCalls) -> bool:
    """Return whether two modules returned the same tensors, call by call, or one all calls of the other, stacked."""
    ours, others = one.held[SiteKind.SPIKES].tensors, other.held[SiteKind.SPIKES].tensors
    if len(ours) == len(others):
        return len(ours) > 0 and all(a.data_ptr() == b.data_ptr() for a, b in zip(ours, others, strict=True))
    if len(ours) != 1 or len({(tensor.shape, tensor.device) for tensor in others}) != 1:
        return False
    whole, steps = ours[0].reshape(-1), [torch.stack(others, axis).reshape(-1) for axis in range(others[0].dim() + 1)]
    return any(step.shape == whole.shape and torch.equal(step, whole) for step in steps)
