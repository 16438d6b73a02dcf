"""What is known of a spiking layer under watch: facts that are fixed, and what it turned out to be."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from torch import nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.call_log import CallLog
from spikecheck.probe.frameworks.base import TIME_FIRST, Framework, spec_of
from spikecheck.probe.frameworks.generic import Folded, Generic, Joined
from spikecheck.probe.gradients import LayerGradients
from spikecheck.site import Layout, Site, SiteKind

MAX_TRIES = 4  # forward passes whose graph is searched for a layer's time axis
AXIS_UNKNOWN = (
    "which of its axes is time, if any, is not known: pass time= to attach(), such as time=1 for [batch, time, "
    "neurons]; its last axis is counted as neurons"
)
UNTIMED = "its time axis is observed in a forward pass with gradients only: run one before those without"


class Use(NamedTuple):
    """One of the layers that a single module serves: the same module called after several weighted ones."""

    number: int  # from 0 on
    position: int
    fed_by: str | None


def use_name(name: str, number: int) -> str:
    """Return the name of one use of a module, counted from 0: `spike (1st use)`."""
    ending = (
        {1: "st", 2: "nd", 3: "rd"}.get((number + 1) % 10, "th") if (number + 1) % 100 not in (11, 12, 13) else "th"
    )
    return f"{name} ({number + 1}{ending} use)"


@dataclass(frozen=True, slots=True)
class Layer:
    """The facts about a layer. A fact that is learned later makes a new object; none changes in place."""

    name: str
    module: nn.Module
    framework: Framework
    position: int = 0  # order of the first forward pass; the input is 0
    fed_by: str | None = None  # the weighted module whose output it receives
    spec: NeuronSpec | None = None  # None until it is read
    path: str = ""  # how the script reaches the module; empty for what is no module
    layout: Layout | None = None  # learned from a call that shows it, and used for those that do not

    def site(self, kind: SiteKind, width: int = 0, use: Use | None = None) -> Site:
        """Return the layer's site of this kind; of one of several uses, or of one of several numbers of neurons."""
        return Site(
            kind,
            self.name if use is None and width == 0 else use_name(self.name, width if use is None else use.number),
            self.position if use is None else use.position,
            self.framework.name,
            self.spec,
            self.fed_by if use is None else use.fed_by,
            path=self.path,
            module=type(self.module).__name__ if self.path else "",
        )

    @property
    def time(self) -> int | None:
        """The time axis, where one was learned."""
        return None if self.layout is None else self.layout.time


class Status(Enum):
    """What a module, or a place in code without modules, is; a number, and what follows from it.

    `spikes`: whether it is known to emit spikes. `hooked`: whether the hooks on the module are still of use; they stay
    on until the session is removed.
    """

    CANDIDATE = 0, False, True  # it may emit spikes: decided by the values of its first calls
    UNDECIDED = 1, False, False  # passes without gradients did not tell: decided in the first one with gradients
    SPIKING = 2, True, True  # it emits spikes: known from its library, from `spikes=`, or from its values
    TAPPED = 3, True, False  # `tap()` shows its spikes; hooks on a module of that name would show the same again
    APPLIED = 4, True, False  # a call site of a custom autograd function, in code that is no module
    REJECTED = 5, False, False  # it emits no spikes

    def __init__(self, number: int, spikes: bool, hooked: bool) -> None:
        self.spikes, self.hooked = spikes, hooked  # plain attributes: asked many times in a forward pass


@dataclass
class WatchedLayer:
    """A layer, what it turned out to be, and its gradients over the whole run.

    What one forward pass shows of it is kept by the pass's `Recorder`, and goes with it.
    """

    layer: Layer
    status: Status = Status.SPIKING
    gradients: LayerGradients = field(default_factory=LayerGradients)
    certain: bool = False  # known from its library, or named by the user
    is_shared_part: bool = False  # several modules hold it, as a surrogate that is made once for all neurons
    uses: tuple[Use, ...] = ()  # the layers that one module serves in a forward pass; empty where it is one layer
    axes_given: bool = False  # by the user, so that none is learned
    tries: int = 0  # calls with a graph that was searched for the time axis
    unseen: str = ""  # why something of it is not measured
    reread: bool = False  # the neurons' parameters may have changed since they were read
    is_stepped: bool = False  # each of its calls was one time step
    log: CallLog | None = None  # notes the calls, while a forward pass is open that shows nothing else of the layer
    hooked: bool = field(init=False)  # of the status; every hook asks, and an enumeration answers slowly

    def __post_init__(self) -> None:
        self.hooked = self.status.hooked

    def become(self, status: Status) -> None:
        """Keep what the layer turned out to be."""
        self.status, self.hooked = status, status.hooked
        self.log = self.log if self.hooked else None

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def names(self) -> tuple[str, ...]:
        """The layer's name, and those of its uses, where one module serves as several layers."""
        return (self.name, *(use_name(self.name, use.number) for use in self.uses))

    @property
    def reads_axes(self) -> bool:
        """Whether the graph of a call is searched for the time axis: of layers written by hand, until it is known."""
        return not self.layer.framework.shows_time and self.layer.layout is None and self.tries < MAX_TRIES

    def learn_layout(self, layout: Layout) -> None:
        """Keep a layout that shows the time axis, for the calls that do not."""
        if not self.axes_given and layout != self.layer.layout:
            self.layer = replace(self.layer, layout=layout)
        if self.unseen in (UNTIMED, AXIS_UNKNOWN):
            self.unseen = ""

    def fold(self, steps: int) -> None:
        """Keep that the layer returns so many time steps and the batch as one axis."""
        self.layer = replace(self.layer, framework=Folded(steps, weighs=self.layer.framework.weighs))
        self.learn_layout(TIME_FIRST)

    def split(self, axis: int, parts: int, part: int) -> None:
        """Keep that one of the parts that the layer returns as one tensor holds its spikes."""
        self.layer = replace(self.layer, framework=Joined(axis, parts, part, weighs=self.layer.framework.weighs))

    def take_gain(self, gain: float) -> None:
        """Keep by which factor a hand-written layer multiplies the current that it makes inside."""
        framework = copy(self.layer.framework)
        framework.input_gain = gain
        self.layer = replace(self.layer, framework=framework)
        self.forget_spec()

    def place(self, position: int, fed_by: str | None) -> None:
        """Keep where the layer stands in the forward pass; what holds the weight of its current gets no current."""
        framework = self.layer.framework
        inside = fed_by is not None and f"{fed_by}.".startswith(f"{self.name}.")
        if inside and self.status is Status.SPIKING and isinstance(framework, Generic) and not framework.weighs:
            framework = copy(framework)
            framework.weighs = True
            self.layer = replace(self.layer, framework=framework)
        if (self.layer.position, self.layer.fed_by) != (position, fed_by):
            self.layer = replace(self.layer, position=position, fed_by=fed_by)

    def read_spec(self) -> None:
        """Read the neurons' parameters, where they are not known or may have changed."""
        if self.layer.spec is None or self.reread:
            self.reread = False
            self.layer = replace(self.layer, spec=spec_of(self.layer.framework, self.layer.module))

    def forget_spec(self) -> None:
        """Read the neurons' parameters again with the next forward pass: they may be learned."""
        self.reread = True
