"""Targets that lie far outside of what the outputs start with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import MIN_LOSSES, learning_of
from spikecheck.checks.output_spikes import output_spikes
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading, RegressionTargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DistantTarget(Check):
    """The targets of a regression are many times larger than the outputs, and no output comes near their mean.

    ## What it means
    Membrane potentials and firing rates are of the order of 1. Targets in other units, such as 150 mg or 20,000 steps,
    lie so far away that training spends all of its updates on the way to their mean, and learns nothing from the input.

    ## Example
    ```python broken
    potentials, membrane = [], lif.init_leaky()
    for frame in x:
        _, membrane = lif(fc(frame), membrane)
        potentials.append(membrane)
    output = torch.stack(potentials).mean(0)[:, 0]
    target = 1000.0 + 100.0 * y  # a weight in grams: 1,000 to 2,900
    loss = torch.nn.functional.mse_loss(output, target)
    ```
    ```python repaired
    potentials, membrane = [], lif.init_leaky()
    for frame in x:
        _, membrane = lif(fc(frame), membrane)
        potentials.append(membrane)
    output = torch.stack(potentials).mean(0)[:, 0]
    target = (1000.0 + 100.0 * y - 1950.0) / 577.0  # minus the mean, over the standard deviation of the training set
    loss = torch.nn.functional.mse_loss(output, target)
    ```

    ## Fix
    ```python any
    # once, from the targets of the training set
    mean, deviation = train_targets.mean(), train_targets.std()
    # in each update
    loss = torch.nn.functional.mse_loss(output, (target - mean) / deviation)
    # a prediction in the units of the targets
    prediction = mean + deviation * output
    ```

    ## When it is intended
    A long training with a high learning rate gets there.
    ```toml
    [tool.spikecheck.ignore]
    "SPK323" = "10,000 updates"
    ```

    ## How it is decided
    A finding needs {min_updates} updates and all of these:

    - the mean of the targets is at least {min_distance} times as far from the first outputs as these are apart;
    - the recent outputs are still all below the mean of the targets, or all above it;
    - the mean squared error is above the variance of the targets, which is that of always predicting their mean.

    Outputs that are all alike, as behind a silent layer, are left to other checks. Targets between 0 and the highest
    spike count or firing rate of the outputs are in the units of these, and are not reported.
    """

    id: ClassVar = "SPK323"
    slug: ClassVar = "distant-target"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.REGRESSION_TARGET
    needs: ClassVar = (RegressionTargetReading, LossReading)
    explained_by: ClassVar = ("SPK311", "SPK408", "SPK409", "SPK410", "SPK414", "SPK415")
    past: ClassVar = "{site} were out of reach of the outputs"
    message: ClassVar = "{site} average {mean:n} ± {deviation:n}, and the outputs are from {lowest:n} to {highest:n}"

    min_distance: float = limit(
        10.0,
        why="judgment call: a readout whose first outputs are 1 apart has to move by 10 before it can learn anything",
    )
    min_updates: int = limit(MIN_LOSSES, why="judgment call: before, nobody can expect learning")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the outputs began far from the targets' mean, and have not reached it."""
        first, recent = readings.first.get(RegressionTargetReading), readings.get(RegressionTargetReading)
        whole, learning = readings.all[RegressionTargetReading], learning_of(readings)
        mean, variance = whole.target_mean, whole.target_variance
        if recent is None or first is None or mean is None or variance is None or learning is None:
            return
        apart = first.output_maximum - first.output_minimum
        distance = distance_from(mean, first)
        if readings.all[LossReading].updates < self.min_updates or not 0 < apart <= distance / self.min_distance:
            return
        if not distance_from(mean, recent) or learning.guess is None or learning.level <= learning.guess:
            return
        counted = output_spikes(readings)
        if counted is not None and whole.target_minimum >= 0 and whole.target_maximum <= counted.highest_output:
            return
        yield self.finding(
            site,
            observed=Observed(
                "outputs from {lowest:n} to {highest:n}, and from {first_lowest:n} to {first_highest:n} at first; the "
                "loss is {level:n}",
                lowest=recent.output_minimum,
                highest=recent.output_maximum,
                first_lowest=first.output_minimum,
                first_highest=first.output_maximum,
                level=learning.level,
            ),
            expected=Expected(
                "targets of the same order as the outputs, and a loss below {variance:n}",
                variance=variance,
                because="that is the loss of always predicting the mean of the targets",
            ),
            when=Moment(0),
            excess=log10(distance / (self.min_distance * apart)),
            mean=mean,
            deviation=sqrt(variance),
        )


def distance_from(mean: float, outputs: RegressionTargetReading) -> float:
    """Return how far a value is from the nearest output; 0 where it lies between outputs."""
    return max(0.0, mean - outputs.output_maximum, outputs.output_minimum - mean)
