"""Weight decay that outweighs the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned, has_learned_much, makes_progress
from spikecheck.checks.progress import GRACE_UPDATES, update_readings, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import GradientReading, ParameterReading, UpdateReading
from spikecheck.site import LearningRateHistory, Moment, Site, SiteKind


@dataclass(frozen=True)
class StrongWeightDecay(Check):
    """Weight decay shrinks the weights faster than anything is learned.

    ## What it means
    Each update takes so much off the weights that the gradient cannot make up for it. The input current of one layer
    after the other falls below the threshold, the layers become silent, and a silent layer receives too little gradient
    to recover.

    ## Example
    ```python broken
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, init_hidden=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=60)
    ```
    ```python repaired
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, init_hidden=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    ```

    ## Fix
    ```python any
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    ```

    ## When it is intended
    Weights are meant to shrink to 0, to see which of them are needed.
    ```toml
    [tool.spikecheck.ignore]
    "SPK412" = "pruning"
    ```

    ## How it is decided
    Whatever the gradient, an update takes a share of each weight away: the learning rate times the decay. A finding
    needs this share to be {max_decay_per_update} or more per update. A weight is halved in 0.69 / share updates.

    Adam adds its `weight_decay` to the gradient and rescales the sum, so no such share is known. (AdamW does not.) For
    Adam, the norm of decay * weight is compared with the norm of the gradient, and a finding needs one of these:

    - it is {max_decay_to_gradient} times as large or larger, while the loss does not fall;
    - it is {max_initial_decay_to_gradient} times as large or larger for all weights at the first update, the reported
      weight is down to {min_remaining_norm} of its first norm or less, and the loss is no better than a guess.

    A decay below {min_decay_in_gradient} is none of these: where it outweighs the gradient, the gradient is missing.

    While training runs, spikecheck waits for 64 updates, and for a network that learns nothing.

    AdamW keeps every entry of a weight below about 1 / decay: 0.017 for a decay of 60, where torch initializes a layer
    of 700 inputs with values up to 0.038. Usual decays are 0.0001 to 0.1; a much larger one is often a wrong exponent.
    A loss that falls to ln C meanwhile is no sign of learning: small weights give small logits.

    ## References
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    id: ClassVar = "SPK412"
    slug: ClassVar = "strong-weight-decay"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (
        UpdateReading,
        ParameterReading,
    )
    explained_by: ClassVar = ("SPK407",)
    ascending: ClassVar = (("max_initial_decay_to_gradient", "max_decay_to_gradient"),)
    past: ClassVar = "weight decay outweighed the gradient of {site}"
    message: ClassVar = "weight decay takes {share:%} of {site} away per update"

    max_decay_per_update: float = limit(
        0.005,
        why="derived: it halves the weights in 140 updates; the strongest usual settings give 0.0005 (SGD: 0.1 * "
        "0.0005, times 10 for a momentum of 0.9) and 0.0002 (AdamW: 0.002 * 0.1)",
    )
    max_decay_to_gradient: float = limit(
        100.0,
        why="derived: with a decay of 0.0001 and a weight of norm 20, the limit is reached at a gradient norm of "
        "0.00002, which happens only at the end of training, when the loss has fallen",
    )
    max_initial_decay_to_gradient: float = limit(
        2.0,
        why="derived: the gradient then balances the decay only when the weight is down to a half, which is "
        "min_remaining_norm; a usual decay of 0.0001 with a weight of norm 20 and a first gradient of norm 1 gives "
        "0.002",
    )
    min_decay_in_gradient: float = limit(
        1e-3, why="judgment call: usual decays of Adam are 0.00001 to 0.0005; those that outweigh a loss are near 1"
    )
    min_remaining_norm: float = limit(
        0.5, why="judgment call: a weight that has lost half of its norm is on its way to 0"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight that shrinks so fast, unless much is learned all the same."""
        in_training = readings.run.live and (readings.run.update < GRACE_UPDATES or has_learned(readings))
        if has_learned_much(readings) or in_training:
            return
        updates = update_readings(readings, weight_names(readings))
        times_limit = self.times_limit(readings, updates)
        shrinking = [name for name, times in times_limit.items() if times >= 1]
        if shrinking[:1] != [site.name]:
            return
        history = updates[site.name].learning_rate_history
        shrink = None if history is None else history.decay_per_update
        share = readings.all[UpdateReading].mean_relative_norm if shrink is None else shrink
        yield self.finding(
            site,
            observed=Observed(
                "a weight decay of {decay:n} at a learning rate of {rate:n}, {share:%} of the weight per update",
                decay=0 if history is None else history.weight_decay,
                rate=0 if history is None else history.rate,
                share=share,
            ),
            expected=Expected(
                "less than {max_decay:%} per update",
                max_decay=self.max_decay_per_update,
                because="otherwise the decay is stronger than the gradient",
            ),
            when=Moment(0),
            excess=log10(times_limit[site.name]),
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the decay is weaker by now, and what it has shrunk before has recovered.

        A network that it has silenced has no gradient to compare, and the end of a schedule restores no weights.
        """
        return not made_now and not (self.has_shrunk(readings) and not has_learned(readings))

    def times_limit(self, readings: Readings, updates: Mapping[str, UpdateReading]) -> dict[str, float]:
        """Return how many times its limit the decay of each weight is."""
        histories = {
            name: update.learning_rate_history
            for name, update in updates.items()
            if update.learning_rate_history is not None
        }
        initial = [
            decay_to_gradient(readings.first.at(name), history) / self.max_initial_decay_to_gradient
            for name, history in histories.items()
        ]
        lowest_initial = min(initial, default=0.0) if not has_learned(readings) else 0.0
        return {
            name: self.times_limit_of(readings.at(name), history, lowest_initial) for name, history in histories.items()
        }

    def times_limit_of(self, weight: Readings, history: LearningRateHistory, lowest_initial: float) -> float:
        """Return how many times its limit the decay of one weight is.

        `lowest_initial` is that of the weight which was decayed least in the first update.
        """
        if history.decay_per_update is not None:
            return history.decay_per_update / self.max_decay_per_update
        if history.weight_decay < self.min_decay_in_gradient:
            return 0.0
        recent = 0.0 if makes_progress(weight) else decay_to_gradient(weight, history) / self.max_decay_to_gradient
        return max(recent, lowest_initial if self.has_shrunk(weight) else 0.0)

    def has_shrunk(self, weight: Readings) -> bool:
        """Return whether a weight is down to a part of what it was at first."""
        first, recent = weight.first.get(ParameterReading), weight.get(ParameterReading)
        return first is not None and recent is not None and recent.rms <= self.min_remaining_norm * first.rms


def decay_to_gradient(weight: Readings, history: LearningRateHistory | None) -> float:
    """Return how many times the gradient of a weight its decay is, by their norms; 0 where either is not known."""
    values, gradient = weight.get(ParameterReading), weight.get(GradientReading)
    if history is None or values is None or gradient is None or not gradient.mean_norm > 0:
        return 0.0
    return history.weight_decay * values.rms * sqrt(values.elements) / gradient.mean_norm
