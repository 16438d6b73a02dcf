"""Gradients that something scales down to nothing between the backward pass and the update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import joined, plain_number
from spikecheck.checks.learning import makes_progress
from spikecheck.checks.progress import update_readings, weight_names
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import GradientReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.update_readings import GradientAtStepReading


@dataclass(frozen=True)
class ShrunkenGradient(Check):
    """Gradients are clipped or scaled to nothing before the update, so the weights hardly move.

    ## What it means
    The backward pass leaves gradients of ordinary size. Before the optimizer uses them, something makes them thousands
    of times smaller, and nothing is learned. With Adam and other optimizers that rescale gradients this does no harm.

    ## Example
    ```python broken
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1e-5)
        optimizer.step()
    ```
    ```python repaired
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
    ```

    ## Fix
    ```python any
    # about the norm that all gradients together have after backward(); between backward() and step(), instead of what
    # is there now
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    ```

    ## When it is intended
    The learning rate is large enough to make up for it.
    ```toml
    [tool.spikecheck.ignore]
    "SPK418" = "gradients are scaled by 1e-6, and the learning rate by 1e6"
    ```

    ## How it is decided
    spikecheck compares the gradients at the end of the backward pass with those that the optimizer gets, in the first
    10 updates and later in every 16th. The finding needs four things: in all of them, the gradient of the weight with
    the largest updates is less than a thirtieth of what the backward pass left; its norm is then below
    {min_gradient_norm}; that weight moves by less than {min_relative_update} of its norm per update, over {min_updates}
    updates or more; and the loss does not fall.

    The gradients of a scaled loss, as with `torch.amp.GradScaler`, are also scaled down before the update. They are
    then of ordinary size.
    """

    id: ClassVar = "SPK418"
    slug: ClassVar = "shrunken-gradient"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading, GradientAtStepReading, GradientReading)
    explained_by: ClassVar = ("SPK405",)
    explains: ClassVar = ("SPK302", "SPK308", "SPK309", "SPK312", "SPK410")
    past: ClassVar = "gradients were scaled down before the update"
    message: ClassVar = (
        "the gradient of {site} is {factor:n} times smaller at the update than after backward(): one update "
        "changes it by {relative_update:n} of its norm"
    )

    min_relative_update: float = limit(
        1e-4, why="measured: weights of healthy networks move by 0.004 of their norm or more per update"
    )
    min_gradient_norm: float = limit(
        0.01, why="judgment call: gradients of a scaled loss, scaled back, have norms of 0.01 to 10"
    )
    min_updates: int = limit(50, why="judgment call: long enough to see that the loss does not fall")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that moves most, where its gradient is scaled down and it hardly moves."""
        updates = update_readings(readings, weight_names(readings))
        most_moved = max(updates, key=lambda name: updates[name].mean_relative_norm, default=None)
        if most_moved != site.name or readings.run.update < self.min_updates or makes_progress(readings):
            return
        at_step, relative_update = readings.all[GradientAtStepReading], updates[most_moved].mean_relative_norm
        if at_step.shrunken_updates < at_step.updates or not 0 < relative_update < self.min_relative_update:
            return
        left, used = at_step.backward_norm, readings.all[GradientReading].mean_norm
        if not 0 < used < self.min_gradient_norm:
            return
        yield self.finding(
            site,
            observed=Observed(
                "gradient norm {left:n} after the backward pass, {used:n} at the update, in all of {compared} compared "
                "updates",
                left=left,
                used=used,
                compared=at_step.updates,
            ),
            expected=Expected(
                "gradients of the same order of magnitude",
                because="with smaller ones, the weights stay where they are, and the loss does not fall",
            ),
            when=Moment(0),
            excess=log10(self.min_relative_update / relative_update),
            fixes=clipping_fix(readings),
            factor=left / used,
            relative_update=relative_update,
        )


def clipping_fix(readings: Readings) -> tuple[Fix, ...]:
    """Return code that clips at the norm that all gradients together have after the backward pass."""
    total = hypot(*(one.backward_norm for one in readings.all.every(GradientAtStepReading).values()))
    line = f"torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={plain_number(total)})"
    comment = "between backward() and step(), instead of what is there now: the norm of all gradients in this run"
    return joined({comment: [line]})
