"""What a calibration did, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from spikecheck.number_format import number, percentage

ROUNDING = 1e-3  # relative to the deviation: a mean below it is 0 but for rounding


@dataclass(frozen=True, slots=True)
class Potential:
    """The membrane potential of a layer on one batch, in thresholds, and the firing rate that came of it.

    Mean and deviation are those of a potential that no spike resets, over all neurons, samples and time steps; None
    where the decay of the layer, or its current, is not known.
    """

    mean: float | None
    deviation: float | None
    rate: float

    def __str__(self) -> str:
        if self.mean is None or self.deviation is None:
            return f"rate {percentage(self.rate)}"
        mean = 0.0 if abs(self.mean) < ROUNDING * self.deviation else self.mean
        return f"potential {number(mean, 2)} ± {number(self.deviation, 2)} thresholds, rate {percentage(self.rate)}"


@dataclass(frozen=True, slots=True)
class LayerCalibration:
    """What was done for one spiking layer.

    Attributes:
        layer: the name of the layer.
        weight: the parameter that was scaled: the weight of the module before the layer, of a normalization between
            the two, or inside the layer.
        scale: what the parameter was multiplied by.
        before, after: the layer's potential and firing rate.
        recurrent_scale: what the recurrent weight inside the layer was multiplied by; None where there is none.
    """

    layer: str
    weight: str
    scale: float
    before: Potential
    after: Potential
    recurrent_scale: float | None = None

    def __str__(self) -> str:
        recurrent = "" if self.recurrent_scale is None else f", recurrent {number(self.recurrent_scale)}x"
        return f"{self.layer}: {self.weight} {number(self.scale)}x{recurrent}; {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `calibrate` did, layer by layer in the order of the data flow."""

    layers: tuple[LayerCalibration, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.layers))
