"""A parameter that the optimizer has nothing to say about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import MomentReading


@dataclass(frozen=True)
class DeadMoments(Check):
    """The optimizer in the checkpoint never had a gradient for a parameter, or only gradients of exactly 0.

    ## What it means
    An optimizer with momentum keeps moments of every gradient it got. Found is a parameter without any, while others in
    the same optimizer have theirs (its gradient was always None); or one whose moments are 0 in every place although
    updates were counted (its gradient was always exactly 0). An optimizer that keeps nothing is not judged.

    ## Why it matters
    The parameter did not learn. With None it is not reached by the loss: detached, frozen, or not used in the forward.
    With zeros it is reached, but nothing passes: spikes without a surrogate, or a layer behind that never fires.

    ## Fix
    ```python any
    monitor = spikecheck.attach(model)  # then one update, and the report says where the gradient stops
    ```

    ## Intended when
    The parameter is frozen, and was given to the optimizer all the same: `[tool.spikecheck.ignore]
    "SPK508:optimizer: encoder.weight" = "frozen"`
    """

    id: ClassVar = "SPK508"
    slug: ClassVar = "dead-moments"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MOMENT
    needs: ClassVar = (MomentReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site}: {problem}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where moments are missing beside others, or 0 after updates."""
        moment = readings[MomentReading]
        if moment.missing and moment.others:
            yield self.found(
                site,
                seen=Seen("no moments, where {others} other parameters have theirs", others=moment.others),
                expected=Expected("moments of every parameter", because="the first gradient makes them"),
                problem="it never got a gradient",
            )
        elif moment.largest == 0 and (moment.steps is None or moment.steps > 0):
            counted = "" if moment.steps is None else f" after {moment.steps:.0f} updates"
            yield self.found(
                site,
                seen=Seen("moments of exactly 0" + counted),
                expected=Expected("moments other than 0", because="any gradient but 0 leaves a trace in them"),
                problem="every gradient was exactly 0",
            )
