"""NaN or infinite values, and where the first of them appeared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import any_potential_grows, without_cause
from spikecheck.checks.non_finite_makers import Maker, maker_of
from spikecheck.checks.origin_fixes import fixes_of
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import (
    DriveReading,
    GradientReading,
    InputReading,
    LogitReading,
    LossReading,
    NonFinite,
    ParameterReading,
    PotentialReading,
    RunReading,
    SpikeReading,
    UpdateReading,
)
from spikecheck.site import Moment, Origin, Site, SiteKind
from spikecheck.timelines import (
    CurrentTimelineReading,
    InputTimelineReading,
    LogitTimelineReading,
    LossTimelineReading,
    PotentialTimelineReading,
    SpikeTimelineReading,
)

READINGS_BY_KIND: dict[SiteKind, tuple[type[Any], ...]] = {  # a timeline misses no forward pass
    SiteKind.INPUT: (InputTimelineReading, InputReading),
    SiteKind.CURRENT: (CurrentTimelineReading, DriveReading),
    SiteKind.POTENTIAL: (PotentialTimelineReading, PotentialReading),
    SiteKind.SPIKES: (SpikeTimelineReading, SpikeReading),
    SiteKind.LOGITS: (LogitTimelineReading, LogitReading),
    SiteKind.LOSS: (LossTimelineReading, LossReading),
    SiteKind.GRADIENT: (GradientReading,),
    SiteKind.PARAMETER: (ParameterReading,),
}
CLEAN_UPDATES = 16  # updates without a non-finite value after which it is over: as many as a window of evidence
DESCRIPTIONS = {
    SiteKind.INPUT: "the input",
    SiteKind.CURRENT: "the input current of {site}",
    SiteKind.POTENTIAL: "the potential of {site}",
    SiteKind.SPIKES: "the spikes of {site}",
    SiteKind.LOGITS: "the logits",
    SiteKind.LOSS: "the loss",
    SiteKind.GRADIENT: "the gradient of {site}",
    SiteKind.PARAMETER: "{site}",
}
#: What is counted, by kind; for a layer and the input, time steps.
COUNTED_PARTS = {
    SiteKind.LOGITS: "rows",
    SiteKind.LOSS: "losses",
    SiteKind.GRADIENT: "updates",
    SiteKind.PARAMETER: "reads of the parameter",
}
NUMERIC = SiteKind.INPUT | SiteKind.CURRENT | SiteKind.POTENTIAL | SiteKind.SPIKES | SiteKind.LOGITS | SiteKind.LOSS
NUMERIC |= SiteKind.GRADIENT | SiteKind.PARAMETER


@dataclass(frozen=True)
class NonFiniteValue(Check):
    """A value is NaN or infinite; the finding names where and when this happened first.

    ## What it means
    A value stopped being a number, and everything computed from it follows. In a spiking network this is easily missed:
    NaN is not above the threshold, so the neuron does not spike and the loss stays finite, while the neuron's weights
    become NaN and it is silent forever.

    ## Example
    ```python broken
    counts = spikes.sum(1)  # spikes: [batch, time, class] of a sinabs layer; counts up to 100
    probabilities = counts.exp() / counts.exp().sum(1, keepdim=True)  # exp(89) is infinite, infinity / infinity is NaN
    loss = -probabilities[torch.arange(len(y)), y].log().mean()
    ```
    ```python repaired
    counts = spikes.sum(1)
    # cross_entropy subtracts the largest logit first; counts of 0 to 100 become logits of 0 to 10
    loss = torch.nn.functional.cross_entropy(0.1 * counts, y)
    ```

    ## Fix
    ```python any
    # where all counts are 0, this avoids 0 / 0
    counts = counts / counts.sum(-1, keepdim=True).clamp(min=1)
    # instead of a softmax and a logarithm written by hand
    loss = torch.nn.functional.cross_entropy(logits, target)
    # a surrogate gradient, instead of exp(-slope * x) / (1 + exp(-slope * x)) ** 2
    surrogate = torch.sigmoid(slope * x) * torch.sigmoid(-slope * x)
    ```
    ```python snntorch
    from snntorch import surrogate

    # surrogate.sigmoid computes exp(-slope * x), which overflows far below the threshold
    layer.spike_grad = surrogate.fast_sigmoid()
    ```

    ## When it is intended
    Logits of -inf that mask some of the classes are not reported. A row in which all classes are masked is reported,
    but may be padding that the loss leaves out.
    ```toml
    [tool.spikecheck.ignore]
    "SPK405:logits" = "rows of padding are masked"
    ```

    ## How it is decided
    One NaN or infinite value is enough, in the input, a layer's input current, potential or spikes, the logits, the
    loss, a gradient or a parameter. Logits of -inf count only if they mask all classes of a sample. The first finding
    in the order of the computation is the root cause: it names the module, the update and, inside a forward pass, the
    time step. If gradients exploded before (SPK403), and it is not known what made the value, they are the cause. It
    stands before all other root causes, since they are judged by values that it may have spoiled.

    On the CPU, spikecheck searches the computation graph of the first loss that is not finite for the operation that
    caused this: a division by 0, the logarithm of 0 or of a negative number, or an exponential that overflows. In the
    graphs of the first two losses, it also searches the part after the model's output for operations with an infinite
    derivative. The loss may then be finite and only the gradient NaN, even in a branch that `torch.where` does not
    choose.

    Where the graph shows no such operation, the finding names one of these, if it is the only one possible:

    - the optimizer: an update made a finite parameter NaN, all gradients had been finite. In float16, Adam's `eps` of
      1e-8 is 0, and so is the square of a gradient below 0.0002: 0 / 0;
    - the surrogate gradient of a layer: values and loss are finite, and so are the gradients of the weights behind the
      layer, those of the weights before it are not. Of several processes that train together, any may have made it;
    - the surrogate gradient of a hand-written layer that grows with the distance from the threshold;
    - an update that changed a threshold, a decay or a time constant by half of its size or more, right before.

    The usual causes, each tried with torch 2.13:

    - a softmax written by hand, exp(x) / sum(exp(x)), for logits of 89 and more;
    - log(softmax(x)) where a probability is 0: the loss may be 0 and its gradient NaN;
    - a float16 number above 65,504;
    - x / x.sum() where all counts are 0;
    - inf - inf in a potential that resets by subtraction, inf * 0 in one that resets to zero;
    - a mean over no samples, or over targets that are all ignored;
    - log(x) at 0, which is infinite; sqrt(x) at 0, which is finite but has an infinite gradient;
    - a surrogate gradient exp(-slope * x) far below the threshold.

    `torch.nn.functional.cross_entropy` is safe: it subtracts the largest logit first.
    """

    id: ClassVar = "SPK405"
    slug: ClassVar = "non-finite-value"
    severity: ClassVar = Severity.ERROR
    ranks_first: ClassVar = True
    since: ClassVar = "0.1"
    sites: ClassVar = NUMERIC
    explained_by: ClassVar = (
        "SPK207",
        "SPK403",
        "SPK407",
        "SPK413",
    )
    past: ClassVar = "NaN or infinity in {site}"
    message: ClassVar = "{value} in {what}, {moment}{origin}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the reading of the site counts anything that is not finite."""
        made = (readings.all.get(kind) or readings.get(kind) for kind in READINGS_BY_KIND[site.kind])
        bad = next((reading.non_finite for reading in made if reading is not None and reading.non_finite.count), None)
        if bad is None:
            return
        first = first_moment(site, bad, readings)
        origins = origins_of(site.kind, readings.run)
        maker = (
            Maker(str(origins[0]), fixes_of(origins)) if origins else maker_of(site, readings, self.fix_by_library())
        )
        finding = self.finding(
            site,
            observed=observed(bad, site.kind, origins),
            expected=Expected(
                "finite values", because="NaN spreads through every sum and is false in every comparison"
            ),
            when=first,
            what=DESCRIPTIONS[site.kind].format(site=site),
            moment=str(first),
            value=bad.kind or "NaN or infinity",
            origin=f": {maker.text}" if maker.text else "",
            fixes=maker.fixes,
        )
        if maker.text and maker.known:  # what makes NaN by itself needs no large gradient
            finding = without_cause(finding, "SPK403")
        yield finding if any_potential_grows(readings) else without_cause(finding, "SPK207")

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether recent values are finite, at the site and in every parameter."""
        made = [readings.get(kind) for kind in READINGS_BY_KIND[finding.site.kind]]
        recent = [reading.non_finite for reading in made if reading is not None]
        if not recent or any(is_recent(non_finite, readings.run.update) for non_finite in recent):
            return False
        return all(not parameter.non_finite.count for parameter in readings.every(ParameterReading).values())


def first_moment(site: Site, bad: NonFinite, readings: Readings) -> Moment:
    """Return when this was so first; of a parameter, whose values are read now and then, its updates may know it."""
    read, update = bad.first or Moment(readings.run.update), readings.all.get(UpdateReading)
    if site.kind is not SiteKind.PARAMETER or update is None or update.first_spoiling is None:
        return read
    return min(read, Moment(update.first_spoiling + 1), key=lambda moment: moment.update)


def is_recent(bad: NonFinite, update: int) -> bool:
    """Return whether anything was not finite in the recent forward passes."""
    return bad.count > 0 and (bad.last_update is None or update - bad.last_update < CLEAN_UPDATES)


def origins_of(kind: SiteKind, run: RunReading) -> tuple[Origin, ...]:
    """Return the operations that the graph shows: of the values, or of a gradient alone while the loss is finite."""
    of_gradient = kind in SiteKind.GRADIENT | SiteKind.PARAMETER
    return run.gradient_origins if of_gradient and not run.value_origins else run.value_origins


def observed(bad: NonFinite, kind: SiteKind, origins: tuple[Origin, ...]) -> Observed:
    """Return what was observed: in a timeline time steps of all forward passes, else its parts."""
    origin = f"; the graph shows {' and '.join(map(str, origins))}" if origins else ""
    if bad.kind:
        parts = "losses are" if kind is SiteKind.LOSS else "time steps hold values that are"
        text = "{count} of {elements} " + parts + " not finite; {first} is {kind}" + origin
        which = "the first" if kind is SiteKind.LOSS else "in the first of them, the sum"
        return Observed(text, count=bad.count, elements=bad.elements, kind=bad.kind, first=which)
    parts = COUNTED_PARTS.get(kind, "time steps")
    text = "{count} of {elements} {parts} hold a value that is not finite" + origin
    return Observed(text, count=bad.count, elements=bad.elements, parts=parts)
