"""Weights that receive gradients, and that no optimizer holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import and_more, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import GradientReading, ParameterReading, RunReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnoptimizedParameter(Check):
    """A weight receives gradients, but is in no optimizer that has made an update.

    ## What it means
    The weight stays as it was initialized, although gradients are computed for it. The loss still falls, since the
    other layers learn from random features, so it does not show the fault.

    ## Example
    ```python broken
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.fc1 = torch.nn.Linear(700, 256)  # replaced after the optimizer was built
    ```
    ```python repaired
    model.fc1 = torch.nn.Linear(700, 256)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## Fix
    ```python any
    # after the model is complete
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The weight is meant to stay as it is, or is trained later. For a weight that is never trained,
    `parameter.requires_grad_(False)` also saves computing its gradient.
    ```toml
    [tool.spikecheck.ignore]
    "SPK408:fc1.weight" = "trained in the second stage"
    ```

    ## How it is decided
    The weight requires gradients and receives them, is in no optimizer that has made an update, and has not moved: one
    that an earlier optimizer trained is not reported. Nor are thresholds, decays and time constants, which have a check
    of their own. A weight that took the place of another while training ran is reported, such as a head for more
    classes. While training runs, spikecheck waits for {min_updates_in_training} updates, since another optimizer may
    step less often. If several optimizers train the model, do not pass `optimizer=` to `spikecheck.attach`: with it,
    spikecheck watches that optimizer alone, and reports the weights of the others here.

    With random hidden layers and a trained last one, a network reached an accuracy of 0.6 to 0.9 where 0.95 was
    possible (20 classes). The usual cause is an optimizer that was built before a layer was added or replaced, or from
    `model.head.parameters()`. Another is `model.to(...)` or `load_state_dict(..., assign=True)` after the optimizer was
    built, which may replace the parameters that it holds.
    """

    id: ClassVar = "SPK408"
    slug: ClassVar = "unoptimized-parameter"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "no optimizer held {site}"
    message: ClassVar = "gradients reach {first}{more}, but {reason}"

    min_updates_in_training: int = limit(
        64, why="judgment call: an optimizer that steps once in 20 updates of another has then stepped three times"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        updates = readings.all.every(UpdateReading)
        gradients = readings.all.every(GradientReading)
        replaced = [name for name in weight_names(readings) if name in readings.run.replaced_parameters]
        unheld = [
            name
            for name in weight_names(readings)
            if name not in updates and gradients[name].mean_norm > 0 and not has_moved(readings.at(name))
        ]
        unheld = replaced or unheld
        too_early = readings.run.live and readings.run.update < self.min_updates_in_training
        if not updates or too_early or unheld[:1] != [site.name]:
            return
        yield self.finding(
            site,
            observed=Observed(
                "another parameter took the place of {names} in the model, and no update of it was made"
                if replaced
                else "a gradient norm of {norm:n} at {first}, and no update of {names}",
                norm=gradients[site.name].mean_norm,
                names=", ".join(unheld),
                first=site.name,
            ),
            expected=Expected(
                "an optimizer that holds every trainable weight", because="a weight that no optimizer holds never moves"
            ),
            when=Moment(readings.run.update if replaced else 0),
            more=and_more(unheld),
            reason=reason(unheld, readings.run),
        )


def has_moved(weight: Readings) -> bool:
    """Return whether a weight has changed, as one does that an optimizer held before."""
    now, first = weight.get(ParameterReading), weight.first.get(ParameterReading)
    return now is not None and first is not None and now.rms != first.rms


def reason(names: list[str], run: RunReading) -> str:
    """Return why the weights do not move, as the rest of a sentence."""
    pronoun = "it" if len(names) == 1 else "them"
    if set(names) <= set(run.replaced_parameters):
        return f"the optimizer still holds what {pronoun} replaced"
    idle = [optimizer.kind for optimizer in run.idle_optimizers if set(names) <= set(optimizer.parameters)]
    return f"step() of {idle[0]}, which holds {pronoun}, is never called" if idle else f"no optimizer holds {pronoun}"
