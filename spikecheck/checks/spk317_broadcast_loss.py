"""A loss that compares every sample with every other sample's target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import LossReading, ParameterReading
from spikecheck.site import Moment, Site, SiteKind

ONE_NUMBER = """\
# numbers: one output of the network for each column of the target
assert output.shape == target.shape
# class indices: a loss that takes them as they are
loss = torch.nn.functional.cross_entropy(output, target.squeeze(-1).long())"""


@dataclass(frozen=True)
class BroadcastLoss(Check):
    """Output and target have different shapes, and the loss compares outputs with targets that are not theirs.

    ## What it means
    An output of shape [n, 1] and a target of shape [n] are broadcast to [n, n]: every output is compared with the
    target of every sample. The best answer is then the mean of all targets, so that is all the network can learn.

    An output of shape [n, 4] and a target of shape [n, 1] are broadcast to [n, 4]: all four outputs of a sample learn
    the same number.

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

    It is a warning if the output of a loss of torch's own has as many columns as the last weight has outputs, and the
    target has one. With one column per time step, the last weight has a single output, and there is no finding.
    """

    id: ClassVar = "SPK317"
    slug: ClassVar = "broadcast-loss"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explains: ClassVar = ("SPK302", "SPK312", "SPK402", "SPK407", "SPK409")
    ranks_first: ClassVar = True
    message: ClassVar = "{site} compares shapes {output} and {target}: {what}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss was broadcast beyond both shapes, or over the outputs of a sample."""
        loss = readings.all[LossReading]
        if not loss.broadcast_shapes:
            return
        output, target = map(list, loss.broadcast_shapes)
        one_for_all = fits(target, output)
        if one_for_all and output[-1] != last_outputs(readings):
            return
        same = "otherwise all outputs of a sample learn the same number"
        mean = "otherwise every output learns the mean of all targets"
        yield self.finding(
            site,
            severity=Severity.WARNING if one_for_all else Severity.ERROR,
            observed=Observed(
                "{loss} of an output of shape {output} and a target of shape {target}",
                loss=loss.function,
                output=str(output),
                target=str(target),
            ),
            expected=Expected("equal shapes", because=same if one_for_all else mean),
            when=Moment(0),
            fixes=(Fix(ONE_NUMBER),) if one_for_all else None,
            what=(
                f"all {output[-1]} outputs of a sample with the same number"
                if one_for_all
                else "every output with every sample's target"
            ),
        )


def fits(target: Sequence[int], output: Sequence[int]) -> bool:
    """Return whether the target can be broadcast to the shape of the output."""
    aligned = zip(reversed(target), reversed(output), strict=False)
    return len(target) <= len(output) and all(one in (1, other) for one, other in aligned)


def last_outputs(readings: Readings) -> int | None:
    """Return the number of outputs of the last weight in the order of the data flow."""
    known = readings.every(ParameterReading)
    sites = [one for one in readings.observations.sites if one.kind is SiteKind.PARAMETER and one.name in known]
    weights = [one for one in sites if known[one.name].dimensions > 1]
    last = max(weights, key=lambda one: one.position, default=None)
    return None if last is None else known[last.name].elements // known[last.name].fan_in
