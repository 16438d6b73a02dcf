"""What becomes of gradients and updates: gradients that no optimizer uses, and updates that something takes back."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakSet

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.torch_private import has_values, is_dense, is_freed, norms
from spikecheck.site import Capture, IdleOptimizer, Site, SiteKind

SAMPLED = 64  # values of each weight that are compared, spread evenly
COMPARED_FIRST = 64  # backward passes without an update that are compared one by one
COMPARED_EVERY = 16  # then every 16th
SEARCHED_FROM = 16  # backward passes, or updates, before the process is searched for optimizers that do not step

Sites = Callable[[SiteKind, Sequence[str]], tuple[Site, ...]]


class UnusedGradients:
    """Backward passes before the first update: whether gradients arrive, are cleared, and whether weights move.

    Passes in evaluation mode, and those whose input requires gradients (saliency maps, adversarial examples), are not
    those of a training.
    """

    def __init__(self, is_training: Callable[[], bool], named: dict[str, nn.Parameter], sites: Sites) -> None:
        self.is_training, self.named, self.sites = is_training, named, sites
        self.passes = 0
        self.input_requires_grad = False  # that of the latest forward pass
        self.first: dict[str, Tensor] = {}  # values of each weight at the first of these passes
        self.before: dict[str, Tensor] | None = None  # gradients at the beginning of the backward pass

    def backward_begins(self) -> None:
        """A backward pass begins: keep what is left of the gradients of the one before."""
        self.before = None
        if self.input_requires_grad or not self.is_training():
            return
        self.passes += 1
        if self.passes <= COMPARED_FIRST or self.passes % COMPARED_EVERY == 0:
            self.before = gradient_norms(self.named)

    def backward_ended(self, update: int) -> Capture[Tensor] | None:
        """A backward pass is over; return what is to be counted of it."""
        before, self.before = self.before, None
        trained = [name for name, p in self.named.items() if p.requires_grad and not p.is_meta and not is_freed(p)]
        if before is None or not trained:
            return None
        after = gradient_norms(self.named)
        now = {name: sample(self.named[name]) for name in trained}
        self.first = self.first or now
        none = next(iter(now.values())).new_empty(0)
        values = [group.get(name, none) for group in (before, after, self.first, now) for name in trained]
        return Capture(self.sites(SiteKind.UNUSED_GRADIENT, trained), tuple(values), update=update)

    def is_due(self) -> bool:
        """Return whether so many passes went by without an update that it is time to judge: at 32, 64, 128 ..."""
        return self.passes > SEARCHED_FROM and self.passes & (self.passes - 1) == 0

    def clear(self) -> None:
        """Keep no tensor."""
        self.first, self.before = {}, None


class UndoneUpdates:
    """Weights as they were before an update, to see at the next one whether it is still there."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.updated: dict[str, tuple[Tensor, Tensor]] = {}  # the weight before, and the norm of what was added

    def stepped(self, names: Sequence[str], before: Sequence[Tensor], steps: Sequence[Tensor]) -> None:
        """An update was made; `before` is what the weights were."""
        filled = [(name, b, s) for name, b, s in zip(names, before, steps, strict=True) if s.numel()]
        if filled:
            added = norms([s.detach().float() for _, _, s in filled])
            self.updated |= {name: (b, norm) for (name, b, _), norm in zip(filled, added, strict=True)}

    def before_step(self, names: Sequence[str], weights: Sequence[Tensor], update: int) -> Capture[Tensor] | None:
        """Another update is about to be made; return what is to be compared."""
        known = {
            name: (*self.updated.pop(name), w) for name, w in zip(names, weights, strict=True) if name in self.updated
        }
        if not known:
            return None
        before, added, now = zip(*known.values(), strict=True)
        return Capture(self.sites(SiteKind.UNDONE_UPDATE, list(known)), (*before, *now, *added), update=update)

    def clear(self) -> None:
        """Keep no tensor."""
        self.updated = {}


class IdleOptimizers:
    """Optimizers in this process that hold parameters of the model, and have not stepped while it was watched."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names  # of the model's parameters, by their id
        self.stepped: WeakSet[Optimizer] = WeakSet()
        self.searched_at = 0  # events at the latest search
        self.latest: tuple[IdleOptimizer, ...] = ()

    def search(self, events: int, *, live: bool) -> tuple[IdleOptimizer, ...]:
        """Return the optimizers that do not step.

        All objects of the process are looked through, which takes a tenth of a second: after `events` backward passes
        or updates, and while the training goes on only when that number has doubled.
        """
        if events >= SEARCHED_FROM and (not live or events >= 2 * self.searched_at):
            self.searched_at = events
            everything = [thing for thing in gc.get_objects() if issubclass(type(thing), Optimizer)]
            idle = [(type(one).__name__, self.held_by(one)) for one in everything if one not in self.stepped]
            self.latest = tuple(IdleOptimizer(kind, held) for kind, held in idle if held)
        return self.latest

    def held_by(self, optimizer: Optimizer) -> tuple[str, ...]:
        """Return the names of the model's parameters that an optimizer holds."""
        groups = getattr(optimizer, "param_groups", ())
        return tuple(self.names[id(p)] for group in groups for p in group["params"] if id(p) in self.names)


def sample(weight: Tensor) -> Tensor:
    """Return a copy of some values of a weight, spread evenly."""
    flat = weight.detach().reshape(-1)
    return flat[:: max(1, -(-flat.numel() // SAMPLED))].clone()


def gradient_norms(named: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the norm of each gradient that holds anything, by name; a sparse one's would be waited for."""
    dense = {name: p for name, p in named.items() if p.grad is not None and is_dense(p.grad)}
    by_id = norms_of_gradients(dense.values())
    return {name: by_id[id(p)] for name, p in dense.items() if id(p) in by_id}


def norms_of_gradients(parameters: Iterable[nn.Parameter]) -> dict[int, Tensor]:
    """Return the norm of each gradient that holds anything, by the id of its parameter, in one fused call."""
    present = {id(p): p.grad.detach() for p in parameters if p.grad is not None and has_values(p.grad)}
    present = {key: gradient for key, gradient in present.items() if gradient.numel()}
    values = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in present.values()]
    return dict(zip(present, norms([one.float() for one in values]) if values else (), strict=True))
