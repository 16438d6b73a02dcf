"""What several checks ask of a spiking layer: whether its spikes are used, what feeds it, how strongly it is driven."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from spikecheck.checks.base import Readings
from spikecheck.finding import Finding
from spikecheck.neuron import NeuronSpec
from spikecheck.readings import (
    DriveReading,
    FlowReading,
    ParameterReading,
    PotentialReading,
    SpikeReading,
    StateReading,
)
from spikecheck.site import Site, SiteKind

SMALL, LARGE = 0.1, 5.0
STRONG = 7.0
LONG = 100.0  # exp(100) is past any threshold, and exp(710) past what a float holds
SHOWN = 6  # distinct values in a sentence

WHY_SMALL = (
    "measured: torch's default is 0.58, He's 1.41; with 0.1 and a tenth of 700 inputs active, a step's drive is 0.03 "
    "of a threshold of 1, and no leak of less than 30 steps adds that up to a spike"
)
WHY_LARGE = (
    "measured: initialisers give 0.58 to 1.41, healthy trained networks up to 3.7; N(0, 1) gives 16 with 256 inputs "
    "and 26 with 700"
)
WHY_STRONG = (
    "derived: of a normal drive with a root mean square of 7 thresholds, 89 % of the steps exceed one threshold, so "
    "that the sign of one step decides and the potential remembers nothing; measured: 6.0 at most in healthy "
    "networks, 8.2 at least where a threshold, a weight or an input is at fault"
)
WHY_PATIENCE = (
    "measured: in a healthy network 71 % of a layer is silent in the first batch, and layers wake up: while training "
    "goes on, a layer is called silent or saturated after so many forwards"
)


def unused(readings: Readings) -> bool:
    """Did gradients come back, but none to these spikes? Then the potential is read out, and no spike matters."""
    flow = readings.get(FlowReading)
    return flow is not None and flow.read is False


def unsure(site: Site, readings: Readings) -> bool:
    """The last spiking layer, before any backward pass: its spikes may be used, or its potential alone."""
    flow = readings.get(FlowReading)
    return (flow is None or flow.read is None) and is_last(site, readings)


def spiking(readings: Readings) -> list[Site]:
    """The spiking layers that were seen."""
    return [site for site in readings.evidence.sites if site.kind is SiteKind.SPIKES]


def is_last(site: Site, readings: Readings) -> bool:
    """Does no spiking layer come after this one?"""
    return all(other.position <= site.position for other in spiking(readings))


def hasty(readings: Readings, forwards: int, patience: int) -> bool:
    """Is it too early to say, since training goes on and may wake the layer up?"""
    return readings.run.live and forwards < patience


def silent(spikes: SpikeReading | None) -> bool:
    """Was there not one spike, in something that could have held one?"""
    return spikes is not None and spikes.elements > 0 and spikes.active == 0 and spikes.non_finite.count == 0


def counts(spikes: SpikeReading) -> bool:
    """Do its values count spikes: whole, none negative, some above 1? 0 and one other value are graded spikes."""
    several = sum(value != 0 for value in spikes.values) > 1
    return spikes.maximum > 1 and spikes.minimum >= 0 and spikes.not_integer == 0 and several


def above(site: Site, readings: Readings) -> SpikeReading | None:
    """The recent spikes of the next spiking layer upstream.

    Recent whatever the window: what is dated by the first forward is what is found now, and a layer above that has
    woken up since would otherwise put off the date.
    """
    upstream = [s for s in spiking(readings) if s.position < site.position]
    nearest = max(upstream, key=lambda s: s.position, default=None)
    return None if nearest is None else replace(readings.at(nearest.name), window="recent").get(SpikeReading)


def rates_of(sites: Sequence[Site], readings: Readings) -> list[float]:
    """The rates of those of the layers that were seen, in their order."""
    read = (readings.at(site.name).get(SpikeReading) for site in sites)
    return [spikes.rate for spikes in read if spikes is not None and spikes.rate is not None]


def rates_to(site: Site, readings: Readings, patience: int) -> tuple[list[float], list[float]] | None:
    """At the last spiking layer, the rates of all from the first on: the recent ones, and those of the first forward.

    None at any other layer, where a rate is not known or the first is 0, where the last layer's spikes are not used or
    may not be, and where it is too early to say.
    """
    sites = sorted(spiking(readings), key=lambda s: s.position)
    rates, start = rates_of(sites, readings), rates_of(sites, readings.first)
    if site.name != sites[-1].name or not len(rates) == len(start) == len(sites) or rates[0] == 0:
        return None
    if unused(readings) or unsure(site, readings) or hasty(readings, readings[SpikeReading].forwards, patience):
        return None
    return rates, start


def entrance(readings: Readings) -> float | None:
    """What a step adds to the potentials of the first spiking layer, in thresholds."""
    currents = [s for s in readings.evidence.sites if s.kind is SiteKind.CURRENT]
    first = min(currents, key=lambda s: s.position, default=None)
    drive = None if first is None else readings.at(first.name).get(DriveReading)
    return None if first is None or drive is None else ratio(first, drive)


def feeding(site: Site, readings: Readings) -> ParameterReading | None:
    """The weight whose product the layer takes."""
    return readings.at(f"{site.fed_by}.weight").get(ParameterReading) if site.fed_by is not None else None


def within(parameter: str, site: Site) -> bool:
    """Is this a parameter of the layer itself, or of a module inside of it?"""
    return parameter.startswith(f"{site.name}.")


def recurrent(weight: ParameterReading) -> bool:
    """Does it map as many neurons to as many? Inside a layer, that is from its spikes to its current."""
    return weight.dimensions > 1 and weight.elements == weight.fan_in**2


def own_drive(site: Site, readings: Readings) -> float:
    """What a layer's spikes give it by recurrent weights inside of it, root mean square a step; 0 without any.

    Independent weights of n inputs, of which a share `rate` is active, add up to rms * sqrt(n * rate).
    """
    spikes = readings.get(SpikeReading)
    inside = [w for name, w in readings.every(ParameterReading).items() if within(name, site) and recurrent(w)]
    rate = None if spikes is None else spikes.rate
    return sum(weight.scale for weight in inside) * math.sqrt(max(0.0, rate or 0.0))


def threshold(site: Site) -> float | None:
    """The layer's threshold; None where it is unknown."""
    return site.neuron.v_threshold if site.neuron is not None else None


def ratio(site: Site, drive: DriveReading) -> float | None:
    """What a step adds to the potential, root mean square, in thresholds; infinite where a layer at rest spikes.

    Where the largest currents of the neurons are smaller on average, it is a large negative bias: those count instead.
    """
    limit = threshold(site)
    if limit is None or site.neuron is None:
        return None
    return site.neuron.input_gain * min(drive.rms, drive.peak) / limit if limit > 0 else math.inf


def reach(site: Site, readings: Readings) -> float | None:
    """How far the potential of a silent layer came: as seen, or else what an average drive adds up to.

    Some layers show the potential of a forward's last step alone. A silent layer was never reset, so that this is as
    good as any other step's. None where neither is known.
    """
    potential = readings.get(PotentialReading)
    return added_up(site, readings, readings[DriveReading]) if potential is None else potential.maximum


def added_up(site: Site, readings: Readings, drive: DriveReading) -> float | None:
    """The root mean square current in every step of a forward, with the decay: no less than the potential's own.

    The root mean square of a sum is at most the sum of theirs, and just that where the steps are all alike.
    """
    neuron = site.neuron
    if neuron is None or neuron.decay is None:
        return None
    state = readings.get(StateReading)
    endless = readings.run.stepped or (state is not None and state.carried > 0)
    steps = drive.steps if endless else math.ceil(drive.steps / max(1, drive.forwards))
    current = max(0.0, min(drive.rms, drive.maximum))
    return neuron.input_gain * current * synapse(neuron) * summed(abs(neuron.decay), steps)


def synapse(neuron: NeuronSpec) -> float:
    """What a current of 1 in every step adds up to in the synapse: without end where its time constant is below 0."""
    tau = neuron.tau_syn
    if not tau:
        return 1.0
    return 1 / -math.expm1(-1 / tau) if tau > 0 else math.inf


def summed(decay: float, steps: int) -> float:
    """1 + decay + decay ** 2 + ..., a term a step."""
    if decay == 1:
        return float(steps)
    if decay > 1 and steps * math.log(decay) > LONG:
        return math.inf
    return (1 - decay**steps) / (1 - decay)


def starved(finding: Finding, weight: ParameterReading | None, small: float, by: str) -> Finding:
    """A silent layer's finding, which the check `by`, of weights out of scale, explains only where they are tiny."""
    return finding if weight is not None and weight.scale < small else without(finding, by)


def without(finding: Finding, check: str) -> Finding:
    """The finding, which this check does not explain."""
    return replace(finding, explained_by=tuple(other for other in finding.explained_by if other != check))


def growing(readings: Readings) -> bool:
    """Does any layer multiply its potential by more than 1 a step, whatever the sign?"""
    neurons = [site.neuron for site in readings.evidence.sites if site.neuron is not None]
    return any(neuron.decay is not None and abs(neuron.decay) > 1 for neuron in neurons)


def proposing(finding: Finding, number: float, instead_of: str) -> Finding:
    """The finding with a number that was measured in its fix, where the text has an example."""
    return replace(
        finding, fixes=tuple(replace(fix, code=fix.code.replace(instead_of, f"{number:.2g}")) for fix in finding.fixes)
    )


def weights(weight: ParameterReading | None, small: float, large: float) -> str:
    """Whether the weights before a layer are of an ordinary scale, for the reason that a finding gives."""
    if weight is None:
        return "the weights before it are not known"
    if weight.scale > large:
        return (
            f"the weights before it are large (rms * sqrt(fan-in) = {weight.scale:.2g}; initialisers give 0.6 to 1.4)"
        )
    if weight.scale < small:
        return f"the weights before it are tiny (rms * sqrt(fan-in) = {weight.scale:.2g}; initialisers give 0.6 to 1.4)"
    return f"the weights before it are of ordinary scale (rms * sqrt(fan-in) = {weight.scale:.2g})"


def listed(values: tuple[float, ...]) -> str:
    """The smallest distinct values, as many as a line bears."""
    shown = [f"{value:g}" for value in values[:SHOWN]]
    return ", ".join(shown if len(values) <= len(shown) else [*shown, "..."])
