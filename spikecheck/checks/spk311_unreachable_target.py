"""Targets above what spikes can count to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import AimReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnreachableTarget(Check):
    """A target asks for more spikes than there are time steps.

    ## What it means
    A loss over numbers (squared or absolute differences, torch's own or written out) compares targets with outputs that
    are spike counts or rates, whole multiples of one step's spikes. A neuron that spikes once a step at most counts up
    to the number of steps, and has a rate of 1 at most; the highest target is above that.

    ## Why it matters
    The loss cannot reach 0, and falls for as long as more neurons spike more often: the layer is driven into
    saturation, where every step holds a spike and the surrogate's gradient fades. A target of 60 spikes is copied from
    a window of 300 steps to one of 40. Accuracy may be fair meanwhile, since the right class is still the largest.

    ## Fix
    ```python any
    steps = spikes.shape[0]
    target = torch.full_like(counts, 0.05 * steps).scatter_(1, labels[:, None], 0.6 * steps)  # shares of the window
    ```

    ## Intended when
    The target is out of reach on purpose, to push on for ever: `[tool.spikecheck.ignore] "SPK311" = "pushes"`
    """

    id: ClassVar = "SPK311"
    slug: ClassVar = "unreachable-target"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.AIM
    needs: ClassVar = (AimReading,)
    message: ClassVar = "{site} ask for {highest:.4g}, spikes in {steps:g} steps come to {reach:.4g} at most"

    whole: float = limit(1e-3, why="derived: a rate times 1000 steps is whole to this in 32 bits")
    several: int = limit(3, why="derived: 0 and one value more may be spikes, counts or rates")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the highest target is above the highest count."""
        aim = readings.all[AimReading]
        layers = spiking(readings)
        last = max(layers, key=lambda s: s.position, default=None)
        spikes = None if last is None else readings.all.at(last.name).get(SpikeReading)
        if spikes is None or spikes.forwards == 0 or len(aim.values) < self.several or spikes.not_integer > 0:
            return
        calls = max(1, round(readings.run.forwards / max(1, readings.run.backwards))) if readings.run.stepped else 1
        steps = calls * spikes.steps / spikes.forwards
        reach = self.reach(aim, steps, max(1, spikes.maximum))
        if reach is None or aim.highest <= reach:
            return
        yield self.found(
            site,
            seen=Seen(
                "targets from {lowest:.4g} to {highest:.4g}, outputs from {minimum:.4g} to {maximum:.4g}",
                lowest=aim.lowest,
                highest=aim.highest,
                minimum=aim.minimum,
                maximum=aim.maximum,
            ),
            expected=Expected(
                "targets of {reach:.4g} at most", reach=reach, because="a step holds one spike of a neuron, or none"
            ),
            when=Moment(0),
            steps=steps,
            reach=reach,
        )

    def reach(self, aim: AimReading, steps: float, most: float) -> float | None:
        """The highest output there can be: of counts, or of rates; None where the outputs are neither."""
        if aim.minimum < 0:
            return None
        if all(self.is_whole(value) for value in aim.values):
            return steps * most if aim.maximum <= steps * most else None
        if aim.maximum <= most and all(self.is_whole(value * steps) for value in aim.values):
            return most
        return None

    def is_whole(self, value: float) -> bool:
        """Is it a whole number, but for rounding?"""
        return abs(value - round(value)) < self.whole
