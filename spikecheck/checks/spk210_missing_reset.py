"""A layer that is not reset by its spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_last, own_drive, synapse, unused
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.neuron import NeuronSpec
from spikecheck.readings import DriveReading, FlowReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MissingReset(Check):
    """The potential is never reset, so that a neuron goes on firing.

    ## What it means
    Each spike takes a threshold from the potential, or all of it, so that a layer with a decay between 0 and 1 cannot
    spend more thresholds than positive input comes in. Found is a layer that spends {times} times as much as (mean +
    rms) / 2, which that input cannot exceed; what recurrent weights inside of the layer give comes on top.

    A layer that says itself that it has no reset may be meant so, as an output whose potential is read. It is found
    where its spikes are used and it has no leak either (a decay of {leakless} or more), or where it is no output and a
    share of {followed} of its spikes is followed by another one of the same neuron in the next step.

    ## Why it matters
    Without a reset, a neuron that has crossed its threshold fires in every step until the leak or a negative input
    takes it back: its rate says how long that was, and not how strong the input. Measured with a decay of 1, four of
    five bins hold a spike, and accuracy is 55 % instead of 95 %; with one of 0.97, a third of them, and 87 % instead of
    100 %.

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
    message: ClassVar = "{site} {does}"

    times: float = limit(
        1.0,
        why="derived: rate * threshold is at most the mean positive input; measured: 0.5 in healthy networks, 1.6 "
        "without a reset",
    )
    leakless: float = limit(
        0.999, why="derived: a time constant of 1000 steps, longer than the sequences that networks are trained on"
    )

    followed: float = limit(
        0.75,
        why="taste: bursts of four spikes on average; measured: 0.91 and 0.95 in two layers without a reset, 0.14 and "
        "0.33 in the same layers with one",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where more is spent than comes in, or where a layer used never resets and shows it."""
        spikes, drive, neuron = readings[SpikeReading], readings.get(DriveReading), site.neuron
        if neuron is None or drive is None or not neuron.v_threshold or neuron.decay is None or spikes.rate is None:
            return
        if unused(readings) or drive.non_finite.count or not 0 <= neuron.decay <= 1 or not neuron.v_threshold > 0:
            return
        followed = spikes.in_a_row / spikes.active if spikes.active else 0.0
        goes_on = followed >= self.followed and not is_last(site, readings)
        if neuron.reset == "none" and (neuron.decay >= self.leakless or goes_on):
            yield self.endless(site, readings, followed, neuron.decay)
        elif neuron.reset is None:
            yield from self.unpaid(site, readings, drive, neuron)

    def endless(self, site: Site, readings: Readings, followed: float, decay: float) -> Finding:
        """The finding at a layer that says that it has no reset; a note as long as nobody knows if its spikes count."""
        flow = readings.get(FlowReading)
        return self.found(
            site,
            severity=Severity.WARNING if flow is not None and flow.read else Severity.NOTE,
            seen=Seen(
                "after a spike, the same neuron spikes again in the next step in {followed:.0%} of all cases; the "
                "layer has no reset, and a decay of {decay:.4g}",
                followed=followed,
                decay=decay,
            ),
            expected=Expected(
                "a potential that a spike sets back",
                because="without a reset, a neuron above its threshold fires until its input takes it back",
            ),
            does=f"never resets, and {followed:.0%} of its spikes are followed by another at once",
            weight=1,
        )

    def unpaid(self, site: Site, readings: Readings, drive: DriveReading, neuron: NeuronSpec) -> Iterator[Finding]:
        """The finding at a layer that spends more thresholds than positive input comes in."""
        outside = (drive.mean + drive.rms) / (1 + 1)
        given = synapse(neuron) * (neuron.input_gain * outside + own_drive(site, readings))
        cost = neuron.v_threshold if neuron.lowest_threshold is None else neuron.lowest_threshold
        rate = readings[SpikeReading].rate or 0.0
        paid = rate * (cost or 0.0)
        if paid > self.times * given:
            yield self.found(
                site,
                seen=Seen(
                    "{rate:.1%} of the steps hold a spike, each worth {threshold:.3g}, for a mean positive input of "
                    "{given:.3g} at most; the decay is {decay:.4g}",
                    rate=rate,
                    threshold=cost,
                    given=given,
                    decay=neuron.decay,
                ),
                expected=Expected(
                    "no more spikes than the input pays for",
                    because="a reset takes a threshold from the potential at each spike",
                ),
                does=f"spikes more than its input allows: {paid:.3g} a step for {given:.3g}",
                weight=1,
            )
