"""No gradient passes a spiking layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import unsure
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import FlowReading, GradientReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MissingSurrogate(Check):
    """A spiking layer takes an input with gradients and returns spikes without any.

    ## What it means
    In every training forward that was looked at, the layer's input asked for gradients and its spikes carried none. A
    bare comparison such as `(potential > threshold).float()` does that, and so do `.detach()`, `.data`, a trip through
    numpy and a `torch.no_grad()` around the layer. It is a note where the weights before the layer get a gradient all
    the same: the potential is read out, or a connection goes round the layer.

    ## Why it matters
    Nothing before this layer is trained: its parameters get no gradient and stay as they were drawn. The accuracy can
    still be well above chance, since the layers behind it learn from random features (0.6 to 0.9 on 20 classes where
    0.95 was within reach), so the fault is easily missed.

    ## Fix
    ```python any
    class Spike(torch.autograd.Function):  # a surrogate gradient (fast sigmoid, slope 5) for the comparison
        @staticmethod
        def forward(ctx, distance):  # potential - threshold
            ctx.save_for_backward(distance)
            return (distance > 0).float()

        @staticmethod
        def backward(ctx, gradient):
            return gradient / (5 * ctx.saved_tensors[0].abs() + 1) ** 2
    ```
    ```python snntorch
    layer.spike_grad = snntorch.surrogate.fast_sigmoid(slope=5)  # and no .detach() on the spikes
    ```
    ```python sinabs
    layer.surrogate_grad_fn = sinabs.activation.SingleExponential()  # and no .detach() on the spikes
    ```
    ```python spikingjelly
    layer.surrogate_function = spikingjelly.activation_based.surrogate.ATan()  # and no .detach() on the spikes
    ```
    ```python norse
    norse.torch.LIFParameters(method="super")  # "heaviside" has no gradient
    ```

    ## Intended when
    The layer is a fixed encoder, and whatever is before it is not to be trained. Better say so in the script,
    `encoder.requires_grad_(False)`, and the finding goes away.

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
    message: ClassVar = "no gradient passes {site}: its input asks for one, its spikes carry none"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where every forward with gradients was blocked; a note where some may go round."""
        flow = readings[FlowReading]
        if flow.blocked and flow.blocked == flow.forwards:
            before = readings.at(f"{site.fed_by}.weight").get(GradientReading)
            around = unsure(site, readings) if before is None else before.norm > 0
            yield self.found(
                site,
                severity=Severity.NOTE if around else Severity.ERROR,
                seen=Seen(
                    "spikes without a gradient in {blocked} of {forwards} training forwards, from an input with one",
                    blocked=flow.blocked,
                    forwards=flow.forwards,
                ),
                expected=Expected(
                    "spikes that carry a gradient wherever the input does",
                    because="the gradient of a comparison is 0 everywhere; a surrogate takes its place",
                ),
            )
