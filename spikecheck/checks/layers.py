"""What several checks need to know about a spiking layer: whether its spikes are used, its weights, its drive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, islice

from spikecheck.checks.base import Readings
from spikecheck.checks.silence import rate_now
from spikecheck.finding import Finding
from spikecheck.neuron import NeuronSpec
from spikecheck.number_format import fill
from spikecheck.readings import (
    DriveReading,
    FlowReading,
    ParameterReading,
    PotentialReading,
    SpikeReading,
    StateReading,
)
from spikecheck.site import Site, SiteKind, SpikeArgument

SMALL_SCALE, LARGE_SCALE = 0.1, 5.0
ORIGINALS = ("original", "original0")  # of a weight that torch computes from others: the whole, or its norms
HAND_WRITTEN = (None, "torch")  # frameworks of hand-written layers
STRONG_DRIVE = 7.0
ALIVE_RATE = 0.001
MAX_EXPONENT = 100.0  # exp(100) is past any threshold, and exp(710) past what a float holds
SHOWN_VALUES = 6  # distinct values in a sentence
MANY_VALUES = 16  # as many as a reading keeps: graded spikes have fewer

WHY_SMALL_SCALE = (
    "derived: the scale of a weight is its RMS * sqrt(fan-in), 0.58 for torch's default, 1.41 for He initialization; "
    "at a scale of 0.1, with 10% of the inputs active, one time step adds 0.03 to the potential, so a neuron with a "
    "time constant below 30 steps never reaches a threshold of 1"
)
WHY_LARGE_SCALE = (
    "measured: scale = RMS of the weight * sqrt(fan-in) is 0.58 to 1.41 with standard initializers, up to 3.7 in "
    "healthy trained networks; weights from N(0, 1) give 16 with 256 inputs and 26 with 700"
)
WHY_STRONG_DRIVE = (
    "derived: if the drive is normally distributed with an RMS of 7 thresholds, its magnitude is above one threshold "
    "in 89% of the time steps, so the sign of a single step decides whether the neuron fires; measured: at most 6.0 in "
    "healthy networks, at least 8.2 if a threshold, a weight or an input is wrong"
)
WHY_ALIVE_RATE = (
    "judgment call: the finding moves to the history once the layer fires at this rate, one spike per neuron in 1,000 "
    "time steps; measured: 0.006 or more in layers that recovered, 0.0002 in one whose threshold was far too high"
)
WHY_MIN_FORWARD_PASSES = (
    "measured: in a healthy network, 71% of the neurons of a layer were silent in the first batch and fired later; so "
    "while training runs, a layer is judged only after this many forward passes"
)
WHY_SMOOTH = (
    "measured: 1 where a surrogate function returns its smooth form; of graded spikes, as many as there are spikes"
)
WHY_SETTLED_RATES = "judgment call: firing rates may still change a lot in the first batches"


def spikes_unused(readings: Readings) -> bool:
    """Return whether gradients came back, but none to these spikes: then only the potential is read."""
    flow = readings.get(FlowReading)
    return flow is not None and flow.spikes_receive_gradient is False


def spikes_may_be_unused(site: Site, readings: Readings) -> bool:
    """Return whether only the potential may be read: at the last spiking layer, before any backward pass."""
    flow = readings.get(FlowReading)
    return (flow is None or flow.spikes_receive_gradient is None) and is_last(site, readings)


def spiking_sites(readings: Readings) -> list[Site]:
    """Return the sites of the spiking layers that were observed."""
    return [site for site in readings.observations.sites if site.kind is SiteKind.SPIKES]


def is_last(site: Site, readings: Readings) -> bool:
    """Return whether no spiking layer comes after this one."""
    return all(other.position <= site.position for other in spiking_sites(readings))


def too_early(readings: Readings, forward_passes: int, min_forward_passes: int) -> bool:
    """Return whether it is too early to judge: training goes on, or an error cut it off, and the layer may wake up."""
    goes_on = readings.run.live or readings.run.torch_errors
    return bool(goes_on) and forward_passes < min_forward_passes


def is_alive(spikes: SpikeReading | None, rate: float) -> bool:
    """Return whether a layer that was silent fires at this rate by now: single spikes now and then end nothing."""
    return spikes is not None and spikes.rate is not None and spikes.rate >= rate


def is_silent(spikes: SpikeReading | None) -> bool:
    """Return whether no spike was emitted, where there could have been one."""
    return spikes is not None and spikes.elements > 0 and spikes.active == 0 and spikes.non_finite.count == 0


def holds_spike_counts(spikes: SpikeReading) -> bool:
    """Return whether the values count spikes: whole, none negative, some above 1. 0 and one other value are graded."""
    several = sum(value != 0 for value in spikes.values) > 1
    return spikes.maximum > 1 and spikes.minimum >= 0 and spikes.non_integer == 0 and several


def is_smooth(spikes: SpikeReading, min_share: float) -> bool:
    """Return whether so many values are fractional, and of all sizes: a smooth function in place of spikes."""
    fractional = spikes.non_integer >= min_share * spikes.sampled_elements > 0
    return fractional and len(spikes.values) >= MANY_VALUES and spikes.non_finite.count == 0


def upstream_spikes(site: Site, readings: Readings) -> SpikeReading | None:
    """Return the recent spikes of the next spiking layer upstream.

    Recent in every window: the first forward pass only dates what is found now, and a layer upstream that has woken up
    since would otherwise delay the date.
    """
    nearest = nearest_upstream(site, readings)
    return None if nearest is None else replace(readings.at(nearest.name), window="recent").get(SpikeReading)


def nearest_upstream(site: Site, readings: Readings) -> Site | None:
    """Return the next spiking layer upstream; None where there is none."""
    upstream = [s for s in spiking_sites(readings) if s.position < site.position]
    return max(upstream, key=lambda s: s.position, default=None)


def firing_rates(sites: Sequence[Site], readings: Readings) -> list[float]:
    """Return the firing rates of those of the layers that were observed, in order.

    A layer that was silent when it was measured may fire in the latest updates: then that rate counts.
    """
    places = [readings.at(site.name) for site in sites]
    read = [(at, spikes.rate) for at in places if (spikes := at.get(SpikeReading)) is not None]
    recent = readings.window == "recent"
    return [(recent and not rate and rate_now(at)) or rate for at, rate in read if rate is not None]


def firing_rates_up_to(
    site: Site, readings: Readings, min_forward_passes: int
) -> tuple[list[float], list[float]] | None:
    """Return the firing rates of all spiking layers in order, recent ones and those of the first forward pass.

    None where the site is not the last of them, where a rate is not known or the first is 0, where the last layer's
    spikes are not used or may not be, and where it is too early to judge.
    """
    sites = sorted(spiking_sites(readings), key=lambda s: s.position)
    rates, start = firing_rates(sites, readings), firing_rates(sites, readings.first)
    if site.name != sites[-1].name or not len(rates) == len(start) == len(sites) or rates[0] == 0:
        return None
    if (
        spikes_unused(readings)
        or spikes_may_be_unused(site, readings)
        or too_early(readings, readings[SpikeReading].forward_passes, min_forward_passes)
    ):
        return None
    return rates, start


def first_current(readings: Readings) -> tuple[Site, DriveReading] | None:
    """Return the first spiking layer, and its input current."""
    currents = [s for s in readings.observations.sites if s.kind is SiteKind.CURRENT]
    first = min(currents, key=lambda s: s.position, default=None)
    drive = None if first is None else readings.at(first.name).get(DriveReading)
    return None if first is None or drive is None else (first, drive)


def first_layer_drive(readings: Readings) -> float | None:
    """Return what one time step adds to the potentials of the first spiking layer, in thresholds (RMS)."""
    current = first_current(readings)
    return None if current is None else drive_in_thresholds(*current)


def input_weight(site: Site, readings: Readings) -> ParameterReading | None:
    """Return the weight that feeds the layer."""
    return readings.at(input_weight_name(site, readings)).get(ParameterReading) if site.fed_by is not None else None


def input_weight_name(site: Site, readings: Readings) -> str:
    """Return the parameter that feeds the layer: the weight of a module, or what it is computed from, or a tensor."""
    weight = f"{site.fed_by}.weight"
    names = (weight, f"{site.fed_by}", *(f"{site.fed_by}.parametrizations.weight.{part}" for part in ORIGINALS))
    return next((name for name in names if readings.at(name).get(ParameterReading) is not None), weight)


def norm_behind(layer: Site, weight: ParameterReading, readings: Readings) -> Site | None:
    """Return the weight of the normalization between a layer's weight and the layer; None where none is seen."""
    if weight.dimensions <= 1:
        return None
    norms = {f"{s.name}.weight" for s in readings.observations.sites if s.kind is SiteKind.BATCH_NORM_OR_DROPOUT}
    sites = sorted((s for s in readings.observations.sites if s.kind is SiteKind.PARAMETER), key=lambda s: s.position)
    name = input_weight_name(layer, readings)
    behind = dropwhile(lambda site: site.name != name, sites)
    following = (s for s in islice(behind, 1, None) if s.name in norms or has_several_axes(s.name, readings))
    norm = next(following, None)
    own = None if norm is None or norm.name not in norms else readings.at(norm.name).get(ParameterReading)
    return norm if own is not None and own.elements == weight.elements // weight.fan_in else None


def has_several_axes(name: str, readings: Readings) -> bool:
    """Return whether a parameter is a weight, rather than a bias or a time constant that may start at 0."""
    parameter = readings.at(name).get(ParameterReading)
    return parameter is not None and parameter.dimensions > 1


def belongs_to(parameter: str, site: Site) -> bool:
    """Return whether a parameter belongs to the layer itself, or to a module inside it."""
    return parameter.startswith(f"{site.name}.")


def makes_own_current(layer: Site) -> bool:
    """Return whether a hand-written layer makes its current with a weight inside of it."""
    return layer.framework in HAND_WRITTEN and layer.fed_by is not None and belongs_to(layer.fed_by, layer)


def is_recurrent(weight: ParameterReading) -> bool:
    """Return whether a weight maps as many neurons to as many: inside a layer, from its spikes to its current."""
    return weight.dimensions > 1 and weight.elements == weight.fan_in**2


def drives_itself(layer: Site, weight: str, readings: Readings) -> bool:
    """Return whether a layer drives itself by a weight: it holds or applies one of its size, which does not feed it."""
    value, flow = readings.at(weight).get(ParameterReading), readings.at(layer.name).get(FlowReading)
    applied = flow is not None and flow.recurrent_weight == weight
    held = belongs_to(weight, layer) and weight != input_weight_name(layer, readings)
    return value is not None and is_recurrent(value) and (applied or held)


def recurrent_drive(site: Site, readings: Readings) -> float:
    """Return what a layer's spikes feed back by recurrent weights, RMS per time step; 0 without any.

    Independent weights of n inputs, of which a share `rate` is active, add up to rms * sqrt(n * rate).
    """
    spikes, weights = readings.get(SpikeReading), readings.every(ParameterReading)
    rate = None if spikes is None else spikes.rate
    scales = (weight.scale for name, weight in weights.items() if drives_itself(site, name, readings))
    return sum(scales) * math.sqrt(max(0.0, rate or 0.0))


def threshold_of(site: Site) -> float | None:
    """Return the layer's threshold; None where it is unknown."""
    return site.neuron.v_threshold if site.neuron is not None else None


def never_fires(site: Site) -> bool:
    """Return whether the threshold of a layer is infinite: its potential is read, and integrates all that it gets."""
    return threshold_of(site) == math.inf


def drive_in_thresholds(site: Site, drive: DriveReading) -> float | None:
    """Return what one time step adds to the potential, in thresholds (RMS); infinite where a layer at rest fires.

    Where the largest current of each neuron is smaller on average, as with a large negative bias, that counts instead.
    """
    limit = threshold_of(site)
    if limit is None or site.neuron is None:
        return None
    return site.neuron.input_gain * min(drive.rms, drive.peak) / limit if limit > 0 else math.inf


def peak_potential(site: Site, readings: Readings) -> float | None:
    """Return the highest potential of a silent layer: as observed, or else what its mean drive adds up to.

    Some layers show only the potential of the last time step. A silent layer was never reset, so this is as good as
    that of any other step. None where neither is known.
    """
    potential, drive = readings.get(PotentialReading), readings.get(DriveReading)
    if potential is not None:
        return potential.maximum
    return None if drive is None else accumulated_drive(site, readings, drive)


def accumulated_drive(site: Site, readings: Readings, drive: DriveReading) -> float | None:
    """Return what the RMS current adds up to over a forward pass, with the decay: at least the RMS of the potential.

    The RMS of a sum is at most the sum of the RMS, and equal to it where all time steps are alike.
    """
    neuron = site.neuron
    if neuron is None or neuron.decay is None:
        return None
    state = readings.get(StateReading)
    endless = readings.run.called_per_time_step or (state is not None and state.carried_sequences > 0)
    steps = drive.time_steps if endless else math.ceil(drive.time_steps / max(1, drive.forward_passes))
    current = max(0.0, min(drive.rms, drive.maximum))
    return neuron.input_gain * current * synaptic_gain(neuron) * geometric_sum(abs(neuron.decay), steps)


def spike_argument(readings: Readings) -> SpikeArgument | None:
    """Return what the spike function of a hand-written layer was applied to; None of any other layer."""
    flow = readings.get(FlowReading)
    return None if flow is None else flow.argument


def peak_and_threshold(site: Site, readings: Readings) -> tuple[float, float] | None:
    """Return the highest potential of a silent hand-written layer and its threshold, as the spike function shows them.

    None where they are not known, or the layer gets no spikes.
    """
    argument = spike_argument(readings)
    if argument is None or argument.threshold is None or is_silent(upstream_spikes(site, readings)):
        return None
    offset = 0.0 if argument.offset is None and threshold_of(site) == argument.threshold else argument.offset
    if offset is None or not argument.maximum < argument.threshold or argument.threshold + offset <= 0:
        return None
    return argument.maximum + offset, argument.threshold + offset


def least_drive(site: Site, readings: Readings) -> float | None:
    """Return what a time step adds to the potential of a hand-written layer at least, in thresholds (RMS).

    A potential is at most what all time steps added, each with the decay. It may be known less the threshold. A
    threshold that is not known counts as 1.
    """
    flow, spikes = readings.get(FlowReading), readings.get(SpikeReading)
    threshold = shown_threshold(site, readings) or 1.0
    if flow is None or flow.argument is None or spikes is None or threshold < 0:
        return None
    decay = 1.0 if flow.decay is None else abs(flow.decay)
    return (flow.argument.rms / threshold - 1) / geometric_sum(decay, max(1, spikes.steps_per_pass))


def shown_threshold(site: Site, readings: Readings) -> float | None:
    """Return the threshold of a layer, from rest: as its attributes say, or as the values after a reset show it."""
    argument = spike_argument(readings)
    if threshold_of(site) or argument is None or argument.threshold is None or argument.reset_value is None:
        return threshold_of(site)
    return argument.threshold - argument.reset_value


def synaptic_gain(neuron: NeuronSpec) -> float:
    """Return what a current of 1 in every time step adds up to in the synapse; infinite for a time constant below 0."""
    tau = neuron.tau_syn
    if not tau:
        return 1.0
    return 1 / -math.expm1(-1 / tau) if tau > 0 else math.inf


def geometric_sum(decay: float, steps: int) -> float:
    """Return 1 + decay + decay ** 2 + ..., one term per time step."""
    if decay == 1:
        return float(steps)
    if decay > 1 and steps * math.log(decay) > MAX_EXPONENT:
        return math.inf
    return (1 - decay**steps) / (1 - decay)


def explained_by_tiny_weights_only(finding: Finding, weight: ParameterReading | None, small: float, by: str) -> Finding:
    """Return a silent layer's finding, which the check `by`, of the weights' scale, explains only if they are tiny."""
    return finding if weight is not None and weight.scale < small else without_cause(finding, by)


def without_cause(finding: Finding, check: str) -> Finding:
    """Return the finding without this check among its causes."""
    return replace(finding, explained_by=tuple(other for other in finding.explained_by if other != check))


def any_potential_grows(readings: Readings) -> bool:
    """Return whether any layer multiplies its potential by more than 1 per time step, whatever the sign."""
    neurons = [site.neuron for site in readings.observations.sites if site.neuron is not None]
    return any(neuron.decay is not None and abs(neuron.decay) > 1 for neuron in neurons)


def describe_weight(weight: ParameterReading | None, small: float, large: float) -> str:
    """Return whether the weights before a layer are of ordinary scale, for the reason that a finding gives."""
    if weight is None:
        return "the weights before the layer are not known"
    scale = fill("RMS * sqrt(fan-in) = {scale:.2n}", scale=weight.scale)
    if not (weight.scale > large or weight.scale < small):
        return f"the weights before the layer are of ordinary scale ({scale})"
    size = "large" if weight.scale > large else "tiny"
    return f"the weights before the layer are {size} ({scale}; standard initializers give 0.6 to 1.4)"


def list_values(values: tuple[float, ...]) -> str:
    """Return the smallest distinct values as text, as many as fit on a line."""
    shown = [f"{value:g}" for value in values[:SHOWN_VALUES]]
    return ", ".join(shown if len(values) <= len(shown) else [*shown, "..."])
