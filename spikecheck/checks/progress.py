"""What several checks ask of a run: which weights there are, and whether anything was learned."""

from __future__ import annotations

from math import inf, log

from spikecheck.checks.base import Readings
from spikecheck.readings import GradientReading, LossReading, ParameterReading, TargetReading, UpdateReading
from spikecheck.site import Site, SiteKind

FALLEN = 0.9  # of what it was at first: a loss above that has not fallen
HALVED = 0.5  # taste: whatever was wrong at first has not kept a network from learning whose loss has halved
GUESSED = 0.05  # below ln C, measured: networks that had stopped at chance were 0.02 below it at most
SHORT = 0.25  # of the run: taste; what is over by then has cost less than a quarter of it
WAKING = 64  # updates in which training may mend what was wrong at first; measured: docs/decisions/0020
DOUBT = 4.0  # standard errors: a slope steeper than that is no accident


def weights(readings: Readings) -> list[str]:
    """The parameters of two axes or more that ask for gradients, in the order of the data flow."""
    sites = [site for site in readings.evidence.sites if site.kind is SiteKind.GRADIENT]
    read = readings.all.every(GradientReading)
    names = [site.name for site in sorted(sites, key=lambda site: site.position) if site.name in read]
    return [name for name in dict.fromkeys(names) if axes(readings, name) > 1]


def axes(readings: Readings, name: str) -> int:
    """How many axes a parameter has; a gradient that never came has none."""
    parameter = readings.at(name).get(ParameterReading)
    return readings.all.at(name)[GradientReading].dimensions if parameter is None else parameter.dimensions


def moved(readings: Readings, names: list[str]) -> dict[str, UpdateReading]:
    """What the optimizer did to these, over the whole run; without those that it does not hold."""
    updates = readings.all.every(UpdateReading)
    return {name: updates[name] for name in names if name in updates}


def learning(readings: Readings) -> bool:
    """Has any loss fallen by a tenth, or does it fall beyond doubt?"""
    return any(fell(loss) for loss in readings.all.every(LossReading).values())


def nothing_learned(readings: Readings) -> bool:
    """Is each loss about where it began, or no better than a guess? From large logits it falls to ln C by itself."""
    return not any(fell(loss) and not guessed(loss) for loss in readings.all.every(LossReading).values())


def guessed(loss: LossReading) -> bool:
    """Is the loss no lower than that of a uniform guess over its classes?"""
    return loss.recent_mean is not None and loss.recent_mean > chance(loss) - GUESSED


def chance(loss: LossReading) -> float:
    """The loss of a uniform guess over the classes; infinite where it is not known."""
    known = loss.classes is not None and loss.classes > 1 and loss.plain
    return log(loss.classes or 1) if known else inf


def constant_guess(loss: LossReading, targets: TargetReading | None) -> float | None:
    """The loss of saying of each class how often it comes: the labels' entropy, or ln C where they were not counted."""
    if loss.classes is None or loss.classes <= 1:
        return None
    entropy = None if targets is None else targets.entropy
    return log(loss.classes) if entropy is None else min(entropy, log(loss.classes))


def learned(readings: Readings) -> bool:
    """Has any loss come down to half of what it was at first, or of a guess's where that is less?"""
    return any(halved(loss) for loss in readings.all.every(LossReading).values())


def halved(loss: LossReading) -> bool:
    """Is it down to half? To ln C it comes by itself, from logits that are large at first."""
    if loss.first is None or loss.recent_mean is None:
        return False
    return 0 <= loss.recent_mean < HALVED * min(loss.first, chance(loss))


def recovered(readings: Readings, until: int | None, *, easily: bool) -> bool:
    """Did a run make up for what was over by an update: has it learned much, or learned and lost little time?

    Of what can be made up for easily: has it learned anything?
    """
    soon = until is not None and until < SHORT * readings.run.update
    return learned(readings) or (soon and learning(readings)) or (easily and not nothing_learned(readings))


def mendable(site: Site, readings: Readings) -> bool:
    """May training still mend what is wrong at a site: is the run young, and do weights on the way to it learn?

    Without a gradient to any of them, or where none ever moved, all stays as it is.
    """
    names = weights(readings)
    own = site.name if site.fed_by is None else f"{site.fed_by}.weight"
    before = names[: names.index(own) + 1] if own in names else names
    return readings.run.update < WAKING and any(learns(readings.all.at(name)) for name in before)


def learns(weight: Readings) -> bool:
    """Did a weight ever get a gradient, and did it move, as far as that was seen?"""
    gradient, update = weight.get(GradientReading), weight.get(UpdateReading)
    got = gradient is not None and gradient.missing + gradient.zero < gradient.updates
    return got and (update is None or update.unmoved < max(1, update.updates))


def fell(loss: LossReading) -> bool:
    """Is a loss well below where it began, or on its way?"""
    if loss.first is None or loss.recent_mean is None:
        return False
    slope, error = loss.recent_slope, loss.recent_slope_error
    steep = slope is not None and error is not None and slope + DOUBT * error < 0
    return steep or loss.recent_mean < min(FALLEN * loss.first, loss.first)


def others(names: list[str]) -> str:
    """How many more there are than the first, for a message."""
    more = len(names) - 1
    return f" and {more} more" if more > 0 else ""
