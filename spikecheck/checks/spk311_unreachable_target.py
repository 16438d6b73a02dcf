"""Targets above what spikes can count to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import RegressionTargetReading, SpikeReading
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

    Outputs are taken for counts if they are whole numbers, and for rates if they are whole numbers when multiplied by
    the number of time steps, and by the number of neurons of a group that is averaged, both to within
    {max_rounding_error}. At least {min_distinct_outputs} distinct values are
    needed.

    The loss keeps falling as long as neurons spike more often, until they spike in every time step. Accuracy may be
    good meanwhile, since the right class still has the highest output.
    """

    id: ClassVar = "SPK311"
    slug: ClassVar = "unreachable-target"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.REGRESSION_TARGET
    needs: ClassVar = (RegressionTargetReading,)
    message: ClassVar = (
        "{site} go from {lowest:n} to {highest:n}, but spikes of {time_steps:n} time steps give 0 to {reach:n}"
    )

    max_rounding_error: float = limit(
        1e-3, why="derived: a rate times 1,000 time steps is a whole number to within this in 32 bits"
    )
    min_distinct_outputs: int = limit(
        3, why="derived: with only two values, such as 0 and 1, outputs may be spikes, counts or rates"
    )

    max_negative_share: float = limit(
        0.1, why="judgment call: targets slightly below 0 push the wrong outputs to 0 on purpose"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the highest target is above the highest possible output."""
        regression = readings.all[RegressionTargetReading]
        last = max(spiking_sites(readings), key=lambda s: s.position, default=None)
        spikes = None if last is None else readings.all.at(last.name).get(SpikeReading)
        if spikes is None or spikes.forward_passes == 0 or spikes.non_integer > 0:
            return
        if len(regression.output_values) < self.min_distinct_outputs:
            return
        run = readings.run
        calls = max(1, round(run.forward_passes / max(1, run.backward_passes))) if run.called_per_time_step else 1
        time_steps = calls * spikes.time_steps / spikes.forward_passes
        reach = self.highest_output(regression, time_steps, max(1, spikes.maximum), spikes.neurons)
        below = -self.max_negative_share * (regression.target_maximum - regression.target_minimum)
        too_low = regression.target_minimum < below
        if reach is None or (regression.target_maximum <= reach and not too_low):
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
                reach=reach,
                because="a neuron of this layer emits no fewer and no more spikes in that many time steps",
            ),
            when=Moment(0),
            time_steps=time_steps,
            reach=reach,
        )

    def highest_output(
        self, regression: RegressionTargetReading, time_steps: float, max_per_step: float, neurons: int
    ) -> float | None:
        """Return the highest possible output, of counts or of rates; None where the outputs are neither.

        A rate may be the mean of several neurons, of equal groups of the layer.
        """
        if regression.output_minimum < 0:
            return None
        if all(self.is_whole(value) for value in regression.output_values):
            max_count = time_steps * max_per_step
            return max_count if regression.output_maximum <= max_count else None
        groups = [size for size in range(1, neurons + 1) if neurons % size == 0]
        rates = any(all(self.is_whole(v * time_steps * size) for v in regression.output_values) for size in groups)
        return max_per_step if rates and regression.output_maximum <= max_per_step else None

    def is_whole(self, value: float) -> bool:
        """Return whether it is a whole number, apart from rounding."""
        return abs(value - round(value)) < self.max_rounding_error
