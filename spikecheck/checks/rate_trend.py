"""What the checks of fading and of exploding activity share: the firing rates of all layers, compared at the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import WHY_SETTLED_RATES, firing_rates_up_to, spiking_sites
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import number
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class RateTrend(Check):
    """A check of how firing rates change from layer to layer; a subclass says which change is a fault."""

    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    because: ClassVar[str]

    min_layers: int = limit(3, why="judgment call: two layers do not show a trend")
    min_forward_passes: int = limit(10, why=WHY_SETTLED_RATES)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last layer, where the rates from the first layer to it are at fault."""
        rates = firing_rates_up_to(site, readings, self.min_forward_passes)
        if rates is None:
            return
        recent, first = rates
        if len(recent) < self.min_layers or not self.is_faulty(recent, first):
            return
        sites = sorted(spiking_sites(readings), key=lambda s: s.position)
        begin = sites[self.first_faulty_layer(recent)]
        yield self.finding(
            begin,
            severity=self.severity_of(recent, readings),
            observed=Observed(
                "spikes per neuron and time step, layer by layer: {rates}",
                rates=", ".join(number(rate, 2) for rate in recent),
            ),
            expected=Expected("similar rates in all layers", because=self.reason(begin, readings)),
            first=recent[0],
            last=recent[-1],
            layers=len(recent),
            excess=1,
            fixes=self.scaling_fix(begin, readings) or None,
        )

    def is_faulty(self, recent: list[float], first: list[float]) -> bool:
        """Return whether the rates of the layers, now and in the first forward pass, are a fault."""
        raise NotImplementedError

    def first_faulty_layer(self, rates: list[float]) -> int:
        """Return the index of the layer at which the finding is made: the last one."""
        return len(rates) - 1

    def reason(self, begin: Site, readings: Readings) -> str:
        """Return what is wrong about such a change, in one clause."""
        return self.because

    def scaling_fix(self, begin: Site, readings: Readings) -> tuple[Fix, ...]:
        """Return the fix with the numbers of this run; none where that of the text is shown."""
        return ()

    def severity_of(self, rates: list[float], readings: Readings) -> Severity:
        """Return how bad the fault is."""
        return self.severity
