"""What the statistics say of a site, in plain numbers: the nouns that checks judge by.

Every reading is of one window of the run: the first forward, the most recent ones, or all of them. Times are in steps,
rates in spikes per neuron per step, shares between 0 and 1. A quantity that cannot be computed is None, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikecheck.site import LearningRateHistory, Moment, NeighborCorrelation, TorchError


@dataclass(frozen=True, slots=True)
class NonFinite:
    """How many were NaN or infinite, out of how many, and when the first one was.

    For a layer or the input, one is a step of one neuron, over the batch; for logits a row; for a parameter an update.
    """

    count: int
    elements: int
    first: Moment | None = None


@dataclass(frozen=True, slots=True)
class SpikeReading:
    """What a spiking layer emitted.

    `active` counts elements other than 0, `not_binary` those outside {0, 1}. `values` are the smallest distinct
    values, at most 16, and `not_integer` counts those that are no whole number among the `looked_at` elements: where
    there are more than 4,096 in a forward, an even sample of them, joined with the largest of each step. `most` and
    `least` are spikes of one neuron for one sample in one forward. `silent` neurons fired in no step, `saturated`
    ones in at least 95 % of the steps and samples. `timed`: is it known which axis is time? `by_step` and `by_sample`
    are the shares of the variance, from forward to forward, of a step's and of a sample's part in all spikes that its
    number tells: near 1 where step 3 is always busy, 0 where it differs by chance. None where there are too few.
    `rates` are the spikes per step of each neuron; of an even sample of them where there are more than 1,024.
    `profile` says how busy each step was, relative to the average step; empty where there are more than 1,024.
    `in_a_row` sums the products of a neuron's values in one step and in the next: of binary spikes, how many follow
    right on another one.
    """

    forward_passes: int
    time_steps: int  # summed over the forwards
    samples: int  # summed over the forwards
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
    time_axis_known: bool = True
    step_variance_share: float | None = None
    sample_variance_share: float | None = None
    rates: tuple[float, ...] = ()
    profile: tuple[float, ...] = ()
    consecutive_products: float = 0.0

    @property
    def rate(self) -> float | None:
        """Spikes per neuron per step."""
        return self.count / self.elements if self.elements else None

    @property
    def mean_active_bin(self) -> float | None:
        """Spikes in a bin that holds any: 1 for binary spikes."""
        return self.count / self.active if self.active else None


@dataclass(frozen=True, slots=True)
class DriveReading:
    """What went into a spiking layer, in the units of its threshold.

    `peak` is the largest input that each neuron got in any step, averaged over the neurons. `along_steps` and
    `along_samples` compare steps with each other, and samples; None where there are too few, or no two forwards.
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


@dataclass(frozen=True, slots=True)
class PotentialReading:
    """Membrane potentials of a spiking layer, after each step."""

    maximum: float
    non_finite: NonFinite


@dataclass(frozen=True, slots=True)
class InputReading:
    """What the model was called with; `steps` is None where no axis is known to be time.

    Among the `looked_at` elements (all of them, or an even sample of 65,536 a forward), `count` is the sum, `active`
    counts those other than 0, `above_one` those above 1, `negative` those below 0, `not_integer` those that are no
    whole number. Extremes and `non_finite` are of all elements; `values` are as in `SpikeReading`. A frame is one step
    of one sample: `filled` of the `frames` hold anything, `empty` of the `samples` nothing at all, and `densest` is the
    largest share of a sample's sum of absolute values that one frame holds, averaged over the samples that hold any. In
    `constant` forwards all steps are alike, by their sums over samples and over channels. `different` counts inputs
    that differ from each other, 16 at most: 1 where the same batch came again and again. `profile` is as in
    `SpikeReading`, of the absolute values. Of the
    `channels`, `silent` ones never held anything; `silent_half`: those of one half, in a row or every other, and few of
    the other.
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
    def mean_active_bin(self) -> float | None:
        """Mean of the bins that hold anything: 1 for binary spikes, 2 where the average bin counts two."""
        return self.count / self.active if self.active else None


@dataclass(frozen=True, slots=True)
class StateReading:
    """What a spiking layer's potential was when a new sequence began."""

    sequences: int
    carried_sequences: int  # sequences that began with any potential other than 0
    largest_potential: float


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """What a layer that is called once a step went on from, four steps or more into a forward."""

    forward_passes: int
    stateful_forward_passes: int  # forwards in which that was anything other than 0
    informative_elements: int = (
        0  # elements that did not spike, whose state was neither 0 nor a multiple of their current
    )
    memoryless_elements: int = 0  # of them, those that handed on a multiple of the current and nothing else


@dataclass(frozen=True, slots=True)
class ModeReading:
    """A module that behaves otherwise in evaluation: it normalises by the batch, or drops out."""

    updates: int
    evaluation_updates: int  # of them, with this module and the whole model in evaluation mode
    calls_per_forward_pass: int  # in the first forward
    dropout_probability: float | None = None  # the share that it sets to 0
    momentum: float | None = None  # what a call's statistics weigh in the running ones, where there are any


@dataclass(frozen=True, slots=True)
class FlowReading:
    """Whether gradients pass a spiking layer; `read`: did any gradient come back to its spikes? None is unknown."""

    forward_passes: int  # with gradients recorded
    blocked_forward_passes: int  # the input asked for gradients, the spikes did not carry any
    spikes_receive_gradient: bool | None = None


@dataclass(frozen=True, slots=True)
class GradientToSpikesReading:
    """The steps to which a gradient other than 0 came back, of a layer's spikes, in the first forwards."""

    forward_passes: int
    time_steps: int  # summed over the forwards
    last_step_only: int  # forwards in which it came to the last step and to no other


@dataclass(frozen=True, slots=True)
class RegressionTargetReading:
    """What a loss over numbers compared: extremes of the targets, and of the outputs with their smallest values.

    `different` counts batches of targets that differ from each other, 16 at most.
    """

    updates: int
    elements: int
    target_minimum: float
    target_maximum: float
    output_minimum: float
    output_maximum: float
    output_values: tuple[float, ...]
    distinct_batches: int = 0


@dataclass(frozen=True, slots=True)
class StaleGradientReading:
    """Whether a parameter's gradient outlives its step: in how many updates some of it was there all the time."""

    updates: int
    stale_updates: int


@dataclass(frozen=True, slots=True)
class GradientAtStepReading:
    """Whether a gradient reaches its step: in how many updates all of it went after the backward pass and before."""

    updates: int
    cleared_updates: int


@dataclass(frozen=True, slots=True)
class LogitReading:
    """What a classification loss was computed from, one row a sample.

    `spread` is the largest minus the smallest entry of a row, averaged. `tied` rows have all entries equal. `simplex`
    rows are already probabilities: none negative, sum 1. `one_hot` rows have a softmax above 0.999 in one class. Of the
    `decided` rows (finite, not tied), `favoured` have their largest entry in the class `favourite`, more than in any
    other; both None for more than 4,096 classes.
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


@dataclass(frozen=True, slots=True)
class TargetReading:
    """Class indices that a loss was given; `samples` and extremes leave out the `ignored` ones.

    `outside` counts those below 0 or not below `classes`. `counts` is how often each class came; empty where the
    classes are not known, or more than 4,096. `weighted`: the loss has class weights. `different` counts batches that
    differ from each other, 16 at most, `repeated` those that are the same as the batch before; `calls` how often the
    loss was computed, which may be several times an update.
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
        """Of the labels, in nats: the loss of a network that knows how often each class comes, and nothing else."""
        total = sum(self.class_counts)
        return -sum(n / total * math.log(n / total) for n in self.class_counts if n) if total else None


@dataclass(frozen=True, slots=True)
class BatchReading:
    """The labels of batches of two `samples` or more, and how often two of a batch have the same."""

    batches: int
    samples: int
    single_class_batches: int  # batches with one label alone
    same_class_pairs: (
        float | None
    )  # share of a batch's pairs, weighted by its samples; None for more than 4,096 classes


@dataclass(frozen=True, slots=True)
class LossReading:
    """The losses of successive updates, each the mean of what was computed for it.

    `recent_*` describe the last `window` of them: mean, residual standard deviation around a straight line, its slope
    an update, and the slope's standard error. `trace` holds losses of the whole run by their update, at most 128: of
    every update, or of those whose number is a multiple of 2, 4, 8 ...
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
    plain_mean: bool  # mean over samples, without class weights and label smoothing
    non_finite: NonFinite
    trace: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class GradientReading:
    """The gradient of one parameter, as the optimizer got it."""

    updates: int
    missing_updates: int  # updates without any gradient
    zero_updates: int  # updates with a gradient of exactly 0
    mean_norm: float  # mean over the updates with a finite gradient
    dimensions: int
    non_finite: NonFinite


@dataclass(frozen=True, slots=True)
class ParameterReading:
    """The values of one parameter. `scale` is rms * sqrt(fan-in): what a sum over active inputs grows with."""

    elements: int
    dimensions: int
    fan_in: int
    rms: float
    non_finite: NonFinite

    @property
    def scale(self) -> float:
        """Root mean square times the root of the fan-in; 0.58 for torch's default `nn.Linear`, 1.41 for He's."""
        return self.rms * math.sqrt(self.fan_in)


@dataclass(frozen=True, slots=True)
class UpdateReading:
    """What the optimizer did to one parameter: norms of its steps, relative to the norm of the parameter."""

    updates: int
    mean_relative_norm: float
    max_relative_norm: float
    unmoved_updates: int
    learning_rate: float | None
    learning_rate_history: LearningRateHistory | None = None


@dataclass(frozen=True, slots=True)
class RunReading:
    """What happened in the run as a whole; known without any tensor."""

    live: bool  # asked while training goes on: say only what is certain
    update: int
    forward_passes: int
    backward_passes: int
    called_per_time_step: bool  # the script calls the model once a time step
    frameworks: tuple[str, ...] = ()
    without_gradients: bool = False  # no gradient was ever recorded
    torch_errors: tuple[TorchError, ...] = ()
