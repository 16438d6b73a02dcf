"""An output that depends on the sample's position in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import ChangedSampleReading, PermutedBatchReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class PositionDependence(Check):
    """A sample has another output at another position in the batch.

    ## What it means
    Something in the network has one value for each position in the batch: a state, a mask or a weight of the batch's
    size. Batches are shuffled, so such values belong to other samples each time.

    ## Example
    ```python broken
    self.initial_potential = nn.Parameter(torch.zeros(batch_size, 128))
    potential = self.initial_potential
    ```
    ```python repaired
    self.initial_potential = nn.Parameter(torch.zeros(128))  # the same for every sample
    potential = self.initial_potential.expand_as(current)
    ```

    ## Fix
    ```python any
    # give states and parameters no batch axis of their own; create states like the input
    potential = torch.zeros_like(current)
    ```

    ## When it is intended
    The positions mean something, such as parts of one recording.
    ```toml
    [tool.spikecheck.ignore]
    "SPK603" = "each position is a sensor"
    ```

    ## How it is decided
    `spikecheck.examine` passes a batch and the same batch in reverse order to a copy of the network, in evaluation
    mode, from the same state. The check fires if {min_changed_fraction:%} or more of the samples have another output.
    """

    id: ClassVar = "SPK603"
    slug: ClassVar = "position-dependence"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (PermutedBatchReading,)
    explained_by: ClassVar = ("SPK601", "SPK602")
    message: ClassVar = "{changed} of {samples} samples have another output at another position in the batch"

    min_changed_fraction: float = limit(
        0.1,
        why="judgment call: sums in another order may move single spikes, in one sample of many",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where samples have another output."""
        reading, mixed = readings[PermutedBatchReading], readings.get(ChangedSampleReading)
        if mixed is not None and mixed.batch_statistics:
            return
        if reading.changed_samples < max(1, self.min_changed_fraction * reading.samples):
            return
        yield self.finding(
            site,
            observed=Observed(
                "in reverse order, the outputs of {changed} of {samples} samples differ, by up to {change:%} of the "
                "largest output",
                changed=reading.changed_samples,
                samples=reading.samples,
                change=reading.largest_change,
            ),
            expected=Expected("the same output for each sample", because="batches are shuffled"),
            when=Moment(),
        )
