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
    Each row of a weight holds the incoming connections of one neuron or channel. If the whole row is 0, the neuron
    receives no input: it is silent unless its bias makes it fire.

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
    with torch.no_grad():
        # new random values for the rows that are 0; the other rows stay as they are
        dead = (layer.weight.flatten(1) == 0).all(1)
        fresh = torch.nn.init.kaiming_uniform_(torch.empty_like(layer.weight), a=5**0.5)
        layer.weight[dead] = fresh[dead]
    ```

    ## When it is intended
    Whole neurons were pruned, or the layer starts at 0 (the last one of a residual branch).
    ```toml
    [tool.spikecheck.ignore]
    "SPK506:fc1.weight" = "pruned"
    ```

    ## How it is decided
    A row counts if all its weights are exactly 0. If the fraction of such rows is {min_warning_fraction} or more, the
    finding is a warning, otherwise a note. Depthwise weights and weights with a single input are judged like all
    others. Training can revive such a row: its weights get a gradient unless the surrogate gradient is 0 at the
    potential of a neuron without input.
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
        why="judgment call: a layer that lost less than a tenth of its neurons can still do its work",
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
