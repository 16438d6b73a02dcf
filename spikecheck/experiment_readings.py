"""Readings of experiments: what happened to a copy of the network when one thing was changed.

The experiments are in `spikecheck/examination/experiments/`, one file for each reading; checks of the family SPK6xx
judge them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LearningReading:
    """Whether an unchanged copy learned on the batches that were given.

    `loss_before` and `loss_after` are of batches that were held out. `accuracy` and `majority`, the share of the most
    frequent class, are None where the targets are no class indices. `learned` is True where the accuracy is above the
    majority's, with an error probability of 1%; for other targets, where the loss fell by a fifth. It is None where
    nothing could be held out.
    """

    updates: int
    loss_before: float | None
    loss_after: float | None
    accuracy: float | None
    majority: float | None
    learned: bool | None


@dataclass(frozen=True, slots=True)
class ChangedSampleReading:
    """One sample of a batch was replaced: how many of the other samples have other outputs, and by how much.

    `largest_change` is relative to the largest output. `batch_statistics` is True where a normalization computes
    with the statistics of the batch in evaluation mode too, so that samples depend on each other by design.
    """

    samples: int
    changed_others: int
    largest_change: float
    batch_statistics: bool = False


@dataclass(frozen=True, slots=True)
class RepeatedBatchReading:
    """The same batch was passed twice: the largest change of an output or a loss, relative to its size.

    `by_own_step` is True where the user's own training step passed it, with a learning rate of 0. `holders` are modules
    that held another tensor after the first pass, and `error` is what the second pass raised. `resettable` is True
    where the layers have a method that resets them, which a loop may call that is not known.
    """

    largest_change: float
    by_own_step: bool
    holders: tuple[str, ...] = ()
    error: str = ""
    resettable: bool = False


@dataclass(frozen=True, slots=True)
class PermutedBatchReading:
    """The samples of a batch were put in another order: how many outputs are not those of the same sample."""

    samples: int
    changed_samples: int
    largest_change: float


@dataclass(frozen=True, slots=True)
class LateStepReading:
    """The last quarter of the time steps was replaced: the places whose values at earlier time steps changed."""

    time_steps: int
    first_changed_step: int
    compared: tuple[str, ...]
    changed_places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeOrderReading:
    """Accuracy of a trained copy on held-out batches: as they are, with shuffled time steps, with the mean in each."""

    accuracy: float
    shuffled_accuracy: float
    summed_accuracy: float


@dataclass(frozen=True, slots=True)
class EvaluationModeReading:
    """Accuracy of a trained copy on held-out batches, in evaluation mode and in training mode."""

    accuracy: float
    training_mode_accuracy: float


@dataclass(frozen=True, slots=True)
class InputPathReading:
    """How many outputs have no gradient to any input channel, and how many channels get none from any output."""

    outputs: int
    dead_outputs: int
    channels: int
    dead_channels: int


@dataclass(frozen=True, slots=True)
class GradientPathReading:
    """Whether a weight that the optimizer holds affects the loss, and whether a gradient reaches it.

    `relative_change` is how far the loss moved when a tenth was added to the weight at random. `is_none` is True where
    the backward pass stopped before it, `is_zero` where every element was 0 in every batch.
    """

    relative_change: float
    is_none: bool
    is_zero: bool


@dataclass(frozen=True, slots=True)
class SlopeReading:
    """The slope of the loss along a weight's gradient: from the backward pass, and measured by moving the weight.

    `measured` is the mean over batches and over small random changes of the weight, which smooth the spikes; `error` is
    its standard error, `batches` their number. `backward` is what the backward pass says: the norm of the gradient.
    """

    backward: float
    measured: float
    error: float
    batches: int


@dataclass(frozen=True, slots=True)
class ReferenceNeuronReading:
    """All spiking layers computed with a reference neuron instead of their own.

    Both copies made the same updates. `p_value` is that of a paired sign test on held-out samples.
    """

    updates: int
    layers: int
    accuracy: float
    reference_accuracy: float
    majority: float
    p_value: float


@dataclass(frozen=True, slots=True)
class LinearProbeReading:
    """A linear map from the input to the classes, fitted on some batches: its accuracy on batches that were held out.

    A success proves that the labels depend on the inputs. A failure proves nothing: the relation may not be linear.
    """

    accuracy: float
    majority: float
    samples: int
    succeeded: bool


@dataclass(frozen=True, slots=True)
class OneBatchReading:
    """One batch was trained on again and again: the loss before and after, and the lowest on the way."""

    updates: int
    first_loss: float
    last_loss: float
    lowest_loss: float


@dataclass(frozen=True, slots=True)
class RateLadderReading:
    """Copies were trained with multiples of the learning rate: the factors, and the loss of each at the end.

    Losses are those of the last quarter of the updates; infinity stands for a loss that is not finite.
    """

    updates: int
    first_loss: float
    factors: tuple[float, ...]
    losses: tuple[float, ...]
    noise: float  # the standard deviation of the loss over batches


@dataclass(frozen=True, slots=True)
class PrecisionReading:
    """The same updates were made as they are, and in 32-bit floating point throughout.

    `reduced` names what is not in 32 bits: "autocast", or a dtype of parameters; empty where everything is.
    """

    reduced: str
    updates: int
    finite: bool
    full_precision_finite: bool
