"""Facts about a run that several checks need: which weights there are, and whether training may still repair it."""

from __future__ import annotations

from math import inf, sqrt

from spikecheck.checks.base import Readings, once_per_run
from spikecheck.checks.layers import is_silent, peak_potential, spiking_sites, threshold_of
from spikecheck.checks.learning import losses_without_learning
from spikecheck.neuron import is_of_neurons
from spikecheck.readings import FlowReading, GradientReading, ParameterReading, SpikeReading, UpdateReading
from spikecheck.site import Site, SiteKind, SurrogateSlope
from spikecheck.update_readings import GradientAtStepReading

SLOW_UPDATE = 3e-4  # of the norm; measured: 0.004 and more in healthy networks; 300 such updates move it by 9% at most
LITTLE_SCALED = 0.1  # judgment call: of the learning rate; measured: 0.5 with AdamW, 1e-5 to 0.02 with SGD
MIN_REACHED = 0.01  # of the potentials, by a surrogate gradient; SPK402 gives the reason, also of the next two
MIN_EVEN_SHARE, MIN_EVEN_VALUES = 0.05, 5.0
NEAR_THRESHOLD = 0.5  # judgment call: a silent layer whose potential stays below half is too quiet, whatever follows
MAX_HOPELESS_RATIO = 0.1  # judgment call: training would have to make a potential 10 times larger
DEFAULT_SCALE = 0.577  # derived: 1 / sqrt(3), since nn.Linear's default is uniform within 1 / sqrt(fan-in)
GRACE_UPDATES = 64  # updates in which training may repair what was wrong at first; measured: docs/decisions/0020


@once_per_run
def weight_names(readings: Readings) -> list[str]:
    """Return the parameters with two or more axes that require gradients, in the order of the data flow.

    Without thresholds, decays and time constants, which may have several axes, too.
    """
    sites = [site for site in readings.observations.sites if site.kind is SiteKind.GRADIENT]
    read = readings.all.every(GradientReading)
    names = [site.name for site in sorted(sites, key=lambda site: site.position) if site.name in read]
    return [name for name in dict.fromkeys(names) if axis_count(readings, name) > 1 and not is_of_neurons(name)]


def is_neuron_parameter(name: str, readings: Readings) -> bool:
    """Return whether a parameter is a neuron's own: of a spiking layer, or with the name of one."""
    owner, _, own = name.rpartition(".")
    if axis_count(readings, name) > 1:
        return False
    if layer_of(name, readings) is not None:
        return own not in ("weight", "bias") and "." not in own
    return is_of_neurons(name) and not is_normalization(owner, readings)


def is_normalization(owner: str, readings: Readings) -> bool:
    """Return whether a module has a weight and a bias beside, as a normalization has, whose beta is its shift."""
    gradients = readings.all.every(GradientReading)
    return f"{owner}.weight" in gradients or f"{owner}.gamma" in gradients


def layer_of(name: str, readings: Readings) -> Site | None:
    """Return the spiking layer that holds a parameter."""
    owner = name.rpartition(".")[0]
    return next((site for site in spiking_sites(readings) if site.name == owner), None)


def axis_count(readings: Readings, name: str) -> int:
    """Return how many axes a parameter has; 0 where it is not known and no gradient ever came."""
    parameter = readings.at(name).get(ParameterReading)
    return readings.all.at(name)[GradientReading].dimensions if parameter is None else parameter.dimensions


def update_readings(readings: Readings, names: list[str]) -> dict[str, UpdateReading]:
    """Return the update readings of parameters over the whole run; without those that the optimizer does not hold."""
    updates = readings.all.every(UpdateReading)
    return {name: updates[name] for name in names if name in updates}


def largest_mean_update(readings: Readings) -> float:
    """Return the mean update of the weight that moves most, relative to its norm, over the whole run; 0 for none."""
    updates = update_readings(readings, weight_names(readings)).values()
    return max((update.mean_relative_norm for update in updates), default=0.0)


@once_per_run
def is_throttled(readings: Readings) -> bool:
    """Return whether a loss stays at that of a guess, and no weight moves, for no lack of a gradient.

    The optimizer holds the updates down: either the weight that moves most is moved by its learning rate, as with Adam,
    which scales every gradient to it; or its gradient was scaled down between the backward pass and the update.
    """
    fastest, pace = fastest_weight(readings)
    if fastest is None or losses_without_learning(readings) is None:
        return False
    at_step = readings.all.at(fastest).get(GradientAtStepReading)
    shrunken = at_step is not None and 0 < at_step.updates == at_step.shrunken_updates
    return 0 < pace < SLOW_UPDATE and (shrunken or moves_by_its_rate(readings.at(fastest)))


@once_per_run
def fastest_weight(readings: Readings) -> tuple[str | None, float]:
    """Return the weight that updates move most, and how far: relative to its norm, or to that of torch's default.

    The norm of a weight that begins at or near 0 says nothing of how far it has to go.
    """
    updates = update_readings(readings, weight_names(readings))
    relative = {n: pace_of(one, readings.at(n).get(ParameterReading)) for n, one in updates.items()}
    fastest = max(relative, key=lambda name: relative[name], default=None)
    return fastest, 0.0 if fastest is None else relative[fastest]


def pace_of(update: UpdateReading, weight: ParameterReading | None, scale: float = DEFAULT_SCALE) -> float:
    """Return the mean update of a weight, relative to its norm, or to that of a weight of such a scale if larger."""
    default = 0.0 if weight is None else norm_of_scale(weight, scale)
    by_default = update.mean_norm / default if update.mean_norm is not None and default else inf
    return min(update.mean_relative_norm, by_default)


def norm_of_scale(weight: ParameterReading, scale: float) -> float:
    """Return the norm that a weight of this size has with a scale, RMS * sqrt(fan-in)."""
    return scale * sqrt(weight.elements / weight.fan_in)


def narrow_surrogate(
    readings: Readings,
    min_reached: float = MIN_REACHED,
    min_even_share: float = MIN_EVEN_SHARE,
    min_even_values: float = MIN_EVEN_VALUES,
) -> tuple[str, SurrogateSlope] | None:
    """Return the layer whose surrogate gradient passes hardly anything at most of its potentials, and its slope.

    Only of a layer that fires, or whose potentials come near a threshold that is known: where they do not, the layer is
    at fault and not the surrogate. None where a loss shows that enough of the gradient passes to learn from.
    """
    if losses_without_learning(readings) is None:
        return None
    flows = readings.all.every(FlowReading)
    narrow = {
        name: slope
        for name, flow in flows.items()
        if (slope := flow.surrogate) is not None
        and comes_near_threshold(name, readings)
        and (
            slope.reached < min_reached
            or (slope.even_share < min_even_share and (slope.values_per_neuron or inf) < min_even_values)
        )
    }
    name = min(narrow, key=lambda name: (narrow[name].reached, narrow[name].even_share), default=None)
    return None if name is None else (name, narrow[name])


def comes_near_threshold(layer: str, readings: Readings) -> bool:
    """Return whether a layer fired, or came to half of its threshold, or of that the same function has elsewhere."""
    flows, spikes = readings.all.every(FlowReading), readings.all.at(layer).get(SpikeReading)
    if spikes is not None and not is_silent(spikes):
        return True
    site = next((site for site in spiking_sites(readings) if site.name == layer), None)
    argument, function = flows[layer].argument, layer.partition(" #")[0]
    if argument is None:
        peak = None if site is None else peak_potential(site, readings.at(layer))
        thresholds = [] if site is None else [threshold_of(site)]
    else:
        alike = (one.argument for name, one in flows.items() if name.partition(" #")[0] == function)
        peak, thresholds = argument.maximum, [one.threshold for one in alike if one is not None]
    highest = max((one for one in thresholds if one), default=0.0)
    return peak is not None and peak >= NEAR_THRESHOLD * highest > 0


def moves_by_its_rate(weight: Readings) -> bool:
    """Return whether the updates of a weight are as large as its learning rate, whatever the size of the gradient.

    The RMS of an update of Adam is near the learning rate; that of SGD is the learning rate times that of the gradient.
    """
    update, value = weight.all.get(UpdateReading), weight.get(ParameterReading)
    if update is None or value is None or not update.learning_rate:
        return False
    return update.mean_relative_norm * value.rms >= LITTLE_SCALED * update.learning_rate


def waits_for_training(site: Site, readings: Readings) -> bool:
    """Return whether training might repair a layer that was silent from the start, if it were not hindered.

    Either the updates are throttled, though gradients reach the weights before the layer, which move; or gradients are
    cleared before every update; or no optimizer holds a weight that they reach; or a surrogate gradient is too narrow
    for any to arrive.
    """
    before = [readings.all.at(name) for name in upstream(site, readings)]
    left = (weight.get(GradientAtStepReading) for weight in before)
    cleared = any(one is not None and one.cleared_updates == one.updates > 0 for one in left)
    moves = any(map(weight_learns, before))
    left_out = readings.run.update > 0 and any(weight_learns(one) and one.get(UpdateReading) is None for one in before)
    return cleared or left_out or (moves and is_throttled(readings)) or narrow_surrogate(readings) is not None


def may_still_resolve(site: Site, readings: Readings) -> bool:
    """Return whether training may still repair a site: the run is young, and weights upstream of the site learn.

    Without a gradient for any of them, or where none ever moved, everything stays as it is.
    """
    young = readings.run.update < GRACE_UPDATES
    return young and any(weight_learns(readings.all.at(name)) for name in upstream(site, readings))


def upstream(site: Site, readings: Readings) -> list[str]:
    """Return the weights up to the one that feeds a layer; all where that is not known."""
    names = weight_names(readings)
    fed_by = f"{site.fed_by}.weight"
    own = site.name if site.fed_by is None else fed_by if fed_by in names else site.fed_by
    return names[: names.index(own) + 1] if own in names else names


def weight_learns(weight: Readings) -> bool:
    """Return whether a weight ever received a gradient and moved, as far as that was observed."""
    gradient, update = weight.get(GradientReading), weight.get(UpdateReading)
    got = gradient is not None and gradient.missing_updates + gradient.zero_updates < gradient.updates
    return got and (update is None or update.unmoved_updates < max(1, update.updates))


def and_more(names: list[str]) -> str:
    """Return how many names follow the first one, for a message."""
    more = len(names) - 1
    return f" and {more} more" if more > 0 else ""
