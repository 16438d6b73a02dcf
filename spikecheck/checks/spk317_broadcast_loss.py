"""A loss that compares every sample with every other sample's target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class BroadcastLoss(Check):
    """Output and target have different shapes, and the loss is broadcast over all pairs of samples.

    ## What it means
    An output of shape [n, 1] and a target of shape [n] are broadcast to [n, n]: every output is compared with the
    target of every sample. The best answer is then the mean of all targets, so that is all the network can learn.

    ## Example
    ```python broken
    fc, lif = torch.nn.Linear(700, 1), snntorch.Leaky(beta=0.9)
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.mse_loss(membrane, y.float())  # [16, 1] and [16]
    ```
    ```python repaired
    fc, lif = torch.nn.Linear(700, 1), snntorch.Leaky(beta=0.9)
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.mse_loss(membrane.squeeze(1), y.float())
    ```

    ## Fix
    ```python any
    # here output is [n, 1] and target is [n]; if it is the other way around: target = target.squeeze(-1)
    output = output.squeeze(-1)
    assert output.shape == target.shape
    ```

    ## When it is intended
    Every pair is meant to be compared.
    ```toml
    [tool.spikecheck.ignore]
    "SPK317" = "pairwise differences"
    ```

    ## How it is decided
    A squared or absolute difference, torch's own or written by hand, has more elements than the output and more than
    the target. Where only the target is larger, such as one target per time step, there is no finding. torch warns
    about its own losses as well, once per line.
    """

    id: ClassVar = "SPK317"
    slug: ClassVar = "broadcast-loss"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explains: ClassVar = ("SPK312",)
    message: ClassVar = "{site} compares shapes {output} and {target}: every output with every sample's target"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss was broadcast beyond both shapes."""
        loss = readings.all[LossReading]
        if not loss.broadcast_shapes:
            return
        output, target = map(list, loss.broadcast_shapes)
        yield self.finding(
            site,
            observed=Observed(
                "{loss} of an output of shape {output} and a target of shape {target}",
                loss=loss.function,
                output=str(output),
                target=str(target),
            ),
            expected=Expected("equal shapes", because="otherwise every output learns the mean of all targets"),
            when=Moment(0),
        )
