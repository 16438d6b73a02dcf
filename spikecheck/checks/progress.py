"""Facts about a run that several checks need: which weights there are, and whether training may still repair it."""

from __future__ import annotations

from spikecheck.checks.base import Readings, once_per_run
from spikecheck.checks.layers import spiking_sites
from spikecheck.neuron import is_of_neurons
from spikecheck.readings import GradientReading, ParameterReading, UpdateReading
from spikecheck.site import Site, SiteKind

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


def may_still_resolve(site: Site, readings: Readings) -> bool:
    """Return whether training may still repair a site: the run is young, and weights upstream of the site learn.

    Without a gradient for any of them, or where none ever moved, everything stays as it is.
    """
    names = weight_names(readings)
    fed_by = f"{site.fed_by}.weight"
    own = site.name if site.fed_by is None else fed_by if fed_by in names else site.fed_by
    before = names[: names.index(own) + 1] if own in names else names
    return readings.run.update < GRACE_UPDATES and any(weight_learns(readings.all.at(name)) for name in before)


def weight_learns(weight: Readings) -> bool:
    """Return whether a weight ever received a gradient and moved, as far as that was observed."""
    gradient, update = weight.get(GradientReading), weight.get(UpdateReading)
    got = gradient is not None and gradient.missing_updates + gradient.zero_updates < gradient.updates
    return got and (update is None or update.unmoved_updates < max(1, update.updates))


def and_more(names: list[str]) -> str:
    """Return how many names follow the first one, for a message."""
    more = len(names) - 1
    return f" and {more} more" if more > 0 else ""
