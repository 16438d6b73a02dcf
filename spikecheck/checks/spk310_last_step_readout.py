"""Logits made of the last time step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import GradientToSpikesReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class LastStepReadout(Check):
    """The loss uses a layer's spikes from the last time step alone.

    ## What it means
    Only the spikes of the last time step reach the loss, and those of all earlier steps are thrown away. Recordings
    tend to end in silence; then no output neuron spikes, all logits are 0, and few samples have a gradient.

    ## Example
    ```python broken
    spikes, membrane = [], lif.init_leaky()  # lif = snntorch.Leaky(beta=0.9)
    for frame in x:  # x: [time, batch, features]
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    loss = torch.nn.functional.cross_entropy(spikes[-1], y)
    ```
    ```python repaired
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    loss = torch.nn.functional.cross_entropy(torch.stack(spikes).mean(0), y)
    ```

    ## Fix
    ```python any
    # firing rates over all time steps; or the mean of a potential without reset
    logits = torch.stack(spikes).mean(0)
    ```

    ## When it is intended
    The last time step is a question that the network is asked, after a delay.
    ```toml
    [tool.spikecheck.ignore]
    "SPK310:lif2" = "cue at the end"
    ```

    ## How it is decided
    In the first forward passes, a gradient other than 0 came back to the last time step of the last spiking layer, and
    to none of the {min_earlier_time_steps} or more steps before it, whatever the script does with the spikes. Only
    forward passes count in which the layer fired before the last time step: a loss that reads the time of the first
    spike takes the last step for a neuron that is silent. Where the reset of a layer lets gradients through, every
    time step receives one, and there is no finding. Calls with different numbers of neurons are uses of one module in
    several places, and no time steps.

    A spike is 0 or 1, so a softmax over 20 classes gives the right one 0.125 at most, and the loss cannot fall below
    2.1. The usual causes are `spk_rec[-1]` in place of `spk_rec.sum(0)`, and a library function that expects all time
    steps and is given the return value of the last call.
    """

    id: ClassVar = "SPK310"
    slug: ClassVar = "last-step-readout"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (GradientToSpikesReading,)
    message: ClassVar = "only the last of {time_steps} time steps of {site} reaches the loss"

    min_earlier_time_steps: int = limit(
        4, why="derived: with fewer time steps, the last one is a good part of all that the layer says"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last spiking layer."""
        gradients = readings.all[GradientToSpikesReading]
        positions = [s.position for s in spiking_sites(readings)]
        time_steps = gradients.time_steps // max(1, gradients.forward_passes)
        long_enough = time_steps > self.min_earlier_time_steps
        if (
            site.position < max(positions)
            or not long_enough
            or not 0 < gradients.last_step_only == gradients.early_spike_passes
        ):
            return
        yield self.finding(
            site,
            observed=Observed(
                "in {forward_passes} of {forward_passes} forward passes with earlier spikes, only the last of "
                "{time_steps} time steps received a gradient",
                forward_passes=gradients.early_spike_passes,
                time_steps=time_steps,
            ),
            expected=Expected(
                "a gradient in every time step", because="what the layer emits before the last step is thrown away"
            ),
            when=Moment(0),
        )
