"""What a treatment is, what it may use, and how all of them are found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from spikecheck.calibration.forward import Forward, LayerPass
from spikecheck.checks.fixes import for_site, path_of
from spikecheck.examination.experiments.base import NotApplicableError
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.own_loss import OwnLoss
from spikecheck.examination.subject import Batch, Subject, seed_everything
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange
from spikecheck.packages import classes_in
from spikecheck.probe.find import clean

__all__ = [
    "NotApplicableError",
    "Patient",
    "Role",
    "Treatment",
    "code_path",
    "is_binary",
    "line_of_user",
    "quantile",
    "treatments",
    "unique_lines",
]

Context = Callable[[], AbstractContextManager[Any]]
OWN_FOLDERS = (os.path.dirname(torch.__file__), str(Path(__file__).parents[2]))  # torch, and all of spikecheck
MANY = 1_000_000  # elements of which quantiles are taken: torch refuses more than 16 million


class Role(Enum):
    """What a treatment does about a fault."""

    CAUSE = "removes a cause"
    BOOSTER = "helps many networks, healthy ones too: a cause only where a finding names it"
    SYMPTOM = "hides a symptom"


@dataclass
class Patient:
    """The copy that is treated: the subject, and what a treatment needs to know of its layers."""

    subject: Subject
    checks: tuple[str, ...] = ()  # the findings of the untreated copy, most important first
    before_update: list[Callable[[], object]] = field(default_factory=list)  # called before each forward pass

    @property
    def batch(self) -> Batch:
        """The first batch."""
        return self.subject.training[0]

    def output(self) -> Any:
        """Return the output for the first batch, without gradients and always with the same random numbers."""
        seed_everything()
        with torch.no_grad():
            return self.subject.output(self.batch)

    @cached_property
    def layers(self) -> list[LayerPass]:
        """The spiking layers, and what they show for the first batch; in the order of the data flow.

        Raises:
            NotApplicableError: none was observed.
        """
        subject = self.subject
        seed_everything()
        subject.model.train()
        shown = Forward(subject.model, self.batch.inputs, call=subject.forward).run()
        if not shown:
            raise NotApplicableError("no spiking layer was observed")
        return shown

    def change_layers(self, change: NeuronChange, value: Callable[[LayerPass], float] = lambda layer: 0.0) -> Fix:
        """Make a change to the neurons of every layer whose library tells how, and return its code.

        Raises:
            NotApplicableError: none does.
        """
        lines = []
        for layer in self.layers:
            if layer.framework is None or layer.module is None:
                continue
            code = layer.framework.code_for(change, layer.module, value(layer))
            lines += [fix.code for fix in for_site(code, layer.site, layer.framework.name)] if code else []
        return self.run(lines)

    def run(self, lines: Iterable[str]) -> Fix:
        """Run code on the copy, and return it as a fix: what is shown is what was tried.

        Raises:
            NotApplicableError: there is no code.
        """
        written = unique_lines(lines)
        if not written:
            raise NotApplicableError("the library of these neurons has no code for it")
        fix = Fix("\n".join(written), model="model", applies=True)
        fix.apply(self.subject.model)
        self.__dict__.pop("layers", None)  # they show something else from now on
        return fix

    def change_inputs(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change the first tensor of every batch."""
        subject = self.subject
        subject.batches = tuple(batch.with_first(change(batch.first)) for batch in subject.batches)
        self.__dict__.pop("layers", None)

    def change_output(self, change: Callable[[Any], Any]) -> None:
        """Change what the model returns, for a plain loop."""
        call = self.subject.forward or self.subject.model
        self.subject.forward = lambda *inputs: change(call(*inputs))

    def surround(self, context: Context, *, in_step: Context | None = None) -> None:
        """Let forward pass, loss and training step run inside a context, a new one for each call."""
        subject = self.subject
        subject.forward = inside(subject.forward or subject.model, context)
        if subject.loss_fn is not None:
            subject.loss_fn = inside(subject.loss_fn, context)
        if subject.step is not None:
            subject.step = inside(subject.step, in_step or context)

    def require_own_loss(self) -> None:
        """Let the updates use `subject.loss`: a training step of the user's own calls model and loss on its own.

        The rest of the step stays, where it makes one backward pass per update; otherwise a plain loop takes its place.

        Raises:
            NotApplicableError: there is no loss function.
        """
        subject = self.subject
        if subject.loss_fn is None:
            raise NotApplicableError("the loss is computed inside the training step")
        if subject.step is not None and not isinstance(subject.step, OwnLoss):
            subject.step = OwnLoss(subject) if run_isolated(makes_one_backward_pass, subject).value else None

    def require_plain_step(self) -> None:
        """Train by a plain loop from now on.

        Raises:
            NotApplicableError: there is no loss function.
        """
        if self.subject.loss_fn is None:
            raise NotApplicableError("the loss is computed inside the training step")
        self.subject.step = None

    def replace_optimizer(self, optimizer: Optimizer) -> None:
        """Let every update be made by another optimizer, also those of a step that holds the one of the script.

        What a scheduler makes of the learning rate is undone before each update.
        """
        old, rates = self.subject.optimizer, [group["lr"] for group in optimizer.param_groups]

        def hold_rates(*args: object) -> None:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

        optimizer.register_step_pre_hook(hold_rates)
        old.param_groups = optimizer.param_groups
        old.step = optimizer.step  # type: ignore[method-assign]
        self.subject.optimizer = optimizer


class Treatment:
    """One change that can heal a network. The docstring of a subclass says what is done, in one sentence.

    Class attributes:
        name: as reports show it.
        named_by: the checks whose findings propose it; those that propose it first come first.
        role: what it does about a fault.
        core: whether it is tried where no finding names it.
        early_stop: whether a training loss like the untreated one proves it useless; not where it changes the loss or
            acts in evaluation alone.
        changes_loss: whether it may compute another training loss than the user's, so that a higher one proves nothing.
        needs_step: whether it changes the training step of the user, and means nothing for a plain loop.
    """

    name: ClassVar[str]
    named_by: ClassVar[tuple[str, ...]] = ()
    role: ClassVar[Role] = Role.CAUSE
    core: ClassVar[bool] = False
    early_stop: ClassVar[bool] = True
    changes_loss: ClassVar[bool] = False
    needs_step: ClassVar[bool] = False

    def apply(self, patient: Patient) -> Fix:
        """Change the copy, and return the change as a patch for the user's script.

        Raises:
            NotApplicableError: there is nothing to change.
        """
        raise NotImplementedError


def makes_one_backward_pass(subject: Subject) -> bool:
    """Return whether the user's training step makes one backward pass per update, that of its loss."""
    step = OwnLoss(subject)
    subject.step = step
    subject.update(subject.training[0])
    return step.fits


def inside(call: Callable[..., Any], context: Context) -> Callable[..., Any]:
    """Return a function that runs inside a context."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with context():
            return call(*args, **kwargs)

    return run


def line_of_user() -> tuple[str, bool]:
    """Return file and line of the innermost code outside torch and this package, and whether it is the user's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OWN_FOLDERS):
        frame = frame.f_back
    name = frame.f_code.co_filename
    return f"{os.path.basename(name)}:{frame.f_lineno}", f"{os.sep}site-packages{os.sep}" not in name


def code_path(name: str) -> str:
    """Return the code that reaches a module of the model, by its name."""
    return f"model{path_of(clean(name))}"


def unique_lines(lines: Iterable[str]) -> list[str]:
    """Return lines of code with each import once, at the top."""
    every = [line for code in lines for line in code.splitlines()]
    imports = dict.fromkeys(line for line in every if line.startswith(("from ", "import ")))
    return [*imports, *(line for line in every if line not in imports)]


def quantile(values: Tensor, share: float) -> float:
    """Return a quantile of many values."""
    flat = values.detach().flatten().float()
    if flat.numel() > MANY:
        flat = flat[:: flat.numel() // MANY + 1]
    return float(torch.nan_to_num(flat).quantile(share))


def is_binary(x: Tensor) -> bool:
    """Return whether a tensor holds zeros and ones alone."""
    return bool(((x == 0) | (x == 1)).all())


@cache
def treatments() -> tuple[Treatment, ...]:
    """Return every treatment, by name of the file."""
    made = classes_in(__name__.rpartition(".")[0], Treatment)
    return tuple(kind() for kind in made if kind is not Treatment)


def treatment(name: str) -> Treatment:
    """Return the treatment of this name."""
    return next(one for one in treatments() if one.name == name)
