"""A silent layer whose drive cannot reach the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import (
    LARGE,
    SMALL,
    WHY_LARGE,
    WHY_PATIENCE,
    WHY_SMALL,
    above,
    feeding,
    hasty,
    proposing,
    reach,
    silent,
    starved,
    threshold,
    unsure,
    unused,
    weights,
)
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class WeakDrive(Check):
    """The drive of a silent layer does not reach its threshold.

    ## What it means
    The layer never fired, although the layer before it did, and the potential stays below the threshold. Where
    potentials were seen, the largest is what it reaches. Where they were not, what it reaches is reckoned: the root
    mean square current in every step of a forward, times the layer's own factor on its input, summed up with the decay.

    ## Why it matters
    A layer that cannot reach its threshold is silent for every input, and nothing behind it sees the input. One of
    three numbers is wrong, and the finding says which: the weights before the layer are tiny; or they are of ordinary
    scale and the threshold is too high; or the layer shrinks its input. The last is the default of some layers: they
    multiply it by 1 - decay, a factor of 0.05 for a time constant of 20 steps and of 0.0002 where a time in other units
    makes it 5000.

    ## Fix
    ```python any
    layer.threshold = 0.1  # below what the potential reaches; or larger weights before it
    ```
    ```python snntorch
    layer.threshold.data.fill_(0.1)  # below what the potential reaches; or larger weights before it
    ```
    ```python sinabs
    layer.norm_input = False  # the default multiplies the input by 1 - decay; tau_mem is in steps
    layer.spike_threshold.data.fill_(0.1)  # below what the potential reaches, if it is silent still
    ```
    ```python spikingjelly
    layer.v_threshold = 0.1  # below what the potential reaches; or decay_input=False
    ```
    ```python norse
    norse.torch.LIFCell(norse.torch.LIFParameters(v_th=torch.tensor(0.1)))  # tau_mem_inv is 1 / tau: 100 for 10 ms
    ```

    ## Intended when
    The layer is a readout of potentials, with a threshold that is out of reach on purpose, and nothing was trained
    while spikecheck watched: `[tool.spikecheck.ignore] "SPK205:readout" = "its potential is read"`
    """

    id: ClassVar = "SPK205"
    slug: ClassVar = "weak-drive"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.CURRENT
    needs: ClassVar = (DriveReading, SpikeReading)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK207",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK412",
        "SPK413",
    )
    passes: ClassVar = True
    message: ClassVar = "{site} is silent: its potential reaches {reach:.3g}, its threshold is {threshold:.3g}"

    small: float = limit(SMALL, why=WHY_SMALL)
    large: float = limit(LARGE, why=WHY_LARGE)
    proposed: float = limit(
        0.5, why="taste: a threshold of half of what the potential reached at most lets some neurons fire, and not all"
    )
    patience: int = limit(10, why=WHY_PATIENCE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a layer is silent by itself, not for want of spikes from the layer above."""
        drive, spikes = readings[DriveReading], readings[SpikeReading]
        wanted, most = threshold(site), reach(site, readings)
        if wanted is None or most is None or site.neuron is None or not most < wanted:
            return
        early = hasty(readings, spikes.forwards, self.patience)
        if drive.non_finite.count or not silent(spikes) or early:
            return
        if silent(above(site, readings)) or unused(readings):
            return
        weight = feeding(site, readings)
        because = weights(weight, self.small, self.large)
        if drive.maximum <= 0:
            because = f"no current was above 0 (mean {drive.mean:.3g}): a negative bias, or inhibition, holds it down"
        elif weight is not None and weight.scale < self.small:
            because += ", so they have to grow"
        elif site.neuron.input_gain < 1:
            because += f", and the layer multiplies its input by {site.neuron.input_gain:.2g}: that is too little"
        elif weight is not None:
            because += ", so the threshold is too high"
        finding = self.found(
            site,
            severity=Severity.NOTE if unsure(site, readings) else Severity.ERROR,
            seen=Seen(
                "largest current {largest:.3g}; the potential reaches {reach:.3g}, the threshold is {threshold:.3g}",
                largest=drive.maximum,
                reach=most,
                threshold=wanted,
            ),
            expected=Expected(
                "a potential that reaches {threshold:.3g} for some neurons and steps", because=because, threshold=wanted
            ),
            weight=log10(wanted / most) if most > 0 else 1,
        )
        finding = starved(finding, weight, self.small, by="SPK406")
        yield proposing(finding, most * self.proposed, instead_of="0.1") if most > 0 else finding
