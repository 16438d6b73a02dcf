"""Weight decay that outweighs the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import learning, moved, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, ParameterReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class StrongWeightDecay(Check):
    """Weight decay takes the weights away faster than anything is learned.

    ## What it means
    Apart from any gradient, an update takes a share of {strong} or more off the weight: the learning rate times the
    decay, which halves it in ln 2 / share updates. Where the decay is added to a gradient that is rescaled afterwards
    (Adam's `weight_decay`), found is a decay {outweighed} times the gradient, while the loss does not fall.

    ## Why it matters
    Adam's step is the learning rate in every entry at most, so that decoupled decay holds every weight below 1 / decay
    in size: 0.017 for a decay of 60, a fifth of what torch draws for 140 inputs. The drive falls below the threshold,
    layer by layer, the layers fall silent, and silence has no gradient to come back by. A decay of 60 beside a rate of
    0.002 is most often the two arguments in each other's place.

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

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight that is taken away so fast."""
        updates = moved(readings, weights(readings))
        fast = [name for name in updates if self.excess(readings, name) >= 1]
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
            weight=log10(self.excess(readings, site.name)),
        )

    def excess(self, readings: Readings, name: str) -> float:
        """How many times its limit the decay of a weight is."""
        pace, weight = readings.all.at(name)[UpdateReading].pace, readings.at(name).get(ParameterReading)
        gradient = readings.at(name).get(GradientReading)
        if pace is None:
            return 0.0
        if pace.shrink is not None:
            return pace.shrink / self.strong
        if weight is None or gradient is None or not gradient.norm > 0 or learning(readings):
            return 0.0
        return pace.decay * weight.rms * sqrt(weight.elements) / gradient.norm / self.outweighed
