"""Logarithms, roots and quotients that are kept away from 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from spikecheck.examination.treatments.base import Patient, Treatment, line_of_user
from spikecheck.finding import Fix

LEAST_ARGUMENT = 0.01  # judgment call, of a logarithm: a rate of 1 spike in 100 steps; its derivative is 100 there
LEAST_RADICAND = 1e-6  # judgment call: the derivative of the root is 500 there
LEAST_DIVISOR = 1e-6  # judgment call: far below any number that a network divides by on purpose
LARGEST_EXPONENT = 80.0  # derived: exp(88.8) is infinite in 32 bits, and a few of them are added


class GuardedOperations(Treatment):
    """Keep the arguments of logarithms, roots, quotients and exponentials where value and derivative are finite."""

    name = "operations kept away from 0"
    named_by = ("SPK405",)
    early_stop = False  # an argument may reach 0 late in training alone

    def apply(self, patient: Patient) -> Fix:
        """Guard the operations of the model, the loss and the training step, and say in which lines it mattered."""
        sites: dict[str, str] = {}
        patient.surround(lambda: Guard(sites, always=True), in_step=lambda: Guard(sites))
        with torch.enable_grad():
            output = patient.subject.output(patient.batch)
            if patient.subject.loss_fn is not None:
                patient.subject.loss_fn(output, patient.batch.targets)
        lines = [f"# {place}\n{code}" for place, code in sites.items()]
        return Fix("\n".join(lines or dict.fromkeys(CODE.values())))


CODE = {
    "log": f"logarithm = torch.log(x.clamp(min=0) + {LEAST_ARGUMENT})",
    "sqrt": f"root = torch.sqrt(x.clamp(min=0) + {LEAST_RADICAND})",
    "div": f"quotient = x / torch.where(y.abs() < {LEAST_DIVISOR}, 1.0, y)",
    "exp": f"power = torch.exp(x.clamp(max={LARGEST_EXPONENT:g}))",
}


class Guard(TorchFunctionMode):
    """Changes arguments at which a logarithm, a root, a quotient or an exponential is not finite, and notes the line.

    The optimizer computes such things as well, and keeps them finite itself: it runs without gradients, and so do
    custom backward passes, which are left alone.
    """

    def __init__(self, sites: dict[str, str], *, always: bool = False) -> None:
        super().__init__()
        self.sites, self.always = sites, always

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        name = NAMES.get(getattr(func, "__name__", ""))
        if name is None or not args or not (self.always or torch.is_grad_enabled()):
            return func(*args, **(kwargs or {}))
        place = 1 if name == "div" else 0
        if len(args) <= place or not isinstance(args[place], Tensor) or not args[place].is_floating_point():
            return func(*args, **(kwargs or {}))
        with torch._C.DisableTorchFunction():
            guarded = GUARDS[name](args[place])
        if guarded is None:
            return func(*args, **(kwargs or {}))
        self.sites.setdefault(line_of_user()[0], CODE[name])
        return func(*args[:place], guarded, *args[place + 1 :], **(kwargs or {}))


NAMES = {
    **dict.fromkeys(("log", "log2", "log10"), "log"),
    **dict.fromkeys(("sqrt", "rsqrt"), "sqrt"),
    **dict.fromkeys(("div", "true_divide", "divide", "__truediv__"), "div"),
    "exp": "exp",
}


def above(x: Tensor, least: float) -> Tensor | None:
    """Return a tensor with a small number added; None where all of it is above 0."""
    return None if bool((x > 0).all()) else x.clamp(min=0) + least


def divisor(y: Tensor) -> Tensor | None:
    """Return a tensor with 1 in place of numbers near 0; None where it has none."""
    small = y.abs() < LEAST_DIVISOR
    return torch.where(small, torch.ones_like(y), y) if bool(small.any()) else None


def exponent(x: Tensor) -> Tensor | None:
    """Return a tensor without numbers whose exponential is infinite; None where it has none."""
    return x.clamp(max=LARGEST_EXPONENT) if bool((x > LARGEST_EXPONENT).any()) else None


GUARDS: Mapping[str, Callable[[Tensor], Tensor | None]] = {
    "log": lambda x: above(x, LEAST_ARGUMENT),
    "sqrt": lambda x: above(x, LEAST_RADICAND),
    "div": divisor,
    "exp": exponent,
}
