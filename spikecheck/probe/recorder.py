"""One forward pass: what the calls of its layers and its input show, until that is handed on.

A recorder is made where a forward pass begins and dropped where it ends, so that nothing of one pass can be taken for
another's, however the pass ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from spikecheck.probe.applications import Application
from spikecheck.probe.call_log import CallLog, is_state_sampled
from spikecheck.probe.finiteness import Finiteness, step_sums
from spikecheck.probe.frameworks.base import PER_STEP, Framework, Observation, nested, tensors
from spikecheck.probe.frameworks.generic import surrogates
from spikecheck.probe.held import Held, HeldCalls, with_axes_of
from spikecheck.probe.layer import AXIS_UNKNOWN, UNTIMED, Status, Use, WatchedLayer
from spikecheck.probe.time_axis import folded_steps, layout_of, spiking_part
from spikecheck.probe.time_path import TimePath
from spikecheck.probe.torch_private import are_unchanged, has_values, is_dense
from spikecheck.site import Capture, Layout, SiteKind

KINDS = (SiteKind.SPIKES, SiteKind.CURRENT, SiteKind.POTENTIAL)
TRANSFORMED = "its tensors have no values here to count: sparse, of torch.func or a tracer, or spread over processes"
COMPLEX = "its spikes are complex numbers, which are not counted"
IN_PLACE = "its output was changed in place before the end of the forward pass"


@dataclass
class LayerCalls:
    """The calls of one layer in one forward pass."""

    count: int = 0
    training: bool = False  # with gradients
    in_training: bool = False  # of a pass with gradients, which a checkpoint records in the backward pass alone
    blocked: bool = False  # its current or its weights had a gradient to come, and its spikes have none
    compiled: bool = False  # by torch.compile, so that nothing is known of the graph
    held: dict[SiteKind, HeldCalls] = field(default_factory=lambda: {kind: HeldCalls() for kind in KINDS})
    inner_currents: HeldCalls = field(default_factory=HeldCalls)  # of a layer that makes its current inside
    finiteness: Finiteness = field(default_factory=Finiteness)  # of what is not held
    first_state: tuple[Tensor, ...] = ()
    middle_state: tuple[Held, ...] = ()  # of the latest call whose state was sampled, but for the first
    middle_call: int = 0  # calls before that one
    middle_step: tuple[Held, ...] = ()  # that call's spikes, its current, and the state it ended with
    left: tuple[Tensor, ...] = ()  # the state after the latest call, where parts of a model are called one by one
    functions: set[Any] = field(default_factory=set)  # of a part that several modules share
    own_function: bool = False  # an autograd function of its own made the spikes
    carries_gradient: bool = False
    input: Tensor | None = None  # a candidate's, to compare its values with
    time_path: TimePath = field(default_factory=TimePath)

    @property
    def is_finite(self) -> bool:
        """Whether its potentials are known to be finite at every call of this forward pass, of which there is one."""
        return 0 < self.count == len(self.finiteness.potentials) and self.finiteness.holds

    def sample_state(self, watched: WatchedLayer, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Read the state before a call, where it is to be sampled."""
        if not watched.status.spikes or not is_state_sampled(self.count):
            return
        framework, module = watched.layer.framework, watched.layer.module
        if self.count == 0:
            self.first_state = tuple(t.detach() for t in plain(framework.state(module, args, kwargs)))
            keeps_state = framework.shows_state and type(framework).state is not Framework.state
            if keeps_state and not self.first_state:  # after a reset there is none, or a number
                self.first_state = tuple(t.detach().new_zeros(1) for t in plain(tensors(args))[:1])
            return
        state = plain(framework.previous_state(module, args, kwargs))
        if not state and framework.shows_state and len(self.held[SiteKind.SPIKES]):
            state = (self.held[SiteKind.SPIKES].tensors[0].detach().new_zeros(1),)
        self.middle_state, self.middle_call = tuple(Held.of(t, Layout()) for t in state), self.count

    def observe(self, watched: WatchedLayer, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """Keep references to what a call showed."""
        framework, module = watched.layer.framework, watched.layer.module
        observation = framework.observe(module, args, kwargs, output)
        if self.count == 0 and watched.reads_axes and isinstance(observation.spikes, Tensor):
            watched.tries += observation.spikes.requires_grad
            inputs = nested([*args, *kwargs.values()])
            part = spiking_part(observation.spikes, inputs[0]) if inputs else None
            layout = layout_of(observation.spikes, inputs) if part is None else None
            if part is not None:
                watched.split(*part)
                observation = watched.layer.framework.observe(module, args, kwargs, output)
            elif layout is not None:
                observation = replace(observation, layout=layout)
            elif (steps := folded_steps(observation.spikes)) and not watched.axes_given:
                watched.fold(steps)
                observation = watched.layer.framework.observe(module, args, kwargs, output)
        if self.middle_state and self.middle_call == self.count:
            self.middle_step = whole_step(observation, framework.next_state(module, output))
        if torch.is_grad_enabled() and watched.gradients.is_hooked():
            has_state = bool(framework.next_state(module, output))
            self.time_path.follow(observation, args, watched.layer.time, has_state=has_state)
        self.record(watched, observation)

    def observe_compiled(self, watched: WatchedLayer, grad: bool, args: Sequence[Any], output: Any) -> None:
        """Keep what a call in compiled code showed; what the module keeps is of an earlier call, and left out."""
        self.compiled = True
        if self.count == 0 and self.first_state and (passed := nested(args[1:])):  # maybe reset in the forward pass
            self.first_state = tuple(t.detach() for t in plain(passed))
        observation = watched.layer.framework.observe(watched.layer.module, args, {}, output)
        returned = output if isinstance(output, tuple) else ()
        shown = any(observation.potential is value for value in returned)
        self.record(watched, observation if shown else replace(observation, potential=None))
        self.training |= grad
        if watched.status is Status.CANDIDATE and self.input is None:
            self.input = next((value for value in args if isinstance(value, Tensor)), None)

    def claim(self, watched: WatchedLayer, args: Sequence[Any], output: Any, recorder: Recorder) -> None:
        """Find out whether a surrogate gradient lies upstream that no layer before had; in the first pass alone."""
        spikes = next(iter(tensors(output if isinstance(output, tuple | list) else [output])), None)
        if spikes is None:
            return
        claimed = recorder.claimed
        own = surrogates(spikes, claimed, recorder.passed_on)
        is_neuron = bool(watched.layer.framework.next_state(watched.layer.module, output))  # a surrogate has no state
        if watched.is_shared_part and not is_neuron:
            self.functions |= own  # a module that holds it may be the layer, and returns later
        else:
            claimed |= own
        self.own_function |= bool(own)
        self.carries_gradient |= spikes.requires_grad
        if watched.status is Status.CANDIDATE and self.input is None:
            self.input = next(iter(tensors(args)), None)

    def record(self, watched: WatchedLayer, observation: Observation) -> None:
        """Keep references to what one call, or a tap, showed."""
        self.count += 1
        spikes, current = observation.spikes, observation.current
        if not isinstance(spikes, Tensor):
            watched.unseen = "the layer returned no tensor"
            return
        if not (has_values(spikes) and is_dense(spikes)):
            watched.unseen = TRANSFORMED
            return
        if torch.is_grad_enabled() and not self.compiled:
            self.take_gradient(watched, spikes, current)
            watched.gradients.hook(observation, self.count)
        layout = axes_of(watched, spikes, observation.layout)
        shown = (
            (SiteKind.SPIKES, spikes, layout),
            (SiteKind.CURRENT, current, layout),
            (SiteKind.POTENTIAL, observation.potential, observation.potential_layout or layout),
        )
        for kind, tensor, axes in shown:
            if isinstance(tensor, Tensor) and has_values(tensor) and not tensor.is_complex() and not tensor.is_meta:
                self.held[kind].append(Held.of(tensor, axes))
            elif kind is SiteKind.SPIKES:
                watched.unseen = COMPLEX

    def settle(self, watched: WatchedLayer, log: CallLog) -> None:
        """Take the calls that were noted, each tensor with its version of then.

        The references are those to the layer's own tensors, with their graph, until the pass is handed on.
        """
        latest = log.latest
        if log.form is None or latest is None or latest.spikes is None:
            return
        shown, of_potential, _, grad, *_ = log.form
        self.count += len(log.columns[0])
        if grad:
            self.take_gradient(watched, latest.spikes, latest.current)
        layout = axes_of(watched, latest.spikes, shown)
        axes = (layout, layout, of_potential or layout)
        for kind, column, versions, layout in zip(KINDS, log.columns, log.versions, axes, strict=True):
            if not column or not (column[0].is_complex() or column[0].is_meta):
                self.held[kind].extend(column, versions, layout)
            elif kind is SiteKind.SPIKES:
                watched.unseen = COMPLEX
        if log.finiteness is not None and latest.potential is not None:
            self.finiteness.extend(log.finiteness)
            self.left = (latest.potential.detach(),)
        log.clear()

    def take_gradient(self, watched: WatchedLayer, spikes: Tensor, current: Tensor | None) -> None:
        """Note a call with gradients, and whether the spikes were cut from the graph."""
        self.training = True
        self.blocked = not spikes.requires_grad and expects_gradient(watched, current)

    def detach(self) -> None:
        """Keep nothing of the graph: the pass goes on with another call of the model."""
        for held in self.held.values():
            held.tensors = [tensor.detach() for tensor in held.tensors]

    def adopt(self, layout: Layout, sizes: torch.Size) -> None:
        """Use another layer's axes for a call that did not show its own, where the first two sizes are the same."""
        for kind in (SiteKind.SPIKES, SiteKind.CURRENT):
            held = self.held[kind]
            if len(held) and held.tensors[0].dim() > 2 and held.tensors[0].shape[:2] == sizes:
                held.layouts[0] = layout

    # -- what is handed on

    def drain(self, watched: WatchedLayer, update: int, of_state: SiteKind | None) -> Iterator[Capture[Tensor]]:
        """Yield what was kept, as captures."""
        if watched.status.spikes and self.count:
            watched.read_spec()
        layer = watched.layer
        if layer.framework.weighs:  # as its trace shows since: what it is given is no current
            self.held[SiteKind.CURRENT] = with_axes_of(self.held[SiteKind.SPIKES], self.inner_currents)
            self.middle_step = ()
        for kind, held in self.held.items():
            for use, of_use in self.by_use(watched, held):
                yield from self.drain_kind(watched, kind, of_use, update, use)
        training = self.training or self.in_training
        yield from self.finiteness.captures(layer.site, update, training=training)
        if self.first_state and of_state is not None:
            current = self.held[SiteKind.CURRENT].first_step() if of_state is SiteKind.STATE else ()
            site = layer.site(of_state)
            yield Capture((site,), self.first_state, training=training, update=update, step_tensors=current)
        if self.middle_state and not watched.uses and all(reference.unchanged for reference in self.middle_state):
            values = tuple(reference.tensor for reference in self.middle_state)
            whole = all(reference.unchanged for reference in self.middle_step)
            step = tuple(reference.tensor for reference in self.middle_step) if whole else ()
            site = layer.site(SiteKind.MEMORY)
            yield Capture((site,), values, training=training, update=update, step_tensors=step)
        gradients = watched.gradients
        for use, steps in zip(watched.uses or (None,), gradients.gradient_steps(len(watched.uses) or 1), strict=False):
            if steps:
                yield Capture((layer.site(SiteKind.GRADIENT_TO_SPIKES, use=use),), steps, update=update)
        if self.count and self.training:
            gradients.forward_ended(self.count, self.time_path, several=bool(watched.uses))
            if not self.compiled:
                gradients.count(blocked=self.blocked)

    def by_use(self, watched: WatchedLayer, held: HeldCalls) -> Iterator[tuple[Use | None, HeldCalls]]:
        """Yield what the calls showed, use by use; the calls of the uses follow each other in the same order."""
        uses = len(watched.uses)
        if not len(held):
            return
        if uses == 0:
            yield None, held
        elif len(held) % uses == 0:
            for use in watched.uses:
                yield use, held.of_use(use.number, uses)

    def drain_kind(
        self, watched: WatchedLayer, kind: SiteKind, held: HeldCalls, update: int, use: Use | None
    ) -> Iterator[Capture[Tensor]]:
        """Yield what was kept of one kind; references of one shape become one capture, in their order."""
        widths: list[torch.Size] = []
        for group in held.groups():
            if group.neurons not in widths:
                widths.append(group.neurons)
            if are_unchanged(group.tensors, group.versions):
                yield self.capture(watched, kind, group, update, widths.index(group.neurons), use)
            else:
                watched.unseen = IN_PLACE

    def capture(
        self, watched: WatchedLayer, kind: SiteKind, held: HeldCalls, update: int, width: int, use: Use | None
    ) -> Capture[Tensor]:
        """Return several calls as the steps of a forward pass; a single one is a step, or the whole sequence."""
        layout, several, in_doubt = held.layouts[0], len(held) > 1, False
        if several and layout.time is None:
            watched.is_stepped = not watched.uses and watched.layer.layout is None
            layout = Layout(0, None if layout.batch is None else layout.batch + 1)
            values = tuple(held.tensors)
        elif several:  # a layer for whole sequences that is used several times
            values = (torch.cat(held.tensors, dim=layout.batch or 0).detach(),)
            several = False
        else:
            values = (held.tensors[0],)
            in_doubt = self.is_untimed(watched, values[0], layout)
            if in_doubt:
                searched = self.training or watched.gradients.forward_passes > 0
                watched.unseen = AXIS_UNKNOWN if searched else UNTIMED
                if values[0].dim() == 3:  # time and samples, in whichever order, and neurons
                    values = (values[0].flatten(0, 1),)
        site = watched.layer.site(kind, width, use)
        training = self.training or self.in_training
        return Capture((site,), values, layout, training, update, stacked=several, axes_in_doubt=in_doubt)

    def is_untimed(self, watched: WatchedLayer, tensor: Tensor, layout: Layout) -> bool:
        """Return whether one of its axes may be time; a library, a graph, or a tap, which shows steps, would tell."""
        known = watched.hooked or watched.status is Status.APPLIED  # a function may be applied to a whole sequence
        shown = watched.layer.framework.shows_time or (self.training and self.compiled) or not known
        return not shown and layout.time is None and tensor.dim() > 2


@dataclass
class Recorder:
    """What one forward pass shows: its input, and each layer's calls."""

    training: bool = True  # whether gradients are recorded where it begins
    tier: int = 2  # the statistics that measure it: those of tier 1 measure every forward pass
    new_sequence: bool = True
    in_middle: bool = False  # a later time step of a sequence, in a script that calls the model once per step
    inputs: list[Tensor] = field(default_factory=list)
    layers: dict[str, LayerCalls] = field(default_factory=dict)
    claimed: set[Any] = field(default_factory=set)  # autograd functions that a layer has taken for its own
    passed_on: set[Any] = field(default_factory=set)  # those that return an argument as it was
    applications: list[Application] = field(default_factory=list)  # of custom autograd functions, in their order

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to hand on, as right after that was done."""
        return not (self.layers or self.inputs or self.applications)

    def calls(self, name: str) -> LayerCalls:
        """Return a layer's calls in this forward pass, none to begin with."""
        calls = self.layers.get(name)
        return calls or self.layers.setdefault(name, LayerCalls(in_training=self.training))

    def applied_without_graph(self, name: str) -> bool:
        """Return whether a layer applied a function of its own in a checkpoint, which records no graph of it."""
        calls = self.calls(name)
        return calls.in_training and not calls.training and any(one.call[0] == name for one in self.applications)

    def count(self, name: str) -> int:
        """Return how often a layer was called."""
        return self.layers[name].count if name in self.layers else 0

    def take_input(self, tensor: Tensor) -> None:
        """Keep what the model is called with; where that is one of many time steps, no more than is needed of it."""
        self.inputs.append(tensor)
        if self.tier == 1 and len(self.inputs) > 1:
            self.inputs[-2:] = map(step_sums, self.inputs[-2:])

    @property
    def is_finite(self) -> bool:
        """Whether all layers' potentials are known to be finite."""
        called = [calls for calls in self.layers.values() if calls.count]
        return bool(called) and all(calls.is_finite for calls in called)

    def rest(self) -> Recorder:
        """Return the recorder of what is left of this forward pass, once this one is drained."""
        return Recorder(self.training, self.tier, new_sequence=False)

    def detach(self) -> None:
        """Keep nothing of the graph: the pass goes on with another call of the model."""
        for calls in self.layers.values():
            calls.detach()

    def drain(self, watched: Iterable[WatchedLayer], update: int) -> Iterator[Capture[Tensor]]:
        """Yield what the layers showed, layer by layer."""
        of_state = SiteKind.STATE if self.new_sequence else SiteKind.MEMORY if self.in_middle else None
        for one in watched:
            yield from self.calls(one.name).drain(one, update, of_state)


def whole_step(observation: Observation, next_state: tuple[Tensor, ...]) -> tuple[Held, ...]:
    """Return a step's spikes, current and the state it ended with, where all are of one shape; else nothing."""
    if observation.spikes is None or observation.current is None or not next_state:
        return ()
    values = (observation.spikes, observation.current, *next_state)
    return tuple(Held.of(v, Layout()) for v in values) if len({v.shape for v in values}) == 1 else ()


def axes_of(watched: WatchedLayer, spikes: Tensor, shown: Layout) -> Layout:
    """Return the axes of what a call showed: the layer's, where the call does not show its own."""
    if shown.time is not None:
        at_end = shown.time == spikes.dim() - 1 > 1  # so it is for values with fewer or more axes
        watched.learn_layout(Layout(-1, shown.batch) if at_end else shown)
    learned = watched.layer.layout
    if spikes.dim() < 2:
        return Layout()
    return shown if learned is None or learned.time is None else fitted(learned, spikes.dim())


def expects_gradient(watched: WatchedLayer, current: Tensor | None) -> bool:
    """Return whether a layer's current, or weights inside of it that make the current, can have a gradient."""
    if isinstance(current, Tensor) and current.requires_grad:
        return True
    parameters = watched.layer.module.named_parameters()  # rockpool has `parameters()` return a dict
    return any(parameter.requires_grad and parameter.dim() > 1 for _, parameter in parameters)


def fitted(layout: Layout, axes: int) -> Layout:
    """Return a layout for a tensor with so many axes; negative ones are counted from the end."""
    if layout.time is None or not -axes <= layout.time < axes:
        return PER_STEP
    return Layout(layout.time % axes, None if layout.batch is None else layout.batch % axes)


def plain(state: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Return a state without what torch.func has wrapped: that is of no use once the transform is over."""
    return tuple(tensor for tensor in state if has_values(tensor))
