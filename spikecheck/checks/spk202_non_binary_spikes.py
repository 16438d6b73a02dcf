"""Spikes that are neither 0 or 1 nor counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import counts, listed
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class NonBinarySpikes(Check):
    """A spiking layer emits graded or negative spikes.

    ## What it means
    The layer's values are other than 0 and 1, and they count nothing: negative, fractional, or 0 and one other value. A
    factor on the spikes (graded spikes), a ternary code, and a layer that puts out its potential all look so.

    ## Why it matters
    Often not at all: a factor on the spikes acts as a factor on the weights behind them. But rates, and the limits of
    other checks that are in spikes, are off by it, and hardware that carries binary events cannot carry it. A layer
    that puts out its potential where spikes are meant is found here first.

    ## Fix
    ```python any
    spikes = (potential >= threshold).float()  # in the spike function's forward; its surrogate gradient stays
    ```
    ```python snntorch
    layer.graded_spikes_factor.data.fill_(1.0)
    ```

    ## Intended when
    The code is graded or ternary on purpose: `[tool.spikecheck.ignore] "SPK202:lif1" = "ternary spikes"`
    """

    id: ClassVar = "SPK202"
    slug: ClassVar = "non-binary-spikes"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    message: ClassVar = "{site} emits values from {lowest:.3g} to {highest:.3g}, which are neither 0 or 1 nor counts"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where finite values lie outside {0, 1} and are no counts."""
        spikes = readings[SpikeReading]
        if spikes.non_finite.count or not spikes.not_binary or counts(spikes):
            return
        yield self.found(
            site,
            seen=Seen(
                "values {values}, from {lowest:.3g} to {highest:.3g}; {share:.1%} are neither 0 nor 1",
                values=listed(spikes.values),
                lowest=spikes.minimum,
                highest=spikes.maximum,
                share=spikes.not_binary / spikes.elements,
            ),
            expected=Expected("0 or 1", because="a neuron spikes in a step or does not"),
        )
