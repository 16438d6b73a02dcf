"""A tensor of a checkpoint that holds NaN or infinity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class NonFiniteWeights(Check):
    """A tensor in the checkpoint holds NaN or infinity.

    ## What it means
    Some elements of a weight, a buffer or an optimizer's moment are no numbers. The finding names the first by its
    index, and their share. A mask is left alone: a tensor in which all else is 0 and nothing is NaN.

    ## Why it matters
    A NaN weight makes the current of its neuron NaN. A potential that is NaN is never above the threshold, so the
    neuron is silent for ever while the loss stays finite: the run looks well and learns worse. A NaN in a moment
    writes itself into the weight with the next update. Training on from this file cannot mend it.

    ## Fix
    ```python any
    # go back to an earlier checkpoint, attach spikecheck to the run that follows, and see where the first one is born
    monitor = spikecheck.attach(model, on_finding="raise")
    ```

    ## Intended when
    A buffer marks what is to be left out by infinity, among other numbers: `[tool.spikecheck.ignore]
    "SPK501:mask" = "minus infinity outside the window"`
    """

    id: ClassVar = "SPK501"
    slug: ClassVar = "non-finite-weights"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{bad} of {elements} values of {site} not finite, the first at {where}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where any element is not finite, but for masks."""
        stored = readings[StoredReading]
        if stored.finite or is_mask(stored):
            return
        bad = stored.nan + stored.infinite
        where = ", ".join(map(str, stored.place or ()))
        yield self.found(
            site,
            seen=Seen(
                "{nan} NaN and {infinite} infinite of {elements} values ({share:.2%}), the first at [{where}]",
                nan=stored.nan,
                infinite=stored.infinite,
                elements=stored.elements,
                share=min(1, bad / max(1, stored.elements)),
                where=where,
            ),
            expected=Expected("finite values", because="one NaN weight silences its neuron for ever"),
            bad=bad,
            elements=stored.elements,
            where=f"[{where}]",
        )


def is_mask(stored: StoredReading) -> bool:
    """Is all that is finite 0, and nothing NaN?"""
    return stored.role == "buffer" and stored.nan == 0 and stored.minimum == stored.maximum == 0
