"""The picture of each symptom: a script of the truth benchmark with its mistake, beside the same script without it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure

import spikecheck
from benchmarks.faults.cases import every
from benchmarks.faults.melodies import CLASSES
from benchmarks.faults.script import Script, ordinary, right
from benchmarks.faults.verdict import set_up

SICK, HEALTHY, GUESS = "#b3261e", "#2a6fb5", "#5f6b76"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spikecheck",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
EVERY = 10  # updates between two evaluations
SHOWN_NEURONS = 40


@dataclass
class Course:
    """What one script does: losses, the update after which a weight was NaN, accuracies, and spikes."""

    losses: list[float] = field(default_factory=list)
    broken_at: int | None = None
    in_training_mode: list[tuple[int, float]] = field(default_factory=list)
    in_evaluation_mode: list[tuple[int, float]] = field(default_factory=list)
    rasters: list[tuple[str, list[list[float]]]] = field(default_factory=list)


def course(case: str, *, broken: bool, evaluate: bool = False) -> Course:
    """Run one script of the benchmark with or without its mistake."""
    set_up()
    script = every()[case].build(broken)  # type: ignore[misc]
    run = Course()
    with spikecheck.attach(script.model, on_finding=lambda finding: None) as monitor:
        for update, (x, y) in enumerate(script.data, start=1):
            script.begin(script.model)
            x, y = script.prepare(x, script.relabel(y))
            run.losses.append(float((script.update or ordinary)(script, x, y).detach()))
            if script.schedule is not None:
                script.schedule.step()
            if run.broken_at is None and not all(bool(p.isfinite().all()) for p in script.model.parameters()):
                run.broken_at = update
            if evaluate and update % EVERY == 0:
                run.in_evaluation_mode.append((update, accuracy(script, training=False)))
                run.in_training_mode.append((update, accuracy(script, training=True)))
        report = monitor.report()
    for row in report.layers:
        reading = row.recent or row.first
        if reading is not None:
            run.rasters.append((row.title, [list(neuron) for neuron in reading.raster[:SHOWN_NEURONS]]))
    return run


def accuracy(script: Script, *, training: bool) -> float:
    """Return the accuracy on one batch of new data in one mode; what the pass changes in the model is put back."""
    before = {name: value.clone() for name, value in script.model.state_dict().items()}
    random = torch.get_rng_state()
    script.model.train(training)
    ((x, y),) = [script.prepare(x, y) for x, y in script.data.held_out(1)]
    with torch.no_grad():
        score = right(script.model(x), y)
    script.model.load_state_dict(before)
    torch.set_rng_state(random)
    return score


def losses(title: str, sick: Course, healthy: Course) -> Figure:
    """Draw both losses, with that of a uniform guess, and a cross where the first NaN was."""
    figure, axes = sheet(1)
    for run, color, label in ((sick, SICK, "with the mistake"), (healthy, HEALTHY, "repaired")):
        axes[0].plot(range(1, len(run.losses) + 1), run.losses, color=color, label=label)
    axes[0].axhline(
        math.log(CLASSES), color=GUESS, linestyle="--", linewidth=1, label=f"uniform guess, ln {CLASSES} = 3.00"
    )
    finite = [at for at, loss in enumerate(sick.losses, 1) if math.isfinite(loss)]
    if finite and len(finite) < len(sick.losses):
        axes[0].plot(finite[-1], sick.losses[finite[-1] - 1], "x", color=SICK, markersize=11, markeredgewidth=3,
                     label=f"NaN from update {finite[-1] + 1} on")  # fmt: skip
    axes[0].set(xlabel="update", ylabel="loss", title=title)
    axes[0].legend(frameon=False)
    return figure


def rasters(title: str, sick: Course, healthy: Course) -> Figure:
    """Draw the spikes of the first layer of both scripts in one sample, at the end of training."""
    figure, axes = sheet(2)
    for place, (run, color, label) in enumerate(((sick, SICK, "with the mistake"), (healthy, HEALTHY, "repaired"))):
        name, raster = run.rasters[0]
        points = [(step, neuron) for neuron, row in enumerate(raster) for step, value in enumerate(row) if value]
        axes[place].scatter(*zip(*points, strict=True) if points else ((), ()), s=5, marker="s", color=color)
        share = len(points) / sum(map(len, raster))
        axes[place].set(xlim=(-1, len(raster[0])), ylim=(len(raster), -1), xlabel="time step",
                        title=f"{label}: spikes in {share:.0%} of the bins")  # fmt: skip
        if not points:
            middle = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
            axes[place].annotate("no spikes", (0.5, 0.5), color=GUESS, **middle)
    axes[0].set_ylabel("neuron")
    figure.suptitle(f"{title}: layer {name}")
    return figure


def accuracies(title: str, sick: Course, healthy: Course) -> Figure:
    """Draw the accuracy on new data over the updates, of both scripts."""
    figure, axes = sheet(1)
    for run, color, label in ((sick, SICK, "with the mistake"), (healthy, HEALTHY, "repaired")):
        axes[0].plot(*zip(*run.in_evaluation_mode, strict=True), color=color, marker="o", markersize=3, label=label)
    axes[0].axhline(1 / CLASSES, color=GUESS, linestyle="--", linewidth=1, label="uniform guess, 5%")
    axes[0].set(xlabel="update", ylabel="accuracy on new data", title=title, ylim=(0, 1.05))
    axes[0].legend(frameon=False)
    return figure


def modes(title: str, sick: Course, healthy: Course) -> Figure:
    """Draw the accuracy of the faulty script in both modes, and of the repaired one in evaluation mode."""
    figure, axes = sheet(1)
    axes[0].plot(
        *zip(*sick.in_training_mode, strict=True), color=SICK, linestyle=":", label="with the mistake, train()"
    )
    axes[0].plot(*zip(*sick.in_evaluation_mode, strict=True), color=SICK, label="with the mistake, eval()")
    axes[0].plot(*zip(*healthy.in_evaluation_mode, strict=True), color=HEALTHY, label="repaired, eval()")
    axes[0].set(xlabel="update", ylabel="accuracy on new data", title=title, ylim=(0, 1.05))
    axes[0].legend(frameon=False)
    return figure


def sheet(columns: int) -> tuple[Figure, list[Any]]:
    """Return an empty figure with axes side by side."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, sharey=columns > 1)
    return figure, list(axes[0])


Draw = Callable[[str, Course, Course], Figure]
#: By page: the script of the benchmark, its title, and what is drawn.
PICTURES: dict[str, tuple[str, str, Draw]] = {
    "loss-stuck": (
        "snntorch-scheduler-in-place-of-the-optimizer", "scheduler.step() in place of optimizer.step()", losses
    ),
    "loss-nan": ("hand-half-precision-sum", "Currents summed in float16, above 65,504", losses),
    "silent-neurons": ("rockpool-bias-below-rest", "A bias in the wrong unit", rasters),
    "saturated-neurons": ("spikingjelly-threshold-near-rest", "A threshold of 0.01", rasters),
    "eval-mode": ("snntorch-batch-norm-a-step", "One batch norm for all time steps", modes),
    "low-accuracy": ("hand-fresh-every-step", "The potential starts at 0 in every time step", accuracies),
}  # fmt: skip


def draw(page: str, folder: Path) -> None:
    """Run the two scripts of a page and write its picture."""
    case, title, picture = PICTURES[page]
    evaluate = picture in (modes, accuracies)
    sick, healthy = (course(case, broken=broken, evaluate=evaluate) for broken in (True, False))
    with matplotlib.rc_context(STYLE):
        picture(title, sick, healthy).savefig(folder / f"{page}.svg", metadata={"Date": None})
