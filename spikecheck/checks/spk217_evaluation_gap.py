"""A layer that fires at another rate in evaluation than in training, for the same kind of input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log
from typing import ClassVar, NamedTuple

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import joined, path_of
from spikecheck.checks.layers import spiking_sites
from spikecheck.evaluation_readings import InitialStatisticsReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import EvaluationInputReading, InputReading, ModeReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.timelines import EvaluationSpikeTimelineReading, SpikeTimelineReading, TimelinePoint

DEFAULT_MOMENTUM = "the default of torch: each training call takes a tenth of the batch's statistics"
HAND_WRITTEN = "in forward() of your normalization: each training call takes `momentum` of the batch's statistics"


class Unmoved(NamedTuple):
    """A normalization, and the share of its running statistics that still is their initial values."""

    position: int
    name: str
    initial_share: float
    buffers: tuple[str, ...] = ()  # mean and variance of a normalization of the user's own

    @property
    def fix(self) -> str:
        """Code after which training updates the running statistics."""
        norm = f"model{path_of(self.name)}"
        if not self.buffers:
            return f"{norm}.momentum = 0.1"
        statistics = ", ".join(f"{norm}.{name}" for name in self.buffers)
        return f"x = torch.nn.functional.batch_norm(x, {statistics}, training={norm}.training, momentum=0.1)"


def moving_statistics(unmoved: Iterable[Unmoved]) -> dict[str, list[str]]:
    """Return code that updates the running statistics, under comments that say where it belongs.

    Normalizations of the user's own whose statistics have the same names are of one class, which is mended once.
    """
    code: dict[str, list[str]] = {DEFAULT_MOMENTUM: [], HAND_WRITTEN: []}
    mended: set[tuple[str, ...]] = set()
    for one in unmoved:
        if not one.buffers:
            code[DEFAULT_MOMENTUM].append(one.fix)
        elif one.buffers not in mended:
            mended.add(one.buffers)
            code[HAND_WRITTEN].append(one.fix)
    return code


@dataclass(frozen=True)
class EvaluationGap(Check):
    """A layer fires far more or far less in evaluation than in training, although the input is similar.

    ## What it means
    Something inside the model works differently in evaluation: running statistics that were never updated, a state that
    is reset in the training loop alone, a teaching signal that only training has. The network that is tested is not the
    one that was trained, and its accuracy says little.

    ## Example
    ```python broken
    norm = torch.nn.BatchNorm1d(128)
    # the running statistics of a copy are updated, and those of `norm` stay at 0 and 1
    x = copy.deepcopy(norm)(x) if model.training else norm(x)
    spikes, membrane = lif(x, membrane)
    ```
    ```python repaired
    norm = torch.nn.BatchNorm1d(128)
    x = norm(x)
    spikes, membrane = lif(x, membrane)
    ```

    ## Fix
    ```python any
    # the same batch in both modes: the first layer whose rate differs is the place to look at
    with torch.no_grad():
        for mode in (True, False):
            model.train(mode)
            print(mode, model(x).float().mean())
    ```

    ## When it is intended
    Lateral inhibition or noise is part of training alone.
    ```toml
    [tool.spikecheck.ignore]
    "SPK217:lif1" = "noise in training"
    ```

    ## How it is decided
    spikecheck compares the firing rate of each layer in the latest passes without gradients with that in the training
    passes before them. It reports the first layer whose rate differs by a factor of {max_rate_ratio} or more, and is at
    least {min_rate} in one of the two. Below a factor of {min_warned_ratio} this is only a note, since noise that
    training alone has makes such a difference. It is a warning at any factor if {max_initial_share:%} or more of the
    running statistics of a batch normalization before the layer still comes from their initial values, 0 and 1: the
    momentum is too small for so few updates. TensorFlow's momentum of 0.99 or 0.999 is 0.01 or 0.001 in torch. A
    normalization of your own counts if two of its buffers, one value per channel, were 0 and 1 when the watching began
    and still are.

    It needs {min_samples} samples of evaluation, and training rates that had settled: those of the last two intervals
    of updates differ by less than {max_drift:%}.

    Nothing is compared if evaluation gets another kind of input, such as noise, or zeros that are passed to count
    operations: the mean and the share of nonzero values may differ by at most {max_input_difference:%}. The mean of
    values of both signs is near 0, and may differ by {max_mean_difference:%} of their range.
    """

    id: ClassVar = "SPK217"
    slug: ClassVar = "evaluation-gap"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    explained_by: ClassVar = ("SPK208", "SPK214", "SPK215", "SPK216", "SPK405")
    ascending: ClassVar = (("max_rate_ratio", "min_warned_ratio"),)
    past: ClassVar = "{site} fired at another rate in evaluation than in training"
    message: ClassVar = (
        "{site} fires {ratio:x} as often in evaluation as in training "
        "({evaluation:.2n} vs {training:.2n} spikes per neuron and time step)"
    )

    max_rate_ratio: float = limit(
        1.6,
        why="measured: at most 1.1 in most healthy networks; 1.7 with a teaching signal in training",
        minimum=1,
    )
    min_warned_ratio: float = limit(
        2.5,
        why="measured: 1.8 in a healthy variational autoencoder with noise in training alone, 4.7 with running "
        "statistics that were never updated",
        minimum=1,
    )
    min_rate: float = limit(0.01, why="judgment call: below that, a rate is made of few spikes")
    min_samples: int = limit(32, why="judgment call: the rates of a few samples differ by chance")
    max_initial_share: float = limit(
        0.5, why="judgment call: evaluation then normalizes by the values of a new module more than by the data"
    )
    max_drift: float = limit(0.1, why="judgment call: rates that still change in training differ for that reason")
    max_input_difference: float = limit(
        0.25, why="measured: at most 0.06 where training and evaluation draw from the same data"
    )
    max_mean_difference: float = limit(
        0.02, why="judgment call: of the range of values of both signs, a sixth of a standard deviation of normal ones"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the first layer whose rate in evaluation is another than in training."""
        if not readings.run.backward_passes or not self.inputs_are_alike(readings):
            return
        before = [s for s in spiking_sites(readings) if s.position < site.position]
        rates = self.rates(readings)
        if rates is None or any(self.rates(readings.at(s.name)) is not None for s in before):
            return
        training, evaluation = rates
        low, high = sorted(rates)
        unmoved = self.unmoved_statistics(readings)
        norm = unmoved[0] if unmoved and unmoved[0].position <= site.position else None
        yield self.finding(
            site,
            severity=Severity.WARNING if norm or high >= self.min_warned_ratio * low else Severity.NOTE,
            observed=Observed(
                "{evaluation:.2n} spikes per neuron and time step in evaluation, {training:.2n} in training"
                + ("; {share:%} of the running statistics of {norm} are still their initial values" if norm else ""),
                evaluation=evaluation,
                training=training,
                norm=norm.name if norm else "",
                share=norm.initial_share if norm else 0.0,
            ),
            expected=Expected(
                "about the same rate", because="the input of both has the same mean and as many values other than 0"
            ),
            when=Moment(readings.run.update),
            ratio=evaluation / training if training else 0.0,
            excess=log(high / low) if low > 0 else 1,
            fixes=joined(moving_statistics(unmoved)) or None if norm else None,
        )

    def unmoved_statistics(self, readings: Readings) -> list[Unmoved]:
        """Return the normalizations whose running statistics hardly moved, in the order of the forward pass.

        Each call in training takes the share `momentum` from the batch. Of a normalization of the user's own, only
        statistics that never moved are known.
        """
        own = readings.every(InitialStatisticsReading).items()
        unmoved = [Unmoved(initial.position, name, 1.0, (initial.zeros, initial.ones)) for name, initial in own]
        for place in readings.observations.sites:
            mode = readings.at(place.name).get(ModeReading)
            if place.kind is not SiteKind.BATCH_NORM_OR_DROPOUT or mode is None or mode.trained_before:
                continue
            if mode.momentum is not None:
                share = (1 - mode.momentum) ** (mode.updates * mode.calls_per_forward_pass)
                unmoved.append(Unmoved(place.position, place.name, share))
        return sorted(one for one in unmoved if one.initial_share >= self.max_initial_share)

    def rates(self, readings: Readings) -> tuple[float, float] | None:
        """Return a layer's rates in training and in evaluation where they are apart; None where they are not."""
        course, other = readings.get(SpikeTimelineReading), readings.get(EvaluationSpikeTimelineReading)
        if course is None or other is None or other.now is None or other.now.mean is None:
            return None
        training = self.settled_rate(course.points, other.now.update)
        evaluation = other.now.mean
        if training is None or not (training > 0 and max(training, evaluation) >= self.min_rate):
            return None
        alike = training < self.max_rate_ratio * evaluation and evaluation < self.max_rate_ratio * training
        return None if alike else (training, evaluation)

    def settled_rate(self, points: tuple[TimelinePoint, ...], update: int) -> float | None:
        """Return the training rate before an update, where it no longer changes."""
        means = [point.mean for point in points if point.update <= update and point.mean is not None][-2:]
        if len(means) <= 1 or abs(means[1] - means[0]) > self.max_drift * max(means):
            return None
        return sum(means) / len(means)

    def inputs_are_alike(self, readings: Readings) -> bool:
        """Return whether training and evaluation get enough input of one kind."""
        inputs = readings.every(InputReading)
        name = next(iter(inputs), None)
        x, other = readings.at(name).get(InputReading), readings.at(name).get(EvaluationInputReading)
        if x is None or other is None or evaluated_samples(x, other, readings) < self.min_samples:
            return False
        pairs = [
            (one / max(1, x.sampled_elements), another / max(1, other.sampled_elements))
            for one, another in ((x.count, other.count), (x.active, other.active))
        ]
        # values of both signs, such as standardized ones, have a mean near 0, which chance alone changes by a factor
        chance = self.max_mean_difference * (x.maximum - x.minimum) if x.negative else 0.0
        return all(abs(a - b) <= max(chance, self.max_input_difference * max(abs(a), abs(b))) for a, b in pairs)


def evaluated_samples(x: InputReading, other: InputReading, readings: Readings) -> float:
    """Return the samples of evaluation, from the size of one in training where the axes of the input are not known."""
    layers = [s for s in readings.every(SpikeReading).values() if s.samples and s.forward_passes]
    known = max(other.samples, other.forward_passes)
    if not layers or not x.elements:
        return known
    batch = min(s.samples / s.forward_passes for s in layers)
    return max(known, other.elements * batch * x.forward_passes / x.elements)
