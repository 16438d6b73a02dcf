"""The optimizer's updates: the gradients before, what was added to the parameters after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.gradients import ParameterGradients
from spikecheck.probe.learning_rates import LearningRateHistories
from spikecheck.probe.torch_private import has_values
from spikecheck.probe.unused import IdleOptimizers, UndoneUpdates, UnusedGradients, norms_of_gradients
from spikecheck.site import Capture, IdleOptimizer, Site, SiteKind

COMPARED_FIRST = 10  # updates of each optimizer that are compared one by one: copying its parameters costs memory
COMPARED_EVERY = 16  # then every 16th, and those whose learning rate is much higher than any before


class OptimizerWatch:
    """Watches every optimizer that holds a parameter of the model, or the one that was named."""

    def __init__(
        self,
        named: dict[str, nn.Parameter],
        sink: Callable[[Capture[Tensor]], None],
        position: Callable[[str], int],
        only: Optimizer | None = None,
        paths: Mapping[str, str] | None = None,
        is_training: Callable[[], bool] = lambda: True,
    ) -> None:
        self.members = {id(parameter) for parameter in named.values()}
        self.distributed = sum(not has_values(parameter) for parameter in named.values())
        named = {name: parameter for name, parameter in named.items() if has_values(parameter)}
        self.named, self.sink, self.position, self.only = named, sink, position, only
        self.paths = paths or {}  # how the script reaches the module that holds a parameter
        self.names = {id(parameter): name for name, parameter in named.items()}
        self.kind: str | None = None
        self.updates = 0
        self.learning_rates = LearningRateHistories()
        self.gradients = ParameterGradients(named, self.sites)
        self.before: list[Tensor] = []  # the parameters before the update that is being made
        self.steps: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()  # of each optimizer
        self.site_names: WeakKeyDictionary[Optimizer, str] = WeakKeyDictionary()
        self.unused = UnusedGradients(is_training, named, self.sites)
        self.undone = UndoneUpdates(self.sites)
        self.idle = IdleOptimizers(self.names)
        self.strangers: set[int] = set()  # ids of parameters that optimizers hold and the model lacked when they came
        self.foreign: str | None = None  # the class of an optimizer that steps and holds none of the parameters

    def concerns(self, optimizer: Optimizer) -> bool:
        """Return whether it trains this model."""
        if self.only is not None:
            return optimizer is self.only
        return any(id(p) in self.members for group in optimizer.param_groups for p in group["params"])

    def adopt(self, optimizer: Optimizer, present: Callable[[], Mapping[str, nn.Parameter]]) -> bool:
        """Learn the model's parameters again where an optimizer holds one that took its place there after attach().

        `fully_shard` replaces every parameter, and a script may replace a part of the model. Return whether any was.
        """
        held = {id(p) for group in optimizer.param_groups for p in group["params"]} - self.members - self.strangers
        if not held:
            return False
        named = present()
        self.strangers |= held - {id(parameter) for parameter in named.values()}
        if held <= self.strangers:
            return False
        changed = [name for name, parameter in self.named.items() if named.get(name) is not parameter]
        self.clear()
        self.gradients.updated.difference_update(changed)
        self.members = {id(parameter) for parameter in named.values()}
        self.distributed = sum(not has_values(parameter) for parameter in named.values())
        for one in (self.named, self.names):  # in place: they are shared with what compares gradients
            one.clear()
        self.named.update((name, parameter) for name, parameter in named.items() if has_values(parameter))
        self.names.update((id(parameter), name) for name, parameter in self.named.items())
        return True

    def parameters_of(self, optimizer: Optimizer) -> list[nn.Parameter]:
        """Return the model's parameters that an optimizer holds."""
        return [p for group in optimizer.param_groups for p in group["params"] if id(p) in self.names]

    def sites(self, kind: SiteKind, names: Sequence[str]) -> tuple[Site, ...]:
        """Return one site per parameter."""
        return tuple(Site(kind, name, self.position(name), path=self.paths.get(name, "")) for name in names)

    def site_of(self, optimizer: Optimizer) -> tuple[Site, ...]:
        """Return the site of an optimizer as a whole: its class, with a number where it is not the first of these."""
        if optimizer not in self.site_names:
            kind = type(optimizer).__name__
            number = 1 + sum(name.partition(" ")[0] == kind for name in self.site_names.values())
            self.site_names[optimizer] = kind if number == 1 else f"{kind} {number}"
        return (Site(SiteKind.OPTIMIZER, self.site_names[optimizer]),)

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer, update: int, *, new: bool = True) -> None:
        """Hand on the norms of the gradients, and keep the parameters where this update is to be compared.

        The first optimizer of an update shows all gradients; each shows what it does to the parameters that it holds.
        """
        self.kind = type(optimizer).__name__
        held = self.parameters_of(optimizer)
        trained = {name: p for name, p in self.named.items() if p.requires_grad and not p.is_meta} if new else {}
        norms = norms_of_gradients([*held, *trained.values()])
        if of_optimizer := [norms[id(p)] for p in held if id(p) in norms]:
            rate, together = (learning_rate(optimizer),), (on_one_device(of_optimizer),)
            self.sink(Capture(self.site_of(optimizer), together, update=update, learning_rates=rate))
        if trained:
            every = tuple([norms[id(p)] if id(p) in norms else p.new_empty(0) for p in trained.values()])
            shapes = tuple([tuple(p.shape) for p in trained.values()])
            self.sink(Capture(self.sites(SiteKind.GRADIENT, list(trained)), every, update=update, shapes=shapes))
        names = [self.names[id(p)] for p in held]
        undone = self.undone.before_step(names, [p.detach() for p in held], update)
        steps = self.steps.setdefault(optimizer, 0)
        if is_compared(steps) or self.learning_rates.rises(optimizer):
            self.before = [p.detach().clone() for p in held]
        for capture in (*self.gradients.update(names), *([] if undone is None else [undone])):
            self.sink(capture)
        self.learning_rates.record(optimizer, self.site_of(optimizer)[0].name)
        self.idle.stepped.add(optimizer)
        self.unused.clear()
        self.steps[optimizer] = steps + 1
        self.updates += new

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
        names = [self.names[id(p)] for p in held]
        sites = self.sites(SiteKind.UPDATE, names)
        histories = tuple(self.learning_rates.of(p) for p in held)
        gradients = tuple(p.new_empty(0) if p.grad is None or p.grad.is_sparse else p.grad.detach() for p in held)
        values = (*steps, *before, *gradients)
        self.sink(Capture(sites, values, update=update, learning_rates=rates, learning_rate_histories=histories))
        self.sink(Capture(self.site_of(optimizer), (), update=update, step_tensors=(*steps, *before)))
        if self.steps.get(optimizer, 0) <= COMPARED_FIRST:
            self.undone.stepped(names, before, steps)

    def foreign_step(self, optimizer: Optimizer) -> None:
        """Another optimizer stepped; note it where it holds none of the parameters, after a backward pass of them."""
        self.idle.stepped.add(optimizer)
        if self.updates == 0 and self.unused.passes and not self.parameters_of(optimizer):
            self.foreign = type(optimizer).__name__

    def idle_optimizers(self, *, live: bool) -> tuple[IdleOptimizer, ...]:
        """Return the optimizers that hold parameters and never stepped, where some parameter was never updated."""
        trained = {name for name, p in self.named.items() if p.requires_grad}
        if trained <= self.gradients.updated:
            return ()
        return self.idle.search(self.updates or self.unused.passes, live=live)

    @torch.no_grad()
    def backward_begins(self) -> None:
        """A backward pass begins."""
        if self.updates == 0:
            self.unused.backward_begins()
        if self.is_compared():
            self.gradients.backward_begins()

    @torch.no_grad()
    def backward_ended(self, update: int) -> None:
        """A backward pass is over."""
        if self.updates == 0 and (unused := self.unused.backward_ended(update)) is not None:
            self.sink(unused)
        if self.is_compared():
            self.gradients.backward_ended()
        else:
            self.gradients.forget()

    def is_compared(self) -> bool:
        """Return whether the coming update of any optimizer is one of those that are compared."""
        return not self.steps or any(is_compared(steps) for steps in self.steps.values())

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
        self.unused.clear()
        self.undone.clear()


def learning_rate(optimizer: Optimizer) -> float | None:
    """Return the largest learning rate of its groups; None for a tensor, which would have to be waited for."""
    rates = [group.get("lr") for group in optimizer.param_groups]
    return max((float(rate) for rate in rates if isinstance(rate, int | float)), default=None)


def on_one_device(norms: Sequence[Tensor]) -> Tensor:
    """Return norms as one tensor, on the device of the first."""
    return torch.stack([norm.to(norms[0].device, non_blocking=True) for norm in norms])


def is_compared(steps: int) -> bool:
    """Return whether an optimizer's next update is compared, after so many: each optimizer has its own count."""
    return steps < COMPARED_FIRST or steps % COMPARED_EVERY == 0
