"""Outputs of a weight that are 0 throughout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class DeadRows(Check):
    """Outputs of a weight have no connection left: every weight of their row is exactly 0.

    ## What it means
    A row of a weight is what one neuron or channel hears. Found are rows of zeros: a note for a few, a warning from
    {share} of the rows on. Depthwise and one-input weights count like others.

    ## Why it matters
    Such a neuron hears nothing. It is silent or fires by its bias alone, and where its spikes are silent too, it gets
    no gradient to come back by.

    ## Fix
    ```python any
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)  # or take the dead outputs out of the layer
    ```

    ## Intended when
    The network was pruned by whole neurons, or the layer starts at 0 (the last one of a residual branch):
    `[tool.spikecheck.ignore] "SPK506:fc1.weight" = "pruned"`
    """

    id: ClassVar = "SPK506"
    slug: ClassVar = "dead-rows"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{zero_rows} of {rows} outputs of {site} have no input: their weights are all 0"

    share: float = limit(0.1, why="taste: below a tenth of a layer the rest can do its work; one row is worth a look")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where rows are 0 throughout."""
        weight = readings[StoredReading]
        if weight.role != "weight" or not weight.finite or not weight.rows or not weight.zero_rows:
            return
        share = weight.zero_rows / weight.rows
        yield self.found(
            site,
            severity=Severity.WARNING if share >= self.share else Severity.NOTE,
            seen=Seen(
                "{zero_rows} of {rows} rows are 0 in all {fan_in} places",
                zero_rows=weight.zero_rows,
                rows=weight.rows,
                fan_in=weight.fan_in,
            ),
            expected=Expected("weights other than 0 in every row", because="a neuron without input carries nothing"),
        )
