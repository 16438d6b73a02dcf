"""The optimizer's updates: the gradients before, what was added to the parameters after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.gradients import ParameterGradients
from spikecheck.probe.learning_rates import LearningRateHistories
from spikecheck.site import Capture, Site, SiteKind

NO_PATHS: Mapping[str, str] = MappingProxyType({})
COMPARED_FIRST = 10  # updates at the start that are compared one by one: copying all parameters costs memory
COMPARED_EVERY = 16  # then every 16th


class OptimizerWatch:
    """Watches every optimizer that holds a parameter of the model, or the one that was named."""

    def __init__(
        self,
        named: dict[str, nn.Parameter],
        sink: Callable[[Capture[Tensor]], None],
        position: Callable[[str], int],
        only: Optimizer | None = None,
        paths: Mapping[str, str] = NO_PATHS,
    ) -> None:
        self.named, self.sink, self.position, self.only = named, sink, position, only
        self.paths = paths  # how the script reaches the module that holds a parameter
        self.names = {id(parameter): name for name, parameter in named.items()}
        self.kind: str | None = None
        self.updates = 0
        self.learning_rates = LearningRateHistories()
        self.gradients = ParameterGradients(named, self.sites)
        self.before: list[Tensor] = []  # the parameters before the update that is being made

    def concerns(self, optimizer: Optimizer) -> bool:
        """Return whether it trains this model."""
        if self.only is not None:
            return optimizer is self.only
        return any(id(p) in self.names for group in optimizer.param_groups for p in group["params"])

    def parameters_of(self, optimizer: Optimizer) -> list[nn.Parameter]:
        """Return the model's parameters that an optimizer holds."""
        return [p for group in optimizer.param_groups for p in group["params"] if id(p) in self.names]

    def sites(self, kind: SiteKind, names: Sequence[str]) -> tuple[Site, ...]:
        """Return one site per parameter."""
        return tuple(Site(kind, name, self.position(name), path=self.paths.get(name, "")) for name in names)

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer, update: int) -> None:
        """Hand on the gradients, and keep the parameters where this update is to be compared."""
        self.kind = type(optimizer).__name__
        held = self.parameters_of(optimizer)
        trained = {name: p for name, p in self.named.items() if p.requires_grad and not p.is_meta}
        if trained:
            gradients = tuple(p.new_empty(0) if p.grad is None else p.grad.detach() for p in trained.values())
            self.sink(Capture(self.sites(SiteKind.GRADIENT, list(trained)), gradients, update=update))
        if self.is_compared():
            self.before = [p.detach().clone() for p in held]
        for capture in self.gradients.update([self.names[id(p)] for p in held]):
            self.sink(capture)
        self.learning_rates.record(optimizer)
        self.updates += 1

    @torch.no_grad()
    def after_step(self, optimizer: Optimizer, update: int) -> None:
        """Hand on what was added, where the parameters were kept."""
        before, self.before = self.before, []
        if not before:
            return
        held = self.parameters_of(optimizer)
        of_parameter = {id(p): group.get("lr") for group in optimizer.param_groups for p in group["params"]}
        rates = tuple(None if (rate := of_parameter[id(p)]) is None else float(rate) for p in held)
        steps = tuple(p.detach() - b for p, b in zip(held, before, strict=True))
        sites = self.sites(SiteKind.UPDATE, [self.names[id(p)] for p in held])
        histories = tuple(self.learning_rates.of(p) for p in held)
        self.sink(
            Capture(sites, (*steps, *before), update=update, learning_rates=rates, learning_rate_histories=histories)
        )

    @torch.no_grad()
    def backward_begins(self) -> None:
        """A backward pass begins."""
        if self.is_compared():
            self.gradients.backward_begins()

    @torch.no_grad()
    def backward_ended(self) -> None:
        """A backward pass is over."""
        if self.is_compared():
            self.gradients.backward_ended()
        else:
            self.gradients.forget()

    def is_compared(self) -> bool:
        """Return whether the coming update is one of those that are compared."""
        return self.updates < COMPARED_FIRST or self.updates % COMPARED_EVERY == 0

    def parameters(self, update: int) -> Capture[Tensor] | None:
        """Return all parameters as they are now."""
        values = {name: p.detach() for name, p in self.named.items() if p.is_floating_point() and not p.is_meta}
        if not values:
            return None
        return Capture(self.sites(SiteKind.PARAMETER, list(values)), tuple(values.values()), update=update)

    def clear(self) -> None:
        """Keep no tensor."""
        self.before = []
        self.gradients.clear()
