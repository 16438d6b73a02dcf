"""Readings: what a statistic says about a site, in plain numbers. Checks judge by them.

Each is of one window of the run: the first forward pass, the latest ones, or all. Times are in time steps, rates in
spikes per neuron per time step, shares from 0 to 1. What cannot be computed is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikecheck.site import IdleOptimizer, LearningRateHistory, NeighborCorrelation, Origin, SpikeArgument, TorchError
from spikecheck.site import NonFinite as NonFinite
from spikecheck.site import SurrogateSlope as SurrogateSlope

ID_TYPES = ("int32", "int64")  # those that an embedding looks up
MAX_ID_AXES = 2  # time and batch: frames of events have channels, too


@dataclass(frozen=True, slots=True)
class SpikeReading:
    """The spikes of a layer.

    `forward_passes`, `time_steps` and `samples` are summed over the window. `active` counts the elements other than 0,
    `non_binary` those outside {0, 1}. `values` are the smallest distinct values, at most 16. `non_integer` counts the
    fractional values among the `sampled_elements`: all of them, or, in a forward pass with more than 4,096 elements, an
    even sample and the largest of each time step. `max_count` and `min_count` are spikes of one neuron for one sample
    in one forward pass. `silent_neurons` never fired; `saturated_neurons` fired in 95% of the time steps or more.

    `step_variance_share` and `sample_variance_share` are shares of the variance over forward passes that the index of a
    time step, or of a sample, explains: near 1 where time step 3 is always busy, near 0 where it differs by chance;
    None where there are too few forward passes. `rates` are the firing rates of the neurons, or of an even sample of
    1,024. `profile` is the activity of each time step relative to the mean; empty for more than 1,024 time steps.
    `consecutive_products` sums the products of a neuron's values in successive time steps: spikes that follow another.
    """

    forward_passes: int
    time_steps: int
    samples: int
    neurons: int
    elements: int
    count: float
    active: int
    minimum: float
    maximum: float
    values: tuple[float, ...]
    non_binary: int
    sampled_elements: int
    non_integer: int
    silent_neurons: int
    saturated_neurons: int
    max_count: float
    min_count: float
    non_finite: NonFinite
    time_axis_known: bool = True  # False where the time axis could not be determined
    step_variance_share: float | None = None
    sample_variance_share: float | None = None
    rates: tuple[float, ...] = ()
    profile: tuple[float, ...] = ()
    consecutive_products: float = 0.0

    @property
    def rate(self) -> float | None:
        """The firing rate: spikes per neuron per time step."""
        return self.count / self.elements if self.elements else None

    @property
    def steps_per_pass(self) -> int:
        """The time steps of a forward pass, rounded up where forward passes differ."""
        return math.ceil(self.time_steps / max(1, self.forward_passes))

    @property
    def mean_active_bin(self) -> float | None:
        """The mean of the elements other than 0: 1 for binary spikes."""
        return self.count / self.active if self.active else None


@dataclass(frozen=True, slots=True)
class DriveReading:
    """The input current of a spiking layer.

    `peak` is the mean of each neuron's largest current. The correlations compare neighboring time steps or samples, or
    values as many places apart in [batch, time] as there are samples, with others; None for too few and later layers.
    """

    forward_passes: int
    time_steps: int
    mean: float
    rms: float
    maximum: float
    peak: float
    non_finite: NonFinite
    step_correlation: NeighborCorrelation | None = None
    sample_correlation: NeighborCorrelation | None = None
    row_correlation: NeighborCorrelation | None = None


@dataclass(frozen=True, slots=True)
class PotentialReading:
    """The membrane potentials of a layer after each time step; `final` is the mean positive part after the last one."""

    maximum: float
    non_finite: NonFinite
    final: float | None = None


@dataclass(frozen=True, slots=True)
class InputReading:
    """The input of the model; `time_steps` is None where the time axis is not known.

    Of the `sampled_elements` (all of them, or an even sample of 65,536 per forward pass), `count` is the sum, `active`
    counts those other than 0, `above_one` those above 1, `negative` those below 0, `non_integer` the fractional ones.
    Extremes and `non_finite` are of all elements; `values` and `profile` (of squares) are as in `SpikeReading`.

    A frame is one time step of one sample: `filled_frames` of the `frames` hold anything. `empty_samples` of the
    `samples` hold nothing. `densest_frame_share` is the largest share of a sample's sum of squares in one frame,
    averaged over the samples that hold anything, where the time axis is known. In `constant_forward_passes`, all time
    steps are alike, by their sums over samples and their norms over channels. `distinct_batches` counts inputs that
    differ, at most 16. `silent_channels` of the `channels` never held anything; `silent_half` is True where these are
    one half of the channels (in a row, or every other one) and few of the other half.
    """

    forward_passes: int
    shape: tuple[int, ...]
    dtype: str
    time_steps: int | None
    elements: int
    count: float
    active: int
    above_one: int
    negative: int
    minimum: float
    maximum: float
    values: tuple[float, ...]
    sampled_elements: int
    non_integer: int
    non_finite: NonFinite
    frames: int = 0
    filled_frames: int = 0
    samples: int = 0
    empty_samples: int = 0
    densest_frame_share: float = 0.0
    constant_forward_passes: int = 0
    distinct_batches: int = 0
    profile: tuple[float, ...] = ()
    channels: int = 0
    silent_channels: int = 0
    silent_half: bool = False

    @property
    def holds_ids(self) -> bool:
        """Whether these are ids, such as those of characters: of a type that an embedding looks up, one per step."""
        return self.dtype in ID_TYPES and len(self.shape) <= MAX_ID_AXES

    @property
    def mean_active_bin(self) -> float | None:
        """The mean of the elements other than 0: 1 for binary spikes, above 1 for event counts; None for ids."""
        return self.count / self.active if self.active and not self.holds_ids else None


@dataclass(frozen=True, slots=True)
class EvaluationInputReading(InputReading):
    """The same in passes without gradients, of a run that trains."""


@dataclass(frozen=True, slots=True)
class InputHalvesReading:
    """Copies within the input, in the first forward pass of each window.

    `sample_shape` is that of one time step of one sample; empty where time or batch is not known. Along `copied_axes`,
    both halves held the same in every forward pass, and entries that differ from each other.
    """

    forward_passes: int
    sample_shape: tuple[int, ...]
    copied_axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StateReading:
    """The membrane potential of a spiking layer when a new sequence began."""

    sequences: int
    carried_sequences: int  # sequences that began with a potential other than 0
    largest_potential: float
    continuation_score: float | None = None  # standard errors by which it goes with the sample's own first current


@dataclass(frozen=True, slots=True)
class EvaluationStateReading(StateReading):
    """The same in passes without gradients, of a run that trains: each pass is a sequence."""


@dataclass(frozen=True, slots=True)
class ModeReading:
    """A module that behaves differently in evaluation mode: batch normalization or dropout."""

    updates: int
    evaluation_updates: int  # updates with this module and the whole model in evaluation mode
    calls_per_forward_pass: int  # in the first forward pass
    dropout_probability: float | None = None  # the probability with which it sets elements to 0
    momentum: float | None = None  # weight of one call in the running statistics, where there are any
    trained_before: bool = False  # its running statistics were not those of a new module when the watching began


@dataclass(frozen=True, slots=True)
class FlowReading:
    """What the graph shows of a spiking layer, and whether its spikes receive gradients; None is unknown."""

    forward_passes: int  # forward passes that recorded gradients
    blocked_forward_passes: int  # the input required gradients, the spikes did not
    spikes_receive_gradient: bool | None = None
    cut_in_time: bool | None = None  # no gradient can go from one time step of the layer back to the one before
    shares_state: bool = False  # one module serves as several layers, and its state goes from one to the next
    decay: float | None = None  # of a hand-written layer: what the next time step has of the potential of this one
    argument: SpikeArgument | None = None  # of a hand-written layer, in the first forward passes
    surrogate: SurrogateSlope | None = None  # in the first backward pass that reached it
    recurrent_weight: str | None = None  # of a hand-written layer: the parameter by which its spikes drive it


@dataclass(frozen=True, slots=True)
class RegressionTargetReading:
    """What a regression loss compared: extremes of the targets, and of the outputs with their smallest values."""

    updates: int
    elements: int
    target_minimum: float
    target_maximum: float
    output_minimum: float
    output_maximum: float
    output_values: tuple[float, ...]
    distinct_batches: int = 0  # batches of targets that differ from each other, at most 16
    target_mean: float | None = None  # over all elements of all batches
    target_variance: float | None = None  # the squared error of always predicting that mean
    uniform_batches: int = 0  # updates in which all samples have the same targets, of two values or more
    outputs: int = 0  # of one sample: the length of the last axis; 0 is unknown
    latest_output_maximum: float | None = None  # the highest output of the latest update


@dataclass(frozen=True, slots=True)
class LogitReading:
    """What a classification loss was computed from, one row per sample.

    `spread` is the largest minus the smallest entry of a row, averaged over the rows. `tied_rows` have equal entries
    only. `simplex_rows` are probabilities already: none negative, sum 1. `one_hot_rows` have a softmax above 0.999 in
    one class. Of the `decided_rows` (finite, not tied), `top_class_rows` have their largest entry in the class
    `top_class`, the most frequent one; both are None for more than 4,096 classes.
    """

    updates: int
    rows: int
    classes: int
    minimum: float
    maximum: float
    spread: float
    tied_rows: int
    simplex_rows: int
    one_hot_rows: int
    non_finite: NonFinite
    decided_rows: int = 0
    top_class_rows: int | None = None
    top_class: int | None = None
    normalized_batches: int = 0  # updates in which each class has the same sum over the batch, as after a softmax


@dataclass(frozen=True, slots=True)
class TargetReading:
    """Class indices that a loss was given; counts and extremes leave out the label that the loss ignores.

    `out_of_range` counts labels below 0, or not below `classes`. `class_counts` is how often each class occurred; empty
    where the number of classes is not known or above 4,096. `distinct_batches` counts batches that differ from each
    other, at most 16; `repeated_batches` those that equal the one before; `loss_calls` every computation of the loss.
    """

    updates: int
    samples: int
    minimum: int
    maximum: int
    out_of_range: int = 0
    classes: int | None = None
    class_counts: tuple[int, ...] = ()
    has_class_weights: bool = False
    distinct_batches: int = 0
    repeated_batches: int = 0
    loss_calls: int = 0

    @property
    def entropy(self) -> float | None:
        """The entropy of the labels in nats: the loss of a network that knows the class frequencies alone."""
        total = sum(self.class_counts)
        return -sum(n / total * math.log(n / total) for n in self.class_counts if n) if total else None


@dataclass(frozen=True, slots=True)
class BatchReading:
    """The labels of batches of two or more samples, and how often two samples of a batch have the same label."""

    batches: int
    samples: int
    single_class_batches: int  # batches that contain a single class
    same_class_pairs: float | None  # share of pairs of samples, weighted by batch size; None above 4,096 classes


@dataclass(frozen=True, slots=True)
class LossReading:
    """The losses of successive updates, each the mean of what was computed for the update.

    `recent_*` are of the last `window`: mean, residual standard deviation around a line, its slope per update,
    the standard error of the slope. `plain_mean`: over samples, without class weights or label smoothing.
    `trace` holds at most 128 losses of the whole run by their update: of every update, or of every 2nd, 4th, 8th ...
    `latest` holds the last 8, of successive updates.
    """

    function: str
    updates: int
    first: float | None
    last: float | None
    minimum: float | None
    window: int
    recent_mean: float | None
    recent_deviation: float | None
    recent_slope: float | None
    recent_slope_error: float | None
    classes: int | None
    plain_mean: bool
    non_finite: NonFinite
    trace: tuple[tuple[int, float], ...] = ()
    latest: tuple[float, ...] = ()
    broadcast_shapes: tuple[tuple[int, ...], ...] = ()  # as in `LossCall`
    softmax_axes: tuple[tuple[int, ...], ...] = ()  # as in `LossCall`
    stacked_rows: tuple[int, ...] = ()  # the same


@dataclass(frozen=True, slots=True)
class GradientReading:
    """The gradient of one parameter, as the optimizer receives it."""

    updates: int
    missing_updates: int  # updates without a gradient
    zero_updates: int  # updates with a gradient of exactly 0
    mean_norm: float  # mean over the updates with a finite gradient
    dimensions: int
    non_finite: NonFinite


@dataclass(frozen=True, slots=True)
class ParameterReading:
    """The values of one parameter. `scale` is rms * sqrt(fan-in), with which a sum over active inputs grows."""

    elements: int
    dimensions: int
    fan_in: int
    rms: float
    non_finite: NonFinite

    @property
    def scale(self) -> float:
        """Root mean square times the root of the fan-in: 0.58 for the default of `nn.Linear`, 1.41 for He's."""
        return self.rms * math.sqrt(self.fan_in)


@dataclass(frozen=True, slots=True)
class UpdateReading:
    """The updates of one parameter: their norms, relative to the norm of the parameter; `mean_norm` is absolute."""

    updates: int
    mean_relative_norm: float
    max_relative_norm: float
    unmoved_updates: int
    learning_rate: float | None
    learning_rate_history: LearningRateHistory | None = None
    mean_norm: float | None = None
    first_large: int | None = None  # the first compared update by half of the norm or more
    first_spoiling: int | None = None  # the first compared update that made a finite parameter NaN or infinite
    uphill_updates: int = 0  # those along which the loss rises: their product with the gradient is above 0


@dataclass(frozen=True, slots=True)
class RunReading:
    """The run as a whole; known without looking at any tensor."""

    live: bool  # training goes on: report only what is certain
    update: int
    forward_passes: int
    backward_passes: int
    called_per_time_step: bool  # the script calls the model once per time step
    frameworks: tuple[str, ...] = ()
    without_gradients: bool = False  # no forward pass recorded a gradient
    torch_errors: tuple[TorchError, ...] = ()
    idle_optimizers: tuple[IdleOptimizer, ...] = ()  # hold parameters of the model, and never stepped
    foreign_optimizer: str | None = None  # class of an optimizer that steps and holds no parameter of the model
    value_origins: tuple[Origin, ...] = ()  # operations that made the loss NaN or infinite
    gradient_origins: tuple[Origin, ...] = ()  # operations whose derivative is NaN or infinite while the loss is finite
    unregistered_shapes: tuple[tuple[int, ...], ...] = ()  # of parameters that are used, not the model's, nor trained
    unregistered_before: int = 0  # of these: what the model's input was computed from, and nothing else
    replaced_parameters: tuple[str, ...] = ()  # after attach(), by others with gradients that no optimizer holds
    constant_weights: tuple[str, ...] = ()  # plain tensors with random values, by which the output was computed
    processes: int = 1  # that train together: gradients, as the optimizer gets them, are averages over all
    input_tensors: int = 1  # that the model is called with, of which the first is observed
    variable: str = ""  # the expression by which the script knows the model; empty for what did not run
