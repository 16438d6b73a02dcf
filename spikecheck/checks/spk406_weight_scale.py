"""Weights of a scale that drives the spiking layer behind them out of its range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
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
    recurrent,
    silent,
    spiking,
    threshold,
    unused,
    within,
)
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading, ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind

Effect = tuple[Site, float, str]  # a layer, what it gets in a step, and a text with both


@dataclass(frozen=True)
class WeightScale(Check):
    """Weights are far too large or far too small for the spiking layer that they drive.

    ## What it means
    The scale of a weight is its root mean square times the root of its fan-in: what a sum over active inputs grows
    with. Initialisers give about the same for any width: 0.58 the default of `nn.Linear`, 1 an orthogonal matrix, 1.41
    He's. Found is a scale above {large} that drives the layer behind it at {strong} thresholds a step or more, or one
    below {small} that leaves the layer silent. A large scale that a large threshold or a normalisation takes back is
    left alone. Of a recurrent weight inside a layer, found is one above {large} by which the layer's own spikes give it
    {sustained} thresholds a step or more: the scale times the root of the rate.

    ## Why it matters
    Weights drawn from N(0, 1) have a scale of 16 with 256 inputs and 26 with 700: the layer gets many thresholds in
    every step. Through several layers this multiplies. Measured with three such layers of neurons that may spike
    several times a step, 5087 spikes of one neuron in a step and a first loss of 50174, where ln 20 = 3.0 is usual. A
    high threshold divides the weights and hides this; scaling the weights removes it. A recurrent weight multiplies in
    every step: the layer goes on by itself, whatever it is given, and gradients through time grow by its scale.

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
        "SPK413",
    )
    message: ClassVar = "{site} has a scale of {scale:.3g}; initialisers give 0.6 to 1.4"

    large: float = limit(LARGE, why=WHY_LARGE)
    small: float = limit(SMALL, why=WHY_SMALL)
    strong: float = limit(
        5.0, why="measured: no healthy network has weights above the scale; those of N(0, 1) give 8.2 thresholds a step"
    )
    sustained: float = limit(
        2.0,
        why="derived: of a normal drive with a root mean square of 2 thresholds, 31 % of the steps exceed one, so that "
        "the layer fires without any input",
    )
    patience: int = limit(10, why=WHY_PATIENCE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the scale is out of range, and a layer that it feeds, or is in, is so by it."""
        weight = readings[ParameterReading]
        if weight.dimensions <= 1 or self.small <= weight.scale <= self.large:
            return
        effects = [*self.on_fed(site, weight, readings), *self.on_itself(site, weight, readings)]
        for layer, rms, effect in effects[:1]:
            yield self.found(
                site,
                seen=Seen(
                    "rms {rms_weight:.3g} * sqrt(fan-in {fan_in}) = {scale:.3g}, which " + effect,
                    rms_weight=weight.rms,
                    fan_in=weight.fan_in,
                    scale=weight.scale,
                    layer=layer.name,
                    rms=rms,
                ),
                expected=Expected("a scale of about 0.6 to 1.4", because="initialisers give that for any width"),
                weight=how_far(weight.scale, self.small, self.large),
            )

    def on_fed(self, site: Site, weight: ParameterReading, readings: Readings) -> Iterator[Effect]:
        """The layers that a weighted module feeds, and that are out of range by it."""
        owner, _, name = site.name.rpartition(".")
        currents = [s for s in readings.evidence.sites if s.kind is SiteKind.CURRENT]
        for layer in (s for s in currents if name == "weight" and s.fed_by == owner):
            at = readings.at(layer.name)
            drive, spikes = at.get(DriveReading), at.get(SpikeReading)
            if drive is None or unused(at):
                continue
            times = ratio(layer, drive)
            if weight.scale > self.large and times is not None and times >= self.strong:
                yield layer, drive.rms, "drives {layer} at {rms:.3g} a step, root mean square"
            early = spikes is None or hasty(readings, spikes.forwards, self.patience)
            dead = silent(spikes) and not silent(above(layer, readings)) and not early
            if weight.scale < self.small and dead:
                yield layer, drive.rms, "leaves {layer} silent"

    def on_itself(self, site: Site, weight: ParameterReading, readings: Readings) -> Iterator[Effect]:
        """The layer that holds a recurrent weight, and drives itself by it."""
        if weight.scale <= self.large or not recurrent(weight):
            return
        for layer in (s for s in spiking(readings) if within(site.name, s)):
            limit, spikes = threshold(layer), readings.at(layer.name).get(SpikeReading)
            if limit is None or layer.neuron is None or spikes is None or spikes.rate is None:
                continue
            rms = layer.neuron.input_gain * weight.scale * sqrt(max(0, spikes.rate))
            if rms >= self.sustained * limit > 0:
                yield layer, rms, "by its own spikes gives {layer} {rms:.3g} a step, root mean square"


def how_far(scale: float, small: float, large: float) -> float:
    """Powers of ten beyond the nearer limit; 1 for weights that are all zero."""
    if scale > large:
        return log10(scale / large)
    return log10(small / scale) if scale > 0 else 1
