"""Spikes of code that is no module: shown by `tap()`, or found where a custom autograd function is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from spikecheck.probe.applications import Application, CallSite, Key
from spikecheck.probe.call_sites import CallSites, by_layer, emits_spikes, joined
from spikecheck.probe.clock import Clock
from spikecheck.probe.comparisons import Comparisons
from spikecheck.probe.find import clean
from spikecheck.probe.frameworks.base import Observation
from spikecheck.probe.frameworks.generic import Generic, surrogates
from spikecheck.probe.graph_decay import decay_of
from spikecheck.probe.grouping import Grouping
from spikecheck.probe.inner_current import InnerCurrents, maker_of
from spikecheck.probe.layer import Layer, Status, WatchedLayer
from spikecheck.probe.layers import Layers
from spikecheck.probe.offsets import Offsets
from spikecheck.probe.passes import Passes
from spikecheck.probe.recorder import IN_PLACE, Recorder
from spikecheck.probe.spike_argument import argument_of
from spikecheck.probe.surrogate_slope import watch_slope
from spikecheck.probe.torch_private import has_compiled, has_values, tells_module_calls
from spikecheck.probe.trace import Trace, is_of_torch
from spikecheck.probe.watchers import Watch, watchers
from spikecheck.readings import InputReading

NO_OWNER = "several models are watched, and nothing tells which of them this tap() belongs to"
COMPARED_PASSES = 8  # with gradients, in which every operation is looked at, where nothing else shows a layer
COMPARED_EVERY = 64  # then one in so many, where that showed one
NO_MODEL = "no model was called, only functions: what they were given first is not known"


class Parts(Watch, Protocol):
    """The session, as far as code without modules needs it."""

    clock: Clock
    trace: Trace
    layers: Layers
    passes: Passes
    unseen: dict[str, str]
    paths: dict[int, str]

    def begin(self, training: bool, arguments: Sequence[Any]) -> None:
        """A forward pass begins."""

    def end(self) -> None:
        """It is over."""

    def bound(self, held: int) -> None:
        """Hand on what was shown, where it is much."""


class FunctionalCode:
    """What a session observes of code that is no module.

    `model_called` is True from the first call of the model itself on: only what happens inside of one belongs to it
    then. Before, and for code that has no model at all, the first application after a loss, a backward pass or an
    update begins a forward pass.
    """

    def __init__(
        self,
        session: Parts,
        values_of: Callable[[Tensor], InputReading],
        guard: Callable[[Callable[..., None]], Callable[..., None]],
    ) -> None:
        model = session.model
        modules = {id(m): clean(name) for name, m in model.named_modules() if clean(name) and not is_of_torch(m)}
        parameters = {id(parameter): clean(name) for name, parameter in model.named_parameters()}
        self.session, self.values_of, self.guard = session, values_of, guard
        self.modules = {clean(name): module for name, module in model.named_modules()}
        self.paths = session.paths
        self.sites = CallSites(modules, parameters)
        self.offsets = Offsets()
        self.inner_currents = InnerCurrents(session.passes, guard)
        self.tapped_keys: set[Key] = set()
        self.foreign: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # models that ran outside of ours
        self.model_called = False
        self.comparisons: Comparisons | None = None
        self.comparing_helps: bool | None = None  # None until it was tried
        self.compared = 0  # the latest pass in which it was

    # -- taps

    def tapped(self, name: str, observation: Observation) -> None:
        """Keep what a tap shows; outside of any forward pass, the first tap of a sequence begins one."""
        session = self.session
        if session.passes.depth == 0 and session.clock.passes_in_sequence == 0:
            self.begin()
        recorder = session.passes.recorder
        session.trace.place(name)
        watched = session.layers.tapped(name, recorder)
        recorder.calls(name).record(watched, observation)
        self.leave_to_tap(recorder, observation)
        session.bound(recorder.count(name))

    def leave_to_tap(self, recorder: Recorder, observation: Observation) -> None:
        """Leave the call sites whose spikes a tap shows to the tap, now and in passes without gradients."""
        shown = observation.spikes
        if shown is None or not recorder.applications:
            return
        functions = surrogates(shown, set())
        tapped = [a for a in recorder.applications if a.output is shown or a.node in functions]
        self.tapped_keys |= {application.key for application in tapped}
        if tapped:
            recorder.applications = [a for a in recorder.applications if a not in tapped]

    # -- applications of custom autograd functions

    def wants_applications(self) -> bool:
        """Return whether an application here and now is to be looked at; asked before anything else."""
        here = self.session.passes.here()
        if here.depth:
            return not self.sites.nothing_to_find
        return not self.model_called

    @property
    def is_done(self) -> bool:
        """Whether no application will ever be looked at again."""
        return self.model_called and self.sites.nothing_to_find

    def applied(self, function: type, output: Any, args: Sequence[Any], frame: Any) -> None:
        """A custom autograd function was applied, in the frame of its caller."""
        session = self.session
        tensor = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(tensor, Tensor) or not has_values(tensor) or tensor.is_complex():
            return
        site = CallSite.of(frame, session.model) if self.sites.learning else None
        if session.passes.depth == 0 and site is not None and self.is_foreign(site):
            return
        application = Application.of(function, tensor, args, frame, site)
        if session.passes.depth == 0 and self.begins_pass(application):
            self.begin()
        recorder = session.passes.recorder
        if site is not None:
            application.place, application.call = session.trace.take_place(), self.call_of(site)
            application.offset = self.offsets.offset_of(application.key, application.input(), frame.f_locals)
        if application.passes_on:
            recorder.passed_on.add(application.node)
        recorder.applications.append(application)
        session.bound(len(recorder.applications))

    def is_foreign(self, site: CallSite) -> bool:
        """Return whether another model is running: one with parameters, none of them ours, such as a teacher."""
        running = site.modules[-1] if site.modules else None
        if running is None:
            return False
        if running not in self.foreign:
            parameters = {id(parameter) for _, parameter in running.named_parameters()}
            self.foreign[running] = bool(parameters) and parameters.isdisjoint(self.sites.parameters)
        return self.foreign[running]

    def begins_pass(self, application: Application) -> bool:
        """Return whether an application outside of any model is the first of a forward pass."""
        recorder, clock = self.session.passes.recorder, self.session.clock
        if clock.passes_in_sequence == 0 or recorder.training != torch.is_grad_enabled():
            return True
        so_far = recorder.applications  # without gradients, nothing but its length ends a pass
        known = not recorder.training and tuple(a.key for a in so_far) in self.sites.by_position
        return known and so_far[0].key == application.key

    def begin(self) -> None:
        """A forward pass begins of which no model's call tells; what remains of the one before is handed on."""
        session = self.session
        inputs, session.passes.own().recorder.inputs = session.passes.own().recorder.inputs, []
        if session.clock.forward_passes:
            session.end()
        session.begin(torch.is_grad_enabled(), inputs)
        if not inputs:
            session.unseen["input"] = NO_MODEL

    # -- comparisons, where there is no such function

    def compare(self) -> None:
        """A forward pass begins: look at every operation where nothing else shows a spiking layer."""
        session = self.session
        passes = session.clock.training_passes
        due = passes <= COMPARED_PASSES + 1 or (self.comparing_helps and passes >= self.compared + COMPARED_EVERY)
        if not (due and passes > 1 and session.passes.recorder.tier > 1 and torch.is_grad_enabled()):
            return
        if self.comparing_helps is False or (self.comparing_helps is None and session.layers.spiking()):
            return
        if self.comparisons is None and not has_compiled():
            self.compared = passes
            self.comparisons = Comparisons(session.model, self.guard, session.trace.take_place)
            self.comparisons.__enter__()  # type: ignore[no-untyped-call]

    def stop_comparing(self) -> None:
        """It is over: what turned out to be spikes belongs to the pass."""
        comparisons, self.comparisons = self.comparisons, None
        if comparisons is None:
            return
        comparisons.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        applications = list(comparisons.applications())
        self.comparing_helps = bool(applications) or bool(self.comparing_helps)
        self.session.passes.own().recorder.applications += applications

    def remove(self) -> None:
        """Observe nothing more."""
        self.stop_comparing()
        self.inner_currents.hooks.remove()

    # -- what a forward pass showed

    def record(self, recorder: Recorder) -> None:
        """Give what the applications of a forward pass showed to their layers."""
        applications = [a for a in recorder.applications if a.key not in self.tapped_keys]
        recorder.applications = []
        if not applications:
            return
        names = self.sites.assign(applications, partial(self.ownership, recorder), training=recorder.training)
        if self.is_done:
            watchers.stop_listening()
        with torch.set_grad_enabled(recorder.training):
            for name, members in by_layer(names, applications).items():
                layer = self.sites.layers[name]
                layer.look(members, self.sites.parameters, self.values_of)
                if layer.emits_spikes:
                    self.show(self.watched(name, recorder), members, recorder)
                elif layer.emits_spikes is False and name in self.session.layers:
                    del self.session.layers.by_name[name]
        self.read_graph(names, applications)

    def read_graph(self, names: Sequence[str | None], applications: Sequence[Application]) -> None:
        """Read, while the graph is kept, how a hand-written layer's potential decays, and what its function gets."""
        if not any(one.site is not None and one.source is not None for one in applications):
            return
        owners = [name or one.call[0] or None for name, one in zip(names, applications, strict=True)]
        for name, members in by_layer(owners, applications).items():
            watched = self.session.layers.by_name.get(name)
            if watched is not None and isinstance(watched.layer.framework, Generic):
                watched.gradients.decay = decay_of(members)
                watched.gradients.recurrent_weight = self.sites.recurrent(members)
                spec = watched.layer.spec
                threshold = None if spec is None else spec.v_threshold
                watched.gradients.argument = argument_of(members, threshold, watched.gradients.argument)
                maker = maker_of(members, watched.name, self.sites.parameters)
                if maker is not None and watched.status is Status.SPIKING:
                    self.inner_currents.watch(watched, self.modules[maker.name], maker.gain)
            if watched is not None:
                watch_slope(members, watched.gradients, self.guard)

    def show(self, watched: WatchedLayer, applications: Sequence[Application], recorder: Recorder) -> None:
        """Record the time steps of one layer."""
        threshold = self.sites.layers[watched.name].framework.threshold
        calls = recorder.calls(watched.name)
        for application in applications:
            spikes = application.spikes()
            if spikes is None:
                watched.unseen = IN_PLACE
                return
            potential = None if threshold is None else application.input()
            shown = potential is not None and potential.shape == spikes.shape
            output = None if application.values is None else application.output
            calls.record(watched, Observation(spikes, None, potential if shown else None, output=output))
        last = applications[-1]
        expects = last.argument is not None and last.argument.requires_grad
        calls.blocked = recorder.training and expects and not last.output.requires_grad

    def watched(self, name: str, recorder: Recorder) -> WatchedLayer:
        """Return the layer of this name, made where it is new."""
        session, layer = self.session, self.sites.layers[name]
        watched = session.layers.by_name.get(name)
        if watched is None or watched.status is not Status.APPLIED:
            recorder.layers.pop(name, None)
            module = self.modules.get(name)
            path = "" if module is None else self.paths[id(module)]
            facts = Layer(name, nn.Identity() if module is None else module, layer.framework, path=path)
            watched = WatchedLayer(facts, Status.APPLIED)
            session.layers.by_name[name] = watched
        session.trace.order[name] = layer.place
        if layer.fed_by is not None:
            session.trace.feed(name, layer.fed_by)
        watched.unseen = layer.undecided
        return watched

    def call_of(self, site: CallSite) -> tuple[str, int]:
        """Return the innermost module of a call site that may be a spiking layer, and its calls before this one."""
        hooked = {id(watched.layer.module): watched.name for watched in self.session.layers if watched.hooked}
        name = next((hooked[id(module)] for module in site.modules if id(module) in hooked), "")
        return name, self.session.passes.here().count(self.session.layers.by_name[name]) if name else 0

    def ownership(
        self, recorder: Recorder, grouping: Grouping, applications: Sequence[Application]
    ) -> Callable[[Application], bool]:
        """Return what says whether an application belongs to a module; a block of several layers is no spiking layer.

        A module in which one call applies the functions of two layers returns the spikes of the last one alone.
        """
        self.feed_modules(grouping, applications)
        layers_in: dict[tuple[str, int], set[int]] = {}
        for number, members in enumerate(grouping.layers):
            for index in members:
                layers_in.setdefault(applications[index].call, set()).add(number)
        blocks = {
            name
            for (name, _), numbers in layers_in.items()
            if len(numbers) > 1 and sum(self.spikes(grouping.layers[n], applications) for n in numbers) > 1
        }
        for name in blocks:
            watched = self.session.layers.by_name.get(name)
            if watched is not None and not watched.certain:
                watched.become(Status.REJECTED)
                recorder.layers.pop(name, None)
                del self.session.layers.by_name[name]
        return self.owner(compiled=any(calls.compiled for calls in recorder.layers.values()))

    def feed_modules(self, grouping: Grouping, applications: Sequence[Application]) -> None:
        """Keep which weight feeds each hand-written layer that is a module, as the graph shows it."""
        trace = self.session.trace
        spiking = [w.layer for w in self.session.layers if w.status is Status.SPIKING]
        by_hand = {id(layer.module): layer.name for layer in spiking if isinstance(layer.framework, Generic)}
        fed: dict[str, str] = {}
        for members in grouping.layers:
            site = applications[members[-1]].site
            modules = () if site is None else site.modules
            name = next((by_hand[id(module)] for module in modules if id(module) in by_hand), None)
            weight = None if name is None else self.sites.feeding(members, applications)
            if name is not None and weight is not None:
                fed.setdefault(name, weight)
        for name, weight in fed.items():
            if not weight.startswith(f"{trace.fed_by.get(name)}."):  # a parametrization of that module's weight
                trace.feed(name, weight)

    def spikes(self, members: Sequence[int], applications: Sequence[Application]) -> bool:
        """Return whether what a function returned looks like spikes; an integration over time is one too, say."""
        shown = [applications[index] for index in members]
        outputs = [spikes.detach() for one in shown if (spikes := one.spikes()) is not None and has_values(spikes)]
        if not outputs:
            return False
        return emits_spikes(shown, self.sites.parameters, self.values_of(joined(outputs)), has_state=False)

    def owner(self, *, compiled: bool = False) -> Callable[[Application], bool]:
        """Return what says whether an application belongs to a module that is, or may be, a spiking layer.

        Where torch does not tell which modules are running, each belongs to one as soon as there is such a module; so
        does one that compiled code applies, which calls the parts of modules and no module.
        """
        may_spike = (Status.CANDIDATE, Status.UNDECIDED, Status.SPIKING)
        owners = {id(watched.layer.module) for watched in self.session.layers if watched.status in may_spike}

        def owned(application: Application) -> bool:
            if not tells_module_calls():
                return bool(owners)
            modules = () if application.site is None else application.site.modules
            return (compiled and not modules and bool(owners)) or any(id(module) in owners for module in modules)

        return owned
