"""What a script calls: attach, disable, tap."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError, SpikecheckWarning
from spikecheck.monitor import Monitor, OnFinding
from spikecheck.outside_text import safe
from spikecheck.probe.batches import KeptBatches
from spikecheck.probe.parameter_set import ParameterSet, named, of_optimizer
from spikecheck.probe.paths import script_frame, variable_name
from spikecheck.probe.schedule import Schedule
from spikecheck.probe.torch_private import takes_hooks
from spikecheck.probe.watchers import watchers
from spikecheck.runlog.writer import RunLog
from spikecheck.settings import Settings, is_switched_off
from spikecheck.sinks.base import Sink
from spikecheck.sinks.last_report import LastReport, end_stopped

T = TypeVar("T")


def attach(
    model: nn.Module | Optimizer | None,
    *,
    parameters: Iterable[Tensor] | Mapping[str, Tensor] = (),
    spikes: Iterable[str | nn.Module] = (),
    loss: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    every: int | Literal["auto"] = "auto",
    budget: float = 0.02,
    on_finding: OnFinding = "warn",
    ignore: Iterable[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
    time: int | Mapping[str, int] | None = None,
    batch: int | Mapping[str, int] | None = None,
    keep_batches: int = 0,
    log: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | bool | None = None,
    sinks: Iterable[Sink] = (),
) -> Monitor:
    """Watch a model; nothing else changes in the script.

    Args:
        model: the spiking network. It is not changed: `detach()` takes every hook off again. For code that has no
            module, the optimizer that trains its tensors, or None.
        parameters: the tensors that are trained, as a list or by name, if the model is None.
        spikes: names or modules of spiking layers that are not detected automatically.
        loss: the criterion, if it is a module whose loss torch.nn does not compute.
        optimizer: the optimizer to watch, if several train the model.
        every: 8 measures every 8th forward pass by all statistics; "auto" measures the first 16 forward passes in that
            way, and then as many as the budget allows, at least every 32nd. Counts, maxima and values that are not
            finite are measured in every forward pass.
        budget: with every="auto", the share of the run's time for forward passes that are measured by all statistics,
            after the first 16. It does not limit what is measured in every forward pass.
        on_finding: "warn" gives one SpikecheckWarning per root cause, with its consequences; "raise" judges at every
            update and raises FindingError in the step where it happened; a callable is given the Finding of each root
            cause. A finding that training may repair is held back for up to 64 updates; with "warn", one that began
            during training is held back for up to 8 updates, until what may explain it is known.
        ignore: findings to ignore: ids ("SPK203"), beginnings of ids ("SPK2") or slugs ("dead-layer"); with ":layer",
            only at sites of this name or pattern.
        settings: a dict that replaces `[tool.spikecheck]` of the nearest pyproject.toml, in the same form:
            {"SPK203": {"min_forward_passes": 20}}.
        time: the time axis of layers that are called with whole sequences, if it is not detected automatically: one
            axis for all hand-written layers (1 for [batch, time, neurons]), or by name, as in {"encoder.lif": 1}.
        batch: the batch axis, in the same way; by default, the first axis that is not time.
        keep_batches: how many of the latest training batches are copied, inputs and targets, for `Monitor.examine`.
        log: a file of JSON lines that is written while the run trains, for `spikecheck watch`, `report` and `compare`.
        report: what to do with the last report when `with` is left, `detach` is called or the script ends, also by an
            exception: a file to write it to (.html, .json, or text), True to print it, False for nothing. By default,
            it is printed if an exception leaves `with`. The exception passes unchanged. Of several processes, rank 0
            gives one report for all.
        sinks: objects that receive numbers and findings while the run trains: see `spikecheck.plugin.Sink`.

    Returns:
        The monitor. Attaching to a model again replaces its monitor.

    Raises:
        SpikecheckError: an argument cannot be used, or the settings are not understood.
    """
    failures: list[Exception] = []  # of ours: training goes on without what failed
    called_from = sys._getframe(1)
    caller = attempt(lambda: script_frame(called_from), called_from, failures)
    if model is None or isinstance(model, Optimizer):
        if isinstance(model, Optimizer) and optimizer is None and not parameters:
            optimizer = model
        model = stand_in(model, parameters, caller)
    elif not isinstance(parameters, tuple) or parameters:
        raise SpikecheckError("parameters= is for code without a module: pass None for the model with it")
    check_arguments(model, loss, optimizer, every, budget, on_finding)
    if not isinstance(keep_batches, int) or isinstance(keep_batches, bool) or keep_batches < 0:
        raise SpikecheckError(f"keep_batches= takes a whole number from 0 on, got {keep_batches!r}")
    judge = Judge.of(Settings.of(settings), [ignore] if isinstance(ignore, str) else ignore)
    attempt(lambda: disable(model), None, failures)
    schedule = Schedule(None if every == "auto" else every, budget, always=on_finding == "raise")
    variable = attempt(lambda: variable_name(model, caller), "model", failures)
    named = [spikes] if isinstance(spikes, str | nn.Module) else list(spikes)
    monitor = Monitor(
        model,
        judge,
        schedule,
        on_finding,
        sinks=all_sinks(log, report, sinks),
        report_on_error=report is None,
        spikes=named,
        loss=loss,
        optimizer=optimizer,
        variable=variable,
        axes=(time, batch),
        batches=KeptBatches(keep_batches),
    )
    monitor.note_errors(failures)
    if on_finding == "warn":
        for broken in monitor.unusable_extensions:
            warnings.warn(str(broken), SpikecheckWarning, stacklevel=2)
    return monitor


def all_sinks(
    log: str | os.PathLike[str] | None, report: str | os.PathLike[str] | bool | None, sinks: Iterable[Sink]
) -> list[Sink]:
    """Return the sinks that the arguments ask for; SpikecheckError where one of them cannot be used."""
    every = list(sinks)
    if is_switched_off():
        return []
    for sink in every:
        if not isinstance(sink, Sink):
            raise SpikecheckError(f"sinks= takes objects of spikecheck.plugin.Sink, got {type(sink).__name__}")
    if log is not None:
        if not isinstance(log, str | os.PathLike):
            raise SpikecheckError(f"log= takes the name of a file, got {type(log).__name__}")
        every.append(RunLog(log))
    if isinstance(report, str | os.PathLike):
        every.append(LastReport(report))
    elif report is True:
        every.append(LastReport())
    elif report is not None and report is not False:
        raise SpikecheckError(f"report= takes the name of a file, True or False, got {type(report).__name__}")
    return every


def attempt(call: Callable[[], T], otherwise: T, failures: list[Exception]) -> T:
    """Return what a step of attach() returns; where it fails, note the error and go on without it."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the monitor reports it
        failures.append(error)
        return otherwise


def check_arguments(model: object, loss: object, optimizer: object, every: object, budget: float, on: object) -> None:
    """SpikecheckError where an argument of attach() cannot be used."""
    if not isinstance(model, nn.Module):
        raise SpikecheckError(
            f"attach() needs a torch.nn.Module, got {type(model).__name__}: pass the model itself, or, for code "
            "without one, the optimizer that trains its tensors"
        )
    if not takes_hooks(model):
        raise SpikecheckError(
            f"attach() got a model that torch.jit compiled ({type(model).__name__}), which takes no hooks: attach to "
            "the model before torch.jit.script"
        )
    if loss is not None and not isinstance(loss, nn.Module):
        raise SpikecheckError(
            f"loss= takes a torch.nn.Module, got {type(loss).__name__}: torch.nn.functional is seen without it"
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise SpikecheckError(f"optimizer= takes a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if every != "auto" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise SpikecheckError(f'every= takes "auto" or a whole number from 1 on, got {every!r}')
    if not 0 < budget <= 1:
        raise SpikecheckError(f"budget= is a share of the run's time, above 0 and at most 1, got {budget!r}")
    if on not in ("warn", "raise") and not callable(on):
        raise SpikecheckError(f'on_finding= takes "warn", "raise" or a callable, got {on!r}')


def stand_in(model: Optimizer | None, parameters: Iterable[Tensor] | Mapping[str, Tensor], frame: Any) -> ParameterSet:
    """Return what stands for the model of code without one; `frame` is the script's, where its variables have names."""
    tensors = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
    if model is not None and not tensors:
        tensors = of_optimizer(model)
    values = list(tensors.values()) if isinstance(tensors, dict) else tensors
    if not values:
        raise SpikecheckError("attach() needs a torch.nn.Module, an optimizer, or parameters=, the trained tensors")
    for value in values:
        if not isinstance(value, Tensor) or not value.is_leaf:
            kind = "a tensor that was computed" if isinstance(value, Tensor) else type(value).__name__
            raise SpikecheckError(f"parameters= takes the tensors that an optimizer updates, got {kind}")
    return ParameterSet(tensors if isinstance(tensors, dict) else named(values, frame))


def disable(model: nn.Module | Optimizer) -> None:
    """Detach the monitor of a model, if it has one; `model` may be the optimizer that `attach` was called with."""
    if isinstance(model, Optimizer):
        model = ParameterSet({str(number): tensor for number, tensor in enumerate(of_optimizer(model))})
    same = model.same_as if isinstance(model, ParameterSet) else lambda other: other is model
    for watch in [watch for watch in watchers.all() if same(watch.model)]:
        watch.remove()
    end_stopped()


def tap(name: str, spikes: Tensor, *, current: Tensor | None = None, potential: Tensor | None = None) -> Tensor:
    """Pass the spikes of code that is not a module to spikecheck; they are returned unchanged.

    If several models are watched, the spikes belong to the model that is running; otherwise to the one that they were
    computed with; otherwise to the one that ran last in this thread.

    Args:
        name: the layer's name in the report.
        spikes: [batch, neuron...], one call per time step.
        current: the input current of the neurons, of the same shape; optional.
        potential: their membrane potential, of the same shape; optional.
    """
    watchers.tap(safe(str(name)), spikes, current, potential)
    return spikes
