"""Where a tensor passes, which of its axes are which, and what is handed on when one was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Generic, TypeVar

from spikecheck.neuron import NeuronSpec

T = TypeVar("T")


class SiteKind(Flag):
    """What passes at a site. A check that looks at several kinds joins them with `|`."""

    INPUT = auto()  # what the model is called with
    CURRENT = auto()  # what goes into a spiking layer
    POTENTIAL = auto()  # membrane potential of a spiking layer, after the step
    SPIKES = auto()  # what comes out of a spiking layer
    STATE = auto()  # what a spiking layer starts a sequence with
    LOGITS = auto()  # what the loss is computed from
    TARGETS = auto()  # what the loss compares it with
    LOSS = auto()  # the loss itself
    GRADIENT = auto()  # a parameter's gradient, as the optimizer gets it
    PARAMETER = auto()  # a parameter's values
    UPDATE = auto()  # what one step of the optimizer adds to a parameter
    RUN = auto()  # the run as a whole: order of calls, modes, errors raised by torch
    STORED = auto()  # a tensor in a checkpoint
    STORED_NEURON = auto()  # a neuron's parameter in a checkpoint
    MOMENT = auto()  # what the optimizer in a checkpoint remembers of a parameter
    MEMORY = auto()  # what a spiking layer goes on from in the middle of a sequence
    MODULE = auto()  # a module as it is set up: its neurons, its mode
    GRADIENT_TO_SPIKES = auto()  # the gradient that comes back to a layer's spikes, step by step
    STALE_GRADIENT = auto()  # a parameter's gradient where a backward pass begins, after the step it was for
    REGRESSION_TARGET = auto()  # what a loss over numbers compares, outputs and targets
    MODEL = auto()  # the model that a checkpoint is loaded into
    LABELS = auto()  # the class indices of one batch, one a sample
    GRADIENT_AT_STEP = (
        auto()
    )  # a parameter's gradient on the way from the end of a backward pass to the optimizer's step

    @property
    def label(self) -> str:
        """The kind as a reader of a report wants it."""
        return (self.name or "").lower().replace("|", " or ").replace("_", " ")


#: The kinds that are computed on the way from input to loss, in the order of the data flow.
FORWARD_KINDS = (
    SiteKind.INPUT
    | SiteKind.CURRENT
    | SiteKind.POTENTIAL
    | SiteKind.SPIKES
    | SiteKind.STATE
    | SiteKind.MEMORY
    | SiteKind.LOGITS
    | SiteKind.TARGETS
    | SiteKind.LOSS
    | SiteKind.REGRESSION_TARGET
    | SiteKind.LABELS
)

#: The kinds that only a file has; the others are seen while a model runs.
FILE_KINDS = SiteKind.STORED | SiteKind.STORED_NEURON | SiteKind.MOMENT | SiteKind.MODEL


@dataclass(frozen=True, slots=True)
class Layout:
    """Which axis of a tensor is time and which is batch; None where that is not known, or there is none."""

    time: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a tensor passes, by kind and name; two sites are the same where these two are."""

    kind: SiteKind
    name: str
    position: int = field(default=0, compare=False)  # order of the first forward; the input is 0
    framework: str | None = field(default=None, compare=False)
    neuron: NeuronSpec | None = field(default=None, compare=False)
    fed_by: str | None = field(default=None, compare=False)  # the weighted module whose output a layer takes
    feeds: str | None = field(default=None, compare=False)  # the spiking layer that a weighted module drives

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was seen: updates done by the optimizer so far, and the time step within the forward."""

    update: int = 0
    time_step: int | None = None
    stored: bool = False  # read from a file, which does not say since when

    def __str__(self) -> str:
        if self.stored:
            return "in the file"
        at = "before the first update" if self.update == 0 else f"after update {self.update}"
        return at if self.time_step is None else f"{at}, time step {self.time_step}"


@dataclass(frozen=True, slots=True)
class LossCall:
    """What is known of a call of a loss without looking at values."""

    function: str
    classes: int | None = None
    plain_mean: bool = True  # the mean over samples, without class weights and label smoothing
    has_class_weights: bool = False  # with class weights
    ignored_label: int | None = None  # the label that the loss passes over


@dataclass(frozen=True, slots=True)
class TorchError:
    """An error that torch raised in a loss or a backward pass."""

    kind: str
    text: str
    update: int


@dataclass(frozen=True, slots=True)
class NeighborCorrelation:
    """How alike the entries of an axis are: correlations over neurons and the other axis, averaged over forwards.

    `near` is that of neighbours, `far` that of entries half of the axis apart. `error` is the standard error of the
    difference, over the forwards.
    """

    neighbors: float
    distant: float
    error: float

    @property
    def difference(self) -> float:
        """By how much neighbours are more alike: above 0 along time, 0 along samples that were shuffled."""
        return self.neighbors - self.distant


@dataclass(frozen=True, slots=True)
class LearningRateHistory:
    """What an optimizer was told to do to a parameter, over the updates so far; known without looking at values.

    `worth` is how many updates at the highest rate all of them amount to. `shrink` is the share of the parameter that
    weight decay takes away in one update; None where the decay is part of a gradient that is rescaled afterwards.
    """

    rate: float
    maximum_rate: float
    updates_at_maximum: float
    updates: int
    decay_per_update: float | None = None
    weight_decay: float = 0.0  # the weight decay it was told


@dataclass(frozen=True, slots=True)
class Capture(Generic[T]):
    """Tensors seen at one site, or one tensor a site for sites that are counted together (all parameters).

    `values` are detached. Where a layer is called once a time step, they are the steps of one forward, in order, and
    `layout.time` is 0: the axis along which they are to be stacked.
    """

    sites: tuple[Site, ...]
    values: tuple[T, ...]
    layout: Layout = Layout()
    training: bool = True
    update: int = 0
    stacked: bool = False  # values are one forward's steps, not one tensor a site
    loss_call: LossCall | None = None
    learning_rates: tuple[float | None, ...] = ()  # of an UPDATE: each parameter's learning rate
    learning_rate_histories: tuple[
        LearningRateHistory | None, ...
    ] = ()  # of an UPDATE: what each parameter's rates were so far
    step_tensors: tuple[T, ...] = ()  # of a MEMORY: the step's spikes, its current, and what it handed on
