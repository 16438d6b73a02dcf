"""NaN or infinite values, and where the first of them was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import growing, without
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import (
    DriveReading,
    GradientReading,
    InputReading,
    LogitReading,
    LossReading,
    NonFinite,
    ParameterReading,
    PotentialReading,
    SpikeReading,
)
from spikecheck.site import Moment, Site, SiteKind

READ_BY: dict[SiteKind, type[Any]] = {
    SiteKind.INPUT: InputReading,
    SiteKind.CURRENT: DriveReading,
    SiteKind.POTENTIAL: PotentialReading,
    SiteKind.SPIKES: SpikeReading,
    SiteKind.LOGITS: LogitReading,
    SiteKind.LOSS: LossReading,
    SiteKind.GRADIENT: GradientReading,
    SiteKind.PARAMETER: ParameterReading,
}
WORDS = {
    SiteKind.INPUT: "the input",
    SiteKind.CURRENT: "the input current of {site}",
    SiteKind.POTENTIAL: "the potential of {site}",
    SiteKind.SPIKES: "the spikes of {site}",
    SiteKind.LOGITS: "the logits",
    SiteKind.LOSS: "the loss",
    SiteKind.GRADIENT: "the gradient of {site}",
    SiteKind.PARAMETER: "{site}",
}
WHERE = SiteKind.INPUT | SiteKind.CURRENT | SiteKind.POTENTIAL | SiteKind.SPIKES | SiteKind.LOGITS | SiteKind.LOSS
WHERE |= SiteKind.GRADIENT | SiteKind.PARAMETER


@dataclass(frozen=True)
class NonFiniteValue(Check):
    """A value is NaN or infinite; the first place and time of it is the root cause.

    ## What it means
    NaN or inf was seen here: in the input, in a layer's current, potential or spikes, in the logits, the loss, a
    gradient or a parameter. The first finding in the order of the computation names the module, the update and, inside
    a forward pass, the time step. A gradient that is NaN in front of a layer and finite behind it was born in that
    layer's backward pass.

    ## Why it matters
    NaN hides in a spiking network. A NaN current makes the potential NaN; NaN is not above the threshold, so the spike
    is 0 and the loss finite. The gradient of that neuron's weights is NaN, the optimizer writes it, and the neuron is
    silent for ever. Whoever watches the loss and the spikes never sees it.

    The usual causes, each measured with torch 2.13: a softmax written by hand, exp(x) / sum(exp(x)), from a logit of 89
    on; log(softmax(x)) where a probability is 0, whose loss may be 0 and its gradient NaN; a float16 number above
    65,504; x / x.sum() of counts that are all 0; inf - inf in a potential that resets by subtraction, inf * 0 in one
    that resets to zero; a mean over no samples, or over targets that are all ignored; sqrt(x) and log(x) at 0, in the
    backward pass alone; a surrogate gradient exp(-slope * x) far below the threshold.
    `torch.nn.functional.cross_entropy` is none of them: it subtracts the largest logit first.

    ## Fix
    ```python any
    counts = counts / counts.sum(-1, keepdim=True).clamp(min=1)  # nothing to divide by: 0 stays 0
    loss = torch.nn.functional.cross_entropy(logits, target)  # in place of a softmax and a log of one's own
    surrogate = torch.sigmoid(slope * x) * torch.sigmoid(-slope * x)  # in place of exp(-slope * x) / (1 + ...) ** 2
    ```

    ## Intended when
    Infinite logits mask classes out on purpose: `[tool.spikecheck.ignore] "SPK405:logits" = "masked classes are -inf"`
    """

    id: ClassVar = "SPK405"
    slug: ClassVar = "non-finite-value"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = WHERE
    explained_by: ClassVar = (
        "SPK207",
        "SPK407",
        "SPK413",
    )
    message: ClassVar = "NaN or infinity in {what}, {moment}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the site's own reading counts anything that is not finite."""
        reading = readings.all.get(READ_BY[site.kind]) or readings.get(READ_BY[site.kind])
        bad: NonFinite | None = None if reading is None else reading.non_finite
        if bad is None or bad.count == 0:
            return
        first = bad.first or Moment(readings.run.update)
        finding = self.found(
            site,
            seen=Seen("{count} of {elements} values looked at are not finite", count=bad.count, elements=bad.elements),
            expected=Expected("finite values", because="NaN passes through every sum, and stops at every comparison"),
            when=first,
            what=WORDS[site.kind].format(site=site),
            moment=str(first),
        )
        yield finding if growing(readings) else without(finding, "SPK207")
