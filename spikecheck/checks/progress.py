"""Facts about a run that several checks need: which weights there are, and whether anything was learned."""

from __future__ import annotations

from math import inf, log

from spikecheck.checks.base import Readings
from spikecheck.readings import GradientReading, LossReading, ParameterReading, TargetReading, UpdateReading
from spikecheck.site import Site, SiteKind

FALLEN_RATIO = 0.9  # of the first loss: a loss above that has not fallen
HALVED_RATIO = 0.5  # judgment call: whatever was wrong at first did not prevent a loss from halving
CHANCE_MARGIN = 0.05  # below ln C, measured: networks that had stopped at chance were 0.02 below it at most
SHORT_SHARE = 0.25  # of the run, judgment call: what is over by then has cost less than a quarter of it
GRACE_UPDATES = 64  # updates in which training may repair what was wrong at first; measured: docs/decisions/0020
T_SCORE = 4.0  # standard errors: a steeper slope is not a coincidence


def weight_names(readings: Readings) -> list[str]:
    """Return the parameters with two or more axes that require gradients, in the order of the data flow."""
    sites = [site for site in readings.observations.sites if site.kind is SiteKind.GRADIENT]
    read = readings.all.every(GradientReading)
    names = [site.name for site in sorted(sites, key=lambda site: site.position) if site.name in read]
    return [name for name in dict.fromkeys(names) if axis_count(readings, name) > 1]


def axis_count(readings: Readings, name: str) -> int:
    """Return how many axes a parameter has; 0 where it is not known and no gradient ever came."""
    parameter = readings.at(name).get(ParameterReading)
    return readings.all.at(name)[GradientReading].dimensions if parameter is None else parameter.dimensions


def update_readings(readings: Readings, names: list[str]) -> dict[str, UpdateReading]:
    """Return the update readings of parameters over the whole run; without those that the optimizer does not hold."""
    updates = readings.all.every(UpdateReading)
    return {name: updates[name] for name in names if name in updates}


def any_loss_fell(readings: Readings) -> bool:
    """Return whether any loss has fallen by a tenth, or falls significantly."""
    return any(has_fallen(loss) for loss in readings.all.every(LossReading).values())


def no_progress(readings: Readings) -> bool:
    """Return whether no loss has fallen below chance level. From large logits it falls to ln C by itself."""
    return not any(has_fallen(loss) and not at_chance(loss) for loss in readings.all.every(LossReading).values())


def at_chance(loss: LossReading) -> bool:
    """Return whether the loss is no lower than that of a uniform guess over its classes."""
    return loss.recent_mean is not None and loss.recent_mean > chance_level(loss) - CHANCE_MARGIN


def chance_level(loss: LossReading) -> float:
    """Return ln C, the loss of a uniform guess over C classes; infinite where C is not known."""
    known = loss.classes is not None and loss.classes > 1 and loss.plain_mean
    return log(loss.classes or 1) if known else inf


def constant_guess_loss(loss: LossReading, targets: TargetReading | None) -> float | None:
    """Return the loss of predicting the class frequencies: the entropy of the labels, or ln C where it is not known."""
    if loss.classes is None or loss.classes <= 1:
        return None
    entropy = None if targets is None else targets.entropy
    return log(loss.classes) if entropy is None else min(entropy, log(loss.classes))


def any_loss_halved(readings: Readings) -> bool:
    """Return whether any loss has halved, from the first one or from chance level, whichever is lower."""
    return any(has_halved(loss) for loss in readings.all.every(LossReading).values())


def has_halved(loss: LossReading) -> bool:
    """Return whether a loss has halved. The fall to ln C does not count: from large logits it happens by itself."""
    if loss.first is None or loss.recent_mean is None:
        return False
    return 0 <= loss.recent_mean < HALVED_RATIO * min(loss.first, chance_level(loss))


def has_recovered(readings: Readings, until: int | None, *, easily: bool) -> bool:
    """Return whether a run recovered from what was over by an update: it learned much, or learned and lost little time.

    With `easily`, it is enough that it learned anything.
    """
    soon = until is not None and until < SHORT_SHARE * readings.run.update
    return any_loss_halved(readings) or (soon and any_loss_fell(readings)) or (easily and not no_progress(readings))


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


def has_fallen(loss: LossReading) -> bool:
    """Return whether a loss is well below where it began, or falls significantly."""
    if loss.first is None or loss.recent_mean is None:
        return False
    slope, error = loss.recent_slope, loss.recent_slope_error
    steep = slope is not None and error is not None and slope + T_SCORE * error < 0
    return steep or loss.recent_mean < min(FALLEN_RATIO * loss.first, loss.first)


def and_more(names: list[str]) -> str:
    """Return how many names follow the first one, for a message."""
    more = len(names) - 1
    return f" and {more} more" if more > 0 else ""
