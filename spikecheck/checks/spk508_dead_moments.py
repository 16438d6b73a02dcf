"""A parameter without a gradient in the optimizer's state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import number
from spikecheck.site import Site, SiteKind
from spikecheck.stored import MomentReading


@dataclass(frozen=True)
class DeadMoments(Check):
    """The optimizer in the checkpoint never received a gradient for a parameter, or only gradients of exactly 0.

    ## What it means
    The optimizer's state shows that this parameter did not learn. Either the loss does not depend on it, or the
    gradient becomes 0 before it reaches the parameter.

    ## Example
    ```python broken
    # a comparison has no gradient: fc1 never learns
    spikes = (model.fc1(x) > 1).float()
    F.cross_entropy(model.fc2(spikes), y).backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, "last.pt")
    ```
    ```python repaired
    # the same spikes, with a surrogate gradient
    spikes = surrogate.fast_sigmoid()(model.fc1(x) - 1)
    F.cross_entropy(model.fc2(spikes), y).backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, "last.pt")
    ```

    ## Fix
    ```python any
    # a file does not show where the gradient is lost; a report on one update does
    monitor = spikecheck.attach(model)
    # run one update of your training loop here
    print(monitor.report())
    ```

    ## When it is intended
    The parameter is frozen, but was passed to the optimizer anyway. The key of the setting below contains
    `optimizer: `, because the report names the parameter in this way.
    ```toml
    [tool.spikecheck.ignore]
    "SPK508:optimizer: encoder.weight" = "frozen"
    ```

    ## How it is decided
    Adam, and SGD with momentum, keep running averages of every parameter's gradient (moments). There are two cases:

    - A parameter has no moments, while other parameters in the same optimizer have some. Its gradient was always None:
      it is frozen, not used in the forward pass, or cut off from the loss, as by the comparison in the example.
    - All moments of a parameter are exactly 0, and the optimizer made updates. Its gradient was always 0: the layer
      before it never fires, or the gradient of a later spike function is 0, as it is for `torch.sign`, and for some
      surrogate gradients far from the threshold.

    An optimizer without moments, such as plain SGD, is not judged.
    """

    id: ClassVar = "SPK508"
    slug: ClassVar = "dead-moments"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MOMENT
    needs: ClassVar = (MomentReading,)
    explained_by: ClassVar = ("SPK203", "SPK205", "SPK401", "SPK409")
    message: ClassVar = "{site} {problem}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where moments are missing while others exist, or are 0 after updates."""
        moment = readings[MomentReading]
        if moment.missing and moment.other_parameters:
            yield self.finding(
                site,
                observed=Observed(
                    "no moments, while {others} other parameters have them", others=moment.other_parameters
                ),
                expected=Expected("moments of every parameter", because="the first gradient creates them"),
                problem=f"never received a gradient, while {moment.other_parameters} other parameters did",
            )
        elif moment.max_abs == 0 and (moment.updates is None or moment.updates > 0):
            counted = (
                ""
                if moment.updates is None
                else f" in {number(int(moment.updates))} update" + "s" * (moment.updates != 1)
            )
            yield self.finding(
                site,
                observed=Observed(f"all moments are exactly 0{counted}"),
                expected=Expected("nonzero moments", because="any nonzero gradient leaves a trace in them"),
                problem=f"received only gradients of exactly 0{counted}",
            )
