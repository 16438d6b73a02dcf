"""Gradients that vanish on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.gradient_norms import GradientNorms
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import GradientReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class VanishingGradient(Check):
    """The gradient of the first weight is thousands of times smaller than that of the last.

    ## What it means
    The gradient shrinks from layer to layer on its way back, so the first layers barely train while the last one learns
    from random features. The usual cause is a surrogate gradient that is too steep, or too narrow, for the membrane
    potentials.

    ## Example
    ```python broken
    spike_grad = snntorch.surrogate.fast_sigmoid(slope=5000)  # 4e-8 at a distance of 1 from the threshold
    lif1, lif2, lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))
    ```
    ```python repaired
    spike_grad = snntorch.surrogate.fast_sigmoid(slope=10)
    lif1, lif2, lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))
    ```

    ## Fix
    ```python handwritten
    # in backward() of the spike function; distance is potential - threshold
    # a good slope is about 1 / distance.std(): 10 where potentials scatter by 0.1
    slope = 10.0
    input_gradient = output_gradient / (1 + slope * distance.abs()) ** 2
    ```
    ```python snntorch
    from snntorch import surrogate

    # the default slope is 25; 1,000 or more is too steep
    layer.spike_grad = surrogate.fast_sigmoid(slope=10)
    ```
    ```python sinabs
    from sinabs.activation import SingleExponential

    layer.surrogate_grad_fn = SingleExponential(grad_width=0.5)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import surrogate

    layer.surrogate_function = surrogate.ATan(alpha=2.0)
    ```
    ```python norse
    layer.p = layer.p._replace(method="super", alpha=torch.tensor(20.0))
    ```

    ## When it is intended
    The optimizer rescales every weight's gradient, as Adam does, so the first layers learn anyway.
    ```toml
    [tool.spikecheck.ignore]
    "SPK402" = "deep, with Adam"
    ```

    ## How it is decided
    The mean gradient norm of the weights in the recent updates falls by a factor of {max_gradient_ratio} or more from
    the weight nearest the loss to the one nearest the input. A finding needs {min_updates} updates. Weights with a
    gradient of exactly 0 are left out, since a silent layer or a missing surrogate gradient causes that. The finding
    lists the norms of all weights; look at the spiking layer across which they fall most.

    With a slope of 5,000, the surrogate gradient 1 / (1 + slope * |u|)^2 is 4e-8 at a distance u of 1 from the
    threshold, and every spiking layer multiplies the gradient by such a factor. Other causes are potentials far from
    the threshold, neurons that forget within a time step, and many layers.

    ## References
    Neftci, Mostafa and Zenke, Surrogate Gradient Learning in Spiking Neural Networks, IEEE Signal Processing Magazine
    36 (2019).
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
    past: ClassVar = "the gradient of {site} was far smaller than that of the last weight"
    message: ClassVar = (
        "the gradient of {site} is {factor:n} times smaller than that of {last_weight} ({first:.2n} vs {last:.2n})"
    )

    max_gradient_ratio: float = limit(
        3000.0,
        why="measured: at most 110 in healthy networks, at their first update; at least 18,000 with a surrogate "
        "gradient that is too steep",
    )
    min_updates: int = limit(
        48,
        why="measured: where the last weight starts at 0 and the learning rate is warmed up, a healthy network has a "
        "factor of 7,000 for 20 updates",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the weight nearest the input."""
        norms = GradientNorms.of(readings)
        if not norms.begin_at(site) or readings.run.update < self.min_updates:
            return
        if norms.last < self.max_gradient_ratio * norms.first:
            return
        yield self.finding(
            site,
            observed=norms.observed(),
            expected=Expected(
                "norms within a factor of {max_ratio:n}",
                max_ratio=self.max_gradient_ratio,
                because="otherwise the early layers barely train",
            ),
            excess=log10(norms.last / norms.first / self.max_gradient_ratio),
            factor=norms.last / norms.first,
            **norms.numbers,
        )
