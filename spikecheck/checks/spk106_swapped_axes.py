"""A model whose layers take the batch for time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import AimReading, DriveReading, InputReading, SpikeReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SwappedAxes(Check):
    """Time and batch are swapped on the way to the spiking layers.

    ## What it means
    Three things show it. By sizes: the first spiking layer sees as many steps as there are targets in a batch, and
    another number of samples. By values: which sample of a batch is which is left to chance, so that over many batches
    each has the same part in the spikes; and each time step has its own, since recordings begin and end. Found is a
    layer where the number of the sample tells {sample} or more of the variance of its part, over {forwards} forwards or
    more, and more than the number of the step does. By order: what happens at one moment is alike to what happens at
    the next, and less so to what happens much later, while of a batch that was shuffled no two samples are nearer to
    each other than any others. Found is a layer in whose input neighbouring samples correlate by {order} more than
    samples half a batch apart, at {doubt} standard errors or more, and neighbouring steps less than {share} as strongly
    as neighbouring samples.

    Either is asked over {forwards} batches of different inputs and, where a loss shows them, of different targets: of
    one batch that comes again and again, as in a test of whether a network can learn it by heart, the number of a
    sample tells all, encoded anew or not.

    Where the samples are drawn anew for each batch, the first comes about less often than once in 1000 runs: for two
    samples and {forwards} forwards the means of their parts must differ by {forwards} times the variance that chance
    gives them, which Fisher's F with 1 and 30 degrees of freedom does in 3 of 10,000, and more samples or forwards make
    it rarer. This assumes parts that scatter normally. The second comes about once in 80,000, by Student's t.

    Data that are even in time and without any memory cannot show it, nor does an input that `view` or `reshape` has
    scrambled so that neighbours are neighbours no more: activity and loss look like those of noisy labels. An
    experiment settles it: change one sample of a batch, and see whether the output of any other changes.

    ## Why it matters
    A layer integrates over what it takes for time. With the axes swapped, its potential adds up the same moment of one
    sample after another, and every result depends on all samples of the batch before it. Nothing raises: the sizes fit
    wherever both are equal, or a mean over the wrong axis hides them. Measured, accuracy is 5 % of 20 classes instead
    of 90 %.

    ## Fix
    ```python any
    x = x.transpose(0, 1)  # [batch, time, ...] <-> [time, batch, ...]; never view or reshape for this
    ```
    ```python snntorch
    for x_t in x.unbind(1): spikes, mem = layer(x_t, mem)  # x is [batch, time, channels]: loop over axis 1
    ```
    ```python spikingjelly
    x = x.transpose(0, 1)  # layers in step_mode "m" want [time, batch, channels]
    ```
    ```python sinabs
    x = x.transpose(0, 1)  # layers want [batch, time, channels]
    ```
    ```python norse
    x = x.transpose(0, 1)  # layers want [time, batch, channels]
    ```

    ## Intended when
    Every batch is arranged alike, a class to each place or classes one after the other, and activity is even in time:
    `[tool.spikecheck.ignore] "SPK106" = "batches are sorted by class"`
    """

    id: ClassVar = "SPK106"
    slug: ClassVar = "swapped-axes"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "{layer} takes the samples of a batch for time steps"

    sample: float = limit(0.5, why="measured: 0.01 at most in healthy networks, 0.95 where the axes are swapped")
    forwards: int = limit(
        16, why="derived: chance alone tells about 1 / 16 of the variance in so many forwards, as 16 batches in turn do"
    )
    order: float = limit(
        0.05,
        why="measured: 0.13 to 0.19 where the axes are swapped, 0.004 at most in 33 healthy networks; taste: well "
        "between the two",
    )
    doubt: float = limit(
        6.0, why="derived: of 16 forwards, Student's t with 15 degrees of freedom is larger once in 80,000"
    )
    share: float = limit(
        0.5,
        why="derived: steps of one sample are more alike than steps of two, unless the samples are steps; measured: "
        "0.09 at most where the axes are swapped",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where sizes, values or their order say that the layer's steps are samples."""
        sites = spiking(readings)
        first = min(sites, key=lambda s: s.position, default=None)
        layer = None if first is None else readings.at(first.name).all
        spikes = None if layer is None else layer.get(SpikeReading)
        if first is None or layer is None or spikes is None or not spikes.timed or not spikes.forwards:
            return
        steps, samples = spikes.steps / spikes.forwards, spikes.samples / spikes.forwards
        several = batches(readings.all) >= self.forwards
        if by_size(readings, steps, samples):
            said, because = "", "there are as many targets as the layer sees steps"
        elif several and (said := self.by_part(spikes)):
            because = "an order of samples that repeats from batch to batch is an order in time"
        elif several and (said := self.by_order(layer.get(DriveReading))):
            because = "what follows in time is alike, and what follows in a shuffled batch is not"
        else:
            return
        yield self.found(
            site,
            seen=Seen(
                "{layer} sees {steps:.0f} steps of {samples:.0f} samples" + said,
                layer=first.name,
                steps=steps,
                samples=samples,
            ),
            expected=Expected("samples that differ by chance alone", because=because),
            weight=1,
        )

    def by_part(self, spikes: SpikeReading) -> str:
        """What a sample's number tells of its part in the spikes; empty where that is nothing to speak of."""
        told, by_step = spikes.by_sample or 0, spikes.by_step or 0
        if spikes.forwards < self.forwards or told < self.sample or told <= by_step:
            return ""
        return f"; the number of a sample tells {told:.0%} of its part in the spikes, that of a step {by_step:.0%}"

    def by_order(self, drive: DriveReading | None) -> str:
        """How alike neighbouring samples are; empty where that is no more than others, or where steps are, too."""
        if drive is None or drive.along_samples is None or drive.along_steps is None:
            return ""
        samples, steps = drive.along_samples, drive.along_steps
        ordered = samples.order >= max(self.order, self.doubt * samples.error)
        if drive.forwards < self.forwards or not ordered or steps.near >= self.share * samples.near:
            return ""
        return (
            f"; neighbouring samples correlate by {samples.near:.2g}, those half a batch apart by {samples.far:.2g}, "
            f"neighbouring steps by {steps.near:.2g}"
        )


def by_size(readings: Readings, steps: float, samples: float) -> bool:
    """Are there as many targets as the layer sees steps, and not as many as it sees samples?"""
    wanted = [t.samples / t.calls for t in readings.every(TargetReading).values() if t.calls]
    fits = len(wanted) == 1 and steps in wanted and samples not in wanted and samples > 1
    return fits and readings.run.forwards == readings.run.backwards and not readings.run.stepped


def batches(readings: Readings) -> int:
    """How many batches differed: in their inputs and, where a loss shows its targets, in these."""
    seen = max(read.different for read in readings.every(InputReading).values())
    targets = [read.different for read in readings.every(TargetReading).values()]
    numbers = [read.different for read in readings.every(AimReading).values()]
    return min(seen, max([*targets, *numbers], default=seen))
