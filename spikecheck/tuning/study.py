"""Search with Optuna: values come from the bisection, results go to a study that many processes may share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from torch import nn
from torch.nn import functional as F

from spikecheck.assertions.learning import MakeOptimizer
from spikecheck.assertions.watched import Batch, Loss, Reset
from spikecheck.errors import SpikecheckError
from spikecheck.tuning.bisection import next_value
from spikecheck.tuning.experiment import Experiment
from spikecheck.tuning.plan import Plan
from spikecheck.tuning.result import Tuning
from spikecheck.tuning.setting import Factory
from spikecheck.tuning.trial import TriedValue

PLAN, RESULT = "spikecheck_plan", "spikecheck_result"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
ABANDONED = 10.0  # an attempt that runs this many times as long as the longest one belongs to a process that has died
SHORTEST = 60.0  # seconds that every attempt is waited for


def tune(
    model: nn.Module | Factory,
    batches: Iterable[Batch],
    loss: Loss = F.cross_entropy,
    *,
    parameter: str = "threshold",
    low: float | None = None,
    high: float | None = None,
    values: Iterable[float] = (),
    trials: int = 20,
    updates: int = 24,
    counts: tuple[float, float] | None = None,
    optimizer: MakeOptimizer | None = None,
    reset: Reset | None = None,
    seed: int = 0,
    storage: str | PathLike[str] | None = None,
    name: str = "",
    on_result: Callable[[TriedValue], object] | None = None,
) -> Tuning:
    """Find the values of a parameter with which a network can be trained, and the best of them.

    A value works if outputs are binary, counts are in range, no layer is silent or saturated, gradients reach every
    weight, and the loss falls. Each value trains a new network, or a copy, for a few updates. The search halves the
    gaps between values that work and values that do not, and ends when both edges are known.

    Args:
        model: a network, or a function that creates one. If the function has an argument of the parameter's name, it is
            called with the value. Otherwise, `threshold` is set on every spiking layer, `weight_scale` multiplies all
            weights, `learning_rate` is given to the optimizer, and any other name is an attribute of the spiking
            layers, or of a part of them: `beta`, `tau`, `surrogate_function.alpha`.
        batches: pairs (input, target), as a DataLoader yields them; the first `updates` of them are taken in turn.
        loss: takes output and target.
        parameter: the name of the parameter to vary.
        low: the smallest value; by default, the smallest of `values`.
        high: the largest value; by default, the largest of `values`. If both are above 0, values are spaced by ratios.
        values: values to try first.
        trials: how many values to try at most, by all processes together.
        updates: how many to train each value for.
        counts: range for the largest number of spikes that an output neuron emits for one sample.
        optimizer: creates the optimizer from the parameters; without it, Adam with a learning rate of 0.001.
        reset: called with the network before each batch, for layers that keep their state.
        seed: random seed of the weights, the same for every value.
        storage: None keeps the results in memory. A path is a journal file, and a URL such as sqlite:///tune.db a
            database: the search continues where an earlier one ended, and several processes share the work.
        name: the study's name in the storage; by default, the name of the parameter.
        on_result: called with every value that was tried here.

    Raises:
        SpikecheckError: an argument cannot be used, the storage holds another search, or the network raised an error.
    """
    subject = getattr(model, "__qualname__", type(model).__name__)
    first = [float(value) for value in values]
    plan = Plan(parameter, *limits(low, high, first), updates, seed, counts, subject)
    experiment = Experiment(plan, model, list(islice(batches, updates)), loss, optimizer, reset)
    if trials < 1:
        raise SpikecheckError(f"trials= must be 1 or more, got {trials!r}")
    with quiet():
        study = open_study(plan, storage, name or parameter)
        for value in first:
            study.enqueue_trial({parameter: value}, skip_if_exists=True)
        search(study, experiment, trials, on_result)
    return Tuning(plan, tuple(tried_in(study)))


def limits(low: float | None, high: float | None, values: Sequence[float]) -> tuple[float, float]:
    """Return the range: the one that was asked for, or that of the values; SpikecheckError where there is none."""
    if (low is None or high is None) and len(set(values)) < 2:
        raise SpikecheckError("tune() needs low= and high=, the range of values, or several values=")
    low = min(values) if low is None else float(low)
    high = max(values) if high is None else float(high)
    outside = [value for value in values if not low <= value <= high]
    if outside:
        raise SpikecheckError(f"values= must lie between low={low:g} and high={high:g}, got {outside[0]:g}")
    return low, high


def search(
    study: optuna.Study, experiment: Experiment, trials: int, on_result: Callable[[TriedValue], object] | None
) -> None:
    """Try values until the search is over, or all trials are used up."""
    plan = experiment.plan

    def objective(attempt: optuna.Trial) -> float:
        value = attempt.suggest_float(plan.parameter, plan.low, plan.high)
        if value in pending_in(study, plan, attempt.number):
            raise TakenError
        tried = experiment.run(value)
        attempt.set_user_attr(RESULT, json.dumps(tried.to_dict()))
        if on_result is not None:
            on_result(tried)
        if not tried.works or tried.last_loss is None:
            raise optuna.TrialPruned(str(tried.outcome))
        return tried.last_loss

    def stop_if_over(study: optuna.Study, attempt: FrozenTrial) -> None:
        if not waiting(study) and next_value(plan, tried_in(study), pending_in(study, plan)) is None:
            study.stop()

    left = trials - len(study.get_trials(deepcopy=False, states=DONE))
    over = not waiting(study) and next_value(plan, tried_in(study), pending_in(study, plan)) is None
    callbacks: list[Callable[[optuna.Study, FrozenTrial], None]] = [
        MaxTrialsCallback(trials, states=DONE),
        stop_if_over,
    ]
    if left > 0 and not over:
        study.optimize(objective, catch=(TakenError,), callbacks=callbacks)


class TakenError(Exception):
    """Another process has begun with the same value at the same time: this trial does not count."""


class Bisection(BaseSampler):
    """Optuna's side of `next_value`: the value that says most, by the results of all processes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def infer_relative_search_space(self, study: optuna.Study, attempt: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: there is a single parameter."""
        return {}

    def sample_relative(
        self, study: optuna.Study, attempt: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing: there is a single parameter."""
        return {}

    def sample_independent(
        self, study: optuna.Study, attempt: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> float:
        """Return the next value; the middle of the range where another process has just tried the last one."""
        value = next_value(self.plan, tried_in(study), pending_in(study, self.plan, attempt.number))
        return self.plan.between(self.plan.low, self.plan.high) if value is None else value


def open_study(plan: Plan, storage: str | PathLike[str] | None, name: str) -> optuna.Study:
    """Open the study, or create it; SpikecheckError where it holds another search."""
    study = optuna.create_study(
        storage=backend(storage),
        sampler=Bisection(plan),
        pruner=optuna.pruners.NopPruner(),
        study_name=name,
        direction="minimize",
        load_if_exists=True,
    )
    wanted, stored = plan.to_dict(), study.user_attrs.get(PLAN)
    if stored is None:
        study.set_user_attr(PLAN, wanted)
    elif stored != wanted:
        differing = [
            f"{key} {stored.get(key)!r}, not {value!r}" for key, value in wanted.items() if stored[key] != value
        ]
        raise SpikecheckError(
            f"{storage} holds another search named {name!r}, with {'; '.join(differing)}: choose another name or "
            "another storage"
        )
    return study


def backend(storage: str | PathLike[str] | None) -> Any:
    """Return where Optuna keeps the results: in memory, in a journal file, or in a database."""
    if storage is None or "://" in str(storage):
        return storage if storage is None else str(storage)
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError) as error:
        raise SpikecheckError(f"{path} cannot be used as a journal: {error}") from error


def tried_in(study: optuna.Study) -> list[TriedValue]:
    """Return what all processes have tried so far; of a value that was tried twice, the first result."""
    results: dict[float, TriedValue] = {}
    for attempt in study.get_trials(deepcopy=False, states=DONE):
        if RESULT in attempt.user_attrs:
            tried = TriedValue.from_dict(json.loads(attempt.user_attrs[RESULT]))
            results.setdefault(tried.value, tried)
    return [*results.values()]


def pending_in(study: optuna.Study, plan: Plan, own: int | None = None) -> list[float]:
    """Return the values that other processes are trying, without those of processes that have died.

    `own` leaves out this attempt, and those that began after it: of two that chose a value at once, one goes on.
    """
    longest = max((tried.seconds for tried in tried_in(study)), default=0.0)
    now, patience = datetime.now(), max(SHORTEST, ABANDONED * longest)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [
        attempt.params[plan.parameter]
        for attempt in running
        if plan.parameter in attempt.params
        and (own is None or attempt.number < own)
        and attempt.datetime_start is not None
        and (now - attempt.datetime_start).total_seconds() < patience
    ]


def waiting(study: optuna.Study) -> Sequence[FrozenTrial]:
    """Return the trials whose value was named and that nobody has begun."""
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's own messages about every trial out of the terminal, and restore its level afterwards."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
