"""The losses computed since the last backward pass, kept until they are handed on together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikecheck.probe.frameworks.base import nested
from spikecheck.probe.loss import ONE_INDEX_PER_SAMPLE
from spikecheck.probe.loss_terms import own_part
from spikecheck.probe.torch_private import sequence_number
from spikecheck.probe.written_loss import ModelOutput, compared_pairs, compared_tensors, is_log_likelihood
from spikecheck.site import LIKELIHOOD, Capture, LossCall, Site, SiteKind

WRITTEN = "difference"  # what a loss that the script writes out is called
OF_NUMBERS = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", WRITTEN),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits"),
)
OF_LOSS = SiteKind.LOSS | SiteKind.LOSS_TERMS
MAX_CALLS = 4096  # more calls of one loss for one update are not kept


@dataclass
class LossCalls:
    """The calls of one loss."""

    call: LossCall
    training: bool
    logits: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the nodes that made the values
    terms: tuple[Tensor, ...] = ()  # the part of these values in the sum that is minimized, and the sum
    class_weights: tuple[Tensor, ...] = ()  # those of the latest call
    outputs: list[Tensor] = field(default_factory=list)
    regression_targets: list[Tensor] = field(default_factory=list)


@dataclass
class PendingLosses:
    """One entry per loss function and number of classes; a script may call a loss once per time step."""

    calls: dict[tuple[str, int | None], LossCalls] = field(default_factory=dict)
    ever: bool = False  # was any loss computed?
    outputs: tuple[ModelOutput, ...] = ()  # of the latest forward pass with gradients
    returned: int | None = None  # the number of the graph's latest node where the model returned

    def add(
        self,
        call: LossCall,
        logits: Tensor | None,
        targets: Tensor | None,
        value: Tensor | None,
        class_weights: Tensor | None = None,
    ) -> None:
        """A loss was computed; `value` is None where torch refused to."""
        self.ever = True
        key = (call.function, call.classes)
        calls = self.calls.setdefault(key, LossCalls(call, torch.is_grad_enabled()))
        if len(calls.values) >= MAX_CALLS:
            return
        if class_weights is not None:
            calls.class_weights = (class_weights.detach(),)
        if value is not None:
            calls.values.append(value.detach().clone())
            calls.numbers.append(-1 if value.grad_fn is None else sequence_number(value.grad_fn))
        if call.classes is not None and logits is not None:
            calls.logits.append(logits.detach())
        over_labels = call.classes is not None or call.function in ONE_INDEX_PER_SAMPLE
        if over_labels and targets is not None and not targets.is_floating_point():
            calls.targets.append(targets.detach())
        elif (
            call.function in OF_NUMBERS
            and logits is not None
            and targets is not None
            and are_comparable(logits, targets)
        ):
            calls.outputs.append(logits.detach())
            calls.regression_targets.append(targets.detach())

    def minimized(self, roots: tuple[Tensor, ...]) -> None:
        """A backward pass begins: keep which part each loss has in the sum that it begins at."""
        for calls in self.calls.values() if len(roots) == 1 and roots[0].numel() == 1 else ():
            own = own_part(roots[0], calls.numbers, calls.values)
            if own is not None:
                calls.terms = own, roots[0].detach()

    def model_returned(self, output: object) -> None:
        """Keep what the model returned, to find it in a loss that the script writes out."""
        self.outputs = ModelOutput.of(output)
        numbers = [sequence_number(tensor.grad_fn) for tensor in nested([output]) if tensor.grad_fn is not None]
        self.returned = max(numbers, default=None)

    def add_roots(self, roots: tuple[Tensor, ...]) -> None:
        """A backward pass begins at losses that torch did not compute."""
        for root in roots:
            if root.numel() == 1 and is_log_likelihood(root):
                self.add_likelihood(root.detach())
            elif root.numel() == 1:
                output, target = compared_tensors(root, self.outputs) or (None, None)
                pairs = () if output is not None else compared_pairs(root, self.outputs)
                name = "backward" if output is None and not pairs else WRITTEN
                call = LossCall(name, plain_mean=False, broadcast_shapes=pairs)
                self.add(call, output, target, root)

    def add_likelihood(self, likelihood: Tensor) -> None:
        """A backward pass begins at a log-likelihood: keep the loss that it lacks the minus sign of."""
        call = LossCall(LIKELIHOOD, plain_mean=False)
        self.add(call, None, None, likelihood.abs())
        self.calls[LIKELIHOOD, None].terms = likelihood, likelihood

    def drain(self, update: int, position: int, framework: str | None) -> Iterator[Capture[Tensor]]:
        """Yield everything as captures, and begin again; the second loss of a script is called "loss 2"."""
        for number, calls in enumerate(self.calls.values()):
            suffix = "" if number == 0 else f" {number + 1}"
            for kind, name, values in (
                (SiteKind.LOGITS, "logits", calls.logits),
                (SiteKind.TARGETS, "targets", calls.targets),
                (SiteKind.LABELS, "targets", [y for y in calls.targets[:1] if y.dim() == 1]),
                (SiteKind.CLASS_WEIGHTS, "targets", calls.class_weights),
                (SiteKind.REGRESSION_TARGET, "targets", [*calls.outputs, *calls.regression_targets]),
                (SiteKind.LOSS, "loss", calls.values),
                (SiteKind.LOSS_TERMS, "loss", calls.terms),
            ):
                if values:
                    site = Site(kind, name + suffix, position + (kind in OF_LOSS), framework)
                    yield Capture((site,), tuple(values), training=calls.training, update=update, loss_call=calls.call)
        self.clear()

    def clear(self) -> None:
        """Keep no tensor."""
        self.calls.clear()
        self.outputs = ()


def are_comparable(output: Tensor, target: Tensor) -> bool:
    """Return whether these are numbers that a loss compares one by one."""
    return output.shape == target.shape and target.is_floating_point() and not output.is_complex()
