"""Spikes that depend on later time steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import LateStepReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class FutureLeak(Check):
    """Spikes of early time steps depend on later time steps of the input.

    ## What it means
    Something looks at the whole sequence before the neurons do: a normalization over time, a flipped axis, attention
    without a mask. Such a network cannot run step by step, as on neuromorphic hardware.

    ## Example
    ```python broken
    x = x / x.amax(dim=1, keepdim=True)  # the maximum over all time steps
    spikes = lif1(fc1(x))
    ```
    ```python repaired
    x = x / 4.0  # a constant
    spikes = lif1(fc1(x))
    ```

    ## Fix
    ```python any
    # compute each time step from the steps up to it: constants instead of sums over time, a mask in attention
    ```

    ## When it is intended
    Parallel neurons, bidirectional layers and attention over whole sequences see the future by design.
    ```toml
    [tool.spikecheck.ignore]
    "SPK604" = "parallel neurons"
    ```

    ## How it is decided
    `spikecheck.examine` sets the last quarter of the time steps to zero in a copy of the network, in evaluation mode,
    and compares the spikes and the output of the earlier ones. The check notes it if values changed in
    {min_changed_places} place or more. Networks that are meant to see the future do the same, so it is a note.
    """

    id: ClassVar = "SPK604"
    slug: ClassVar = "future-leak"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (LateStepReading,)
    explained_by: ClassVar = ("SPK601", "SPK602", "SPK106")
    message: ClassVar = "{place} before time step {step} depend on later time steps"

    min_changed_places: int = limit(1, why="derived: what is computed step by step cannot change at all", minimum=1)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where earlier values changed."""
        reading = readings[LateStepReading]
        if len(reading.changed_places) < self.min_changed_places:
            return
        yield self.finding(
            site,
            observed=Observed(
                "with time steps from {step} on set to zero, earlier values changed: {places}",
                step=reading.first_changed_step,
                places=", ".join(reading.changed_places),
                place=reading.changed_places[0],
            ),
            expected=Expected("no change", because="a neuron can only know what came before"),
            when=Moment(),
        )
