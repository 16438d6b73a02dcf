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
    The time axis of the input holds one full bin and is nearly empty otherwise, so everything that depends on order or
    duration is lost. The layers are driven once, far above their threshold because one bin adds up the whole recording,
    and then decay in silence.

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

    # the same unit of time?
    print(times.min(), times.max(), dt)
    # equal bins
    edges = np.linspace(times.min(), times.max(), steps + 1)
    # 0 to steps - 1
    step = np.digitize(times, edges[1:-1])
    ```

    ## When it is intended
    The stimulus is a single flash, and the network is to answer it later.
    ```toml
    [tool.spikecheck.ignore]
    "SPK103" = "one flash, then a delay"
    ```

    ## How it is decided
    For each sample that holds anything, the fullest time step is compared with the sample's total. It is a warning
    where that fraction is {max_fraction_in_one_bin} or more on average, with at least {min_time_steps} time steps and
    at least {min_events_per_sample} events per sample: fewer events may share one step by chance.

    Measured on pairs of classes that are each other played backwards: accuracy is 53% instead of 98%. The usual cause
    is a bin width in another unit than the event times, so that all events fall into the first bin.
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
        why="measured: 0.08 in healthy networks with 40 bins, 0.83 where two nearly empty bins hold everything, 1.0 "
        "where one does",
    )
    min_time_steps: int = limit(
        4, why="derived: with two or three time steps, one of them holds most of a short event by nature"
    )
    min_events_per_sample: float = limit(
        4.0, why="derived: 4 events in 4 time steps share one step by chance once in 64 samples, 2 events once in 4"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where one time step holds nearly all events."""
        x = readings[InputReading]
        if x.time_steps is None or x.time_steps < self.min_time_steps or x.filled_frames == 0:
            return
        if x.densest_frame_share < self.max_fraction_in_one_bin or events_per_sample(x) < self.min_events_per_sample:
            return
        yield self.finding(
            site,
            observed=Observed(
                "the fullest of {steps} time bins holds {fullest:%} of a sample; {filled} of {frames} bins hold any "
                "event",
                steps=x.time_steps,
                fullest=x.densest_frame_share,
                filled=x.filled_frames,
                frames=x.frames,
            ),
            expected=Expected(
                "events spread over the time bins, {even:%} in each if evenly",
                because="one full bin leaves nothing of the order in time; check the unit of time first",
                even=1 / x.time_steps,
            ),
            even=1 / x.time_steps,
            excess=1,
        )


def events_per_sample(x: InputReading) -> float:
    """Return the mean number of events of the samples that hold any: their non-empty bins, or what those count."""
    total = max(float(x.active), x.count if x.negative == 0 else 0.0) * x.elements / max(1, x.sampled_elements)
    return total / max(1, x.samples - x.empty_samples)
