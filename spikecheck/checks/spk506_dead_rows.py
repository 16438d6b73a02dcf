"""Rows of a weight that are 0 throughout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class DeadRows(Check):
    """Some outputs of a layer have no input left: all weights of their row are exactly 0.

    ## What it means
    Each row of a weight holds the incoming connections of one neuron or channel. Where the whole row is 0, that neuron
    receives nothing: it is silent, or fires on its bias alone.

    ## Example
    ```python broken
    # removes all inputs of 20% of the neurons
    prune.ln_structured(model.fc1, "weight", amount=0.2, n=2, dim=0)
    prune.remove(model.fc1, "weight")
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    # removes 20% of the connections, the smallest ones
    prune.l1_unstructured(model.fc1, "weight", amount=0.2)
    prune.remove(model.fc1, "weight")
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    # initialize the layer again, or remove its dead outputs
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
    ```

    ## When it is intended
    Whole neurons were pruned, or the layer starts at 0 (the last one of a residual branch).
    ```toml
    [tool.spikecheck.ignore]
    "SPK506:fc1.weight" = "pruned"
    ```

    ## How it is decided
    A row counts when every one of its weights is exactly 0. A few such rows are a note; from {min_warning_fraction} of
    the rows on it is a warning. Depthwise weights and weights with one input count like others. Where such a neuron's
    spikes are silent too, no gradient reaches its weights, so they stay 0.
    """

    id: ClassVar = "SPK506"
    slug: ClassVar = "dead-rows"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site}: {zero_rows} of {rows} rows are all 0, so these outputs receive no input"

    min_warning_fraction: float = limit(
        0.1,
        why="judgment call: with less than a tenth dead, the rest of a layer can do its work; one row is worth a look",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where every weight of a row is 0."""
        weight = readings[StoredReading]
        if weight.role != "weight" or not weight.finite or not weight.rows or not weight.zero_rows:
            return
        fraction = weight.zero_rows / weight.rows
        yield self.finding(
            site,
            severity=Severity.WARNING if fraction >= self.min_warning_fraction else Severity.NOTE,
            observed=Observed(
                "{zero_rows} of {rows} rows are 0 in all {fan_in} weights",
                zero_rows=weight.zero_rows,
                rows=weight.rows,
                fan_in=weight.fan_in,
            ),
            expected=Expected("nonzero weights in every row", because="a neuron without input carries no information"),
        )
