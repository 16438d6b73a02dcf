"""A dropout that leaves next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import ModeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class HeavyDropout(Check):
    """A dropout layer sets nearly all of its input to 0.

    ## What it means
    The probability `p` of a dropout layer is the fraction that is set to 0, not the fraction that is kept. With `p`
    close to 1, few spikes are left, they are scaled up a lot, and the next layer gets mostly noise.

    ## Example
    ```python broken
    model = nn.Sequential(
        nn.Linear(700, 256),
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Dropout(0.95),  # meant to keep 95%
        nn.Linear(256, 20),
    )
    ```
    ```python repaired
    model = nn.Sequential(
        nn.Linear(700, 256),
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Dropout(0.05),  # drops 5%
        nn.Linear(256, 20),
    )
    ```

    ## Fix
    ```python any
    # replace 0.2 by the fraction to drop: 1 minus the fraction to keep
    layer.p = 0.2
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import layer

    # replace 0.2 by the fraction to drop
    # this layer uses one mask for all time steps of a sample
    dropout = layer.Dropout(0.2, step_mode="m")
    ```

    ## When it is intended
    The method masks most of the input, as masked autoencoders do.
    ```toml
    [tool.spikecheck.ignore]
    "SPK215" = "masked input"
    ```

    ## How it is decided
    spikecheck warns if the probability of a dropout layer is {max_dropout_probability} or more, unless the layer was in
    evaluation mode in all updates.

    The remaining spikes are multiplied by 1 / (1 - p), which is 20 for p = 0.95. With so few of them, the input in
    training differs strongly from the input in evaluation.
    """

    id: ClassVar = "SPK215"
    slug: ClassVar = "heavy-dropout"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.BATCH_NORM_OR_DROPOUT
    needs: ClassVar = (ModeReading,)
    message: ClassVar = "{site} sets {dropped:%} of its input to 0: p is the fraction to drop, not to keep"

    max_dropout_probability: float = limit(
        0.9,
        why="derived: the remaining values are multiplied by 10 or more",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where nearly everything is dropped."""
        mode = readings[ModeReading]
        probability = mode.dropout_probability
        if probability is None or probability < self.max_dropout_probability:
            return
        if mode.updates and mode.evaluation_updates >= mode.updates:
            return
        yield self.finding(
            site,
            observed=Observed(
                "a dropout probability of {probability}: {kept:%} of the input is kept",
                probability=probability,
                kept=1 - probability,
            ),
            expected=Expected(
                "a probability below {most}",
                because="p is the fraction that is set to 0, not the fraction that is kept",
                most=self.max_dropout_probability,
            ),
            dropped=probability,
            excess=1,
        )
