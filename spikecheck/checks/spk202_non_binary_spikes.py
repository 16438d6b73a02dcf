"""Spikes that are neither 0 or 1 nor counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import HAND_WRITTEN, WHY_SMOOTH, belongs_to, holds_spike_counts, is_smooth, list_values
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import ModeReading, SpikeReading
from spikecheck.site import Site, SiteKind

ROUNDING = 1e-2  # of a spike in half precision


@dataclass(frozen=True)
class NonBinarySpikes(Check):
    """A spiking layer emits graded or negative spikes.

    ## What it means
    The layer's outputs are not binary (0 or 1) and not spike counts: they are negative, fractional, or 0 and one other
    value. Graded or ternary spikes cause this, and so does a layer that returns its membrane potential instead of its
    spikes. A surrogate function that returns its smooth form makes a network without any spikes: it is trained on
    values that it never gets again, once spikes are turned on.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, graded_spikes_factor=2.5)
    spikes, mem = lif1(fc1(x_t), mem)  # 0 or 2.5
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=0.9)
    spikes, mem = lif1(fc1(x_t), mem)  # 0 or 1
    ```

    ## Fix
    ```python handwritten
    # in `forward` of the spike function; keep its surrogate gradient
    spikes = (potential >= threshold).float()
    # if the layer returns its potential, let it return its spikes instead
    ```
    ```python snntorch
    # a factor of 1.0 makes the spikes 0 or 1
    layer.graded_spikes_factor.data.fill_(1.0)
    ```
    ```python spikingjelly
    # spikes in the forward pass, and the surrogate gradient in the backward pass alone
    layer.surrogate_function.spiking = True
    ```

    ## When it is intended
    You use graded or ternary spikes on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK202:lif1" = "ternary spikes"
    ```

    ## How it is decided
    spikecheck reports a note if any value is neither 0 nor 1, and the values are not spike counts. Often this does no
    harm, because a factor on the spikes acts like a factor on the weights after the layer. But the firing rates in
    other findings are then wrong by that factor, and hardware for binary events cannot run the network. There is none
    where a dropout inside the layer makes the spikes 1 / (1 - p).

    It is a warning where a layer of a library does not spike at all: {max_smooth_share:%} or more of its values are
    fractional, and of all sizes.
    """

    id: ClassVar = "SPK202"
    slug: ClassVar = "non-binary-spikes"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explains: ClassVar = ("SPK217",)
    past: ClassVar = "{site} emitted values other than spikes"
    message: ClassVar = "{site} emits {emitted}, which are neither spikes (0 or 1) nor spike counts"

    max_smooth_share: float = limit(0.9, why=WHY_SMOOTH)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where finite values lie outside {0, 1} and are no counts."""
        spikes = readings[SpikeReading]
        if spikes.non_finite.count or not spikes.non_binary or holds_spike_counts(spikes):
            return
        if are_dropped_out(site, spikes, readings):
            return
        smooth = site.framework not in HAND_WRITTEN and is_smooth(spikes, self.max_smooth_share)
        yield self.finding(
            site,
            severity=Severity.WARNING if smooth else Severity.NOTE,
            observed=Observed(
                "{values}, from {lowest} to {highest}; {share:%} are neither 0 nor 1",
                values="smooth values" if smooth else f"values {list_values(spikes.values)}",
                lowest=spikes.minimum,
                highest=spikes.maximum,
                share=spikes.non_binary / spikes.elements,
            ),
            expected=Expected(
                "0 or 1",
                because="a network that is trained on smooth values in place of spikes is another one with spikes"
                if smooth
                else "a neuron either spikes in a time step or does not",
            ),
            emitted="smooth values" if smooth else list_values(spikes.values),
        )


def are_dropped_out(site: Site, spikes: SpikeReading, readings: Readings) -> bool:
    """Return whether all values are 0, 1, or what a dropout inside the layer makes of a spike that it keeps."""
    modes = [mode for name, mode in readings.all.every(ModeReading).items() if belongs_to(name, site)]
    sizes = [1 / (1 - p) for mode in modes if (p := mode.dropout_probability) is not None and p < 1]
    return all(
        value in (0, 1) or any(isclose(value, one, rel_tol=ROUNDING) for one in sizes) for value in spikes.values
    )
