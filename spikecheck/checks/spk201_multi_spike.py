"""Neurons that spike several times in one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import counts, listed, unused
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MultiSpike(Check):
    """Neurons of a spiking layer spike several times in one step.

    ## What it means
    The layer's values are whole numbers above 1. Its neurons emit floor(potential / threshold) spikes a step and
    subtract as many thresholds: a drive of 40 thresholds comes out as 40. It is the spike function that does so,
    whatever the threshold. Where the average active bin holds {average} or more, this is a warning; below, a note.

    ## Why it matters
    A layer of such neurons passes its drive on undiminished, as a ReLU does, so that scales multiply from layer to
    layer. Measured with weights from N(0, 1) and three layers: 43, 370 and 3530 spikes of one neuron in a step, and a
    first loss of 50174; neurons that spike once a step gave counts of 100 at most and a first loss of 53 on the same
    weights. Raising the threshold divides the weights and hides this; the neurons stay what they are. Below {average}
    it does little harm: a healthy network shows a mean of 1.5 or 1.6, with bursts of up to 16, and learns.

    ## Fix
    ```python any
    spikes = (potential >= threshold).float()  # in the spike function's forward; its surrogate gradient stays
    ```
    ```python sinabs
    layer.spike_fn = sinabs.activation.SingleSpike  # at most one spike a step; the default is MultiSpike
    ```
    ```python rockpool
    LIFTorch(shape, max_spikes_per_dt=1)  # the default allows 65536
    ```
    ```python spikingjelly
    neuron.LIFNode(tau=2.0)  # spikes once a step; ILIFNode counts up to 4
    ```

    ## Intended when
    The network is to run on hardware that takes several spikes a step, or emulates a ReLU network:
    `[tool.spikecheck.ignore] "SPK201:lif1" = "multi-spike on purpose, converted from a ReLU network"`
    """

    id: ClassVar = "SPK201"
    slug: ClassVar = "multi-spike"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK407",
        "SPK413",
    )
    message: ClassVar = "{site} emits up to {peak:g} spikes of a neuron in one step, {average:.3g} per active bin"

    average: float = limit(
        3.0,
        why="derived: from 3 on, two of three spikes are a second or later one of their step; measured: 1.6 at most in "
        "healthy networks, with single bursts of 16, and 7 at least where the first loss explodes",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where spikes are counted; a layer's own part is what its input did not hold already."""
        spikes = readings[SpikeReading]
        average = spikes.per_active_bin
        if not counts(spikes) or average is None or unused(readings):
            return
        given = [x.per_active_bin or 0 for x in readings.every(InputReading).values()]
        yield self.found(
            site,
            severity=Severity.WARNING if average >= self.average else Severity.NOTE,
            seen=Seen(
                "up to {peak:g} spikes of one neuron in a step ({values}); the average active bin holds {average:.3g}",
                peak=spikes.maximum,
                values=listed(spikes.values),
                average=average,
            ),
            expected=Expected(
                "0 or 1 spike of a neuron in a step",
                because="a neuron that emits floor(potential / threshold) spikes passes any drive on undiminished",
            ),
            weight=log10(average / max(self.average, *given, 1)),
        )
