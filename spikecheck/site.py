"""Places where tensors pass, which axis is which, and what the probe passes on when it observed a tensor."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Generic, TypeVar

from spikecheck.neuron import NeuronSpec
from spikecheck.outside_text import safe

T = TypeVar("T")


class SiteKind(Flag):
    """What passes at a site. A check of several kinds joins them with `|`."""

    INPUT = auto()  # the input of the model
    CURRENT = auto()  # the input current of a spiking layer
    POTENTIAL = auto()  # the membrane potential of a spiking layer, after the time step
    SPIKES = auto()  # the output of a spiking layer
    STATE = auto()  # the state from which a spiking layer starts a sequence
    LOGITS = auto()  # what a classification loss is computed from
    TARGETS = auto()  # what the loss compares them with
    LOSS = auto()  # the loss itself
    GRADIENT = auto()  # a parameter's gradient, as the optimizer receives it
    PARAMETER = auto()  # a parameter's values
    UPDATE = auto()  # what one update of the optimizer adds to a parameter
    RUN = auto()  # the run as a whole: order of calls, modes, errors that torch raised
    STORED = auto()  # a tensor in a checkpoint
    STORED_NEURON = auto()  # a neuron's parameter in a checkpoint
    MOMENT = auto()  # the optimizer's state for a parameter, in a checkpoint
    MEMORY = auto()  # the state of a spiking layer in the middle of a sequence
    MODULE = auto()  # a spiking layer's configuration: its neurons
    GRADIENT_TO_SPIKES = auto()  # the gradient of a layer's spikes, per time step
    STALE_GRADIENT = auto()  # a parameter's gradient that is left when the next backward pass begins
    REGRESSION_TARGET = auto()  # what a regression loss compares: outputs and targets
    MODEL = auto()  # the model that a checkpoint is loaded into
    LABELS = auto()  # the class indices of one batch
    GRADIENT_AT_STEP = auto()  # a parameter's gradient between the end of the backward pass and the update
    GLOBAL = auto()  # a function or class that the pickle in a checkpoint names
    UNUSED_GRADIENT = auto()  # a parameter and its gradient around a backward pass, before any optimizer has stepped
    UNDONE_UPDATE = auto()  # a parameter before one update and before the next
    CLASS_WEIGHTS = auto()  # the weight that a loss gives to each class
    LOSS_TERMS = auto()  # the part that a loss has in the sum that is minimized, and the whole sum
    OPTIMIZER = auto()  # all gradients of an optimizer's parameters together, and what its update adds to them
    BATCH_NORM_OR_DROPOUT = auto()  # a module that works differently in evaluation mode
    EXPERIMENT = auto()  # what an experiment of `spikecheck.examine` is about: the model, or a weight

    @property
    def label(self) -> str:
        """The kind as a report shows it."""
        return (self.name or "").lower().replace("|", " or ").replace("_", " ")


#: The kinds that are computed between input and loss.
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
    | SiteKind.CLASS_WEIGHTS
)

#: The kinds that only a file has; the others are observed while a model runs.
FILE_KINDS = SiteKind.STORED | SiteKind.STORED_NEURON | SiteKind.MOMENT | SiteKind.MODEL | SiteKind.GLOBAL


@dataclass(frozen=True, slots=True)
class Layout:
    """Which axis of a tensor is time and which is batch; None where it is unknown, or there is none."""

    time: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a tensor passes. Two sites of the same kind and name are equal."""

    kind: SiteKind
    name: str
    position: int = field(default=0, compare=False)  # order in the first forward pass; the input is 0
    framework: str | None = field(default=None, compare=False)
    neuron: NeuronSpec | None = field(default=None, compare=False)
    fed_by: str | None = field(
        default=None, compare=False
    )  # the module with weights whose output a spiking layer receives
    feeds: str | None = field(default=None, compare=False)  # the spiking layer that a module with weights drives
    path: str = field(default="", compare=False)  # how the script reaches the module: `net[1]`; see `user_path`
    module: str = field(default="", compare=False)  # the name of its class, or of its parameter's module

    def __str__(self) -> str:
        """Return the name, with its class where the name is a mere number: `net.1 (LIFNode)`."""
        if not self.module or not self.name.rpartition(".")[2].isdecimal():
            return self.name
        variable = user_path(self).partition(".get_submodule")[0].partition("[")[0] if self.name.isdecimal() else ""
        return f"{variable}{'.' * bool(variable)}{self.name} ({self.module})"


PATH = re.compile(
    r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\]|\["[^"\\]+"\]|\['[^'\\]+'\]|\.get_submodule\("[^"\\]+"\))*"""
)


def user_path(site: Site) -> str:
    """Return a Python expression for the site's module, as the user's script would write it; empty if unknown.

    A path in a file could come from anybody, so what is no plain path of names and indices is not returned.
    """
    return site.path if PATH.fullmatch(site.path) and safe(site.path) == site.path else ""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was observed: after how many updates, and in which time step of the forward pass."""

    update: int = 0
    time_step: int | None = None
    stored: bool = False  # read from a file, which does not tell when it was first so

    def __str__(self) -> str:
        if self.stored:
            return "in the file"
        at = "before the first update" if self.update == 0 else f"after update {self.update}"
        return at if self.time_step is None else f"{at}, time step {self.time_step}"


@dataclass(frozen=True, slots=True)
class NonFinite:
    """How many values were NaN or infinite, of how many, and when the first one occurred.

    What is counted: for a layer or the input, time steps; for logits, rows; for a parameter, updates; in a timeline,
    the time steps of all forward passes. `kind` is that of the first one in a timeline: "infinity", "-infinity" or
    "NaN", which may also come from infinities of both signs that were added.
    """

    count: int
    elements: int
    first: Moment | None = None
    kind: str = ""
    last_update: int | None = None  # the latest update with one, in a timeline


class Operation(Enum):
    """What makes NaN or infinity, in its result or in its derivative."""

    ZERO_BY_ZERO = "0 / 0"
    DIVISION_BY_ZERO = "a division by 0"
    LOG_OF_ZERO = "log(0)"
    LOG_OF_NEGATIVE = "the logarithm of a negative number"
    OVERFLOW = "an overflow of exp()"
    ROOT_AT_ZERO = "sqrt(0), whose derivative is infinite"
    POWER_AT_ZERO = "0 to a power below 1, whose derivative is infinite"


@dataclass(frozen=True, slots=True)
class Origin:
    """An operation of the graph that makes NaN or infinity, and whether `torch.where` chooses between it and others."""

    operation: Operation
    in_branch: bool = False

    def __str__(self) -> str:
        return self.operation.value + " in a branch of torch.where" * self.in_branch


LIKELIHOOD = "negative log-likelihood"  # the function of a loss that the script writes out, without its minus sign


@dataclass(frozen=True, slots=True)
class LossCall:
    """What is known about a call of a loss without looking at values."""

    function: str
    classes: int | None = None
    plain_mean: bool = True  # the mean over samples, without weights and label smoothing
    has_class_weights: bool = False  # with class weights
    ignored_label: int | None = None  # the label that the loss ignores
    broadcast_shapes: tuple[tuple[int, ...], ...] = ()  # of output and target, where the loss broadcasts them
    softmax_axes: tuple[tuple[int, ...], ...] = ()  # shape, then axis and batch axis, of a softmax not over the classes
    stacked_rows: tuple[int, ...] = ()  # number of time steps that are the rows, and shape of each before a sum


@dataclass(frozen=True, slots=True)
class TorchError:
    """An error that torch raised in a loss or a backward pass."""

    kind: str
    text: str
    update: int


@dataclass(frozen=True, slots=True)
class IdleOptimizer:
    """An optimizer that holds parameters of the model and never stepped: its class, and the names of the parameters."""

    kind: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeighborCorrelation:
    """How similar the entries of an axis are: correlations over neurons, averaged over forward passes.

    `neighbors` is the correlation of neighboring entries, `distant` that of entries half of the axis apart. `error` is
    the standard error of the difference, over the forward passes.
    """

    neighbors: float
    distant: float
    error: float

    @property
    def difference(self) -> float:
        """How much more similar neighbors are: above 0 along time, about 0 along samples that were shuffled."""
        return self.neighbors - self.distant


@dataclass(frozen=True, slots=True)
class SpikeArgument:
    """What a layer's spike function is applied to: the potential, or the potential less the threshold.

    `threshold` is the value from which on the function returns spikes, as far as it is known: 0 where the argument is
    less the threshold. `resets` counts values of more than half of the way from `reset_value`, the most frequent one,
    to the threshold, that were back at it in the next time step although they were no spikes. `is_late` is True where
    the values of the first time step depend on no weight: they are the initial state, before any input. `offset` is
    what was subtracted from the potential; None where that is not known. `jump` is what a spike adds to the argument in
    the next time step, beside a value just below the threshold; None where that does not show beyond doubt.
    """

    rms: float
    maximum: float
    threshold: float | None
    resets: int = 0
    reset_value: float | None = None
    is_late: bool = False
    offset: float | None = None
    jump: float | None = None


@dataclass(frozen=True, slots=True)
class SurrogateSlope:
    """By what a layer's spike function multiplies a gradient: on average near the threshold, and far from it.

    Where the threshold is not known, both are the mean of all.
    """

    near: float
    far: float
    distance: float  # of the values that are far from the threshold
    reached: float = 1.0  # the share of all values that it multiplies by a thousandth of its largest value or more
    even_share: float = 1.0  # the share that would average out noise as well if it were multiplied alike, the rest by 0
    values_per_neuron: float | None = None  # so many values are that share, per neuron or channel and backward pass


#: Judgment call: a learning rate that is more than twice another is worth naming. A warm-up that adds the same to the
#: rate each time soon stays below.
MUCH_HIGHER = 2.0


@dataclass(frozen=True, slots=True)
class LearningRateHistory:
    """The learning rate and weight decay of a parameter over the updates so far; known without looking at values.

    `updates_at_maximum` is how many updates at the maximum rate would add up to the same sum of rates.
    `decay_per_update` is the share of the parameter that weight decay removes in one update; None where the decay is
    part of a gradient that is rescaled afterwards. `zero_epsilon` is the `eps` of the optimizer where the parameter's
    number format rounds it to 0; otherwise 0.
    """

    rate: float
    maximum_rate: float
    updates_at_maximum: float
    updates: int
    decay_per_update: float | None = None
    weight_decay: float = 0.0
    scheduled_rate: float = 0.0  # that a scheduler multiplies: the rate that a warm-up comes to; 0 without a scheduler
    optimizer: str = ""  # the name of the site of the optimizer
    zero_epsilon: float = 0.0


@dataclass(frozen=True, slots=True)
class Capture(Generic[T]):
    """Tensors observed at one site, or one tensor per site for sites that are counted together (all parameters).

    `values` are detached. Where a layer is called once per time step, they are the time steps of one forward pass, in
    order, and `layout.time` is 0: the axis along which they are stacked.
    """

    sites: tuple[Site, ...]
    values: tuple[T, ...]
    layout: Layout = Layout()
    training: bool = True
    update: int = 0
    stacked: bool = False  # values are the time steps of one forward pass, not one tensor per site
    loss_call: LossCall | None = None
    learning_rates: tuple[float | None, ...] = ()  # of an UPDATE: each parameter's learning rate
    learning_rate_histories: tuple[LearningRateHistory | None, ...] = ()  # of an UPDATE: each parameter's history
    #: Of a MEMORY: the spikes, the current and the next state of the time step. Of a STATE: the first current after it.
    step_tensors: tuple[T, ...] = ()
    axes_in_doubt: bool = False  # one of the axes may be time, and nothing tells which
    is_first: bool = True  # of its kind in the forward pass, as far as is known
    shapes: tuple[tuple[int, ...], ...] = ()  # of a GRADIENT: those of the gradients, of which the values are the norms
