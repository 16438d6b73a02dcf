"""The same input at every update, whatever the labels are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, RegressionTargetReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class RepeatedInput(Check):
    """The input is the same for every batch, while the labels change.

    ## What it means
    Every update sees the same input with other labels, so there is nothing to learn but how often each label occurs. An
    encoder with a state that is not reset replays its first batch; so does a buffer that is never filled again.

    ## Example
    ```python broken
    x, _ = next(iter(loader))
    for _, y in loader:
        train_step(x, y)
    ```
    ```python repaired
    for x, y in loader:
        train_step(x, y)
    ```

    ## Fix
    ```python any
    # what the network gets, after encoding
    print([float(x.sum()) for x, _ in loader][:5])
    ```
    ```python spikingjelly
    # LatencyEncoder and other stateful encoders keep their first batch until they are reset
    encoder.reset()
    ```

    ## When it is intended
    The network generates its output from a constant signal.
    ```toml
    [tool.spikecheck.ignore]
    "SPK109" = "a clock signal"
    ```

    ## How it is decided
    Over the whole run there is a single input, or, where the script calls the model once per time step, no more
    different inputs than time steps, while at least {min_label_batches} batches of labels or targets differ from each
    other. Up to {max_distinct_batches} different ones are told apart, so longer sequences that are passed step by step
    are not judged. Nor is a model that is called with several tensors, of which another one may hold the samples.
    Repeating one batch together with its labels, to see whether a network can learn it, is left alone.
    """

    id: ClassVar = "SPK109"
    slug: ClassVar = "repeated-input"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK102",)
    explains: ClassVar = ("SPK105", "SPK203", "SPK205", "SPK211", "SPK302", "SPK309", "SPK312", "SPK313")
    message: ClassVar = "{site} is the same in all {updates} updates, for {labels} different batches of labels"

    min_label_batches: int = limit(8, why="judgment call: a batch may be used for a few updates in a row", minimum=2)
    max_distinct_batches: int = limit(15, why="derived: more different batches are not told apart", minimum=1)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the input never changes and the labels do."""
        x, run = readings.all[InputReading], readings.run
        distinct = [targets.distinct_batches for targets in readings.all.every(TargetReading).values()]
        distinct += [targets.distinct_batches for targets in readings.all.every(RegressionTargetReading).values()]
        labels = max(distinct, default=0)
        calls = run.forward_passes / max(1, run.backward_passes) if run.called_per_time_step else 1
        if labels < self.min_label_batches or not 0 < x.distinct_batches <= min(ceil(calls), self.max_distinct_batches):
            return
        if x.active == 0 or x.non_finite.count or run.input_tensors > 1:
            return
        if x.forward_passes < self.min_label_batches + x.distinct_batches:  # inputs are not measured at every update
            return
        yield self.finding(
            site,
            observed=Observed(
                "{inputs} different inputs in {passes} observed forward passes, and {labels} or more different labels",
                inputs=x.distinct_batches,
                passes=x.forward_passes,
                labels=labels,
            ),
            expected=Expected("another input with other labels", because="a constant input does not tell labels apart"),
            when=Moment(0),
            updates=run.update or run.backward_passes,
            labels=f"{labels} or more" if labels > self.max_distinct_batches else labels,
        )
