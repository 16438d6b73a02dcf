"""Spiking layers that are call sites: which application belongs to which layer, learned once and remembered.

In a forward pass with gradients the graph shows the layers (`grouping`). What it showed is remembered in two forms: by
position, for a pass that applies the same functions in the same order, and by call site, for passes without gradients
or with another number of time steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor, nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.applications import Application, Key, described
from spikecheck.probe.frameworks.generic import Evidence, Generic, are_spikes
from spikecheck.probe.grouping import Grouping, group
from spikecheck.probe.state_chains import nearest_weights, weights_by_kind
from spikecheck.readings import InputReading

LEARNED_PASSES = 3  # passes with gradients in which the graph is kept: gradients are followed in as many
MAX_UNDECIDED_PASSES = 3  # passes without gradients that are waited for one with them
MAX_SIGNATURES = 64  # orders of applications that are remembered: one per number of time steps
MAX_SPLIT_PASSES = 8  # passes in which the value that separates spikes from silence is looked for
Values = Callable[[Tensor], InputReading]
Ownership = Callable[[Grouping, Sequence[Application]], Callable[[Application], bool]]


class Surrogate(Generic):
    """Reads a layer that is a call site; its threshold is where the argument separates spikes from silence."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold: float | None = None

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return the threshold, where it is known; where the module has the same, what else its attributes say."""
        of_module = super().neuron(module)
        if self.threshold is not None and of_module.v_threshold == self.threshold:
            return of_module
        return NeuronSpec(v_threshold=self.threshold, lowest_threshold=self.threshold, threshold_name="")


@dataclass
class CallSiteLayer:
    """What is known of one layer."""

    name: str
    place: int
    fed_by: str | None = None
    framework: Surrogate = field(default_factory=Surrogate)
    emits_spikes: bool | None = None  # None until its values tell
    undecided: str = ""
    has_state: bool = False  # the graph shows a state that connects its time steps
    highest_silent: float = -inf  # argument without a spike
    lowest_spiking: float = inf  # argument with one
    passes: int = 0

    def look(self, applications: Sequence[Application], parameters: Mapping[int, str], values_of: Values) -> None:
        """Find out from the values, in the first passes, whether these are spikes and where the threshold is."""
        shown = [a for a in applications if a.spikes() is not None and not a.output.is_meta]
        if not shown or self.passes >= MAX_SPLIT_PASSES:
            return
        self.passes += 1
        spikes = joined([x.detach() for a in shown if (x := a.spikes()) is not None])
        if self.emits_spikes is None:
            self.emits_spikes = emits_spikes(shown, parameters, values_of(spikes), has_state=self.has_state)
        arguments = [x for a in shown if (x := a.input()) is not None and x.shape == a.output.shape]
        if not self.emits_spikes or len(arguments) != len(shown):
            return
        potentials = joined(arguments)
        silent, spiking = potentials[spikes == 0], potentials[spikes != 0]
        if silent.numel():
            self.highest_silent = max(self.highest_silent, values_of(silent).maximum)
        if spiking.numel():
            self.lowest_spiking = min(self.lowest_spiking, values_of(spiking).minimum)
        self.framework.threshold = threshold_between(self.highest_silent, self.lowest_spiking)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return all values in one dimension."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def emits_spikes(
    applications: Sequence[Application], parameters: Mapping[int, str], values: InputReading, *, has_state: bool
) -> bool:
    """Return whether a function's values look like spikes.

    One that returns its argument (a gradient reversal), that keeps no state and is given spikes (a delay), that is
    applied to parameters (a binary weight, a mask), that never returns 0 although it returns negative values (a sign),
    or that keeps no state and has several fractional values (a quantizer) is no neuron.
    """
    if not applications[-1].output.is_floating_point():
        return False
    argument, output = applications[-1].argument, applications[-1].output
    if argument is not None:
        identity = argument.shape == output.shape and torch.equal(argument, output)
        if id(argument) in parameters or applications[-1].passes_on or (identity and bool(output.any())):
            return False
        if not has_state and bool(argument.any()) and bool(((argument == 0) | (argument == 1)).all()):
            return False
    signs = values.minimum < 0 and 0.0 not in values.values
    levels = not has_state and values.non_integer > 0 and sum(value != 0 for value in values.values) > 1
    return not signs and not levels and are_spikes(values, None, Evidence(own_function=True))


def threshold_between(highest_silent: float, lowest_spiking: float) -> float | None:
    """Return the threshold of the argument: 0 where it is the potential less the threshold; None where none is shown.

    Where both sides are known, it is the roundest number between them.
    """
    if highest_silent <= 0 <= lowest_spiking:
        return 0.0
    if highest_silent > lowest_spiking or inf in (abs(highest_silent), abs(lowest_spiking)):
        return None
    for digits in range(1, 5):
        number = float(f"{lowest_spiking:.{digits}g}")
        if highest_silent <= number <= lowest_spiking:
            return number
    return None


@dataclass(frozen=True)
class Order:
    """How the layers of one call site take turns: in each time step, or one after the other."""

    layers: tuple[str | None, ...]
    by_step: bool

    def names(self, count: int) -> list[str | None] | None:
        """Return the layer of each of so many applications; None where they do not divide among the layers."""
        each, rest = divmod(count, len(self.layers))
        if rest:
            return None
        return list(self.layers) * each if self.by_step else [name for name in self.layers for _ in range(each)]

    @classmethod
    def of(cls, names: Sequence[str | None]) -> Order | None:
        """Return the order that a pass showed; None where it is neither."""
        layers = tuple(dict.fromkeys(names))
        orders = (cls(layers, True), cls(layers, False))
        return next((order for order in orders if order.names(len(names)) == list(names)), None)


class CallSites:
    """The layers of one session that are call sites."""

    def __init__(self, modules: Mapping[int, str], parameters: Mapping[int, str]) -> None:
        self.modules, self.parameters = modules, parameters  # names by id
        self.layers: dict[str, CallSiteLayer] = {}
        self.by_position: dict[tuple[Key, ...], tuple[str | None, ...]] = {}
        self.by_site: dict[Key, Order] = {}
        self.taught_passes = 0  # with gradients
        self.untaught_passes = 0  # without, before the first with
        self.missed = False  # the latest pass was not understood for want of its call chains
        self.irregular: set[Key] = set()  # call sites whose layers take no regular turns: each pass is learned

    @property
    def learning(self) -> bool:
        """Whether the graph and the call chains of the next pass are of use.

        One pass tells where it shows that every application belongs to a layer that is a module.
        """
        passes = LEARNED_PASSES if self.layers or not self.by_position else 1
        return self.missed or bool(self.irregular) or self.taught_passes < passes

    @property
    def nothing_to_find(self) -> bool:
        """Whether every application belongs to a layer that is a module: nothing needs to be listened to."""
        return self.taught_passes >= LEARNED_PASSES and not self.layers and bool(self.by_position)

    def assign(self, applications: Sequence[Application], ownership: Ownership, *, training: bool) -> list[str | None]:
        """Return the name of each application's layer; None for what belongs to a module, or repeats another."""
        signature = tuple(application.key for application in applications)
        known = self.by_position.get(signature)
        names = list(known) if known is not None else self.recall(signature)
        self.missed = names is None and any(application.site is None for application in applications)
        if self.missed:
            return [None] * len(applications)
        if names is None:
            names = self.learn(applications, ownership, training=training)
        if training:
            self.remember(signature, names)
        self.taught_passes += training
        return names

    def remember(self, signature: tuple[Key, ...], names: Sequence[str | None]) -> None:
        """Keep what a pass with gradients showed."""
        if signature in self.by_position:
            return
        if len(self.by_position) >= MAX_SIGNATURES:
            self.by_position.clear()
        self.by_position[signature] = tuple(names)
        for key in set(signature):
            order = Order.of([name for one, name in zip(signature, names, strict=True) if one == key])
            if order is None:
                self.irregular.add(key)
            else:
                self.by_site[key] = order

    def recall(self, signature: Sequence[Key]) -> list[str | None] | None:
        """Return the layers of a pass by its call sites; None where one is new, or does not divide."""
        if not self.irregular.isdisjoint(signature):
            return None
        counts: dict[Key, int] = {}
        for key in signature:
            counts[key] = counts.get(key, 0) + 1
        turns = {}
        for key, count in counts.items():
            order = self.by_site.get(key)
            names = None if order is None else order.names(count)
            if names is None:
                return None
            turns[key] = iter(names)
        return [next(turns[key]) for key in signature]

    def learn(self, applications: Sequence[Application], ownership: Ownership, *, training: bool) -> list[str | None]:
        """Return the layers of a pass as its graph, or the order of its calls, shows them."""
        grouping = group(applications)
        names: list[str | None] = [None] * len(applications)
        owned = ownership(grouping, applications)
        free = [members for members in grouping.layers if not any(owned(applications[i]) for i in members)]
        undecided = grouping.undecided if free else ""
        if undecided and not training:
            self.untaught_passes += 1
            if self.untaught_passes <= MAX_UNDECIDED_PASSES:
                return names
        for members, name in zip(free, self.names(free, applications), strict=True):
            for index in members:
                names[index] = name
            layer = self.layers.setdefault(name, CallSiteLayer(name, applications[members[0]].place))
            layer.undecided = undecided
            layer.has_state |= grouping.by_state and len(members) > 1
            layer.fed_by = layer.fed_by or self.feeding(members, applications)
        return names

    def names(self, layers: Sequence[Sequence[int]], applications: Sequence[Application]) -> list[str]:
        """Return a name per layer: its module, its call site, or both; `#2` for the second of one call site."""
        within, sites = [], []
        for members in layers:
            shown = [applications[i] for i in members]
            usual = max(shown, key=lambda a: sum(other.key == a.key for other in shown))
            within.append(self.module_of(usual))
            sites.append(described(usual))
        used: dict[str, int] = {}
        names = []
        for module, site in zip(within, sites, strict=True):
            name = site if not module else module if within.count(module) == 1 else f"{module} {site}"
            used[name] = used.get(name, 0) + 1
            names.append(name if used[name] == 1 else f"{name} #{used[name]}")
        return names

    def module_of(self, application: Application) -> str:
        """Return the name of the innermost module that was running, or whose method was; empty for the model itself."""
        site = application.site
        running = () if site is None else site.modules if site.owner is None else (site.owner, *site.modules)
        return next((self.modules[id(module)] for module in running if id(module) in self.modules), "")

    def feeding(self, members: Sequence[int], applications: Sequence[Application]) -> str | None:
        """Return the weight that feeds a layer: the module's name for a module's, else the parameter's own."""
        own = frozenset(applications[i].node for i in members if applications[i].node is not None)
        last = applications[members[-1]]  # the first steps may see potentials and spikes that are still constant
        weight = next(iter(nearest_weights(last, own)), None)
        name = None if weight is None else self.parameters.get(id(weight))
        return None if name is None else name.removesuffix(".weight")

    def recurrent(self, applications: Sequence[Application]) -> str | None:
        """Return the name of the nearest weight by which a layer's spikes drive it in the next time step."""
        own = frozenset(one.node for one in applications if one.node is not None)
        *_, recurrent = weights_by_kind(applications[-1], own)
        return next((self.parameters.get(id(weight)) for weight in recurrent), None)


def by_layer(names: Sequence[str | None], applications: Sequence[Application]) -> dict[str, list[Application]]:
    """Return the applications of each layer, in the order of time."""
    layers: dict[str, list[Application]] = {}
    for name, application in zip(names, applications, strict=True):
        if name is not None:
            layers.setdefault(name, []).append(application)
    return layers
