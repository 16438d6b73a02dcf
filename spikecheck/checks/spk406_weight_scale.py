"""Weights of a scale that drives the spiking layer behind them out of its range."""

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
    hasty,
    ratio,
    silent,
    unused,
)
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading, ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class WeightScale(Check):
    """Weights are far too large or far too small for the spiking layer that they feed.

    ## What it means
    The scale of a weight is its root mean square times the root of its fan-in: what a sum over active inputs grows
    with. Initialisers give about the same for any width: 0.58 the default of `nn.Linear`, 1 an orthogonal matrix, 1.41
    He's. Found is a scale above {large} that drives the layer behind it at {strong} thresholds a step or more, or one
    below {small} that leaves the layer silent. A large scale that a large threshold or a normalisation takes back is
    left alone.

    ## Why it matters
    Weights drawn from N(0, 1) have a scale of 16 with 256 inputs and 26 with 700: the layer gets many thresholds in
    every step. Through several layers this multiplies. Measured with three such layers of neurons that may spike
    several times a step, 5087 spikes of one neuron in a step and a first loss of 50174, where ln 20 = 3.0 is usual. A
    high threshold divides the weights and hides this; scaling the weights removes it.

    ## Fix
    ```python any
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)  # the default of nn.Linear; not normal_() without std
    ```

    ## Intended when
    The weights come from a trained network with its own scale of potentials: `[tool.spikecheck.ignore]
    "SPK406:fc1.weight" = "converted weights in millivolts"`

    ## References
    He et al., Delving deep into rectifiers, ICCV 2015.
    """

    id: ClassVar = "SPK406"
    slug: ClassVar = "weight-scale"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.PARAMETER
    needs: ClassVar = (ParameterReading,)
    explained_by: ClassVar = (
        "SPK214",
        "SPK407",
        "SPK412",
    )
    message: ClassVar = "{site} has a scale of {scale:.3g}; initialisers give 0.6 to 1.4"

    large: float = limit(LARGE, why=WHY_LARGE)
    small: float = limit(SMALL, why=WHY_SMALL)
    strong: float = limit(
        5.0, why="measured: no healthy network has weights above the scale; those of N(0, 1) give 8.2 thresholds a step"
    )
    patience: int = limit(10, why=WHY_PATIENCE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the scale is out of range, and a layer that it feeds is so by it."""
        weight = readings[ParameterReading]
        owner, _, name = site.name.rpartition(".")
        if name != "weight" or weight.dimensions <= 1 or self.small <= weight.scale <= self.large:
            return
        fed = [s for s in readings.evidence.sites if s.kind is SiteKind.CURRENT and s.fed_by == owner]
        for layer in fed:
            at = readings.at(layer.name)
            drive, spikes = at.get(DriveReading), at.get(SpikeReading)
            times = None if drive is None else ratio(layer, drive)
            over = weight.scale > self.large and times is not None and times >= self.strong
            early = spikes is None or hasty(readings, spikes.forwards, self.patience)
            dead = silent(spikes) and not silent(above(layer, readings)) and not early
            under = weight.scale < self.small and dead
            if unused(at) or drive is None or not (over or under):
                continue
            effect = "drives {layer} at {rms:.3g} a step, root mean square" if over else "leaves {layer} silent"
            yield self.found(
                site,
                seen=Seen(
                    "rms {rms_weight:.3g} * sqrt(fan-in {fan_in}) = {scale:.3g}, which " + effect,
                    rms_weight=weight.rms,
                    fan_in=weight.fan_in,
                    scale=weight.scale,
                    layer=layer.name,
                    rms=drive.rms,
                ),
                expected=Expected("a scale of about 0.6 to 1.4", because="initialisers give that for any width"),
                weight=how_far(weight.scale, self.small, self.large),
            )
            return


def how_far(scale: float, small: float, large: float) -> float:
    """Powers of ten beyond the nearer limit; 1 for weights that are all zero."""
    if scale > large:
        return log10(scale / large)
    return log10(small / scale) if scale > 0 else 1
