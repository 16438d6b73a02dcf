"""Logits made of the last time step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import ReturnReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class LastStepReadout(Check):
    """The loss looks at a layer's spikes in the last time step alone.

    ## What it means
    In the first forwards, a gradient came back to the last step of the last spiking layer, and to none of the {enough}
    or more before it. What is asked for is any gradient other than 0, through whatever the script does with the spikes.
    A layer whose reset passes gradients on is reached in every step all the same, and is not found by this.

    ## Why it matters
    A logit of one step is 0 or 1: a softmax over 20 classes gives 0.125 at most to the one that is right, and the loss
    cannot fall below 2.1. Of the input, what was long ago is forgotten; recordings tend to end in silence, and then no
    output spikes, the logits are all 0, and few samples have a gradient. `spk_rec[-1]` in place of `spk_rec.sum(0)`
    does it, and so does a library's function that wants all steps and gets the return value of the last call.

    ## Fix
    ```python any
    logits = torch.stack(spikes).sum(0)  # counts over all steps; or the mean of a potential that is never reset
    ```

    ## Intended when
    The last step is a question that the network is asked: `[tool.spikecheck.ignore] "SPK310:lif2" = "cue at the end"`
    """

    id: ClassVar = "SPK310"
    slug: ClassVar = "last-step-readout"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (ReturnReading,)
    message: ClassVar = "only the last of {steps} steps of {site} reaches the loss"

    enough: int = limit(4, why="derived: with fewer steps, the last is a good part of all that the network says")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last spiking layer."""
        came = readings.all[ReturnReading]
        positions = [s.position for s in spiking(readings)]
        steps = came.steps // max(1, came.forwards)
        if site.position < max(positions) or steps <= self.enough or not 0 < came.last_only == came.forwards:
            return
        yield self.found(
            site,
            seen=Seen(
                "in {forwards} forwards a gradient came back to the last of {steps} steps, and to no other",
                forwards=came.forwards,
                steps=steps,
            ),
            expected=Expected("a gradient for every step", because="what the layer says before is thrown away"),
            when=Moment(0),
        )
