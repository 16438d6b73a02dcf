"""A potential that is reset before it is compared with the threshold, so that it never gives a spike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent, spike_argument, spikes_unused
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import FlowReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class EarlyReset(Check):
    """The potential of a layer is reset before its spikes are computed.

    ## What it means
    A neuron whose potential reaches the threshold is reset first and compared with the threshold afterwards. The
    potential is then below the threshold every time, so the layer never fires, however strong its input.

    ## Example
    ```python broken
    v = 0.8 * v + fc1(x_t)
    v = torch.where(v >= v_th, torch.zeros_like(v), v)
    spikes = spike(v - v_th)  # always 0
    ```
    ```python repaired
    v = 0.8 * v + fc1(x_t)
    spikes = spike(v - v_th)
    v = torch.where(v >= v_th, torch.zeros_like(v), v)
    ```

    ## Fix
    ```python any
    # in the neuron's time step: compute the spikes first, then reset the neurons that fired
    spikes = spike(v - v_th)
    v = torch.where(spikes > 0, torch.zeros_like(v), v)
    ```

    ## When it is intended
    Something else than the layer's own spikes resets its neurons, such as an inhibition that keeps it silent.
    ```toml
    [tool.spikecheck.ignore]
    "SPK221:gate" = "reset by the winner of another layer"
    ```

    ## How it is decided
    The layer is written by hand and emitted no spike. In the first forward passes, {min_resets} values or more of what
    its spike function got were more than half of the way to the threshold, and in the next time step exactly at the
    most frequent value, such as 0. Two potentials that are the sum of different inputs do not agree to the last digit.
    The highest value was below the threshold by {max_gap:%} of that way at most: potentials that are cut off at the
    threshold come close to it. A layer whose spikes get no gradient is not reported.

    A reset by subtraction is not found, because it leaves no value that is always the same.
    """

    id: ClassVar = "SPK221"
    slug: ClassVar = "early-reset"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading, FlowReading)
    explains: ClassVar = ("SPK203", "SPK205", "SPK302", "SPK309", "SPK312", "SPK313", "SPK409")
    past: ClassVar = "the potential of {site} was reset before its spikes were computed"
    message: ClassVar = "{site} resets its potential before it computes its spikes: {resets} times, and it never fires"

    min_resets: int = limit(
        10, why="judgment call: one such value is no accident; some more rule out a recording that ends in zeros"
    )
    max_gap: float = limit(
        0.1,
        why="judgment call: of thousands of potentials that are cut off at the threshold, some come this close; "
        "measured: 0.0002% of the threshold",
        maximum=1,
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where high potentials fell to one value, and none gave a spike."""
        spikes, argument = readings[SpikeReading], spike_argument(readings)
        if argument is None or not is_silent(spikes) or spikes_unused(readings):
            return
        if argument.threshold is None or argument.reset_value is None or argument.resets < self.min_resets:
            return
        way = argument.threshold - argument.reset_value
        if not 0 <= argument.threshold - argument.maximum <= self.max_gap * way:
            return
        yield self.finding(
            site,
            observed=Observed(
                "potentials of up to {highest:%} of the threshold; {resets} of them fell to one value in the next time "
                "step, with 0 spikes in {steps} time steps",
                highest=1 - (argument.threshold - argument.maximum) / way,
                resets=argument.resets,
                steps=spikes.time_steps,
            ),
            expected=Expected("a spike before each reset", because="a potential that was reset is below the threshold"),
            when=Moment(0),
            resets=argument.resets,
        )
