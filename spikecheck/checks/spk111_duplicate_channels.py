"""An input of which one half is a copy of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned_much
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputHalvesReading, InputReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DuplicateChannels(Check):
    """Both halves of the input hold the same values, such as one camera in the place of two.

    ## What it means
    The second half of the channels tells nothing that the first half does not. Where they stand for two cameras, two
    ears or two polarities, one of them was read twice, and what only the other shows is lost.

    ## Example
    ```python broken
    left, right = frames["left"], frames["left"]  # [time, batch, 1, height, width]
    x = torch.cat([left, right], dim=2)
    ```
    ```python repaired
    left, right = frames["left"], frames["right"]
    x = torch.cat([left, right], dim=2)
    ```

    ## Fix
    ```python any
    # where the input is put together: this has to be False
    print(torch.equal(*x.chunk(2, dim=-1)), x.shape)
    ```

    ## When it is intended
    A picture without polarities is given to both channels of a network for event cameras.
    ```toml
    [tool.spikecheck.ignore]
    "SPK111" = "gray images in both channels"
    ```

    ## How it is decided
    spikecheck compares the two halves of a sample along each of its axes, in the first forward pass and in one of every
    16 or more later ones. It warns if they are the same everywhere, with at least {min_active_elements} values other
    than 0, while the entries of one half differ from each other. Once the loss is down to half of that of a guess, it
    is only a note.

    The axes of time and batch have to be known. Halves of an axis that was flattened together with others, such as
    every second channel, are not compared. Ids, `int32` or `int64` without channels, are not checked.
    """

    id: ClassVar = "SPK111"
    slug: ClassVar = "duplicate-channels"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputHalvesReading, InputReading)
    explained_by: ClassVar = ("SPK102", "SPK103")
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    message: ClassVar = "one half of {site} is a copy of the other, along axis {axis} of samples of shape {shape}"

    min_active_elements: int = limit(
        100, why="derived: two halves that hold 50 of 1,000 events each, independently, are never the same by chance"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the first axis whose halves are the same."""
        halves, x = readings.all[InputHalvesReading], readings.all[InputReading]
        if not halves.copied_axes or x.active < self.min_active_elements or x.non_finite.count or x.holds_ids:
            return
        axis = halves.copied_axes[0]
        yield self.finding(
            site,
            severity=Severity.NOTE if has_learned_much(readings) else Severity.WARNING,
            observed=Observed(
                "equal halves along axis {axis} of samples of shape {shape}, in {passes} compared forward passes",
                axis=axis,
                shape=str(halves.sample_shape),
                passes=halves.forward_passes,
            ),
            expected=Expected("halves that differ", because="a copy adds no information about the sample"),
            when=Moment(0),
        )
