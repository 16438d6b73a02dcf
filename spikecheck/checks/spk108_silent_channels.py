"""Input channels that never hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SilentChannels(Check):
    """Some channels of the input never held anything in the whole run.

    ## What it means
    A channel is one position of the input beside time and batch. A share of {silent} of them was 0 in every step of
    every sample, over {forwards} different batches or more: that is a note, since the border of a sensor often sees
    nothing. It is a warning where these are just one half, the first or the second of all channels in a row or every
    other one, and most of the other half is used: so looks an axis of two polarities of which one is empty.

    ## Why it matters
    The weights from such a channel get no gradient and stay what they were, and what the channel would have told is
    lost. An empty half is a polarity that was merged into the other one, or dropped with a filter: then a movement to
    the left and one to the right, or light and shadow, look alike. Other reasons are a sensor size that is larger than
    the sensor, width and height swapped, and channels that are numbered from 1.

    ## Fix
    ```python any
    print((x != 0).flatten(0, 1).any(0).float().mean(-1))  # x [batch, time, polarity, ...]: the share in use
    tonic.transforms.ToFrame(sensor_size=dataset.sensor_size, n_time_bins=40)  # (width, height, 2): two polarities
    ```

    ## Intended when
    The sensor's size is kept for the sake of a shape: `[tool.spikecheck.ignore] "SPK108" = "ON events alone"`
    """

    id: ClassVar = "SPK108"
    slug: ClassVar = "silent-channels"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK102", "SPK103")
    message: ClassVar = "{silent} of {channels} channels of {site} never hold anything{half}"

    silent: float = limit(0.25, why="taste: a border of 6 % on each side of an image is 23 % of it")
    forwards: int = limit(
        16,
        why="derived: of 16 batches of 16 samples, a channel that holds anything in one sample of 50 is empty with a "
        "probability of 0.006, half of them together never; more are not told apart",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where many channels, or one half of them, are never used."""
        x = readings.all[InputReading]
        if x.different < self.forwards or x.silent < self.silent * x.channels or x.silent in (0, x.channels):
            return
        yield self.found(
            site,
            severity=Severity.WARNING if x.silent_half else Severity.NOTE,
            seen=Seen(
                "{silent} of {channels} channels were 0 in every step of every sample",
                silent=x.silent,
                channels=x.channels,
            ),
            expected=Expected("channels that are used", because="a channel that is never used teaches nothing"),
            half=", just one half: is a polarity lost?" if x.silent_half else "",
        )
