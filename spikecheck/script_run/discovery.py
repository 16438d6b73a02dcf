"""Attach to whatever trains: the modules whose parameters an optimizer updates, or the optimizer where there is none.

Nothing is known beforehand. Two entry points of torch are replaced for as long as the discovery lasts: the constructor
of every optimizer, which tells what is trained, and the call of every module, since a monitor has to be attached before
a forward pass begins. Calling a module that is already known costs one set lookup.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck import api
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import SpikecheckError
from spikecheck.monitor import Monitor
from spikecheck.probe.parameter_set import Assembly, ParameterSet, of_optimizer
from spikecheck.probe.paths import script_frame, variable_name
from spikecheck.probe.torch_private import is_compiling, leave_alone, takes_hooks
from spikecheck.probe.watchers import watchers
from spikecheck.report.model import Report
from spikecheck.sinks.last_report import last_error

MAX_LIVE = 8  # monitors at a time; judgment call: a script that trains one model after the other keeps none of them
SHOWN_NAMES = 4  # of modules that are put together
COMPILED = (
    "{} was not watched: torch.jit compiled it, so that it takes no hooks. Train the model as it is, and compile it "
    "after the training; or compile parts of it alone, and the layers around them are watched"
)


class ModuleSet:
    """Modules that are told apart by identity, whatever equality a class defines, and that are not kept alive."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Any]] = {}

    def add(self, module: nn.Module) -> None:
        """Add one; it is forgotten when nobody else refers to it."""
        references, key = self._references, id(module)
        references[key] = weakref.ref(module, lambda reference: drop(references, key, reference))

    def discard(self, module: nn.Module) -> None:
        """Forget one."""
        self._references.pop(id(module), None)

    def __contains__(self, module: object) -> bool:
        reference = self._references.get(id(module))
        return reference is not None and reference() is module


def drop(references: dict[int, weakref.ref[Any]], key: int, reference: weakref.ref[Any]) -> None:
    """Forget a module that is gone, unless a new one has got its id already."""
    if references.get(key) is reference:
        del references[key]


@dataclass
class WatchedModel:
    """A model, its monitor while it is watched, and its report afterwards.

    `tentative` is one that no optimizer trains, so far: it counts only where nothing else with spikes was trained.
    """

    name: str
    monitor: Monitor | None
    tentative: bool
    parameters: frozenset[int]  # by their ids, when it was attached to
    result: Report | None = None

    @property
    def has_module(self) -> bool:
        """Whether an optimizer trains it, and it is a module: tensors alone may belong to a model that is gone."""
        model = None if self.monitor is None else self.monitor.model
        return not self.tentative and not isinstance(model, ParameterSet)

    @property
    def report(self) -> Report | None:
        """Return what was observed so far."""
        return self.result if self.monitor is None else self.monitor.report()

    def finish(self, error: BaseException | None = None, *, reports: bool = True) -> None:
        """Keep the report, if there is to be one; none where the script has attached a monitor of its own meanwhile."""
        if self.monitor is not None:
            watching = self.monitor.watching
            self.monitor.end(error)
            report = self.monitor.last_report() if reports else None
            failed = report is not None and any(finding.check == OwnError.id for finding in report.findings)
            self.result = report if watching or failed else None
            self.monitor = None


class Discovery:
    """Watches what trains between `start` and `stop`; `reports` says what was observed, model by model.

    With `existing`, optimizers that were created before are taken in too, as those of earlier cells of a notebook.
    `log` is the file for the log of every run. Where `reports_at_end` is set to False, `stop` makes no report.
    """

    reports_at_end = True

    def __init__(self, *, existing: bool = False, log: str | None = None) -> None:
        self._existing, self._log = existing, log
        self.errors: list[Exception] = []  # of ours, or why a model cannot be watched: the script goes on
        self._watched: list[WatchedModel] = []
        self._optimizers: list[weakref.ref[Optimizer]] = []
        self._known = ModuleSet()  # that need no further look
        self._covered = ModuleSet()  # of these, the ones that are watched
        self._lock, self._originals = threading.RLock(), (nn.Module.__call__, Optimizer.__init__)

    def __enter__(self) -> Discovery:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Replace the two entry points."""
        call, construct = self._originals
        known, guarded = self, self.guarded

        @functools.wraps(call)
        def watched_call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if module not in known._known and not is_compiling():
                guarded(module)
            return call(module, *args, **kwargs)

        @functools.wraps(construct)
        def watched_construct(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            construct(optimizer, *args, **kwargs)
            guarded(optimizer)

        leave_alone(watched_call)
        nn.Module.__call__ = watched_call  # type: ignore[method-assign]
        Optimizer.__init__ = watched_construct  # type: ignore[assignment,method-assign]
        alive = [one for one in gc.get_objects() if issubclass(type(one), Optimizer)] if self._existing else []
        for optimizer in alive:
            guarded(optimizer)

    def stop(self) -> None:
        """Restore torch, and detach every monitor; what was observed can still be reported."""
        nn.Module.__call__, Optimizer.__init__ = self._originals  # type: ignore[method-assign]
        for watched in self._watched:
            watched.finish(last_error(), reports=self.reports_at_end)

    def guarded(self, thing: nn.Module | Optimizer) -> None:
        """Look at a module that is about to be called, or at a new optimizer; an error of ours stops nothing."""
        with self._lock:
            try:
                self.take_in(thing) if isinstance(thing, Optimizer) else self.look_at(thing)
            except Exception as error:  # noqa: BLE001 - the command reports it
                self.errors.append(error)

    def reports(self) -> list[tuple[str, Report]]:
        """Return the name and the report of each model that was trained; of one that was only called, if none was."""
        shown = [(one, report) for one in self._watched if (report := one.report) is not None]
        called = [(one, report) for one, report in shown if report.updates or report.forward_passes]
        trained = [(one, report) for one, report in called if not one.tentative or report.updates]
        spiking = any(report.layers for _, report in trained)
        return [(one.name, report) for one, report in (trained if spiking else called)]

    # -- what trains

    def take_in(self, optimizer: Optimizer) -> None:
        """Take in an optimizer: at once where no module holds its tensors, else when one of them is called."""
        self._optimizers.append(weakref.ref(optimizer))
        self._known = ModuleSet()
        tensors = {id(tensor) for tensor in of_optimizer(optimizer)}
        if tensors and not any(tensors & own_tensors(module) for module in modules_alive()):
            self.attach(optimizer)

    def look_at(self, module: nn.Module) -> None:
        """Attach to a module that is about to be called, or to what it is a part of, if an optimizer trains it."""
        self._known.add(module)
        own = {id(parameter): parameter for _, parameter in module.named_parameters()}
        self.close_if_changed(module, own.keys())
        if not own or module in self._covered:
            return
        optimizers = [one for one in (reference() for reference in self._optimizers) if one is not None]
        trained = [{id(tensor): tensor for tensor in of_optimizer(one)} for one in optimizers]
        if any(tensors and tensors.keys() <= own.keys() for tensors in trained):
            self.attach(module)
            return
        for tensors in trained:
            if tensors.keys() & own.keys() and module not in self._covered:
                self.attach(whole_of(tensors, script_frame(sys._getframe(1))))
        undecided = not optimizers or not any(one.has_module for one in self._watched)
        if undecided and torch.is_grad_enabled() and any(one.requires_grad for one in own.values()):
            self.attach(module, tentative=True)

    def close_if_changed(self, module: nn.Module, parameters: Set[int]) -> None:
        """End the report of a model whose parameters are others by now, as with a new head; a new one begins."""
        for watched in self._watched:
            if watched.monitor is not None and watched.monitor.model is module and watched.parameters != parameters:
                watched.finish()
                for _, part in module.named_modules():
                    self._covered.discard(part)

    def attach(self, model: nn.Module | Optimizer, *, tentative: bool = False) -> None:
        """Attach to a model, unless the script does so itself; what was attached to a part of it gives way."""
        parts = [part for _, part in model.named_modules()] if isinstance(model, nn.Module) else []
        for part in parts:
            self._known.add(part)
            if not tentative:
                self._covered.add(part)
        for other in [one for one in self._watched if one.tentative and one.monitor is not None]:
            watched = None if other.monitor is None else other.monitor.model
            if watched is model:  # from before there was an optimizer
                other.tentative = tentative
            elif any(watched is part for part in parts):
                other.finish()
                self._watched.remove(other)
        if any(watch.model is model for watch in watchers.all()):
            return
        frame = script_frame(sys._getframe(1))
        if isinstance(model, nn.Module) and not takes_hooks(model):
            if tentative:
                return
            raise SpikecheckError(COMPILED.format(name_of(model, frame)))
        monitor = api.attach(model, on_finding=lambda finding: None, log=self._log, report=False)
        parameters = frozenset(id(parameter) for _, parameter in monitor.model.named_parameters())
        self._watched.append(WatchedModel(name_of(model, frame), monitor, tentative, parameters))
        live = [one for one in self._watched if one.monitor is not None]
        for oldest in live[:-MAX_LIVE]:
            oldest.finish()


def name_of(model: nn.Module | Optimizer, frame: Any) -> str:
    """Return what a model is called: the script's variable and the class, or the names of what is put together."""
    if isinstance(model, Assembly):
        names = list(model._modules)
        return ", ".join(names[:SHOWN_NAMES]) + (" ..." if len(names) > SHOWN_NAMES else "")
    name = variable_name(model, frame) if isinstance(model, nn.Module) else "parameters"
    return f"{name} ({type(model).__name__})"


def modules_alive() -> Iterator[nn.Module]:
    """Yield every module in this process."""
    yield from (one for one in gc.get_objects() if issubclass(type(one), nn.Module) and "_parameters" in vars(one))


def own_tensors(module: nn.Module) -> set[int]:
    """Return the ids of the parameters that a module holds itself, not those of its parts."""
    return {id(parameter) for parameter in vars(module)["_parameters"].values() if parameter is not None}


def whole_of(tensors: dict[int, Tensor], frame: Any) -> nn.Module:
    """Return the smallest module that holds all of these tensors; without one, all modules in sight put together."""
    holders = []
    for module in modules_alive():
        own = (
            {id(parameter) for _, parameter in module.named_parameters()} if not isinstance(module, Assembly) else set()
        )
        if tensors.keys() <= own:
            holders.append((len(own), sum(1 for _ in module.named_modules()), module))
    if holders:
        return min(holders, key=lambda holder: holder[:2])[2]
    return assemble(tensors, frame)


def assemble(tensors: dict[int, Tensor], frame: Any) -> Assembly:
    """Return the modules among the variables of the script, and the tensors that are in none of them."""
    modules: dict[str, nn.Module] = {}
    while frame is not None:
        for scope in (frame.f_locals, frame.f_globals):
            for name, value in list(scope.items()):
                if isinstance(value, nn.Module) and all(value is not one for one in modules.values()):
                    modules.setdefault(str(name), value)
        frame = frame.f_back if frame.f_globals.get("__name__") != "__main__" else None
    inside = {id(part) for one in modules.values() for _, part in one.named_modules() if part is not one}
    outermost = {name: one for name, one in modules.items() if id(one) not in inside}
    held = {id(parameter) for one in outermost.values() for _, parameter in one.named_parameters()}
    free = {f"parameter {number}": t for number, (key, t) in enumerate(tensors.items()) if key not in held}
    return Assembly(outermost, free)
