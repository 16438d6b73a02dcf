"""What training has repaired, but late: the network has learned little of what it could have by the end of the run."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log1p

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.learning import HALVED, MIN_LOSSES, Learning, has_learned_much, telling
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.ledger import Record
from spikecheck.number_format import fill
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Moment

MIN_LOST_SHARE = 1 / 6  # of the updates, a judgment call; measured: at most 0.15 in slow starters that learn well


def late_start(check: Check, finding: Finding, record: Record | None, readings: Readings) -> Finding | None:
    """Return a finding that is over as a warning about the updates it took; None where they do not matter.

    They matter where it held for a substantial part of the run, and the loss still falls and has come less than half
    of the way: learning is not finished, and the run would be further without it. A loss that has stopped falling is
    as low as this network gets, however late it began to learn.
    """
    if readings.run.live or record is None or not check.self_resolving or finding.severity < Severity.WARNING:
        return None
    lost = sum(interval.last - interval.first for interval in record.intervals)
    loss = unfinished(readings)
    if lost < MIN_LOST_SHARE * readings.run.update or loss is None:
        return None
    until = record.last
    return replace(
        finding,
        severity=Severity.WARNING,
        message=fill(
            "{what} until update {until} of {updates}, and the loss is still {level:#n}",
            what=check.past_message(finding.site),
            until=until,
            updates=readings.run.update,
            level=loss.level,
        ),
        observed=Observed(
            "over since update {until} of {updates}; the latest losses average {level:#n} and still fall",
            until=until,
            updates=readings.run.update,
            level=loss.level,
        ),
        expected=Expected(
            "a network that learns from its first update on",
            because=fill(
                "half of the way from a guess without the input, {guess:#n}, to the lowest loss that logits of this "
                "range allow, {lowest:#n}, is not reached yet",
                guess=loss.guess,
                lowest=lowest_loss(readings),
            ),
        ),
        when=Moment(record.intervals[0].first),
        intervals=record.intervals,
        state=record.past_state,
    )


def unfinished(readings: Readings) -> Learning | None:
    """Return a loss that still falls and has come less than half of the way, where none lies below; None without one.

    Not where no guess is known: how low such a loss can get is not known either.
    """
    losses = max((loss.updates for loss in readings.all.every(LossReading).values()), default=0)
    if losses < MIN_LOSSES or has_learned_much(readings):
        return None
    lowest = lowest_loss(readings)
    known = (one for one in telling(readings) if one.guess is not None and one.level > HALVED * (one.guess + lowest))
    return next((one for one in known if one.falls_now), None)


def lowest_loss(readings: Readings) -> float:
    """Return the lowest cross-entropy that logits of the present range allow: firing rates lie between 0 and 1.

    Derived: all samples are right, each with the largest logit in its class and the smallest in the others.
    """
    every = readings.every(LogitReading).values()
    return max((log1p((one.classes - 1) * exp(one.minimum - one.maximum)) for one in every), default=0.0)
