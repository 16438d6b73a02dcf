"""Labels that name no class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class TargetOutOfRange(Check):
    """A label names a class for which the network has no output.

    ## What it means
    A label is negative, or not below the number of outputs. Most often the labels count from 1, or the last layer has
    one output too few.

    ## Example
    ```python broken
    fc, lif = torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9)
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)  # y counts from 1 to 20
    ```
    ```python repaired
    fc, lif = torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9)
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y - 1)  # 0 to 19
    ```

    ## Fix
    ```python any
    # for labels that count from 1; otherwise, give the last layer one output per class
    y = y - 1
    ```

    ## When it is intended
    Never. To leave samples out of the loss, give them the label `ignore_index` (-100 by default).
    ```toml
    [tool.spikecheck.ignore]
    "SPK306" = "reason"
    ```

    ## How it is decided
    A single label is enough for a finding if it is below 0, or not below the number of outputs. Labels that the loss
    ignores (`ignore_index`) do not count.

    On the CPU, torch raises "Target 20 is out of bounds". On a GPU, the program stops with "device-side assert
    triggered", often at a later line, and has to be restarted. If the layer has spare outputs (21 for 20 classes),
    labels that count from 1 are in range and do no harm: the output for class 0 stays unused.
    """

    id: ClassVar = "SPK306"
    slug: ClassVar = "target-out-of-range"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    message: ClassVar = "{site} range from {lowest} to {highest}; {classes} outputs allow 0 to {last}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where any label has no class."""
        targets = readings.all[TargetReading]
        if targets.out_of_range == 0 or targets.classes is None:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{outside} of {samples} labels are out of range; the lowest is {lowest}, the highest {highest}",
                outside=targets.out_of_range,
                samples=targets.samples,
                lowest=targets.minimum,
                highest=targets.maximum,
            ),
            expected=Expected(
                "labels from 0 to {last}",
                last=targets.classes - 1,
                because="each sample has one logit per class, counted from 0",
            ),
            classes=targets.classes,
            last=targets.classes - 1,
        )
