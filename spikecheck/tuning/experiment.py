"""Train a network with one value for a few updates, watched, and judge what it did."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from spikecheck.assertions.learning import MakeOptimizer, optimizer_for, scalar
from spikecheck.assertions.watched import Batch, Loss, Reset, isolated_state, with_target
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import Evidence
from spikecheck.model_run.user_code import UserCode
from spikecheck.monitor import Monitor
from spikecheck.number_format import number
from spikecheck.probe.schedule import Schedule
from spikecheck.readings import GradientReading, SpikeReading
from spikecheck.report.model import LayerRow, Report
from spikecheck.settings import Settings
from spikecheck.tuning.plan import Plan
from spikecheck.tuning.setting import LEARNING_RATE, Factory, build, set_learning_rate
from spikecheck.tuning.trial import Problem, ProblemKind, TriedValue

RATE = 1e-3  # of Adam, torch's default
MIN_FALL = 0.01  # relative fall of the loss that counts; judgment call: less cannot be told from rounding and dropout
MOST_BATCHES = 0.75  # share of the batches whose loss must fall; derived: 6 of 8 fall by chance one time in 7
SATURATED, NON_FINITE = "SPK204", "SPK405"
Readings = Mapping[str, Mapping[type, Any]]


@dataclass(frozen=True)
class Experiment:
    """The same short training for every value: the same weights before they are scaled, the same batches in order.

    Attributes:
        plan: what is varied, and how long each value is trained.
        model: a network, of which copies are trained, or a function that creates one. If it has an argument of the
            parameter's name, it is called with the value; else the value is set on what it returns.
        batches: pairs (input, target); they are taken in turn.
        loss: takes output and target.
        optimizer: creates the optimizer from the parameters; Adam without it.
        reset: called with the network before each batch, for layers that keep their state.
    """

    plan: Plan
    model: nn.Module | Factory
    batches: Sequence[Batch]
    loss: Loss
    optimizer: MakeOptimizer | None = None
    reset: Reset | None = None

    def __post_init__(self) -> None:
        if not self.batches:
            raise SpikecheckError("tune() needs at least one batch (input, target)")
        for batch in self.batches:
            with_target(batch)

    def run(self, value: float) -> TriedValue:
        """Train with this value and return what happened; all random states are restored afterwards."""
        start = time.monotonic()
        with isolated_state():
            torch.manual_seed(self.plan.seed)
            network, code = build(self.model, self.plan.parameter, value)
            network.train()
            losses, monitor = self.train(network, value)
        return replace(self.judge(value, losses, monitor), seconds=time.monotonic() - start, code=code)

    def train(self, network: nn.Module, value: float) -> tuple[list[float], Monitor]:
        """Train until the end, or until nothing can change any more; return the losses and what was observed."""
        optimizer = optimizer_for(self.optimizer, [p for _, p in network.named_parameters() if p.requires_grad], RATE)
        if self.plan.parameter == LEARNING_RATE:
            set_learning_rate(optimizer, value)
        losses: list[float] = []
        with watch(network) as monitor:
            for update in range(self.plan.updates):
                inputs, target = with_target(self.batches[update % len(self.batches)])
                with UserCode(f"training with {self.plan.parameter} = {value:g}"):
                    if self.reset is not None:
                        self.reset(network)
                    loss = scalar(self.loss(network(*inputs), target))
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                losses.append(float(loss.detach()))
                if self.is_settled(losses, monitor):
                    break
        return losses, monitor

    def is_settled(self, losses: Sequence[float], monitor: Monitor) -> bool:
        """Return whether more updates cannot make this value work.

        Neurons that emit several spikes per step do so whatever is learned, and NaN stays. After a third of the
        updates, neither does a silent network wake whose loss has not moved.
        """
        if not math.isfinite(losses[-1]):
            return True
        if len(losses) == 1:
            return several_spikes(monitor.report().layers) is not None
        if len(losses) != max(2, self.plan.updates // 3):
            return False
        moved = max(losses) - min(losses) > MIN_FALL * abs(losses[0])
        return not moved and silent(monitor.report().layers) is not None

    def judge(self, value: float, losses: Sequence[float], monitor: Monitor) -> TriedValue:
        """Return the numbers of the first forward pass, and the problems at the end."""
        evidence = monitor.evidence()
        observations, report = evidence.observations, judged(evidence)
        first = [spikes for row in report.layers if (spikes := spikes_of(observations.windows["first"], row.name))]
        output = first[-1] if first else None
        compared = max(1, min(len(self.batches), len(losses) // 2))
        problems = [
            non_finite(losses, report),
            several_spikes(report.layers),
            silent(report.layers),
            at_sites(ProblemKind.SATURATED, report, SATURATED),
            self.out_of_range(report.layers),
            without_gradient(observations.windows["recent"]),
            None if falls(losses, compared) else Problem(ProblemKind.LOSS),
        ]
        return TriedValue(
            value,
            None if output is None else output.maximum,
            max((spikes.maximum for spikes in first), default=None),
            None if output is None else output.min_count,
            None if output is None else output.max_count,
            statistics.fmean(losses[:compared]),
            statistics.fmean(losses[-compared:]) if len(losses) > compared else None,
            len(losses),
            tuple(problem for problem in problems if problem is not None),
        )

    def out_of_range(self, layers: Sequence[LayerRow]) -> Problem | None:
        """Return whether the output's largest count is outside of the range that the user gave."""
        if self.plan.counts is None or not layers:
            return None
        low, high = self.plan.counts
        output = layers[-1].latest
        allowed = low <= output.max_count <= high
        return None if allowed else Problem(ProblemKind.OUT_OF_RANGE, (number(output.max_count),))


def watch(network: nn.Module) -> Monitor:
    """Attach a monitor that does not judge while training goes on, which takes as long as the training."""
    judge = Judge.of(Settings.of({}))
    options: dict[str, Any] = {"spikes": [], "loss": None, "optimizer": None, "variable": "model", "axes": (None, None)}
    return Monitor(network, replace(judge, checks=()), Schedule(None, 1.0), lambda finding: None, **options)


def judged(evidence: Evidence) -> Report:
    """Return the report by the checks whose findings count here."""
    judge = Judge.of(Settings.of({}))
    chosen = tuple(check for check in judge.checks if check.id in (SATURATED, NON_FINITE))
    return evidence.report(replace(judge, checks=chosen))


def spikes_of(window: Readings, name: str) -> SpikeReading | None:
    """Return the spikes of a layer in one window."""
    reading = window.get(name, {}).get(SpikeReading)
    return reading if isinstance(reading, SpikeReading) else None


def non_finite(losses: Sequence[float], report: Report) -> Problem | None:
    """Return where NaN or infinity is."""
    sites = at_sites(ProblemKind.NON_FINITE, report, NON_FINITE)
    return sites or (None if all(map(math.isfinite, losses)) else Problem(ProblemKind.NON_FINITE, ("the loss",)))


def at_sites(kind: ProblemKind, report: Report, check: str) -> Problem | None:
    """Return a problem at the sites where a check fires."""
    names = tuple(dict.fromkeys(str(finding.site) for finding in report.findings if finding.check == check))
    return Problem(kind, names) if names else None


def several_spikes(layers: Sequence[LayerRow]) -> Problem | None:
    """Return the layers whose output is not binary."""
    names = tuple(row.title for row in layers if row.spikes.maximum > 1)
    return Problem(ProblemKind.SEVERAL_SPIKES, names) if names else None


def silent(layers: Sequence[LayerRow]) -> Problem | None:
    """Return the layers none of whose neurons fired in the latest forward passes."""
    names = tuple(row.title for row in layers if row.latest.active == 0 or row.rate_now == 0)
    return Problem(ProblemKind.SILENT, names) if names else None


def without_gradient(window: Readings) -> Problem | None:
    """Return the weights to which no gradient came in any update."""
    names = tuple(without(window))
    return Problem(ProblemKind.NO_GRADIENT, names) if names else None


def without(window: Readings) -> Iterator[str]:
    """Yield the names of weights without a gradient; a threshold or a bias may well have none."""
    for name, readings in window.items():
        gradient = readings.get(GradientReading)
        if isinstance(gradient, GradientReading) and gradient.dimensions > 1:
            empty = gradient.missing_updates + gradient.zero_updates
            if gradient.updates and empty >= gradient.updates:
                yield name


def falls(losses: Sequence[float], compared: int) -> bool:
    """Return whether the loss fell: on average, and on most of the batches, which are compared with themselves."""
    before, after = losses[:compared], losses[-compared:]
    fall = statistics.fmean(before) - statistics.fmean(after)
    if not math.isfinite(fall) or fall <= MIN_FALL * abs(statistics.fmean(before)):
        return False
    lower = sum(b < a for a, b in zip(before, after, strict=True))
    return lower >= MOST_BATCHES * compared
