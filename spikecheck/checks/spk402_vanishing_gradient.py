"""Gradients that vanish on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class VanishingGradient(Check):
    """The gradient of the first weight is thousands of times smaller than that of the last.

    ## What it means
    Gradients of the weights, averaged over the recent updates, fall by a factor of {ratio} or more from the weight
    nearest the loss to the one nearest the input. Weights with a gradient of exactly 0 are left out: a silent layer or
    a missing surrogate does that. The values of the norms, layer by layer, show where it happens; a spiking layer
    across which they fall by far is the one to look at.

    ## Why it matters
    The first layers hardly learn, while the last one learns from random features, so that the loss falls some way. The
    usual cause is a surrogate that is too steep, or too narrow, for the potentials: 1 / (1 + slope * |u|)^2 with a
    slope of 5000 is 4e-8 at a distance of 1 from the threshold, in every layer once more. Others are potentials far
    from the threshold, neurons that forget within a step, and many layers.

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
    norse.torch.LIFCell(norse.torch.LIFParameters(method="super", alpha=torch.tensor(20.0)))
    ```

    ## Intended when
    The optimizer rescales every weight's gradient (Adam does) and the first layers learn all the same:
    `[tool.spikecheck.ignore] "SPK402" = "deep, with Adam"`

    ## References
    Neftci, Mostafa, Zenke, Surrogate gradient learning in spiking neural networks, IEEE Signal Processing Magazine
    2019.
    """

    id: ClassVar = "SPK402"
    slug: ClassVar = "vanishing-gradient"
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
        "SPK412",
        "SPK413",
    )
    message: ClassVar = "the gradient of {site} is {first:.1e}, that of {behind} {last:.1e}"

    ratio: float = limit(
        3000.0,
        why="measured: 110 at most in healthy networks, at their first update; 18,000 at least with a surrogate that "
        "is too steep",
    )
    patience: int = limit(
        48,
        why="measured: with a last weight that starts at 0 and a warm-up, a healthy network shows a factor of 7,000 "
        "for 20 updates",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the weight nearest the input."""
        read = readings.every(GradientReading)
        names = [n for n in weights(readings) if n in read and 0 < read[n].norm < inf]
        if names[:1] != [site.name] or len(names) == 1 or readings.run.update < self.patience:
            return
        first, last = read[names[0]].norm, read[names[-1]].norm
        if last < self.ratio * first:
            return
        yield self.found(
            site,
            seen=Seen(
                "gradients from input to output: {listed}",
                listed=", ".join(f"{n} {read[n].norm:.1e}" for n in names),
            ),
            expected=Expected(
                "norms within a factor of {ratio:g}",
                ratio=self.ratio,
                because="each layer would else learn at a pace of its own",
            ),
            weight=log10(last / first / self.ratio),
            first=first,
            last=last,
            behind=names[-1],
        )
