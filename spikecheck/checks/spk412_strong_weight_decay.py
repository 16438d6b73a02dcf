"""Weight decay that outweighs the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import learning, moved, nothing_learned, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, ParameterReading, UpdateReading
from spikecheck.site import Moment, Pace, Site, SiteKind


@dataclass(frozen=True)
class StrongWeightDecay(Check):
    """Weight decay takes the weights away faster than anything is learned.

    ## What it means
    Apart from any gradient, an update takes a share of {strong} or more off the weight: the learning rate times the
    decay, which halves it in ln 2 / share updates. Where the decay is added to a gradient that is rescaled afterwards
    (Adam's `weight_decay`), found is a decay {outweighed} times the gradient, while the loss does not fall; or one that
    was {balance} times the gradient or more in the first update, for every weight, where the weight is down to {shrunk}
    of what it was and the loss is no better than a guess.

    ## Why it matters
    Adam's step is the learning rate in every entry at most, so that decoupled decay holds every weight below 1 / decay
    in size: 0.017 for a decay of 60, a fifth of what torch draws for 140 inputs. The drive falls below the threshold,
    layer by layer, the layers fall silent, and silence has no gradient to come back by. A decay of 60 beside a rate of
    0.002 is most often the two arguments in each other's place. A loss that falls to ln C meanwhile has learned
    nothing: small weights make small logits.

    ## Fix
    ```python any
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    ```

    ## Intended when
    Weights are meant to die out, to find out which are needed: `[tool.spikecheck.ignore] "SPK412" = "pruning"`

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
    message: ClassVar = "weight decay takes {share:.3g} of {site} away in one update"

    strong: float = limit(
        0.005,
        why="derived: it halves the weights in 140 updates; the strongest usual recipes are 5e-4 (SGD at 0.1 with a "
        "decay of 5e-4 and a momentum of 0.9) and 2e-4 (AdamW at 2e-3 with 0.1)",
    )
    outweighed: float = limit(
        100.0,
        why="derived: with a decay of 1e-4 and a weight of norm 20, a gradient of 2e-5 at most, as at the end of a "
        "training; the loss has fallen by then",
    )

    balance: float = limit(
        5.0,
        why="derived: gradient and decay balance where a weight is gradient / decay, here a fifth of what was drawn; a "
        "decay of 1e-4, a weight of norm 20 and a first gradient of 1 give 0.002",
    )
    shrunk: float = limit(0.5, why="taste: a weight of half its size is on its way to 0, and one of 0.9 may turn round")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight that is taken away so fast."""
        updates = moved(readings, weights(readings))
        excess = self.excesses(readings, updates)
        fast = [name for name, times in excess.items() if times >= 1]
        if fast[:1] != [site.name]:
            return
        pace = updates[site.name].pace
        shrink = None if pace is None else pace.shrink
        share = readings.all[UpdateReading].mean if shrink is None else shrink
        yield self.found(
            site,
            seen=Seen(
                "a decay of {decay:.3g} at a rate of {rate:.3g}, {share:.3g} of the weight in an update",
                decay=0 if pace is None else pace.decay,
                rate=0 if pace is None else pace.rate,
                share=share,
            ),
            expected=Expected(
                "less than {strong:g}", strong=self.strong, because="the gradient cannot hold the weights against it"
            ),
            when=Moment(0),
            weight=log10(excess[site.name]),
        )

    def excesses(self, readings: Readings, updates: Mapping[str, UpdateReading]) -> dict[str, float]:
        """How many times its limit the decay of each weight is."""
        told = {name: update.pace for name, update in updates.items() if update.pace is not None}
        drawn = [outweighed(readings.first.at(name), pace) / self.balance for name, pace in told.items()]
        weakest = min(drawn, default=0.0) if nothing_learned(readings) else 0.0
        return {name: self.excess(readings.at(name), pace, weakest) for name, pace in told.items()}

    def excess(self, weight: Readings, pace: Pace, weakest: float) -> float:
        """How many times its limit the decay of one weight is; `weakest` is that of the least decayed, at first."""
        if pace.shrink is not None:
            return pace.shrink / self.strong
        now = 0.0 if learning(weight) else outweighed(weight, pace) / self.outweighed
        return max(now, weakest if self.smaller(weight) else 0.0)

    def smaller(self, weight: Readings) -> bool:
        """Is the weight down to a part of what it was at first?"""
        first, now = weight.first.get(ParameterReading), weight.get(ParameterReading)
        return first is not None and now is not None and now.rms <= self.shrunk * first.rms


def outweighed(weight: Readings, pace: Pace | None) -> float:
    """How many times the gradient of a weight its decay is, by their norms; 0 where either is not known."""
    values, gradient = weight.get(ParameterReading), weight.get(GradientReading)
    if pace is None or values is None or gradient is None or not gradient.norm > 0:
        return 0.0
    return pace.decay * values.rms * sqrt(values.elements) / gradient.norm
