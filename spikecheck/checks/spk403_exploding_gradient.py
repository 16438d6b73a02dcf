"""Gradients that grow on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.gradient_norms import GradientNorms
from spikecheck.checks.learning import has_learned
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import GradientReading, InputReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ExplodingGradient(Check):
    """The gradient of the first weight is hundreds of times larger than that of the last.

    ## What it means
    The gradient grows from layer to layer, or from time step to time step, on its way back. The last few samples then
    decide how the first layers move, and clipping all gradients to a norm of 1 leaves nothing for the last layer.

    ## Example
    ```python broken
    spike_grad = sinabs.activation.SingleExponential(grad_width=0.001, grad_scale=1000.0)  # 1000 at the threshold
    layers = [sinabs.layers.IAF(surrogate_grad_fn=spike_grad) for _ in range(3)]
    ```
    ```python repaired
    spike_grad = sinabs.activation.SingleExponential(grad_width=0.5, grad_scale=1.0)
    layers = [sinabs.layers.IAF(surrogate_grad_fn=spike_grad) for _ in range(3)]
    ```

    ## Fix
    ```python any
    # as wide as the potentials are spread
    surrogate = 1 / (1 + 10 * (potential - threshold).abs()) ** 2
    ```
    ```python snntorch
    from snntorch import surrogate

    # 1 at the threshold, whatever the slope
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
    import norse.torch

    layer = norse.torch.LIFCell(norse.torch.LIFParameters(method="super"))
    ```

    ## When it is intended
    The first weights have a learning rate of their own.
    ```toml
    [tool.spikecheck.ignore]
    "SPK403" = "learning rate per layer"
    ```

    ## How it is decided
    Gradient norms of the weights, averaged over the recent updates, grow by a factor of {max_gradient_ratio} or more
    from the weight nearest the loss to the one nearest the input. Where the last weight receives fewer spikes than the
    first receives events, the factor due to this alone is divided out: a weight's gradient is the sum over what comes
    in, so it shrinks with the square root of the rate, and hardly anything is left of it after a layer that is nearly
    silent.

    Only what one rule of learning made is compared: the `weight` of each module, where it has one, and gradients that
    the backward pass left, not those that a local rule (STDP) puts in their place. It is a note where the loss has
    fallen below that of a guess: an optimizer that rescales gradients, such as Adam, can live with it.

    Whatever is multiplied by more than 1 in every layer, or in every time step, grows without bound. A surrogate
    gradient whose height grows as it gets narrower does this: 1 / width * exp(-|u| / width) with a width of 0.001 is
    1,000 at the threshold, and a network with three such layers had a first gradient of 3 * 10^11. A decay above 1 and
    recurrent weights with large eigenvalues do it over many time steps.
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
    self_resolving: ClassVar = True
    past: ClassVar = "the gradient of {site} was far larger than that of the last weight"
    message: ClassVar = (
        "the gradient of {site} is {factor:n} times larger than that of {last_weight} ({first:.2n} vs {last:.2n})"
    )

    max_gradient_ratio: float = limit(
        300.0,
        why="measured: at most 2.7 in healthy networks, 2 * 10^9 with a surrogate 0.001 wide whose height is the "
        "inverse of its width",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the weight nearest the input."""
        norms = GradientNorms.of(readings)
        if not norms.begin_at(site):
            return
        activity_ratio = active_share_before(norms.names[0], readings) / active_share_before(norms.names[-1], readings)
        due_to_rates = sqrt(max(1, activity_ratio))
        if norms.first < self.max_gradient_ratio * due_to_rates * norms.last:
            return
        remark = "; falling firing rates explain a factor of {due_to_rates:.2n}" if due_to_rates > 1 else ""
        yield self.finding(
            site,
            severity=Severity.NOTE if has_learned(readings) else Severity.WARNING,
            observed=norms.observed(remark, due_to_rates=due_to_rates),
            expected=Expected(
                "norms within a factor of {max_ratio:n}",
                max_ratio=self.max_gradient_ratio,
                because="otherwise gradient clipping leaves nothing for the last layer",
            ),
            excess=log10(norms.first / norms.last / due_to_rates / self.max_gradient_ratio),
            factor=norms.first / norms.last,
            **norms.numbers,
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the norms can still be compared: in a network that has died, no gradient is left."""
        return not made_now and len(GradientNorms.of(readings).by_weight) > 1


def active_share_before(name: str, readings: Readings) -> float:
    """Return the share of a weight's input that is not 0: spikes of the layer before it, or the input. 1 if unknown."""
    sites = readings.observations.sites
    position = next(site.position for site in sites if site.name == name)
    before = [s for s in sites if s.kind in SiteKind.SPIKES | SiteKind.INPUT and s.position < position]
    nearest = max(before, key=lambda site: site.position, default=None)
    source = readings.at(nearest.name if nearest is not None else None)
    spikes, model_input = source.get(SpikeReading), source.get(InputReading)
    if spikes is not None and spikes.active:
        return spikes.active / spikes.elements
    return model_input.active / model_input.sampled_elements if model_input is not None and model_input.active else 1.0
