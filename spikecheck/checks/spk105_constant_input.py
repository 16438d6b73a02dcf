"""An input that does not change in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ConstantInput(Check):
    """The input is the same in every time step.

    ## What it means
    A static frame was repeated along the time axis (direct coding). That is often intended; data that had a time axis,
    such as event recordings, have lost it.

    ## Example
    ```python broken
    x = images.flatten(1).unsqueeze(0).repeat(25, 1, 1)  # the same 25 times
    mem = lif1.init_leaky()
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    from snntorch import spikegen

    x = spikegen.rate(images.flatten(1), num_steps=25)  # random spikes
    mem = lif1.init_leaky()
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # rate coding of a frame x in [0, 1]: other spikes in every time step
    x = (torch.rand(steps, *x.shape) < x).float()
    ```

    ## When it is intended
    Static images are given to the first layer as a constant current (direct coding).
    ```toml
    [tool.spikecheck.ignore]
    "SPK105" = "direct coding"
    ```

    ## How it is decided
    It is a note where, in every forward pass, all time steps of the input have the same sums over samples and the same
    sums over channels.

    Nothing in such an input depends on time, so the network gains nothing from memory. The first layer turns the
    constant into a regular spike train, whose first spike may come late and which then repeats: more time steps make it
    more precise and add nothing else.
    """

    id: ClassVar = "SPK105"
    slug: ClassVar = "constant-input"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK104",)
    message: ClassVar = "{site} is the same in all {steps} time steps"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where every forward pass was constant."""
        x = readings[InputReading]
        if x.time_steps is None or x.time_steps <= 1 or x.filled_frames == 0:
            return
        if not x.forward_passes or x.constant_forward_passes < x.forward_passes:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{steps} equal time steps in {constant} of {forward_passes} forward passes",
                constant=x.constant_forward_passes,
                forward_passes=x.forward_passes,
                steps=x.time_steps,
            ),
            expected=Expected(
                "time steps that differ, for data with a time axis", because="equal time steps carry no order in time"
            ),
        )
