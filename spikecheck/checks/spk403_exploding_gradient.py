"""Gradients that grow on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.gradient_norms import GradientNorms, growing_surrogate, surrogate_fixes
from spikecheck.checks.learning import has_learned, has_learned_much
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import GradientReading, InputReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ExplodingGradient(Check):
    """The gradient of the first weight is hundreds of times larger than that of the last.

    ## What it means
    The gradient grows from layer to layer, or from time step to time step, on its way back. A few samples with huge
    gradients then decide how the first layers move, and clipping all gradients to a norm of 1 leaves nothing for the
    last layer.

    ## Example
    ```python broken
    spike_grad = sinabs.activation.SingleExponential(grad_width=0.001, grad_scale=1000.0)  # 1,000 at the threshold
    layers = [sinabs.layers.IAF(surrogate_grad_fn=spike_grad) for _ in range(3)]
    ```
    ```python repaired
    spike_grad = sinabs.activation.SingleExponential(grad_width=0.5, grad_scale=1.0)
    layers = [sinabs.layers.IAF(surrogate_grad_fn=spike_grad) for _ in range(3)]
    ```

    ## Fix
    ```python handwritten
    # in backward() of the spike function; distance is potential - threshold. The height at the threshold is 1
    # a good slope is about 1 / distance.std(): 10 where potentials scatter by 0.1
    slope = 10.0
    input_gradient = output_gradient / (1 + slope * distance.abs()) ** 2
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
    layer.p = layer.p._replace(method="super", alpha=torch.tensor(20.0))
    ```

    ## When it is intended
    The first weights have a learning rate of their own.
    ```toml
    [tool.spikecheck.ignore]
    "SPK403" = "learning rate per layer"
    ```

    ## How it is decided
    The mean gradient norm of the weights in the recent updates grows by a factor of {max_gradient_ratio} or more from
    the weight nearest the loss to the one nearest the input. It is only a note once the loss is below that of a
    guess: with an optimizer that rescales gradients, such as Adam, the network learns anyway. From a factor of
    {max_ratio_while_learning} on, this takes a loss below half of that of a guess. While training runs, the
    finding is printed only from update 64 on if the first weight moves, because training may repair it.

    The norm of a weight's gradient grows with the square root of the number of spikes that the weight receives. Where
    the last weight receives fewer spikes than the first one receives events, the part of the factor that this explains
    is divided out.

    Only gradients from the backward pass are compared, and only the parameter `weight` of a module that has one.
    Gradients that a local learning rule such as STDP has written are left out.

    Some surrogate gradients are higher the narrower they are, and multiply the gradient in every layer: 1 / width *
    exp(-|u| / width) with a width of 0.001 is 1,000 at the threshold. One that is multiplied by what it should be
    divided by grows with the distance from the threshold; in a hand-written layer, the first backward pass shows that.
    A decay above 1, or recurrent weights with large eigenvalues, multiply the gradient in every time step.
    """

    id: ClassVar = "SPK403"
    slug: ClassVar = "exploding-gradient"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    explained_by: ClassVar = (
        "SPK206",
        "SPK401",
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
        why="measured: at most 2.7 in healthy networks, 2 * 10^9 with a surrogate gradient of width 0.001 and height "
        "1 / width",
    )

    max_ratio_while_learning: float = limit(
        1e5, why="measured: 8,800 in a healthy recurrent network, 10^17 with a surrogate gradient of height 100"
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
            severity=self.severity_of(norms.first / norms.last / due_to_rates, readings),
            fixes=surrogate_fixes(self, readings),
            observed=norms.observed(remark, due_to_rates=due_to_rates),
            expected=Expected(
                "norms within a factor of {max_ratio:n}",
                max_ratio=self.max_gradient_ratio,
                because=growing_surrogate(readings)
                or "otherwise no single learning rate suits both the first and the last layer",
            ),
            excess=log10(norms.first / norms.last / due_to_rates / self.max_gradient_ratio),
            factor=norms.first / norms.last,
            **norms.numbers,
        )

    def severity_of(self, ratio: float, readings: Readings) -> Severity:
        """Return a note where the network learns all the same: a little, or much where the gradients explode far."""
        learns = has_learned_much if ratio >= self.max_ratio_while_learning else has_learned
        return Severity.NOTE if learns(readings) else Severity.WARNING

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
