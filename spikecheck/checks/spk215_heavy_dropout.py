"""A dropout that leaves next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import ModeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class HeavyDropout(Check):
    """A dropout sets nearly everything to 0.

    ## What it means
    The probability of a dropout is {dropped} or more. It is the share that is set to 0, not the share that is kept.

    ## Why it matters
    What is left is multiplied by 1 / (1 - p), by 33 for p = 0.97: a spike train becomes rare events of enormous size,
    other ones in every step and every forward, since a plain dropout draws a mask for each step. The layer behind sees
    noise, and the network does not learn in training what it is asked in evaluation. Measured, accuracy is 9 % instead
    of 92 %.

    ## Fix
    ```python any
    dropout.p = 0.2  # the share to drop; 1 - keep_prob
    ```
    ```python spikingjelly
    spikingjelly.activation_based.layer.Dropout(0.2, step_mode="m")  # one mask for all steps of a sample
    ```

    ## Intended when
    A mask of very few inputs is the method, as in masked autoencoders: `[tool.spikecheck.ignore] "SPK215" = "masked
    input"`
    """

    id: ClassVar = "SPK215"
    slug: ClassVar = "heavy-dropout"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (ModeReading,)
    message: ClassVar = "{site} sets {dropped:.0%} of its input to 0"

    dropped: float = limit(
        0.9,
        why="derived: what is left is multiplied by 10 or more; 0.97 is what somebody sets who gives the share to keep",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where nearly all is dropped."""
        mode = readings[ModeReading]
        if mode.dropped is None or mode.dropped < self.dropped or (mode.updates and mode.evaluating >= mode.updates):
            return
        yield self.found(
            site,
            seen=Seen(
                "a probability of {dropped:.3g}: {kept:.3g} is kept", dropped=mode.dropped, kept=1 - mode.dropped
            ),
            expected=Expected(
                "less than {most:g}",
                because="p is the share that is set to 0, not the share that is kept",
                most=self.dropped,
            ),
            weight=1,
        )
