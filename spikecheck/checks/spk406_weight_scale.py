"""Weights of a scale that drives the spiking layer behind them out of its range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import initialized, joined, parameter_path, plain_number
from spikecheck.checks.layers import (
    LARGE_SCALE,
    SMALL_SCALE,
    WHY_LARGE_SCALE,
    WHY_MIN_FORWARD_PASSES,
    WHY_SMALL_SCALE,
    drive_in_thresholds,
    drives_itself,
    input_weight_name,
    is_silent,
    least_drive,
    norm_behind,
    shown_threshold,
    spike_argument,
    spikes_unused,
    spiking_sites,
    threshold_of,
    too_early,
    upstream_spikes,
)
from spikecheck.checks.learning import has_learned, has_learned_much, is_high_at_first
from spikecheck.checks.progress import weight_names
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, FlowReading, LossReading, ParameterReading, SpikeReading, UpdateReading
from spikecheck.site import Site, SiteKind

Effect = tuple[Site, float, str]  # a layer, its drive in thresholds per time step, or a loss; a template with both
USUAL_RATE = 1e-3  # of Adam
NEW_WEIGHTS = "the default of nn.Linear; do not use normal_() with its default std of 1"
SAME_WEIGHTS = "no training was seen, and new weights would wipe out one: scaled to 1; divide a bias by the same number"
LOWER = 0.1  # of a learning rate that is no higher than usual: a judgment call


@dataclass(frozen=True)
class WeightScale(Check):
    """Weights are far too large or far too small for the spiking layer that they drive.

    ## What it means
    The scale of a weight is its root mean square (RMS) times the square root of its number of inputs. If it is too
    large, the layer is driven to many times its threshold in every time step and fires whatever the input. If it is too
    small, the layer never reaches its threshold and stays silent. The usual cause is a custom initialization that
    ignores the number of inputs.

    ## Example
    ```python broken
    fc = torch.nn.Linear(700, 256)
    torch.nn.init.normal_(fc.weight)  # N(0, 1): the scale is 1 * sqrt(700) = 26
    lif = snntorch.Leaky(beta=0.9)
    ```
    ```python repaired
    fc = torch.nn.Linear(700, 256)  # the default initialization: the scale is 0.58
    lif = snntorch.Leaky(beta=0.9)
    ```

    ## Fix
    ```python any
    # the default of nn.Linear; do not use normal_() with its default std of 1
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
    ```

    ## When it is intended
    The weights were converted from a network whose potentials have other units.
    ```toml
    [tool.spikecheck.ignore]
    "SPK406:fc1.weight" = "converted weights in millivolts"
    ```

    ## How it is decided
    A sum over active inputs grows in proportion to the scale. For any layer width, the scale is 0.58 with the default
    initialization of `nn.Linear`, 1 for a square orthogonal matrix and 1.41 with He initialization. A finding needs one
    of these:

    - a scale above {max_scale} that drives the next layer to {max_drive} times its threshold per time step or more. In
      a hand-written layer that makes its current inside, the current is what its potential shows at least: the RMS of
      what its spike function gets, less one threshold, divided by what a current of 1 in every time step adds up to.
      If the threshold is not known, it is taken for 1, the scale has to be above {max_scale_without_threshold}, and the
      loss must not show that the network has learned;
    - a scale below {min_scale}, where the next layer is silent although the layer before it spikes (while training
      runs, after at least {min_forward_passes} forward passes), and fired while the scale was in range;
    - a scale above {max_scale}, from the start, of the last weight, which makes the logits, where the first loss is
      four times that of a uniform guess or more, and nothing is learned;
    - a recurrent weight with a scale above {max_scale}, where scale * sqrt(firing rate) is {max_recurrent_drive} times
      the threshold or more. In code without modules, the graph shows which weight is recurrent; what the spike function
      gets has to be {max_recurrent_drive} thresholds and one more, too (RMS), and the loss above half of a guess's.

    There is no finding where a normalization between the weight and the layer undoes the scale, or where a large
    threshold makes up for a large one. If the scale was in range before the first update, the updates brought the
    weights there, so the fix is a lower learning rate.

    Weights drawn from N(0, 1) have a scale of 16 with 256 inputs and 26 with 700, and each further layer multiplies
    again. Measured with three such layers of neurons that may spike several times per time step: one neuron emitted
    5,087 spikes in a time step, and the first loss was 50,174, where ln 20 = 3.0 is usual. A recurrent weight
    multiplies in every time step: the layer stays active without any input, and gradients through time grow.

    ## References
    He et al., Delving Deep into Rectifiers, ICCV 2015.
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
    past: ClassVar = "the scale of {site} was out of range"
    message: ClassVar = "{site} has a scale of {scale:n}; {comparison}"

    max_scale: float = limit(LARGE_SCALE, why=WHY_LARGE_SCALE)
    min_scale: float = limit(SMALL_SCALE, why=WHY_SMALL_SCALE)
    min_normalized_scale: float = limit(
        0.01,
        why="derived: with spikes in 10% of the time steps, the variance of the drive is then that 1e-5 which a batch "
        "normalization adds to it",
    )
    max_drive: float = limit(
        5.0,
        why="measured: weights from N(0, 1) drive a layer to 8.2 times its threshold per time step; no healthy network "
        "has weights above max_scale",
    )
    max_scale_without_threshold: float = limit(
        50.0,
        why="judgment call: ten times max_scale; a layer whose threshold is not known may have one of 20 (millivolts)",
    )
    max_recurrent_drive: float = limit(
        2.0,
        why="derived: where a normally distributed drive has an RMS of 2 thresholds, 31% of the time steps exceed one, "
        "so the layer fires without any input",
    )
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the scale is out of range and puts a layer that it feeds, or is in, out of range."""
        weight = readings[ParameterReading]
        if weight.dimensions <= 1 or self.min_scale <= weight.scale <= self.max_scale:
            return
        effects = [
            *self.on_fed(site, weight, readings),
            *self.on_itself(site, weight, readings),
            *self.on_loss(site, readings),
        ]
        initial = self.scale_before_updates(readings)
        for layer, drive, effect in effects[:1]:
            yield self.finding(
                site,
                observed=Observed(
                    "RMS {rms:n} * sqrt(fan-in {fan_in}) = {scale:n}, which " + effect,
                    rms=weight.rms,
                    fan_in=weight.fan_in,
                    scale=weight.scale,
                    layer=layer.name,
                    drive=drive,
                ),
                expected=Expected(
                    "a scale of about 0.6 to 1.4", because="standard initializers give this scale at any layer width"
                ),
                excess=powers_of_ten_beyond(weight.scale, self.min_scale, self.max_scale),
                fixes=self.fix(site, readings) if initial is None else lower_rate(readings),
                comparison="standard initializers give 0.6 to 1.4"
                if initial is None
                else fill("it was {initial:n} before the first update", initial=initial),
            )

    def scale_before_updates(self, readings: Readings) -> float | None:
        """Return the scale before the first update; None where it was out of range then, or is not known."""
        first = readings.first.get(ParameterReading)
        return first.scale if first is not None and self.min_scale <= first.scale <= self.max_scale else None

    def fix(self, site: Site, readings: Readings) -> tuple[Fix, ...]:
        """Return one fix for this weight and all others that are too large, or too small, as it is."""
        large = readings[ParameterReading].scale > self.max_scale
        every = {place.name: place for place in readings.observations.sites if place.kind is SiteKind.PARAMETER}
        is_evaluated = readings.run.without_gradients and not readings.run.backward_passes
        lines = []
        for name, place in (every | {site.name: site}).items():
            weight, path = readings.at(name).get(ParameterReading), parameter_path(place)
            if weight is None or weight.dimensions <= 1 or not path:
                continue
            if not (weight.scale > self.max_scale if large else weight.scale < self.min_scale):
                continue
            scaled = is_evaluated and weight.scale > 0
            lines.append(f"{path}.data /= {plain_number(weight.scale)}" if scaled else initialized(path))
        return joined({SAME_WEIGHTS if is_evaluated else NEW_WEIGHTS: lines})

    def on_fed(self, site: Site, weight: ParameterReading, readings: Readings) -> Iterator[Effect]:
        """Yield the layers that a weighted module feeds and drives out of range."""
        for layer in (s for s in spiking_sites(readings) if input_weight_name(s, readings) == site.name):
            at = readings.at(layer.name)
            drive, spikes = at.get(DriveReading), at.get(SpikeReading)
            if spikes_unused(at) or self.is_normalized(layer, weight, readings):
                continue
            thresholds = None if drive is None else drive_in_thresholds(layer, drive)
            if weight.scale > self.max_scale and thresholds is not None and thresholds >= self.max_drive:
                yield layer, thresholds, "drives {layer} at {drive:x} its threshold per time step (RMS)"
            elif weight.scale > self.max_scale and thresholds is None:
                yield from self.on_potential(layer, weight, at)
            early = spikes is None or too_early(readings, spikes.forward_passes, self.min_forward_passes)
            was_dead = self.scale_before_updates(readings) is not None and is_silent(at.first.get(SpikeReading))
            dead = is_silent(spikes) and not is_silent(upstream_spikes(layer, readings)) and not early and not was_dead
            if weight.scale < self.min_scale and dead:
                yield layer, 0.0 if thresholds is None else thresholds, "leaves {layer} silent"

    def is_normalized(self, layer: Site, weight: ParameterReading, readings: Readings) -> bool:
        """Return whether a normalization lies between a weight and a layer, and the scale is enough for it."""
        return weight.scale >= self.min_normalized_scale and norm_behind(layer, weight, readings) is not None

    def on_potential(self, layer: Site, weight: ParameterReading, readings: Readings) -> Iterator[Effect]:
        """Yield a hand-written layer whose current is not known, where its potential tells that it is far too large."""
        argument, least = spike_argument(readings), least_drive(layer, readings)
        if argument is None or least is None or least < self.max_drive:
            return
        if threshold_of(layer):
            yield layer, least, "drives {layer} at {drive:x} its threshold per time step or more (RMS)"
        elif weight.scale > self.max_scale_without_threshold and not has_learned(readings):
            yield layer, argument.rms, "gives the spike function of {layer} values of {drive:n} (RMS)"

    def on_itself(self, site: Site, weight: ParameterReading, readings: Readings) -> Iterator[Effect]:
        """Yield the layer that holds a recurrent weight, or applies one, and drives itself by it."""
        if weight.scale <= self.max_scale:
            return
        for layer in (one for one in spiking_sites(readings) if drives_itself(one, site.name, readings)):
            at = readings.at(layer.name)
            flow, spikes, threshold = at.get(FlowReading), at.get(SpikeReading), shown_threshold(layer, at)
            if layer.neuron is None or not threshold or threshold < 0 or spikes is None or spikes.rate is None:
                continue
            applied = flow is not None and flow.recurrent_weight == site.name
            if applied and not self.shows_in_potential(threshold, at):
                continue
            drive = layer.neuron.input_gain * weight.scale * sqrt(max(0, spikes.rate)) / threshold
            if drive >= self.max_recurrent_drive:
                yield layer, drive, "lets {layer} drive itself at {drive:x} its threshold per time step (RMS)"

    def on_loss(self, site: Site, readings: Readings) -> Iterator[Effect]:
        """Yield the loss whose first value is high because of the weight that makes the logits."""
        first = readings.first.get(ParameterReading)
        fed = [input_weight_name(layer, readings) for layer in spiking_sites(readings)]
        makes_logits = weight_names(readings)[-1:] == [site.name] and site.name not in fed
        if not makes_logits or first is None or first.scale <= self.max_scale or has_learned(readings):
            return
        for place in (one for one in readings.observations.sites if one.kind is SiteKind.LOSS):
            loss = readings.all.at(place.name).get(LossReading)
            if loss is not None and is_high_at_first(loss):
                yield place, loss.first or 0.0, "makes the first {layer} {drive:#n}"

    def shows_in_potential(self, threshold: float, readings: Readings) -> bool:
        """Return whether the potential of a hand-written layer shows a large drive, and little is learned with it."""
        argument = spike_argument(readings)
        shown = argument is not None and argument.rms >= (1 + self.max_recurrent_drive) * threshold
        return shown and not has_learned_much(readings)


def lower_rate(readings: Readings) -> tuple[Fix, ...]:
    """Return the fix for a weight that the updates brought out of range: a lower learning rate than that of the run."""
    update = readings.all.get(UpdateReading)
    rate = None if update is None else update.learning_rate
    lower = USUAL_RATE if rate is None or rate > USUAL_RATE else LOWER * rate
    text = "# the updates brought the weights there: start again from new weights, with a lower learning rate"
    was = "" if rate is None else fill(" than {rate:n}", rate=rate)
    return (Fix(f"{text}{was}\noptimizer = torch.optim.Adam(model.parameters(), lr={plain_number(lower)})"),)


def powers_of_ten_beyond(scale: float, min_scale: float, max_scale: float) -> float:
    """Return how far a scale is beyond the nearer limit, in powers of ten; 1 for weights that are all zero."""
    if scale > max_scale:
        return log10(scale / max_scale)
    return log10(min_scale / scale) if scale > 0 else 1
