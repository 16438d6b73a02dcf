"""Updates that are as large as the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import without_cause
from spikecheck.checks.learning import has_learned
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading, ParameterReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class HotLearningRate(Check):
    """Updates change a weight by half of its norm or more, and the loss does not fall.

    ## What it means
    The learning rate is so high that each update replaces what was learned before by a direction that was right for one
    batch. Spiking layers become silent or saturated, and the activity of recurrent layers, or of layers with several
    spikes per time step, explodes.

    ## Example
    ```python broken
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), sinabs.layers.IAF())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)  # the first update is 4.6 times the weights' norm
    ```
    ```python repaired
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), sinabs.layers.IAF())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # 0.05 times the weights' norm
    ```

    ## Fix
    ```python any
    # 0.001 to 0.01 is usual for spiking networks
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The optimizer is made for such updates, as some for very large batches are.
    ```toml
    [tool.spikecheck.ignore]
    "SPK407" = "trust ratio, warm-up over 500 updates"
    ```

    ## How it is decided
    On average over all updates so far (at least {min_updates}), an update changes the weight by {max_relative_update}
    times its norm or more, and the loss is no lower than at first. Only the weight with the largest relative update is
    reported. The finding ends when the network has learned, or when the learning rate is below {max_rate_fraction} of
    its highest value.

    Compared with a weight that starts at or near 0 (a position embedding, a class token, the second matrix of LoRA, a
    head initialized with 0), any update is large. Such a weight is reported only if its updates are also large compared
    with torch's default initialization, which has a scale, RMS * sqrt(fan-in), of {default_scale}.

    Adam's first update is the learning rate in every entry, whatever the gradient. Compared with torch's default
    weights, that is lr * sqrt(3 * fan-in): 0.05 for a learning rate of 0.001 and 700 inputs, 4.6 for 0.1.

    ## References
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2.1: the update is bounded by the
    learning rate.
    """

    id: ClassVar = "SPK407"
    slug: ClassVar = "hot-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading, ParameterReading)
    explained_by: ClassVar = ("SPK413",)
    past: ClassVar = "updates of {site} were too large for its norm"
    message: ClassVar = "one update changes {site} by {relative_update:%} of its norm, and the loss does not fall"

    max_relative_update: float = limit(
        0.5,
        why="derived: two updates of half the norm can undo the weights; measured over the first five updates: at most "
        "0.12 in nearly all of 60 healthy networks, 0.53 in one that is not reported, since its loss fell, and 4.9 "
        "with Adam at a learning rate of 0.5 in a layer of 700 inputs",
    )
    min_updates: int = limit(
        5, why="judgment call: the very first updates, of a warm-up or of Adam, may be unusually small or large"
    )
    default_scale: float = limit(
        0.577, why="derived: 1 / sqrt(3), since the default of nn.Linear is uniform within 1 / sqrt(fan-in)"
    )
    max_rate_fraction: float = limit(
        0.1, why="judgment call: at a tenth of the learning rate, the updates are no longer those that were reported"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that is moved most, if that is far and the loss has not fallen."""
        if self.most_moved(readings) != site.name:
            return
        update = readings.all[UpdateReading]
        if (
            update.updates < self.min_updates
            or update.mean_relative_norm < self.max_relative_update
            or loss_is_lower(readings)
            or has_learned(readings)
        ):
            return
        rate = update.learning_rate
        finding = self.finding(
            site,
            observed=Observed(
                "updates of {relative_update:%} of the norm on average and {largest:%} at most, over {updates} updates"
                + ("" if rate is None else f" at a learning rate of {rate:n}"),
                rate=rate,
                relative_update=update.mean_relative_norm,
                largest=update.max_relative_norm,
                updates=update.updates,
            ),
            expected=Expected(
                "updates of less than {max_update:%} of the norm",
                max_update=self.max_relative_update,
                because="a larger update replaces what was learned before",
            ),
            when=Moment(0),
            excess=log10(update.mean_relative_norm / self.max_relative_update),
        )
        first_update = readings.first.get(UpdateReading)  # before gradients could accumulate
        yield (
            finding
            if first_update is not None and first_update.mean_relative_norm < self.max_relative_update
            else without_cause(finding, "SPK413")
        )

    def is_judged(self, readings: Readings, name: str, update: UpdateReading) -> bool:
        """Return whether it is a weight, and its updates are not large merely because it starts near 0."""
        parameter = readings.at(name).get(ParameterReading)
        if parameter is None or not has_several_axes(readings, name):
            return False
        default_norm = self.default_scale * sqrt(parameter.elements / parameter.fan_in)
        return update.mean_norm is None or update.mean_norm >= self.max_relative_update * default_norm

    def most_moved(self, readings: Readings) -> str | None:
        """Return the weight that is moved most, relative to its norm."""
        updates = readings.all.every(UpdateReading)
        of_weights = {name: update for name, update in updates.items() if self.is_judged(readings, name, update)}
        return max(of_weights, key=lambda name: of_weights[name].mean_relative_norm, default=None)

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the network has learned since, the learning rate was lowered, or another weight stands for it.

        Updates also become small in a network that large ones have silenced: that ends nothing.
        """
        update, most = readings.all.get(UpdateReading), self.most_moved(readings)
        history = None if update is None else update.learning_rate_history
        lowered = history is not None and history.rate < self.max_rate_fraction * history.maximum_rate
        largest = 0.0 if most is None else readings.all.at(most)[UpdateReading].mean_relative_norm
        elsewhere = most != finding.site.name and largest >= self.max_relative_update
        return not made_now and (lowered or elsewhere or has_learned(readings))


def has_several_axes(readings: Readings, name: str) -> bool:
    """Return whether a parameter is a weight, rather than a bias or a time constant that may start at 0."""
    parameter = readings.at(name).get(ParameterReading)
    return parameter is not None and parameter.dimensions > 1


def loss_is_lower(readings: Readings) -> bool:
    """Return whether any loss is below where it began."""
    losses = readings.all.every(LossReading).values()
    return any(loss.first is not None and (loss.recent_mean or loss.first) < loss.first for loss in losses)
