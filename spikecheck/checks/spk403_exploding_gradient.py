"""Gradients that grow on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, InputReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ExplodingGradient(Check):
    """The gradient of the first weight is hundreds of times larger than that of the last.

    ## What it means
    Gradients of the weights, averaged over the recent updates, grow by a factor of {ratio} or more from the weight
    nearest the loss to the one nearest the input. Where the last weight is given fewer spikes than the first is given
    events, the factor that this alone makes is taken off: a gradient is the sum over what comes in, so that it shrinks
    with the root of the rate, and hardly anything is left of it behind a layer that is all but silent.

    ## Why it matters
    What is multiplied by more than 1 in every layer, or in every step, grows without bound. The first layers are then
    moved by whatever the last few samples said, and clipping the whole to a norm of 1 leaves nothing for the last. A
    surrogate whose height grows as it gets narrower does this: 1 / width * exp(-|u| / width) with a width of 0.001 is
    1000 at the threshold, and three such layers gave 3e11. So do a decay above 1 and recurrent weights with large
    eigenvalues, over many steps.

    ## Fix
    ```python any
    surrogate = 1 / (1 + 10 * (potential - threshold).abs()) ** 2  # as wide as the potentials are spread
    ```
    ```python snntorch
    layer.spike_grad = snntorch.surrogate.fast_sigmoid(slope=10)  # 25 is the default; 1000 and more is too steep
    ```
    ```python sinabs
    layer.surrogate_grad_fn = sinabs.activation.SingleExponential(grad_width=0.5)
    ```
    ```python spikingjelly
    layer.surrogate_function = surrogate.ATan(alpha=2.0)  # from spikingjelly.activation_based import surrogate
    ```
    ```python norse
    norse.torch.LIFCell(norse.torch.LIFParameters(method="super"))
    ```

    ## Intended when
    The first weights are trained at a rate of their own: `[tool.spikecheck.ignore] "SPK403" = "groups of rates"`
    """

    id: ClassVar = "SPK403"
    slug: ClassVar = "exploding-gradient"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    explained_by: ClassVar = (
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    passes: ClassVar = True
    message: ClassVar = "the gradient of {site} is {first:.1e}, that of {behind} {last:.1e}"

    ratio: float = limit(
        300.0,
        why="measured: 2.7 at most in healthy networks, 2e9 with a surrogate 0.001 wide whose height is the inverse of "
        "its width",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the weight nearest the input."""
        read = readings.every(GradientReading)
        names = [n for n in weights(readings) if n in read and 0 < read[n].norm < inf]
        if names[:1] != [site.name] or len(names) == 1:
            return
        first, last = read[names[0]].norm, read[names[-1]].norm
        quiet = sqrt(max(1, share_before(readings, names[0]) / share_before(readings, names[-1])))
        if first < self.ratio * quiet * last:
            return
        yield self.found(
            site,
            seen=Seen(
                "gradients from input to output: {listed}"
                + ("; a factor of {quiet:.2g} is due to rates that fall" if quiet > 1 else ""),
                quiet=quiet,
                listed=", ".join(f"{n} {read[n].norm:.1e}" for n in names),
            ),
            expected=Expected(
                "norms within a factor of {ratio:g}",
                ratio=self.ratio,
                because="the loss would else be decided in the first layer alone",
            ),
            weight=log10(first / last / quiet / self.ratio),
            first=first,
            last=last,
            behind=names[-1],
        )


def share_before(readings: Readings, name: str) -> float:
    """The share of what comes to a weight that is not 0: spikes of the layer before it, or the input. 1 if unknown."""
    sites = readings.evidence.sites
    place = next(site.position for site in sites if site.name == name)
    before = [s for s in sites if s.kind in SiteKind.SPIKES | SiteKind.INPUT and s.position < place]
    nearest = max(before, key=lambda site: site.position, default=None)
    at = readings.at(nearest.name if nearest is not None else None)
    spikes, given = at.get(SpikeReading), at.get(InputReading)
    if spikes is not None and spikes.active:
        return spikes.active / spikes.elements
    return given.active / given.looked_at if given is not None and given.active else 1.0
