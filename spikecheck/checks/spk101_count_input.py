"""The input counts events where binary spikes are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import STRONG_DRIVE, WHY_STRONG_DRIVE, first_layer_drive, list_values, spiking_sites
from spikecheck.checks.learning import has_learned_much
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class CountInput(Check):
    """The input holds event counts, not binary spikes.

    ## What it means
    Some channels of the input hold more than one event in a time bin (on this page, a bin is one time step of one
    channel). For example, `tonic.transforms.ToFrame` sums all events that fall into a bin. A bin that holds 5 events
    drives the first layer five times as strongly as a single spike.

    ## Example
    ```python broken
    to_frame = tonic.transforms.ToFrame(sensor_size=(700, 1, 1), n_time_bins=10)
    x = torch.as_tensor(to_frame(events)).float()  # up to 18 events per bin
    x = x.flatten(1)  # [time, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    logits = model(x.unsqueeze(0)).mean(1)
    ```
    ```python repaired
    to_frame = tonic.transforms.ToFrame(sensor_size=(700, 1, 1), n_time_bins=10)
    x = (torch.as_tensor(to_frame(events)) > 0).float()  # 0 or 1
    x = x.flatten(1)  # [time, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    logits = model(x.unsqueeze(0)).mean(1)
    ```

    ## Fix
    ```python any
    # before the model: 0 or 1 in each bin
    x = (x > 0).float()
    # or use shorter bins
    # or keep the counts, rescaled: x = x / x[x > 0].mean()
    ```

    ## When it is intended
    The counts carry information that the network needs, and its weights or its threshold were chosen to match them.
    ```toml
    [tool.spikecheck.ignore]
    "SPK101" = "counts on purpose; the first weights are scaled for them"
    ```

    ## How it is decided
    The input holds counts if every value is a whole number, none is negative, and some are above 1. An input of type
    `int32` or `int64` without channels is not checked: it holds ids, which an embedding looks up.

    Two numbers decide how serious this is: the mean of the non-empty bins, and the drive of the first spiking layer.
    The drive is what one time step adds to the membrane potential, as a multiple of the threshold (RMS). spikecheck
    warns in these cases, and reports a note in all others:

    - the mean is {max_mean_count} or more, and the drive is {max_drive} or more;
    - the mean is {min_large_mean_count} or more, and the drive is {max_drive_at_large_counts} or more, or unknown.

    It is a note as well where no spiking layer was recognized, where the network learns from the counts, or where no
    forward pass recorded gradients: how a network was trained decides which input it can use.

    The example above, with torch's default weights, gets a note.
    """

    id: ClassVar = "SPK101"
    slug: ClassVar = "count-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK103",)
    ascending: ClassVar = (("max_mean_count", "min_large_mean_count"), ("max_drive_at_large_counts", "max_drive"))
    past: ClassVar = "{site} held event counts"
    message: ClassVar = (
        "{site} holds event counts (0 to {highest}), not binary spikes; non-empty bins average {average}"
    )

    max_mean_count: float = limit(
        2.0,
        why="derived: with 2 events per non-empty bin, binarizing halves the input; measured: at most 1.25 in "
        "healthy networks, except one with 4.1 and a drive of only 6.0 (below `max_drive`, so no warning); 6.0 in a "
        "network that reached 11% accuracy, but 97% with binary input",
    )
    max_drive: float = limit(STRONG_DRIVE, why=WHY_STRONG_DRIVE)
    min_large_mean_count: float = limit(
        5.0,
        why="measured: a network with a mean of 4.1 and a drive of 6.0 learns; one with a mean of 6.0 and a drive of "
        "10 does not",
    )
    max_drive_at_large_counts: float = limit(
        3.5,
        why="measured: the largest drive in healthy networks whose input is binary; with counts it was up to 6.0, but "
        "the mean count was then 4.1, so this limit did not apply",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding if whole numbers exceed 1."""
        x = readings[InputReading]
        average = x.mean_active_bin
        holds_counts = x.minimum >= 0 and x.maximum > 1 and x.non_integer == 0
        if not holds_counts or average is None:
            return
        yield self.finding(
            site,
            severity=Severity.WARNING if self.matters(average, readings) else Severity.NOTE,
            observed=Observed(
                "values from {lowest} to {highest} ({values}); {share:%} of the non-empty bins are above 1; "
                "non-empty bins average {average}",
                lowest=x.minimum,
                highest=x.maximum,
                values=list_values(x.values),
                share=x.above_one / x.active,
                average=average,
            ),
            expected=Expected(
                "0 or 1 in every bin",
                because=fill(
                    "a non-empty bin drives the first layer {average:.3n}x as strongly as a single spike",
                    average=average,
                ),
            ),
            excess=log10(max(average, 1) / self.max_mean_count),
        )

    def matters(self, average: float, readings: Readings) -> bool:
        """Return whether counts of this mean are a fault, for what they make of the first layer's drive."""
        if not spiking_sites(readings) or has_learned_much(readings) or readings.run.without_gradients:
            return False
        is_large, drive = average >= self.min_large_mean_count, first_layer_drive(readings)
        if drive is None:
            return is_large
        too_strong = average >= self.max_mean_count and drive >= self.max_drive
        return too_strong or (is_large and drive >= self.max_drive_at_large_counts)
