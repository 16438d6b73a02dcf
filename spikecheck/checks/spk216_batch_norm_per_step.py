"""A batch normalisation that is called once a time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading, ModeReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class BatchNormPerStep(Check):
    """A batch normalisation is called once a time step, with one set of running statistics.

    ## What it means
    A module that normalises by the batch is called {calls} times or more in a forward. In training each step is
    normalised by its own mean and variance; in evaluation all of them by one running mean, in which each call replaces
    a share of `momentum`. It is a warning where the second half of the steps makes up {late} or more of that mean, and
    the steps differ: where what comes to the module, weighted by step as that mean is, is {even} of the average step or
    less, or as many times more. Else it is a note.

    ## Why it matters
    Training and evaluation differ: the rates of a recording change from step to step, and the running statistics are
    those of its end. With a momentum of 0.1 and 40 steps, 89 % are of the second half, often silence. Measured,
    accuracy is 100 % in training mode and 86 % in evaluation mode. Normalising a step by itself also takes away how
    busy the step was.

    ## Fix
    ```python any
    x = norm(x.flatten(0, 1)).view_as(x)  # [time, batch, channels]: all steps at once
    norm.momentum = 0.1 / steps  # or, step by step: an average over several forwards
    ```
    ```python spikingjelly
    functional.set_step_mode(model, "m")  # layer.BatchNorm1d then normalises all steps at once
    ```

    ## Intended when
    The statistics of the steps are alike, or evaluation uses those of the batch: `[tool.spikecheck.ignore] "SPK216" =
    "stationary input"`
    """

    id: ClassVar = "SPK216"
    slug: ClassVar = "batch-norm-per-step"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (ModeReading,)
    message: ClassVar = (
        "{site} normalises each of {calls} time steps by itself; {late:.0%} of its statistics are late steps"
    )

    calls: int = limit(4, why="derived: a module that branches share is called twice or three times")
    late: float = limit(
        0.75,
        why="derived: 1 / (1 + (1 - momentum) ** (steps / 2)); an even mean has 0.5, a momentum of 0.1 has 0.74 with "
        "20 steps",
    )

    even: float = limit(
        0.8,
        why="derived: a variance follows the rate, so that potentials are then 12 % off; measured: 0.99 in a network "
        "that is as good in evaluation, 0.52 where recordings end early, 0.65 with a momentum of 0.1",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a module with running statistics is called once a step."""
        mode = readings[ModeReading]
        if mode.momentum is None or mode.calls < self.calls or (mode.updates and mode.evaluating >= mode.updates):
            return
        late = 1 / (1 + (1 - mode.momentum) ** (mode.calls / (1 + 1)))
        counted = weighted(profile_before(site, readings), mode.momentum)
        apart = counted is None or not self.even < counted < 1 / self.even
        yield self.found(
            site,
            severity=Severity.WARNING if late >= self.late and apart else Severity.NOTE,
            seen=Seen(
                "{calls} calls in a forward, a momentum of {momentum:g}: {late:.0%} of the running statistics are of "
                "the second half of the steps"
                + ("" if counted is None else "; what comes in then is {counted:.2g} times that of an average step"),
                counted=counted,
                calls=mode.calls,
                momentum=mode.momentum,
                late=late,
            ),
            expected=Expected(
                "one call for all steps", because="evaluation normalises every step by the statistics of the last ones"
            ),
            weight=1,
        )


def profile_before(site: Site, readings: Readings) -> tuple[float, ...]:
    """How busy each step of the nearest layer before a site was, or of the input; empty where that is not known."""
    sites = [s for s in readings.evidence.sites if s.kind in SiteKind.SPIKES | SiteKind.INPUT]
    nearest = max((s for s in sites if s.position < site.position), key=lambda s: s.position, default=None)
    at = readings.at(None if nearest is None else nearest.name).all
    spikes, given = at.get(SpikeReading), at.get(InputReading)
    if spikes is not None:
        return spikes.profile if spikes.timed else ()
    return given.profile if given is not None and given.steps is not None else ()


def weighted(profile: tuple[float, ...], momentum: float) -> float | None:
    """The mean of the steps as running statistics of this momentum weigh them; None where nothing is known."""
    if len(profile) <= 1 or not sum(profile) > 0 or not 0 < momentum < 1:
        return None
    weights = [(1 - momentum) ** ago for ago in reversed(range(len(profile)))]
    mean = sum(w * part for w, part in zip(weights, profile, strict=True)) / sum(weights)
    return mean * len(profile) / sum(profile)
