"""No gradient passes a spiking layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import input_weight_name, spikes_may_be_unused
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import FlowReading, GradientReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MissingSurrogate(Check):
    """A spiking layer takes an input that requires gradients and returns spikes that carry none.

    ## What it means
    A spike is a comparison of the membrane potential with the threshold, and the gradient of a comparison is 0
    everywhere; without a surrogate gradient in its place, nothing before this layer is trained. The loss still falls,
    since the layers after it learn from random features, so the fault is easily missed.

    ## Example
    ```python broken
    lif1 = snntorch.Leaky(beta=0.9, surrogate_disable=True)  # a bare comparison
    spikes, membrane = lif1(fc1(x), lif1.init_leaky())
    ```
    ```python repaired
    lif1 = snntorch.Leaky(beta=0.9, spike_grad=snntorch.surrogate.fast_sigmoid(slope=5))
    spikes, membrane = lif1(fc1(x), lif1.init_leaky())
    ```

    ## Fix
    ```python handwritten
    # a comparison with a surrogate gradient (fast sigmoid, slope 5)
    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, distance):
            # distance is potential - threshold
            ctx.save_for_backward(distance)
            return (distance > 0).float()

        @staticmethod
        def backward(ctx, gradient):
            return gradient / (5 * ctx.saved_tensors[0].abs() + 1) ** 2

    # in the neuron, instead of (potential > threshold).float()
    spikes = Spike.apply(potential - threshold)
    ```
    ```python snntorch
    from snntorch import surrogate

    layer.spike_grad = surrogate.fast_sigmoid(slope=5)
    # and remove any .detach() on the spikes
    ```
    ```python sinabs
    from sinabs.activation import SingleExponential

    layer.surrogate_grad_fn = SingleExponential()
    # and remove any .detach() on the spikes
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import surrogate

    layer.surrogate_function = surrogate.ATan()
    # and remove any .detach() on the spikes
    ```
    ```python norse
    # method="heaviside" has no gradient
    layer.p = layer.p._replace(method="super")
    ```

    ## When it is intended
    The layer is a fixed encoder, and nothing before it is to be trained. With `encoder.requires_grad_(False)` in the
    script, there is no finding.
    ```toml
    [tool.spikecheck.ignore]
    "SPK401:encoder.lif" = "fixed encoder"
    ```

    ## How it is decided
    In every observed training forward pass, the input of the layer required a gradient and its spikes carried none. A
    bare comparison such as `(potential > threshold).float()` causes this, and so do `.detach()`, `.data`, a conversion
    to numpy and back, and `torch.no_grad()` around the layer. It is only a note if the weights before the layer receive
    a gradient in another way: the potential is read out, or a connection goes around the layer. In the first
    {min_zero_updates} updates, a gradient of 0 is enough, as it has to be where no spike has arrived yet.

    Measured with 20 classes: an accuracy of 0.6 to 0.9 with untrained first layers, where 0.95 was possible.

    ## References
    Neftci, Mostafa and Zenke, Surrogate Gradient Learning in Spiking Neural Networks, IEEE Signal Processing Magazine
    36 (2019).
    """

    id: ClassVar = "SPK401"
    slug: ClassVar = "missing-surrogate"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (FlowReading,)
    past: ClassVar = "no gradient passed {site}"
    message: ClassVar = "no gradient passes {site}: its input requires one, its spikes carry none"

    min_zero_updates: int = limit(8, why="judgment call: an input trace fills within a few updates, one per time step")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where gradients were blocked every time; a note where some may go around the layer."""
        flow = readings[FlowReading]
        if not flow.blocked_forward_passes or flow.blocked_forward_passes != flow.forward_passes:
            return
        before = readings.at(input_weight_name(site, readings)).get(GradientReading)
        bypassed = spikes_may_be_unused(site, readings) if before is None else self.arrives(before)
        yield self.finding(
            site,
            severity=Severity.NOTE if bypassed else Severity.ERROR,
            observed=Observed(
                "the spikes carried no gradient in {blocked} of {forward_passes} training forward passes, although the "
                "input required one",
                blocked=flow.blocked_forward_passes,
                forward_passes=flow.forward_passes,
            ),
            expected=Expected(
                "spikes that carry a gradient wherever the input does",
                because="the gradient of a comparison is 0 everywhere; a surrogate gradient takes its place",
            ),
        )

    def arrives(self, gradient: GradientReading) -> bool:
        """Return whether a gradient arrives, or has been 0 in a few updates only."""
        return gradient.mean_norm > 0 or 0 < gradient.zero_updates < self.min_zero_updates
