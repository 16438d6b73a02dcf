"""The optimizer's updates: gradients before, what was added after."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.pace import Paces
from spikecheck.probe.torch_private import norms
from spikecheck.site import Capture, Site, SiteKind

COMPARED_FIRST = 10  # updates at the start whose steps are compared one by one: copying all parameters costs memory
COMPARED_THEN = 16  # and from then on each so-many-th


class OptimizerWatch:
    """Watches every optimizer that holds a parameter of the model, or the one that was named."""

    def __init__(
        self,
        named: dict[str, nn.Parameter],
        sink: Callable[[Capture[Tensor]], None],
        position: Callable[[str], int],
        only: Optimizer | None = None,
    ) -> None:
        self.named, self.sink, self.position, self.only = named, sink, position, only
        self.names = {id(parameter): name for name, parameter in named.items()}
        self.seen: set[str] = set()  # parameters that an optimizer has stepped with
        self.kind: str | None = None
        self.steps = 0
        self.before: list[Tensor] = []
        self.held: list[str] = []
        self.learning_rate_histories = Paces()
        self.called_per_time_step: set[str] = set()  # parameters that have had a step, whose gradients may be left over
        self.left: dict[str, Tensor] = {}  # the smallest norm their gradients had where a backward pass began
        self.made: dict[str, Tensor] = {}  # the norm of each gradient where the latest backward pass ended

    def concerns(self, optimizer: Optimizer) -> bool:
        """Does it train this model?"""
        if self.only is not None:
            return optimizer is self.only
        return any(id(p) in self.names for group in optimizer.param_groups for p in group["params"])

    def sites(self, kind: SiteKind, names: list[str]) -> tuple[Site, ...]:
        """One site a parameter."""
        return tuple(Site(kind, name, self.position(name)) for name in names)

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer, update: int) -> None:
        """Hand on the gradients, and keep the parameters where this step is to be compared."""
        self.kind = type(optimizer).__name__
        held = [p for group in optimizer.param_groups for p in group["params"] if id(p) in self.names]
        self.held = [self.names[id(p)] for p in held]
        self.seen.update(self.held)
        asking = {name: p for name, p in self.named.items() if p.requires_grad and not p.is_meta}
        if asking:
            gradients = tuple(p.new_empty(0) if p.grad is None else p.grad.detach() for p in asking.values())
            sites = self.sites(SiteKind.GRADIENT, list(asking))
            self.sink(Capture(sites, gradients, update=update))
        if self.compares():
            self.before = [p.detach().clone() for p in held]
        self.leave()
        self.hand_over()
        self.learning_rate_histories.step(optimizer)
        self.steps += 1

    @torch.no_grad()
    def after_step(self, optimizer: Optimizer, update: int) -> None:
        """Hand on what was added, where the parameters were kept."""
        before, self.before = self.before, []
        if not before:
            return
        rates = {id(p): group.get("lr") for group in optimizer.param_groups for p in group["params"]}
        held = [p for group in optimizer.param_groups for p in group["params"] if id(p) in self.names]
        steps = tuple(p.detach() - b for p, b in zip(held, before, strict=True))
        learning = tuple(None if (r := rates[id(p)]) is None else float(r) for p in held)
        sites, learning_rate_histories = (
            self.sites(SiteKind.UPDATE, self.held),
            tuple(self.learning_rate_histories.of(p) for p in held),
        )
        self.sink(
            Capture(
                sites,
                (*steps, *before),
                update=update,
                learning_rates=learning,
                learning_rate_histories=learning_rate_histories,
            )
        )

    @torch.no_grad()
    def backward_begins(self) -> None:
        """A backward pass begins: what is left of the gradients of a step that is over?"""
        if not self.called_per_time_step or not self.compares():
            return
        found = self.gradient_norms(sorted(self.called_per_time_step))
        for name in self.called_per_time_step:
            norm, before = found.get(name), self.left.get(name)
            if norm is None:
                self.left[name] = self.named[name].new_empty(0)
            elif before is None or before.numel():
                self.left[name] = norm if before is None else torch.minimum(norm, before)

    @torch.no_grad()
    def backward_ended(self) -> None:
        """A backward pass is over: these are the gradients that the next step should find."""
        self.made = self.gradient_norms(list(self.named)) if self.compares() else {}

    def gradient_norms(self, names: list[str]) -> dict[str, Tensor]:
        """The norm of each gradient that there is, in one fused call."""
        gradients = {name: g for name in names if (g := self.named[name].grad) is not None and dense(g)}
        if not gradients:
            return {}
        found = norms([gradient.detach().float() for gradient in gradients.values()])
        return dict(zip(gradients, found, strict=True))

    def leave(self) -> None:
        """The optimizer steps: hand on what was left of its parameters' gradients, which are the next to be left."""
        left = {name: self.left.pop(name) for name in self.held if name in self.left}
        if left:
            self.sink(Capture(self.sites(SiteKind.STALE_GRADIENT, list(left)), tuple(left.values())))
        self.called_per_time_step.update(self.held)

    def hand_over(self) -> None:
        """The optimizer steps: hand on what the backward pass made, and what of it the step finds."""
        if self.made.keys().isdisjoint(self.held):
            return
        held = [self.named[name] for name in self.held]
        made = [self.made.pop(name, p.new_empty(0)) for name, p in zip(self.held, held, strict=True)]
        found = [p.new_empty(0) if p.grad is None else p.grad.detach() for p in held]
        self.sink(Capture(self.sites(SiteKind.GRADIENT_AT_STEP, self.held), (*made, *found)))

    def compares(self) -> bool:
        """Is the coming step one of those that are compared?"""
        return self.steps < COMPARED_FIRST or self.steps % COMPARED_THEN == 0

    def parameters(self, update: int) -> Capture[Tensor] | None:
        """All parameters as they are now."""
        values = {name: p.detach() for name, p in self.named.items() if p.is_floating_point() and not p.is_meta}
        if not values:
            return None
        return Capture(self.sites(SiteKind.PARAMETER, list(values)), tuple(values.values()), update=update)


def dense(gradient: Tensor) -> bool:
    """Is it an ordinary tensor that holds anything? The norm of a sparse one would have to wait for its values."""
    return gradient.layout is torch.strided and gradient.numel() > 0
