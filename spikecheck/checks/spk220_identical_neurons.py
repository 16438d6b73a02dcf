"""Neurons of a layer that all do the same, since their weights began as one constant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class IdenticalNeurons(Check):
    """All neurons of a layer fire equally often: they get the same input and learn the same.

    ## What it means
    If the weights of all neurons begin with the same value, these neurons get the same current, fire together, and
    receive the same gradient. Training keeps them copies of each other, so a layer of 200 neurons is no better than a
    single one.

    ## Example
    ```python broken
    nn.init.constant_(fc1.weight, 0.01)
    nn.init.zeros_(fc1.bias)
    lif1, mem = snn.Leaky(beta=0.9), None
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    nn.init.kaiming_uniform_(fc1.weight)
    nn.init.zeros_(fc1.bias)
    lif1, mem = snn.Leaky(beta=0.9), None
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # random weights for every layer; biases may be 0
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            torch.nn.init.kaiming_uniform_(module.weight, a=5**0.5)
    ```

    ## When it is intended
    The neurons are copies on purpose, such as a population that is driven by independent noise.
    ```toml
    [tool.spikecheck.ignore]
    "SPK220:lif1" = "a population of copies"
    ```

    ## How it is decided
    A layer of {min_neurons} neurons or more follows a weight. In the first forward pass, all of its neurons fire
    equally often, and in the recent ones the highest firing rate is above the lowest by {max_spread:%} of the mean or
    less. Silent and saturated layers are the subject of other checks. A layer whose neurons fire once per sample at
    most is skipped, since each of them may fire at its own time.
    """

    id: ClassVar = "SPK220"
    slug: ClassVar = "identical-neurons"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "all neurons of {site} fired equally often"
    message: ClassVar = "all {neurons} neurons of {site} fire equally often: they are copies of each other"

    min_neurons: int = limit(8, why="derived: 8 independent neurons that fire 10 times agree once in a million runs")
    max_spread: float = limit(
        0.1, why="measured: rounding moves copies apart by 0.022 in 150 updates; the value above it is a judgment call"
    )
    min_spikes: float = limit(10.0, why="judgment call: per neuron; fewer spikes agree by chance")
    max_rate: float = limit(0.95, why="derived: neurons that nearly always fire agree for that reason")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the rates of all neurons are the same in the first forward pass and now."""
        spikes, first = readings[SpikeReading], readings.first.get(SpikeReading)
        if first is None or site.fed_by is None or len(spikes.rates) < self.min_neurons:
            return
        if not self.is_alike(first, 0.0) or not self.is_alike(spikes, self.max_spread):
            return
        yield self.finding(
            site,
            observed=Observed(
                "a firing rate of {lowest:n} to {highest:n} in all {neurons} neurons",
                lowest=min(spikes.rates),
                highest=max(spikes.rates),
                neurons=spikes.neurons,
            ),
            expected=Expected(
                "neurons that differ", because="weights that begin with one value get the same gradient, and stay alike"
            ),
            when=Moment(0),
            neurons=spikes.neurons,
        )

    def is_alike(self, spikes: SpikeReading, spread: float) -> bool:
        """Return whether all neurons fire equally often, and neither never, nor always, nor at most once per sample."""
        lowest, highest = min(spikes.rates, default=0.0), max(spikes.rates, default=0.0)
        if not 0 < highest <= self.max_rate or highest - lowest > spread * highest:
            return False
        return spikes.max_count > 1 and spikes.count >= self.min_spikes * spikes.neurons
