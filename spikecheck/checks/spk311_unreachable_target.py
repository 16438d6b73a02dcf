"""Targets above what spikes can count to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.output_spikes import MAX_ROUNDING_ERROR, MIN_DISTINCT_OUTPUTS, output_spikes
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading, RegressionTargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnreachableTarget(Check):
    """A target asks for more spikes than there are time steps.

    ## What it means
    A neuron that spikes at most once per time step cannot have a spike count above the number of time steps, or a
    firing rate above 1, and the highest target is above that. The loss cannot reach 0, and drives the layer into
    saturation.

    ## Example
    ```python broken
    counts = torch.stack(spikes).sum(0)  # 40 time steps, at most one spike each
    target = torch.full_like(counts, 3.0).scatter_(1, y[:, None], 60.0)  # 60 spikes: chosen for 300 time steps
    loss = torch.nn.functional.mse_loss(counts, target)
    ```
    ```python repaired
    counts = torch.stack(spikes).sum(0)
    target = torch.full_like(counts, 0.05 * 40).scatter_(1, y[:, None], 0.6 * 40)  # spikes in 5% or 60% of 40 steps
    loss = torch.nn.functional.mse_loss(counts, target)
    ```

    ## Fix
    ```python any
    # spikes: [time, batch, class]
    time_steps, counts = spikes.shape[0], spikes.sum(0)
    # a spike in 60% of the time steps for the right class, in 5% for the others
    target = torch.full_like(counts, 0.05 * time_steps).scatter_(1, y[:, None], 0.6 * time_steps)
    ```

    ## When it is intended
    The target is out of reach on purpose, so that the loss always pushes the firing rate up.
    ```toml
    [tool.spikecheck.ignore]
    "SPK311" = "always pushes up"
    ```

    ## How it is decided
    A regression loss (squared or absolute differences, torch's own or written by hand) compares targets with spike
    counts or firing rates. With one spike per time step, a count is at most the number of time steps and a rate is at
    most 1; the highest target is above that, or the lowest is below 0 by {max_negative_share:%} of the targets' range.
    Where the last spiking layer has several neurons for each output, a count may be the sum over them, and so many
    times as high.

    Outputs are taken for counts if they are whole numbers, and for rates if they are whole numbers when multiplied by
    the number of time steps, and by the number of neurons of a group that is averaged, both to within
    {max_rounding_error}. At least {min_distinct_outputs} distinct values are
    needed.

    It does not judge targets whose shape differs from that of the outputs: the loss is wrong then.

    The loss keeps falling as long as neurons spike more often, until they spike in every time step. Accuracy may be
    good meanwhile, since the right class still has the highest output.
    """

    id: ClassVar = "SPK311"
    slug: ClassVar = "unreachable-target"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.REGRESSION_TARGET
    needs: ClassVar = (RegressionTargetReading,)
    explains: ClassVar = ("SPK402",)
    message: ClassVar = (
        "{site} go from {lowest:n} to {highest:n}, but spikes of {population}{time_steps:n} time steps give "
        "0 to {reach:n}"
    )

    max_rounding_error: float = limit(
        MAX_ROUNDING_ERROR, why="derived: a rate times 1,000 time steps is a whole number to within this in 32 bits"
    )
    min_distinct_outputs: int = limit(
        MIN_DISTINCT_OUTPUTS,
        why="derived: with only two values, such as 0 and 1, outputs may be spikes, counts or rates",
    )

    max_negative_share: float = limit(
        0.1, why="judgment call: targets slightly below 0 push the wrong outputs to 0 on purpose"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the highest target is above the highest possible output."""
        regression = readings.all[RegressionTargetReading]
        spikes = output_spikes(
            readings, max_rounding_error=self.max_rounding_error, min_distinct_outputs=self.min_distinct_outputs
        )
        if spikes is None or any(loss.broadcast_shapes for loss in readings.all.every(LossReading).values()):
            return
        below = -self.max_negative_share * (regression.target_maximum - regression.target_minimum)
        too_low = regression.target_minimum < below
        if regression.target_maximum <= spikes.highest_output and not too_low:
            return
        yield self.finding(
            site,
            observed=Observed(
                "targets from {lowest:n} to {highest:n}, outputs from {minimum:n} to {maximum:n}",
                lowest=regression.target_minimum,
                highest=regression.target_maximum,
                minimum=regression.output_minimum,
                maximum=regression.output_maximum,
            ),
            expected=Expected(
                "targets from 0 to {reach:n}",
                reach=spikes.highest_output,
                because="the neurons of an output emit no fewer and no more spikes in that many time steps"
                if spikes.summed_neurons > 1
                else "a neuron of this layer emits no fewer and no more spikes in that many time steps",
            ),
            when=Moment(0),
            population=f"{spikes.summed_neurons} neurons in " if spikes.summed_neurons > 1 else "",
            time_steps=spikes.time_steps,
            reach=spikes.highest_output,
        )
