"""Events that do not change in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import first_current
from spikecheck.checks.learning import has_learned_much, learns_little
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ConstantInput(Check):
    """The input is the same in every time step, or changes while the first layer gets the same frame each time.

    ## What it means
    The input holds events or event counts, and one frame of them was repeated along the time axis. Or the input
    changes, but the first layer gets the same frame in each time step. The information in the timing of the events is
    lost.

    ## Example
    ```python broken
    x = torch.stack(samples)  # [sample, time, 700]
    x = (x.sum(1, keepdim=True) > 0).float().repeat(1, 40, 1)  # one frame, 40 times
    mem = lif1.reset_mem()
    for x_t in x.unbind(1):
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    x = torch.stack(samples)
    mem = lif1.reset_mem()
    for x_t in x.unbind(1):
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # one frame per time bin, instead of one frame that is repeated
    to_frame = tonic.transforms.ToFrame(sensor_size=(700, 1, 1), n_time_bins=40)
    ```

    ## When it is intended
    The data are black-and-white images that are given to the first layer as a constant current.
    ```toml
    [tool.spikecheck.ignore]
    "SPK105" = "direct coding"
    ```

    ## How it is decided
    spikecheck reports a note if all time steps of the input are equal in every forward pass, and all values are whole
    numbers of 0 or more, as events and event counts are, but no ids (`int32` or `int64` without channels). Time steps
    count as equal if they have the same sums over samples and the same sums over channels.

    It warns if the input changes in every forward pass, and the input current of the first spiking layer is the same in
    all time steps: neighboring time steps, and time steps half a sequence apart, have a correlation of
    {min_correlation} or more. The usual cause is a loop over time that reads the first frame in each step. It is only a
    note once the loss is below half of that of a guess.

    Zeros and ones without a time axis, such as random spikes that an encoder draws once before the loop over time, are
    noted if the current of the first layer is the same in all time steps, and 64 losses or more show that the network
    learns little. An encoder that draws spikes belongs in the loop.

    An image with fractional values that is repeated in every time step (direct coding) is the usual way to show images
    to a spiking network and is not reported.
    """

    id: ClassVar = "SPK105"
    slug: ClassVar = "constant-input"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK104",)
    past: ClassVar = "{site} was the same in all time steps"
    message: ClassVar = "{what} is the same in all {steps} time steps{although}"

    min_correlation: float = limit(
        0.9999, why="derived: equal time steps have a correlation of 1, apart from rounding in 32 bits", maximum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where every forward pass was constant, a warning where only the first layer's current is."""
        x = readings[InputReading]
        if x.time_steps is None and set(x.values) == {0, 1} and not x.holds_ids and learns_little(readings):
            yield from self.constant_current(site, readings)
        if x.time_steps is None or x.time_steps <= 1 or x.filled_frames == 0:
            return
        if not x.constant_forward_passes:
            yield from self.constant_current(site, readings)
        if x.non_integer or x.minimum < 0 or x.holds_ids:
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
                "time steps that differ, for data with a time axis",
                because="equal time steps carry no information about timing",
            ),
            what=site,
            although="",
        )

    def constant_current(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the first spiking layer gets the same in each time step of an input that changes."""
        current = first_current(readings)
        if current is None or current[1].step_correlation is None:
            return
        (first, drive), correlation = current, current[1].step_correlation
        lowest = min(correlation.neighbors, correlation.distant)
        if drive.time_steps <= drive.forward_passes or lowest < self.min_correlation:
            return
        changes = readings[InputReading].time_steps is not None
        yield self.finding(
            site,
            severity=Severity.WARNING if changes and not has_learned_much(readings) else Severity.NOTE,
            observed=Observed(
                "a correlation of {correlation:n} between the currents of {layer} in different time steps",
                correlation=lowest,
                layer=str(first),
                steps=drive.time_steps // drive.forward_passes,
            ),
            expected=Expected(
                "a current that changes with the input",
                because="equal time steps carry no information about timing"
                if changes
                else "an encoder that draws spikes once, before the loop over time, gives every step the same ones",
            ),
            what=f"the input current of {first}",
            although=f", although {site} changes" if changes else f": {site} holds zeros and ones, and is given once",
        )
