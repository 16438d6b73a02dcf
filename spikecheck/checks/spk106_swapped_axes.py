"""A model whose layers take the batch for time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
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
    logits = model(x).mean(0)  # sinabs takes axis 0 for the batch and axis 1 for time; [batch, 20] all the same
    ```
    ```python repaired
    x = torch.stack(samples, dim=1)  # [time, batch, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0))
    logits = model(x.transpose(0, 1)).mean(1)  # [batch, time, 700] for sinabs
    ```

    ## Fix
    ```python any
    x = x.transpose(0, 1)  # [batch, time, ...] <-> [time, batch, ...]; never view or reshape for this
    ```
    ```python snntorch
    for x_t in x.unbind(1):  # x is [batch, time, channels]: loop over axis 1
        spikes, mem = layer(x_t, mem)
    ```
    ```python spikingjelly
    x = x.transpose(0, 1)  # layers in step_mode "m" take [time, batch, channels]
    ```
    ```python sinabs
    x = x.transpose(0, 1)  # layers take [batch, time, channels]
    ```
    ```python norse
    x = x.transpose(0, 1)  # layers take [time, batch, channels]
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
    - Activity: the position of a sample in the batch explains a fraction of {min_sample_variance_share} or more of the
      variance of its share of the spikes, over {min_forward_passes} forward passes or more, and more than the position
      of a time step explains. In a shuffled batch the position of a sample is chance, so all positions fire alike over
      many batches; time steps differ, because recordings begin and end.
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
    message: ClassVar = "{layer} takes the samples of a batch for time steps"

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
        """Yield a finding where sizes, values or their order say that the layer's steps are samples."""
        sites = spiking_sites(readings)
        first = min(sites, key=lambda s: s.position, default=None)
        layer = None if first is None else readings.at(first.name).all
        spikes = None if layer is None else layer.get(SpikeReading)
        if first is None or layer is None or spikes is None or not spikes.time_axis_known or not spikes.forward_passes:
            return
        steps, samples = spikes.time_steps / spikes.forward_passes, spikes.samples / spikes.forward_passes
        several = batches(readings.all) >= self.min_forward_passes
        if by_size(readings, steps, samples):
            said, because = "", "there are as many targets as the layer sees steps"
        elif several and (said := self.by_part(spikes)):
            because = "an order of samples that repeats from batch to batch is an order in time"
        elif several and (said := self.by_order(layer.get(DriveReading))):
            because = "what follows in time is alike, and what follows in a shuffled batch is not"
        else:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{layer} sees {steps:.0f} steps of {samples:.0f} samples" + said,
                layer=first.name,
                steps=steps,
                samples=samples,
            ),
            expected=Expected("samples that differ by chance alone", because=because),
            excess=1,
        )

    def by_part(self, spikes: SpikeReading) -> str:
        """What a sample's number tells of its part in the spikes; empty where that is nothing to speak of."""
        told, step_variance_share = spikes.sample_variance_share or 0, spikes.step_variance_share or 0
        if (
            spikes.forward_passes < self.min_forward_passes
            or told < self.min_sample_variance_share
            or told <= step_variance_share
        ):
            return ""
        steps = f"that of a step {step_variance_share:.0%}"
        return f"; the number of a sample tells {told:.0%} of its part in the spikes, {steps}"

    def by_order(self, drive: DriveReading | None) -> str:
        """How alike neighbouring samples are; empty where that is no more than others, or where steps are, too."""
        if drive is None or drive.sample_correlation is None or drive.step_correlation is None:
            return ""
        samples, steps = drive.sample_correlation, drive.step_correlation
        ordered = samples.difference >= max(self.min_neighbor_correlation, self.t_score * samples.error)
        if (
            drive.forward_passes < self.min_forward_passes
            or not ordered
            or steps.neighbors >= self.max_step_ratio * samples.neighbors
        ):
            return ""
        return (
            f"; neighbouring samples correlate by {samples.neighbors:.2g}, "
            f"those half a batch apart by {samples.distant:.2g}, neighbouring steps by {steps.neighbors:.2g}"
        )


def by_size(readings: Readings, steps: float, samples: float) -> bool:
    """Are there as many targets as the layer sees steps, and not as many as it sees samples?"""
    wanted = [t.samples / t.loss_calls for t in readings.every(TargetReading).values() if t.loss_calls]
    fits = len(wanted) == 1 and steps in wanted and samples not in wanted and samples > 1
    return (
        fits and readings.run.forward_passes == readings.run.backward_passes and not readings.run.called_per_time_step
    )


def batches(readings: Readings) -> int:
    """How many batches differed: in their inputs and, where a loss shows its targets, in these."""
    seen = max(read.distinct_batches for read in readings.every(InputReading).values())
    targets = [read.distinct_batches for read in readings.every(TargetReading).values()]
    numbers = [read.distinct_batches for read in readings.every(RegressionTargetReading).values()]
    return min(seen, max([*targets, *numbers], default=seen))
