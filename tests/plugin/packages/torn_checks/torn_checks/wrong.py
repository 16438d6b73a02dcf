"""Checks and frameworks that can be imported, and not used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spikecheck.plugin import Check, Framework, Severity, SiteKind, SpikeReading, limit

number = 3


class Torn(Check):
    """A check that is whole but for one thing.

    ## Fix
    """

    severity: ClassVar = Severity.WARNING
    since: ClassVar = "2.0"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    message: ClassVar = "{site}"


@dataclass(frozen=True)
class ClashingId(Torn):
    id: ClassVar = "LAB001"
    slug: ClassVar = "clashing-id"


@dataclass(frozen=True)
class ClashingSlug(Torn):
    id: ClassVar = "TRN003"
    slug: ClassVar = "dead-layer"


@dataclass(frozen=True)
class OurPrefix(Torn):
    id: ClassVar = "SPK299"
    slug: ClassVar = "our-prefix"


class Bare(Check):
    id: ClassVar = "TRN005"


@dataclass(frozen=True)
class Unreasoned(Torn):
    id: ClassVar = "TRN007"
    slug: ClassVar = "unreasoned"

    patience: int = 3


@dataclass(frozen=True)
class Raising(Torn):
    id: ClassVar = "TRN008"
    slug: ClassVar = "raising"

    most: int = limit(1, why="made up")

    def judge(self, site, readings):
        yield self.most / 0


@dataclass(frozen=True)
class Roundabout(Torn):
    id: ClassVar = "TRN009"
    slug: ClassVar = "roundabout"
    explained_by: ClassVar = ("TRN009",)


@dataclass(frozen=True)
class Backwards(Torn):
    id: ClassVar = "TRN012"
    slug: ClassVar = "backwards"
    explained_by: ClassVar = ("LAB001",)
    explains: ClassVar = ("SPK205",)  # which explains LAB001


@dataclass(frozen=True)
class Contradictory(Torn):
    id: ClassVar = "TRN013"
    slug: ClassVar = "contradictory"

    min_rate: float = limit(0.9, why="made up")
    max_rate: float = limit(0.1, why="made up")


@dataclass(frozen=True)
class Mistyped(Torn):
    id: ClassVar = "TRN011"
    slug: ClassVar = "mistyped"
    severity: ClassVar = "warning"


class Blind(Framework):
    """Is asked for nothing: its library is not imported."""


class Shortsighted(Framework):
    name: ClassVar = "torch"

    def spikes(self, module):
        return module.spiking_neurons > 0
