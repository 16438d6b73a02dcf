"""Activity that fades from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from typing import ClassVar

from spikecheck.checks.base import Readings, limit
from spikecheck.checks.fixes import joined, parameter_path, plain_number
from spikecheck.checks.layers import first_layer_drive, input_weight, norm_behind, spiking_sites, threshold_of
from spikecheck.checks.learning import makes_progress
from spikecheck.checks.progress import waits_for_training
from spikecheck.checks.rate_trend import RateTrend
from spikecheck.checks.waking import weight_path
from spikecheck.finding import Fix, Severity
from spikecheck.number_format import fill
from spikecheck.readings import FlowReading, ParameterReading, PotentialReading, SpikeReading
from spikecheck.site import Site

SCALED = (
    "give these layers the drive of the first one, or divide their thresholds by as much, or add batch normalization"
)


@dataclass(frozen=True)
class FadingActivity(RateTrend):
    """Firing rates fall from layer to layer until little is left.

    ## What it means
    Each layer fires less often than the one before, and the last one hardly fires at all. If each layer fires a tenth
    as often as the one before, three layers reduce the activity to a thousandth, and the next one falls silent.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        # 256 inputs, 10% of which spike: one time step adds 0.07 * sqrt(25.6) = 0.35 (RMS), for a threshold of 1
        nn.init.normal_(fc.weight, std=0.07)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        # 3 / sqrt(256) = 0.19: one time step adds 0.95 (RMS)
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    # `linear` feeds a spiking layer that fires less often than the previous one
    # replace 3: try larger factors until the rates no longer fall
    linear.weight.data *= 3
    # or add a normalization layer there
    ```
    ```python spikingjelly
    # decay_input=True divides the input of the layer by tau
    layer.decay_input = False
    ```

    ## When it is intended
    The layers reduce the activity on purpose, and the readout fires rarely.
    ```toml
    [tool.spikecheck.ignore]
    "SPK211" = "sparse code, by layers"
    ```

    ## How it is decided
    spikecheck compares the firing rates (spikes per neuron and time step) of all spiking layers, of which there must be
    at least {min_layers}. It warns if no layer fires more often than the one before, and the last one fires at most
    {min_rate_ratio:%} as often as the first. This must hold both in the first forward pass and at the time of the
    check. The finding names the first layer that fires at most half as often as the one before. While training runs,
    the layers are judged only after {min_forward_passes} forward passes, and the finding is printed only from update 64
    on, because training may repair it. It is printed earlier in two cases: no weight between the input and the layer it
    names is being updated, or that layer is silent and its highest potential stays below 10% of the threshold. If the
    last layer still fires and the loss is falling, this is only a note.

    If the last layers are silent, the last layer that fires must do so at most {max_rate_before_silence:%} as often as
    the first. Otherwise the first silent layer itself is at fault, not the fading.

    The fix that is printed with a finding multiplies the weights before the layer that it names, and before each later
    layer, so that these layers get the same drive as the first. The drive is what one time step adds to the potential,
    as a multiple of the threshold. Where batch normalization lies between a weight and its layer, the weight of the
    normalization is multiplied instead.

    The thresholds are named as what is wrong where the weights of all these layers have a scale, RMS * sqrt(fan-in), of
    {min_usual_scale} or more.
    """

    id: ClassVar = "SPK211"
    slug: ClassVar = "fading-activity"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK206",
        "SPK207",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK406",
    )
    self_resolving: ClassVar = True
    past: ClassVar = "firing rates fell from layer to layer, up to {site}"
    message: ClassVar = (
        "firing rates fall over {layers} layers, from {first:.2n} to {last:.2n} spikes per neuron per step at {site}"
    )
    because: ClassVar = "weights that are too small for the thresholds leave fewer spikes at every layer"

    min_rate_ratio: float = limit(
        0.02,
        why="measured: 0 in a network whose deep layers fall silent, 0.9 in the same network when healthy; the value "
        "in between is a judgment call",
    )

    max_rate_before_silence: float = limit(
        0.2,
        why="measured: 0.07 in a network whose rates fade over four layers, 0.5 and more if the threshold of a silent "
        "layer is at fault",
    )

    min_usual_scale: float = limit(
        0.5,
        why="derived: torch's default has a scale, RMS * sqrt(fan-in), of 0.58; weights like that are not too small",
    )

    def is_faulty(self, recent: list[float], first: list[float]) -> bool:
        """Return whether the rates fall from layer to layer, now and in the first forward pass."""
        firing = [rate for rate in recent if rate > 0]
        if len(firing) < len(recent) and (len(firing) <= 1 or firing[-1] > self.max_rate_before_silence * firing[0]):
            return False
        falls = all(after <= before for before, after in pairwise(recent))
        return falls and all(rates[-1] <= self.min_rate_ratio * rates[0] for rates in (recent, first))

    def severity_of(self, rates: list[float], readings: Readings) -> Severity:
        """Return a note where the last layer fires and a loss falls, or where training would repair it if it worked."""
        waits = any(waits_for_training(site, readings) for site in spiking_sites(readings))
        return Severity.NOTE if waits or (rates[-1] and makes_progress(readings)) else Severity.WARNING

    def first_faulty_layer(self, rates: list[float]) -> int:
        """Return the index of the first layer that fires at most half as often as the one before."""
        return next(n for n, (before, after) in enumerate(pairwise(rates), 1) if after <= before / (1 + 1))

    def reason(self, begin: Site, readings: Readings) -> str:
        """Return whether the weights are too small or, where these are of a usual size, the thresholds too high."""
        fed = [(layer, w) for layer in fading(begin, readings) if (w := fed_weight(layer, readings)) is not None]
        # weight decay shrinks the weights of silent layers
        scales = [max(weight.scale, scale_at_first(layer, readings)) for layer, weight in fed]
        normalized = any(norm_behind(layer, weight, readings) is not None for layer, weight in fed)
        if normalized or not scales or min(scales) < self.min_usual_scale:
            return self.because
        out_of_reach = farthest(begin, readings)
        where = ""
        if out_of_reach is not None:
            layer, share = out_of_reach
            where = fill(": the potential of {layer} reaches {share:%} of its own", layer=layer, share=share)
        scale = fill("{low:n} to {high:n}", low=min(scales), high=max(scales))
        return f"the thresholds are too high for weights of a usual scale ({scale}){where}"

    def scaling_fix(self, begin: Site, readings: Readings) -> tuple[Fix, ...]:
        """Return code that gives the layers from this one on the drive of the first."""
        sites = sorted(spiking_sites(readings), key=lambda s: s.position)
        drive, rate = first_layer_drive(readings), readings.at(sites[0].name)[SpikeReading].rate
        if drive is None or not 0 < drive < inf or not rate:
            return self.lower_thresholds(begin, readings)
        lines = []
        for layer in fading(begin, readings):
            weight, threshold = fed_weight(layer, readings), threshold_of(layer)
            gain = 0.0 if layer.neuron is None else layer.neuron.input_gain
            if weight is None or not threshold:
                continue
            norm = norm_behind(layer, weight, readings)
            path = weight_path(layer, readings) if norm is None else parameter_path(norm)
            # a normalization leaves an RMS of its own weight, whatever comes in
            size = weight.scale * sqrt(rate) if norm is None else readings.at(norm.name)[ParameterReading].rms
            if path and 0 < (present := gain * size / threshold) < drive:
                lines.append(f"{path}.data.mul_({plain_number(drive / present)})")
        return joined({SCALED: lines}) or self.lower_thresholds(begin, readings)

    def lower_thresholds(self, begin: Site, readings: Readings) -> tuple[Fix, ...]:
        """Return code for hand-written layers whose potentials stay far below thresholds that are known."""
        out_of_reach = farthest(begin, readings)
        if out_of_reach is None or self.reason(begin, readings) == self.because:
            return ()
        layer, share = out_of_reach
        title = fill("the potential of {layer} reaches {share:%} of its threshold", layer=layer, share=share)
        return joined({title: [f"threshold = threshold * {plain_number(share)}"]})


def farthest(begin: Site, readings: Readings) -> tuple[Site, float] | None:
    """Return the first layer, from one on, whose potential stays below its threshold, and the part that it reaches."""
    shares = ((layer, share_of_threshold(layer, readings)) for layer in fading(begin, readings))
    return next(((layer, share) for layer, share in shares if share is not None and share < 1), None)


def fading(begin: Site, readings: Readings) -> list[Site]:
    """Return the spiking layers from the first that fires too little on."""
    return sorted((s for s in spiking_sites(readings) if s.position >= begin.position), key=lambda s: s.position)


def fed_weight(layer: Site, readings: Readings) -> ParameterReading | None:
    """Return the weight that feeds a layer, if it is one that maps inputs to outputs."""
    weight = input_weight(layer, readings)
    return weight if weight is not None and weight.dimensions > 1 else None


def scale_at_first(layer: Site, readings: Readings) -> float:
    """Return the scale of a layer's weight before the first update; 0 where it is not known."""
    weight = fed_weight(layer, readings.first)
    return 0.0 if weight is None else weight.scale


def share_of_threshold(layer: Site, readings: Readings) -> float | None:
    """Return how far the potential of a layer comes from rest to its threshold at most, as far as that is known."""
    here, threshold = readings.at(layer.name), threshold_of(layer)
    flow, potential = here.get(FlowReading), here.get(PotentialReading)
    argument = None if flow is None else flow.argument
    if argument is not None and argument.threshold is not None and argument.reset_value is not None:
        way = argument.threshold - argument.reset_value
        return (argument.maximum - argument.reset_value) / way if way > 0 else None
    if potential is None or potential.maximum is None or not threshold or threshold < 0:
        return None
    return potential.maximum / threshold
