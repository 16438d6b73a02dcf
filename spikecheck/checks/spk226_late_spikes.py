"""Spikes of the potential before it was charged: with few time steps, no input arrives at the output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import spike_argument, spiking_sites
from spikecheck.checks.learning import losses_without_learning
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import FlowReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class LateSpikes(Check):
    """Each layer answers one time step late, and there are no more time steps than layers.

    ## What it means
    The spikes are computed from the potential of the time step before, so every layer adds a delay of one step. After
    as many time steps as there are layers, the first input has only just passed the last one: the output is the same
    for all inputs.

    ## Example
    ```python broken
    for t in range(x.shape[-1]):
        new = 0.25 * v * (1 - spikes) + x[..., t]
        spikes = spike(v)  # before this step's input
        v = new
    ```
    ```python repaired
    for t in range(x.shape[-1]):
        v = 0.25 * v * (1 - spikes) + x[..., t]
        spikes = spike(v)
    ```

    ## Fix
    ```python any
    # in the neuron's time step: charge the potential first, then compute the spikes from it
    v = decay * v * (1 - spikes) + current
    spikes = spike(v)
    # or run more time steps than there are spiking layers
    ```

    ## When it is intended
    The layers are in parallel, so that their delays do not add up.
    ```toml
    [tool.spikecheck.ignore]
    "SPK226:layer1" = "four streams side by side"
    ```

    ## How it is decided
    In the first time step, the spike function of a hand-written layer gets values that depend on no weight: the initial
    state, before any input. There are at least as many such layers as time steps in a forward pass, and 64 losses or
    more show that nothing is learned. With more time steps, such a delay does no harm.
    """

    id: ClassVar = "SPK226"
    slug: ClassVar = "late-spikes"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading, FlowReading)
    explains: ClassVar = ("SPK203", "SPK205", "SPK211", "SPK302", "SPK309", "SPK312", "SPK313", "SPK402", "SPK409")
    past: ClassVar = "{site} and the layers after it answered late"
    message: ClassVar = (
        "from {site} on, {layers} layers answer a step late, so no input passes them in {steps} time steps"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the first late layer, where the delays of all take up the whole forward pass."""
        spikes = readings[SpikeReading]
        if not is_late(readings) or losses_without_learning(readings) is None:
            return
        late = [layer for layer in spiking_sites(readings) if is_late(readings.at(layer.name))]
        steps = spikes.steps_per_pass
        if site.position > min(layer.position for layer in late) or not 1 < steps <= len(late):
            return
        yield self.finding(
            site,
            observed=Observed(
                "{layers} layers whose first spikes are computed from the initial state; {steps} time steps",
                layers=len(late),
                steps=steps,
            ),
            expected=Expected(
                "spikes of the potential after this time step's input, or more time steps than layers",
                because="the first input arrives behind the last layer after as many time steps as there are layers",
            ),
            when=Moment(0),
            layers=len(late),
            steps=steps,
        )


def is_late(readings: Readings) -> bool:
    """Return whether the first spikes of a layer are computed from its initial state."""
    argument = spike_argument(readings)
    return argument is not None and argument.is_late
