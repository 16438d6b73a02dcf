"""A layer that is not reset by its spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import own_drive, synapse, unused
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading, FlowReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MissingReset(Check):
    """The potential is never reset, so that a neuron goes on firing.

    ## What it means
    Each spike takes a threshold from the potential, or all of it, so that a layer with a decay between 0 and 1 cannot
    spend more thresholds than positive input comes in. Found is a layer that spends {times} times as much as (mean +
    rms) / 2, which that input cannot exceed; what recurrent weights inside of the layer give comes on top. A layer that
    says itself that it has no reset is found where it has no leak either (a decay of {leakless} or more) and its spikes
    are used.

    ## Why it matters
    Without a reset and without a leak, a neuron that has once crossed its threshold fires in every step until the input
    turns negative: it holds one bit, and its rate says nothing about its input. Measured with a decay of 1, four of
    five bins hold a spike, and accuracy is 55 % instead of 95 %.

    ## Fix
    ```python any
    mem = mem - spikes.detach() * threshold  # after each step
    ```
    ```python snntorch
    layer.reset_mechanism = "subtract"  # or "zero"
    ```
    ```python sinabs
    sinabs.layers.LIF(tau_mem=20.0, reset_fn=sinabs.activation.MembraneSubtract())
    ```
    ```python spikingjelly
    layer.v_reset = None  # subtracts the threshold; 0.0 resets to 0
    ```

    ## Intended when
    Something is added inside of the layer that is neither its input nor a recurrent weight, such as a noise current:
    `[tool.spikecheck.ignore] "SPK210:lif1" = "noise inside"`
    """

    id: ClassVar = "SPK210"
    slug: ClassVar = "missing-reset"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK207",)
    message: ClassVar = "{site} spikes more than its input allows: {paid:.3g} a step for {given:.3g}"

    times: float = limit(
        1.0,
        why="derived: rate * threshold is at most the mean positive input; measured: 0.5 in healthy networks, 1.6 "
        "without a reset",
    )
    leakless: float = limit(
        0.999, why="derived: a time constant of 1000 steps, longer than the sequences that networks are trained on"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where more is spent than comes in, or where a layer used has neither reset nor leak."""
        spikes, drive, neuron = readings[SpikeReading], readings.get(DriveReading), site.neuron
        if neuron is None or drive is None or not neuron.v_threshold or neuron.decay is None or spikes.rate is None:
            return
        if unused(readings) or drive.non_finite.count or not 0 <= neuron.decay <= 1 or not neuron.v_threshold > 0:
            return
        outside = (drive.mean + drive.rms) / (1 + 1)
        given = synapse(neuron) * (neuron.input_gain * outside + own_drive(site, readings))
        cost = neuron.v_threshold if neuron.lowest_threshold is None else neuron.lowest_threshold
        paid = spikes.rate * cost
        said = neuron.reset == "none" and neuron.decay >= self.leakless
        if not said and (paid <= self.times * given or neuron.reset is not None):
            return
        certain = said and (flow := readings.get(FlowReading)) is not None and flow.read
        yield self.found(
            site,
            severity=Severity.NOTE if said and not certain else Severity.WARNING,
            seen=Seen(
                "{rate:.1%} of the steps hold a spike, each worth {threshold:.3g}, for a mean positive input of "
                "{given:.3g} at "
                "most; the decay is {decay:.4g}",
                rate=spikes.rate,
                threshold=cost,
                given=given,
                decay=neuron.decay,
            ),
            expected=Expected(
                "no more spikes than the input pays for",
                because="a reset takes a threshold from the potential at each spike",
            ),
            paid=paid,
            weight=1,
        )
