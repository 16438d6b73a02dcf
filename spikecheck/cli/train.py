"""Train the reference network on spoken digits with spikecheck attached, or break it on purpose."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spikecheck import faults

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.monitor import Monitor
    from spikecheck.reference.train import Epoch, Plan, Run

CHECKPOINT, CURVES = "checkpoint.pt", "curves.png"
CLASSES = 20  # of SHD: the digits 0 to 9 in English and in German
DEFAULT_EPOCHS, DEFAULT_SEED = 80, 0


class ListsFaults(click.Command):
    """A command whose help lists the faults, each with the first line of its file."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the name and first line of each fault, then the exit codes."""
        with formatter.section("Faults for --break"):
            formatter.write_dl([(name, faults.first_line(name)) for name in faults.names()])
        super().format_epilog(ctx, formatter)


def split_names(ctx: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the names of faults in "count-input,LR_HOT", as the help writes them."""
    return tuple(faults.load(name).name for name in value.split(",") if name.strip())


@click.command(
    cls=ListsFaults,
    epilog="Exit codes: 0 no warning or error, 1 a warning or an error, or too little was observed, 2 bad usage.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the SHD data set (SHD/shd_train.h5). Default: the built-in data set of synthetic speakers.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/train"),
    show_default=True,
    help=f"Folder for {CHECKPOINT} and {CURVES}. An existing run is overwritten unless --resume is given.",
)
@click.option("--epochs", type=click.IntRange(min=1), help=f"Number of epochs.  [default: {DEFAULT_EPOCHS}]")
@click.option(
    "--seed", type=int, help=f"Random seed for weights, shuffling and augmentation.  [default: {DEFAULT_SEED}]"
)
@click.option("--resume", is_flag=True, help="Resume the run in --out with its epochs, seed and faults.")
@click.option(
    "--break", "broken", metavar="NAME[,NAME]", default="", callback=split_names, help="Introduce these faults."
)
@click.option("--check/--no-check", default=True, help="Train with or without spikecheck attached.")
def command(
    data: Path | None,
    out: Path,
    epochs: int | None,
    seed: int | None,
    resume: bool,
    broken: tuple[str, ...],
    check: bool,
) -> int:
    """Train the reference network on spoken digits with spikecheck attached.

    Writes a checkpoint after every epoch, and the learning curves and spikecheck's report at the end. The checkpoint
    contains the evidence of the run: `spikecheck diagnose` of it gives the same report.
    """
    import torch
    from rich.console import Console

    import spikecheck

    # The matrices are so small that threads spend more time waiting than working: on a busy machine with two cores, an
    # epoch took 44 s with two threads and 3 s with one. One thread also gives the same result on any machine.
    torch.set_num_threads(1)
    console = Console()
    run = prepare(data, out / CHECKPOINT, epochs=epochs, seed=seed, resume=resume, broken=broken)
    console.print(
        f"{len(run.train):,} spoken digits for training, {len(run.test):,} by other speakers for testing"
        + (f"; faults: {', '.join(run.plan.faults)}" if run.plan.faults else "")
    )
    with spikecheck.attach(run.model) if check else nullcontext() as monitor:
        show_training(run, out, console, monitor)
        if monitor is None:
            return 0
        report = monitor.report()
    console.print(report, crop=False)
    return 0 if report.ok else 1


def prepare(
    data: Path | None,
    checkpoint: Path,
    *,
    epochs: int | None,
    seed: int | None,
    resume: bool,
    broken: tuple[str, ...],
) -> Run:
    """Return the run, with its data; a resumed run continues where its checkpoint was written.

    Raises:
        SpikecheckError: there is no run to resume, or an option contradicts its plan.
    """
    from spikecheck.reference.frames import examples
    from spikecheck.reference.shd import open_digits
    from spikecheck.reference.train import RECIPE, Plan, Run, read_checkpoint

    content: dict[str, Any] | None = None
    if resume:
        plan, content = read_checkpoint(checkpoint)
        refuse_another_plan(plan, epochs=epochs, seed=seed, broken=broken)
    else:
        plan = Plan(DEFAULT_EPOCHS if epochs is None else epochs, DEFAULT_SEED if seed is None else seed, broken)
    recipe = faults.inject(RECIPE, plan.faults)
    train, test = (examples(open_digits(data, train=part), recipe.frames) for part in (True, False))
    run = Run(plan, recipe, train, test)
    if content is not None:
        run.load(content)
    return run


def refuse_another_plan(plan: Plan, *, epochs: int | None, seed: int | None, broken: tuple[str, ...]) -> None:
    """Refuse options that cannot change in the middle of a run.

    Raises:
        click.UsageError: an option differs from the plan of the run.
    """
    for option, value, planned in (
        ("--epochs", epochs, plan.epochs),  # the learning rate schedule depends on it
        ("--seed", seed, plan.seed),
        ("--break", ",".join(broken) or None, ",".join(plan.faults)),
    ):
        if value is not None and value != planned:
            raise click.UsageError(
                f"the run to resume was started {f'with {option} {planned}' if planned else f'without {option}'}:"
                f" omit {option}, or start a new run"
            )


def show_training(run: Run, out: Path, console: Console, monitor: Monitor | None = None) -> None:
    """Train with a progress bar, write a checkpoint and a line per epoch, then draw the learning curves."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from spikecheck.reference.curves import draw

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total = run.plan.epochs * run.updates
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("updates", total=total, completed=len(run.history) * run.updates)
        for row in run.epochs(lambda: progress.advance(bar)):
            run.save(out / CHECKPOINT, monitor)
            progress.console.print(line(row, run.plan.epochs), highlight=False, soft_wrap=True)
    draw(run.history, out / CURVES, classes=CLASSES)
    console.print(f"wrote {out / CHECKPOINT} and {out / CURVES}", highlight=False, soft_wrap=True)


def line(row: Epoch, epochs: int) -> str:
    """Return one epoch as a line."""
    return (
        f"epoch {row.epoch:3d}/{epochs}  loss {row.train_loss:6.4g} train, {row.test_loss:6.4g} test"
        f"  accuracy {row.train_accuracy:.1%} train, {row.test_accuracy:.1%} test"
    )
