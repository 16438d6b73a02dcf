"""The fix of a silent network: what makes this layer, and every silent layer after it, fire in one run."""

from __future__ import annotations

from spikecheck.checks.base import Readings
from spikecheck.checks.fixes import expected_potential, initialized, joined, parameter_path, plain_number, set_threshold
from spikecheck.checks.fixes import take_input_as_it_is as unscaled
from spikecheck.checks.layers import (
    input_weight,
    input_weight_name,
    is_silent,
    nearest_upstream,
    norm_behind,
    peak_potential,
    spikes_unused,
    spiking_sites,
    synaptic_gain,
    threshold_of,
    upstream_spikes,
)
from spikecheck.checks.progress import GRACE_UPDATES, MAX_HOPELESS_RATIO
from spikecheck.finding import Fix
from spikecheck.readings import DriveReading, ParameterReading, PotentialReading, SpikeReading
from spikecheck.site import Site

HALF = 0.5  # judgment call: a threshold at half of the highest potential lets some neurons fire, and not all of them
TOO_STRONG = 10.0  # judgment call: an input that brings a potential to so many thresholds is no better than a weak one
LONGEST_WAKING = 4 * GRACE_UPDATES  # judgment call: a layer that has not woken up by then may never do so
ASSUMED_RATE = 0.05  # measured: layers whose threshold is half of their highest potential fire at 2% to 10%

MEASURED = "half of the highest potential of the first forward pass"
SO_FAR = "half of the highest potential of this run"
BY_CURRENT = "half of the largest input current"
DERIVED = "no spikes reached these layers yet: the RMS potential they would have if 5% of their inputs fired"
UNSCALED = "these layers scale their input down: turn that off"
WEIGHTS = "larger weights: they bring the highest potential to twice the threshold"
CALIBRATED = "before training: weights with which every layer fires on x, a batch of inputs"
HELD_DOWN = "no input current was above 0: the bias, or inhibition, holds the layer down"


def waking_fix(site: Site, readings: Readings) -> tuple[Fix, ...]:
    """Return one fix for this silent layer and those behind it.

    Where no number is known that it could state, `calibrate` finds one for a layer that never fired; none where no
    weight is known to make its current either.
    """
    order = (UNSCALED, MEASURED, SO_FAR, BY_CURRENT, WEIGHTS, HELD_DOWN, DERIVED, CALIBRATED)
    groups: dict[str, list[str]] = {comment: [] for comment in order}
    for layer in sorted(spiking_sites(readings), key=lambda s: s.position):
        at = readings.at(layer.name)
        if layer.position < site.position or not is_silent(at.get(SpikeReading)) or spikes_unused(at):
            continue
        comment, line = wake_derived(layer, at) if is_silent(upstream_spikes(layer, at)) else wake_measured(layer, at)
        if line:
            groups[comment].append(line)
    from_start = is_silent(readings.first.get(SpikeReading))
    if from_start and not any(groups.values()) and input_weight(site, readings) is not None:
        groups[CALIBRATED].append("spikecheck.calibrate(model, x)")
    return joined(groups)


def out_of_reach(site: Site, readings: Readings) -> bool:
    """Return whether a silent layer gets spikes, and its potential stays below a tenth of the threshold.

    Not where the potential is known only less the threshold, which makes that 0: then no ratio is known.
    """
    if not is_silent(readings.get(SpikeReading)) or is_silent(upstream_spikes(site, readings)):
        return False
    peak, threshold = peak_potential(site, readings), threshold_of(site)
    return peak is not None and threshold is not None and threshold > 0 and peak < MAX_HOPELESS_RATIO * threshold


def is_waking(site: Site, readings: Readings) -> bool:
    """Return whether the potential of a silent layer has doubled since the start, to half of its threshold or more."""
    if readings.run.update >= LONGEST_WAKING or not is_silent(readings.get(SpikeReading)):
        return False
    now, first = readings.get(PotentialReading), readings.first.get(PotentialReading)
    threshold = threshold_of(site)
    if now is None or first is None or threshold is None or threshold <= 0:
        return False
    return now.maximum >= max(HALF * threshold, first.maximum / HALF) > 0


def wake_measured(layer: Site, readings: Readings) -> tuple[str, str]:
    """Return the line for a layer that gets spikes, by its highest potential, and the comment above it.

    Weights that grew while the layer was silent make its potential larger than it is where training starts again.
    """
    from_start = was_silent_at_first(layer, readings)
    readings = readings.first if from_start else readings
    drive, threshold = readings.get(DriveReading), threshold_of(layer)
    peak, comment = peak_potential(layer, readings), MEASURED if from_start else SO_FAR
    if peak is None and drive is not None and layer.neuron is not None:  # its decay is not known
        peak, comment = layer.neuron.input_gain * drive.maximum, BY_CURRENT
    if peak is None or threshold is None or threshold == 0 or layer.neuron is None:
        return comment, ""  # with a threshold of 0 the potential may be known less the threshold: no size is known
    if peak <= 0:
        return HELD_DOWN, without_inhibition(layer, readings)
    as_it_is = peak / layer.neuron.input_gain
    if threshold / HALF <= as_it_is < threshold * TOO_STRONG and (line := unscaled(layer)):
        return UNSCALED, line
    if HALF * peak < threshold and (line := set_threshold(layer, HALF * peak)):
        return comment, line
    path = weight_path(layer, readings)
    return WEIGHTS, f"{path}.data.mul_({plain_number(threshold / HALF / peak)})" if path else ""


def was_silent_at_first(layer: Site, readings: Readings) -> bool:
    """Return whether the first forward pass shows what a silent layer gets from its first weights.

    It does not where the script calls the model once per time step: a potential adds up over many forward passes.
    """
    if readings.run.called_per_time_step:
        return False
    upstream = nearest_upstream(layer, readings)
    start = readings.first
    gets_spikes = upstream is None or not is_silent(start.at(upstream.name).get(SpikeReading))
    drive = start.get(DriveReading)
    return gets_spikes and is_silent(start.get(SpikeReading)) and drive is not None and drive.maximum > 0


def wake_derived(layer: Site, readings: Readings) -> tuple[str, str]:
    """Return the line for a layer behind a silent one, by the weights that feed it, and the comment above it."""
    weight, spikes, threshold = input_weight(layer, readings), readings.get(SpikeReading), threshold_of(layer)
    if weight is None or spikes is None or threshold is None or layer.neuron is None:
        return DERIVED, ""
    if (norm := norm_behind(layer, weight, readings)) is not None:
        weight = readings.at(norm.name)[ParameterReading]
    steps = max(1, spikes.steps_per_pass)
    rate = ASSUMED_RATE if weight.dimensions > 1 else 1.0  # a normalization keeps the size of what it passes on
    scale = (weight.scale if weight.dimensions > 1 else weight.rms) * synaptic_gain(layer.neuron)
    as_it_is = expected_potential(layer.neuron, scale, steps, rate, gain=1.0)
    switch = unscaled(layer)
    potential = as_it_is * (1.0 if switch else layer.neuron.input_gain)
    line = set_threshold(layer, potential) if 0 < potential < threshold else ""
    return DERIVED, "\n".join(filter(None, (switch, line)))


def without_inhibition(layer: Site, readings: Readings) -> str:
    """Return code that sets the bias before a layer to 0, or initializes the weights of one without a bias."""
    bias, path = readings.at(f"{layer.fed_by}.bias").get(ParameterReading), weight_path(layer, readings)
    if not path:
        return ""
    return f"{path.removesuffix('.weight')}.bias.data.zero_()" if bias is not None else initialized(path)


def weight_path(layer: Site, readings: Readings) -> str:
    """Return the expression for the weight that feeds the layer; empty where it is not known."""
    name = input_weight_name(layer, readings)
    paths = (parameter_path(site) for site in readings.observations.sites if site.name == name)
    return next(filter(None, paths), "")  # a site of another kind has the same name and tells none
