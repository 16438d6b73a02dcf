"""An output of one sample that depends on other samples of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import ChangedSampleReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class MixedSamples(Check):
    """The output for one sample depends on the other samples of its batch.

    ## What it means
    Samples are mixed inside the network: the batch axis is used as the time axis, or a `view` has put values of several
    samples into one row. PyTorch raises no error. Labels then belong to the wrong inputs, and little can be learned.

    ## Example
    ```python broken
    x = x.transpose(0, 1)  # [time, batch, channels], for layers that expect [batch, time, channels]
    logits = model(x)
    ```
    ```python repaired
    # [batch, time, channels], as the layers expect it
    logits = model(x)
    ```

    ## Fix
    ```python any
    # keep the samples apart: the axis that the loader stacks, the layers' batch axis and the loss's first axis are one
    # if the layers expect the other order:
    x = x.transpose(0, 1)
    # and permute() instead of view() or reshape() to exchange axes: those keep the memory as it is
    ```

    ## When it is intended
    The network compares the samples of a batch, as in few-shot learning with a support set.
    ```toml
    [tool.spikecheck.ignore]
    "SPK601" = "each batch is one episode"
    ```

    ## How it is decided
    `spikecheck.examine` replaces one sample of a batch in a copy of the network, in evaluation mode, and compares the
    outputs of all others. They are computed by the same operations, so they must be the same; the check fires if
    {min_changed_samples} or more of them change by more than a ten-thousandth of the largest output. Both passes start
    from the same state and use the same random numbers. A normalization without running statistics mixes samples by
    design: then nothing is reported.

    The axis of the samples is the one that is as long as the targets. Of two axes of that length, it is the first,
    unless a linear map predicts the labels from the inputs along the second one alone.
    """

    id: ClassVar = "SPK601"
    slug: ClassVar = "mixed-samples"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (ChangedSampleReading,)
    explains: ClassVar = ("SPK106", "SPK203", "SPK302", "SPK309", "SPK312")
    message: ClassVar = "replacing one sample changes the outputs of {changed} of the other {others} samples"

    min_changed_samples: int = limit(
        1, why="derived: a sample that is computed apart from the replaced one cannot change at all", minimum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where other samples changed."""
        reading = readings[ChangedSampleReading]
        if reading.changed_others < self.min_changed_samples or reading.batch_statistics:
            return
        yield self.finding(
            site,
            observed=Observed(
                "one sample was replaced: the outputs of {changed} of the other {others} samples changed, by up to "
                "{change:%} of the largest output",
                changed=reading.changed_others,
                others=reading.samples - 1,
                change=reading.largest_change,
            ),
            expected=Expected("no change", because="each label belongs to one sample"),
            when=Moment(),
        )
