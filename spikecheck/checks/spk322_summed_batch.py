"""Outputs added up over the batch instead of over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class SummedBatch(Check):
    """The outputs are added up over the batch instead of over time, so that the loss gets one row per time step.

    ## What it means
    Each row that the loss compares with a label belongs to a time step of all samples together, and to no sample. If
    there are as many time steps as samples, torch raises no error, and nothing can be learned.

    ## Example
    ```python broken
    spikes, membrane = [], lif.init_leaky()
    for frame in x[:16]:  # [time, batch, features]: 16 time steps of 16 samples
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).sum(1)  # [time, batch, class]: axis 1 is the batch
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    spikes, membrane = [], lif.init_leaky()
    for frame in x[:16]:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).sum(0)
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## Fix
    ```python any
    # spikes: [time, batch, class], as torch.stack makes it of one tensor per time step
    logits = spikes.sum(0)
    ```

    ## When it is intended
    Each time step has a label, and the axis that is added up is a population of neurons instead of the batch.
    ```toml
    [tool.spikecheck.ignore]
    "SPK322" = "one label per time step"
    ```

    ## How it is decided
    The graph of the loss shows that the rows of its input are the entries that `torch.stack` put side by side, and that
    another axis was added up or averaged. The finding needs {min_losses} losses, and a network that has not learned.
    """

    id: ClassVar = "SPK322"
    slug: ClassVar = "summed-batch"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explains: ClassVar = ("SPK203", "SPK205", "SPK211", "SPK301", "SPK302", "SPK303", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "the rows of {site} were time steps"
    message: ClassVar = "the rows that {site} is computed from are {rows} time steps: the samples were added up"

    min_losses: int = limit(16, why="judgment call: outputs that have a label per time step begin to learn by then")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the batch was added up, and nothing is learned."""
        loss = readings.all[LossReading]
        if not loss.stacked_rows or loss.updates < self.min_losses or has_learned(readings):
            return
        yield self.finding(
            site,
            observed=Observed(
                "a stack of {rows} time steps of shape {shape}, added up along another axis than time",
                rows=loss.stacked_rows[0],
                shape=str(list(loss.stacked_rows[1:])),
            ),
            expected=Expected(
                "one row per sample", because="a label belongs to a sample, and not to a time step of the whole batch"
            ),
            when=Moment(0),
        )
