"""Logits made of the last time step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.update_readings import GradientToSpikesReading


@dataclass(frozen=True)
class LastStepReadout(Check):
    """The loss uses a layer's spikes from the last time step alone.

    ## What it means
    Only the spikes of the last time step reach the loss, and those of all earlier steps are thrown away. Recordings
    tend to end in silence. Then no output neuron spikes, all logits are 0, and every class gets the same probability.

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
    loss = torch.nn.functional.cross_entropy(10 * torch.stack(spikes).mean(0), y)  # ten times the firing rates: 0 to 10
    ```

    ## Fix
    ```python any
    # ten times the firing rates over all time steps: rates alone, from 0 to 1, are too close together for the softmax
    logits = 10 * torch.stack(spikes).mean(0)
    # or the mean of a membrane potential without reset
    ```

    ## When it is intended
    The task asks for the answer at the last time step, after a delay.
    ```toml
    [tool.spikecheck.ignore]
    "SPK310:lif2" = "cue at the end"
    ```

    ## How it is decided
    In the first forward passes, only the last time step of the last spiking layer received a gradient other than 0,
    although there were at least {min_earlier_time_steps} earlier steps. It does not matter how the script selects the
    spikes.

    Forward passes without a spike before the last time step do not count: a loss on the time of the first spike assigns
    the last step to silent neurons, which looks the same. Where the reset of a layer lets gradients through, every time
    step receives one, and there is no finding. Nor is there one where the calls of a module have different numbers of
    neurons: it is shared between places in the network, and its calls are not time steps.

    A spike is 0 or 1. With 20 classes, the softmax then gives the right class a probability of at most 0.125, and the
    loss cannot fall below 2.08. The usual causes are `spk_rec[-1]` where all of `spk_rec` is meant, and a library
    function that expects all time steps but is given the output of the last call.
    """

    id: ClassVar = "SPK310"
    slug: ClassVar = "last-step-readout"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (GradientToSpikesReading,)
    message: ClassVar = "only the last of {time_steps} time steps of {site} reaches the loss"

    min_earlier_time_steps: int = limit(
        4, why="derived: with fewer time steps, the last one is a good part of the layer's whole output"
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
                "a gradient in every time step", because="otherwise the spikes before the last step are thrown away"
            ),
            when=Moment(0),
        )
