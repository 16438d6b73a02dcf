"""An input that does not change in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ConstantInput(Check):
    """The input is the same in every time step.

    ## What it means
    In every forward, all steps of the input had the same sums over samples and over channels: a static frame that was
    repeated. This is direct coding, and often intended; it is a note.

    ## Why it matters
    Nothing in the input depends on time, so that the network has nothing to gain from remembering. The first layer
    turns the constant into a regular spike train, whose first spike may come late and which repeats from then on: more
    steps make it more precise and nothing else. Data that had a time axis has lost it.

    ## Fix
    ```python any
    x = (torch.rand(steps, *x.shape) < x).float()  # rate coding: another draw in every step, for x between 0 and 1
    ```

    ## Intended when
    Static images are given to the first layer as a current (direct coding): `[tool.spikecheck.ignore] "SPK105" =
    "direct coding"`
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
        """Yield a note where every forward was constant."""
        x = readings[InputReading]
        if x.steps is None or x.steps <= 1 or not x.forwards or x.constant < x.forwards or x.filled == 0:
            return
        yield self.found(
            site,
            seen=Seen(
                "{constant} of {forwards} forwards had {steps} equal steps",
                constant=x.constant,
                forwards=x.forwards,
                steps=x.steps,
            ),
            expected=Expected(
                "steps that differ, for data that had a time axis", because="equal steps hold no order in time"
            ),
        )
