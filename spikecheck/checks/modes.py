"""The modules that work differently in training and in evaluation, for checks that report the model as a whole."""

from __future__ import annotations

from spikecheck.checks.base import Readings, once_per_run
from spikecheck.readings import ModeReading
from spikecheck.site import SiteKind


@once_per_run
def first_with_mode(readings: Readings) -> str | None:
    """Return the first such module in the order of the forward pass: there, one finding stands for the model."""
    modes = readings.every(ModeReading)
    sites = [s for s in readings.observations.sites if s.kind is SiteKind.BATCH_NORM_OR_DROPOUT and s.name in modes]
    return min(sites, key=lambda s: s.position).name if sites else None
