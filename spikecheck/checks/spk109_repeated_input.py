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
    Every update gets the same input with different labels, so the network can learn only how often each label occurs.
    An encoder that keeps its first batch until it is reset is one cause; a buffer that is filled only once is another.

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
    # put this just before `model(x)`: the number has to differ between batches
    print(float(x.sum()))
    ```
    ```python spikingjelly
    # before every batch: LatencyEncoder and the like keep their first batch
    # until they are reset
    encoder.reset()
    ```

    ## When it is intended
    The network generates its output from a constant signal.
    ```toml
    [tool.spikecheck.ignore]
    "SPK109" = "a clock signal"
    ```

    ## How it is decided
    spikecheck reports an error if the input is the same in the whole run, and there were at least {min_label_batches}
    different batches of labels or targets. If the script calls the model once per time step, the inputs of all time
    steps must repeat; this is checked for sequences of up to {max_distinct_batches} time steps.

    Training on one batch with its own labels, to see whether the network can learn it, is not reported. A model that
    takes several input tensors is not checked, because the samples may be in another tensor.
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

    min_label_batches: int = limit(
        8, why="judgment call: a few different targets for one input may be intended", minimum=2
    )
    max_distinct_batches: int = limit(
        15,
        why="derived: if the model is called once per time step, each step of the repeated sequence is a different "
        "input, and spikecheck counts at most 16 of them",
        minimum=1,
    )

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
                "different inputs in {passes} observed forward passes: {inputs}; different batches of labels: at least "
                "{labels}",
                inputs=x.distinct_batches,
                passes=x.forward_passes,
                labels=labels,
            ),
            expected=Expected(
                "a different input for each batch of labels",
                because="from a constant input, the network cannot know which labels belong to it",
            ),
            when=Moment(0),
            updates=run.update or run.backward_passes,
            labels=f"{labels} or more" if labels > self.max_distinct_batches else labels,
        )
