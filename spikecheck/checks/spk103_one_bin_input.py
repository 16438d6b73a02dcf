"""An input whose events all lie in one time bin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class OneBinInput(Check):
    """Nearly all events of a sample lie in a single time bin.

    ## What it means
    One time bin of the input holds nearly all events, and the other bins are nearly empty, so all information in the
    order and timing of the events is lost. The layers get one very strong input in that time step, and nothing
    afterwards.

    ## Example
    ```python broken
    step = (times / 10_000).long()  # 10 ms in microseconds; times are in s
    x = torch.zeros(100, 700)
    x.index_put_((step, units), torch.ones(len(times)), accumulate=True)
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    step = (times / 0.01).long()  # 10 ms in seconds
    x = torch.zeros(100, 700)
    x.index_put_((step, units), torch.ones(len(times)), accumulate=True)
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    import numpy as np

    # `steps` bins of equal width, whatever the unit of `times` is
    edges = np.linspace(times.min(), times.max(), steps + 1)
    # the bin of each event, from 0 to steps - 1
    step = np.digitize(times, edges[1:-1])
    ```

    ## When it is intended
    The stimulus is a single flash, and the network has to respond to it later.
    ```toml
    [tool.spikecheck.ignore]
    "SPK103" = "one flash, then a delay"
    ```

    ## How it is decided
    For each sample, spikecheck computes the fraction of its events that lie in its fullest time bin. It warns if this
    fraction is {max_fraction_in_one_bin:%} or more on average. Empty samples are skipped, and so is an input with fewer
    than {min_time_steps} time steps or {min_events_per_sample} events per sample.
    Ids, `int32` or `int64` without channels, are not checked.

    The usual cause is a bin width whose unit is not that of the event times, so that all events fall into the first
    bin.
    """

    id: ClassVar = "SPK103"
    slug: ClassVar = "one-bin-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    past: ClassVar = "{site} had its events in one time bin"
    message: ClassVar = (
        "{site} has {fullest:%} of a sample's events in one of {steps} time bins ({even:%} if spread evenly)"
    )

    max_fraction_in_one_bin: float = limit(
        0.9,
        why="measured: 0.08 in healthy networks with 40 bins, 0.83 if all events lie in two bins, 1.0 if they lie in "
        "one",
    )
    min_time_steps: int = limit(
        4, why="derived: with two or three time steps, it is normal that one of them holds most events"
    )
    min_events_per_sample: float = limit(
        4.0,
        why="derived: by chance, 4 events all lie in the same one of 4 bins once in 64 samples; 2 events, once in 4",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where one time step holds nearly all events."""
        x = readings[InputReading]
        if x.time_steps is None or x.time_steps < self.min_time_steps or x.filled_frames == 0 or x.holds_ids:
            return
        if x.densest_frame_share < self.max_fraction_in_one_bin or events_per_sample(x) < self.min_events_per_sample:
            return
        yield self.finding(
            site,
            observed=Observed(
                "the fullest of the {steps} time bins holds {fullest:%} of a sample's events; over all samples, "
                "{filled} of {frames} bins hold any event",
                steps=x.time_steps,
                fullest=x.densest_frame_share,
                filled=x.filled_frames,
                frames=x.frames,
            ),
            expected=Expected(
                "events spread over the time bins (if evenly, {even:%} in each)",
                because="if all events lie in one bin, their order in time is lost; check the unit of time first",
                even=1 / x.time_steps,
            ),
            even=1 / x.time_steps,
            excess=1,
        )


def events_per_sample(x: InputReading) -> float:
    """Return the mean number of events of the samples that hold any: their non-empty bins, or what those count."""
    total = max(float(x.active), x.count if x.negative == 0 else 0.0) * x.elements / max(1, x.sampled_elements)
    return total / max(1, x.samples - x.empty_samples)
