"""A model whose layers take the batch for time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, InputReading, RegressionTargetReading, SpikeReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SwappedAxes(Check):
    """The time and batch axes are swapped before the spiking layers.

    ## What it means
    The first spiking layer integrates over the samples of a batch as if they were time steps, so the result for one
    sample depends on the samples before it. PyTorch raises no error where both axes have the same size, or where a mean
    over the wrong axis hides the difference.

    ## Example
    ```python broken
    x = torch.stack(samples, dim=1)  # [time, batch, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0))
    # sinabs takes axis 1 for time; the result is [batch, 20] all the same
    logits = model(x).mean(0)
    ```
    ```python repaired
    x = torch.stack(samples, dim=1)  # [time, batch, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0))
    logits = model(x.transpose(0, 1)).mean(1)  # [batch, time, 700] for sinabs
    ```

    ## Fix
    ```python any
    # [batch, time, ...] <-> [time, batch, ...]
    x = x.transpose(0, 1)
    # never use view or reshape for this
    ```
    ```python snntorch
    # x is [batch, time, channels]: loop over axis 1
    for x_t in x.unbind(1):
        spikes, mem = layer(x_t, mem)
    ```
    ```python spikingjelly
    # step_mode "m" takes [time, batch, channels]
    x = x.transpose(0, 1)
    ```
    ```python sinabs
    # layers take [batch, time, channels]
    x = x.transpose(0, 1)
    ```
    ```python norse
    # layers take [time, batch, channels]
    x = x.transpose(0, 1)
    ```

    ## When it is intended
    Every batch is arranged alike (one class per place, or classes one after the other), and activity is even in time.
    ```toml
    [tool.spikecheck.ignore]
    "SPK106" = "batches are sorted by class"
    ```

    ## How it is decided
    Any of three observations at the first spiking layer gives a warning:

    - Sizes: the layer sees as many time steps as the batch has targets, and a different number of samples.
    - Activity: over {min_forward_passes} forward passes or more, the position of a sample in the batch explains a
      fraction of {min_sample_variance_share} or more of the variance of its share of all spikes, and more than the
      position of a time step does. In a shuffled batch the position of a sample is chance, so all positions fire alike
      over many batches; time steps differ, because recordings begin and end.
    - Order: in the layer's input current, neighboring samples correlate by {min_neighbor_correlation} more than samples
      half a batch apart, at {t_score} standard errors or more, and neighboring time steps less than {max_step_ratio}
      times as strongly as neighboring samples. What happens at one moment resembles what happens next, and resembles
      less what happens much later; in a shuffled batch, no two samples are closer than any others.

    Activity and order are judged only over {min_forward_passes} batches of different inputs and, where a loss shows
    them, of different targets. With one batch repeated, as when testing whether a network can memorize a batch, the
    position of a sample explains everything, whether the samples are encoded again or not.

    Error probability, where samples are drawn again for each batch: the activity rule fires wrongly less often than
    once in 1000 runs. For two samples and 16 forward passes, the means of their shares must differ by 16 times the
    variance that chance gives them, which Fisher's F with 1 and 30 degrees of freedom does in 3 of 10,000 cases; more
    samples or forward passes make it rarer. This assumes normally distributed shares. The order rule fires wrongly
    about once in 80,000 (Student's t).

    Not detectable: data that are even in time and without memory, and an input that `view` or `reshape` has scrambled
    so that neighbors are no longer neighbors; activity and loss then look like those of noisy labels. An experiment
    settles it: change one sample of a batch, and see whether the output of any other sample changes.

    Measured: accuracy is 5% on 20 classes instead of 90%.
    """

    id: ClassVar = "SPK106"
    slug: ClassVar = "swapped-axes"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "time and batch axes look swapped at {layer}"

    min_sample_variance_share: float = limit(
        0.5, why="measured: at most 0.01 in healthy networks, 0.95 where the axes are swapped"
    )
    min_forward_passes: int = limit(
        16,
        why="derived: by chance alone, a position explains about 1/16 of the variance in 16 forward passes, as it does "
        "for 16 batches in rotation",
    )
    min_neighbor_correlation: float = limit(
        0.05,
        why="measured: 0.13 to 0.19 where the axes are swapped, at most 0.004 in 33 healthy networks; the value in "
        "between is a judgment call",
    )
    t_score: float = limit(
        6.0, why="derived: with 16 forward passes, Student's t with 15 degrees of freedom is larger once in 80,000"
    )
    max_step_ratio: float = limit(
        0.5,
        why="derived: time steps of one sample are more alike than those of two samples, unless the samples are the "
        "time steps; measured: at most 0.09 where the axes are swapped",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where sizes, activity or order show that the layer's time steps are samples."""
        first = min(spiking_sites(readings), key=lambda s: s.position, default=None)
        layer = None if first is None else readings.at(first.name).all
        spikes = None if layer is None else layer.get(SpikeReading)
        if first is None or layer is None or spikes is None or not spikes.time_axis_known or not spikes.forward_passes:
            return
        steps, samples = spikes.time_steps / spikes.forward_passes, spikes.samples / spikes.forward_passes
        enough_batches = distinct_batches(readings.all) >= self.min_forward_passes
        if has_one_target_per_step(readings, steps, samples):
            evidence, because = "", "the batch has as many targets as the layer has time steps"
        elif enough_batches and (evidence := self.evidence_in_activity(spikes)):
            because = "an order that repeats from batch to batch is an order in time"
        elif enough_batches and (evidence := self.evidence_in_order(layer.get(DriveReading))):
            because = "successive time steps are alike, and the samples of a shuffled batch are not"
        else:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{layer} sees {steps} time steps of {samples} samples" + evidence,
                layer=first.name,
                steps=steps,
                samples=samples,
            ),
            expected=Expected("samples whose position in the batch does not matter", because=because),
            excess=1,
        )

    def evidence_in_activity(self, spikes: SpikeReading) -> str:
        """Return how much the position of a sample explains of its share of the spikes; empty where that is little."""
        by_sample, by_step = spikes.sample_variance_share or 0, spikes.step_variance_share or 0
        if spikes.forward_passes < self.min_forward_passes:
            return ""
        if by_sample < self.min_sample_variance_share or by_sample <= by_step:
            return ""
        return fill(
            "; the position of a sample explains {by_sample:%} of the variance of its share of the spikes, "
            "that of a time step {by_step:%}",
            by_sample=by_sample,
            by_step=by_step,
        )

    def evidence_in_order(self, drive: DriveReading | None) -> str:
        """Return how alike neighboring samples are; empty where others are as alike, or where time steps are, too."""
        if drive is None or drive.sample_correlation is None or drive.step_correlation is None:
            return ""
        samples, steps = drive.sample_correlation, drive.step_correlation
        if drive.forward_passes < self.min_forward_passes:
            return ""
        if samples.difference < max(self.min_neighbor_correlation, self.t_score * samples.error):
            return ""
        if steps.neighbors >= self.max_step_ratio * samples.neighbors:
            return ""
        return fill(
            "; neighboring samples correlate by {neighbors:.2n}, samples half a batch apart by {distant:.2n}, "
            "neighboring time steps by {steps:.2n}",
            neighbors=samples.neighbors,
            distant=samples.distant,
            steps=steps.neighbors,
        )


def has_one_target_per_step(readings: Readings, steps: float, samples: float) -> bool:
    """Return whether a batch has as many targets as the layer has time steps, and not as many as it has samples."""
    targets = [t.samples / t.loss_calls for t in readings.every(TargetReading).values() if t.loss_calls]
    fits = len(targets) == 1 and steps in targets and samples not in targets and samples > 1
    run = readings.run
    return fits and run.forward_passes == run.backward_passes and not run.called_per_time_step


def distinct_batches(readings: Readings) -> int:
    """Return how many batches differ in their inputs and, where a loss shows its targets, in these."""
    inputs = max(x.distinct_batches for x in readings.every(InputReading).values())
    classes = [t.distinct_batches for t in readings.every(TargetReading).values()]
    numbers = [t.distinct_batches for t in readings.every(RegressionTargetReading).values()]
    return min(inputs, max([*classes, *numbers], default=inputs))
