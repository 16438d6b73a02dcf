"""Diagnose a network that does not train, repair it step by step, prove the fix, tune the threshold, watch it learn."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from spikecheck.number_format import number

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.reference.diary import Figures, Variant
    from spikecheck.reference.frames import Examples
    from spikecheck.report.model import Report
    from spikecheck.report.treated import Healing
    from spikecheck.tuning.result import Tuning

# What the diary says about each threshold: spikes per step, spike counts, result.
DIARY = {
    1.0: "3,868; 0 to 211,029; NaN",
    10.0: "5; 0 to 280; NaN",
    30.0: "1; 0 to 11; too sparse",
    100.0: "0; 0 to 0; no spikes",
}
WORDS = 64  # batch size of the measurements
LEARNS_FROM = 0.4  # accuracy on 20 classes, where chance is 0.05
PROOF_BATCHES, PROOF_SIZE = 40, 16  # small batches: the words are few, and an update of 16 costs a third of one of 32
PROOF_UPDATES = 60  # measured: one network learns above chance in them; the default of 40 is too few for these words
PROOF_SECONDS = 300.0  # of a busy machine; on an idle one, the proof takes half a minute
SEARCH_BATCHES, SEARCH_UPDATES, SEARCH_TRIALS = 4, 8, 7  # of the search for a threshold: 20 seconds in all
COLUMNS = ("max spikes per step", "output spike counts", "first loss")


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=20,
    show_default=True,
    help="Duration of the training at the end.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed for the weights.")
def command(seconds: float, seed: int) -> int:
    """Show a network that does not train, its diagnosis, the effect of each fix, the proof of the fix, the search for
    a threshold, and the repaired network learning.

    The network is a spoken-digit classifier (SHD) as described in a debugging diary: three linear layers with
    integrate-and-fire neurons, weights from N(0, 1), event counts as input, and spike counts as logits.
    """
    import torch
    from rich.console import Console

    from spikecheck.reference.diary import Variant, examples
    from spikecheck.reference.frames import Examples

    torch.set_num_threads(1)  # the tensors are small: two threads on a busy machine wait for each other
    console = Console()
    train, test = examples(train=True), examples(train=False)
    batch = Examples(train.frames[::7][:WORDS], train.labels[::7][:WORDS])
    variant = Variant()
    thresholds(console, variant, batch, seed)
    report = diagnosis(console, variant, batch, seed)
    fixes(console, variant, batch, seed)
    proof(console, variant, train, report, seed)
    best = search(console, variant, train, seed)
    return training(console, replace(variant.repaired, threshold=best), train, test, seconds, seed)


def show(console: Console, shown: object) -> None:
    """Print a text, a table or a report."""
    from spikecheck.report.terminal import print_on

    print_on(console, shown)


def thresholds(console: Console, variant: Variant, batch: Examples, seed: int) -> None:
    """Print what the diary says about each threshold, and what is measured here."""
    from rich.table import Table

    from spikecheck.reference.diary import initial_figures

    console.rule("[bold]1. A network that does not train[/]", align="left")
    show(
        console,
        "This network is from a debugging diary. It should recognize spoken digits (Spiking Heidelberg Digits, 20 "
        "classes) and does not train: three linear layers with integrate-and-fire neurons, weights from N(0, 1), event "
        "counts as input, and the spike counts of the last layer as logits. Its author tried four thresholds. This "
        "table shows what the diary says (max spikes per step; output spike counts; result) and what is measured here:",
    )
    table = Table("threshold", box=None, header_style="dim", pad_edge=False)
    table.add_column("in the diary", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right")
    for threshold, diary in DIARY.items():
        figures = initial_figures(replace(variant, threshold=threshold), batch, seed)
        table.add_row(f"{threshold:g}", diary, *columns(figures))
    show(console, table)
    show(console, "A uniform guess over 20 classes has a loss of ln 20 = 3.00.\n")


def diagnosis(console: Console, variant: Variant, batch: Examples, seed: int) -> Report:
    """Attach spikecheck, train for one update, and print the report."""
    import torch

    import spikecheck
    from spikecheck.reference.diary import DiaryNetwork, train_one_update

    console.rule("[bold]2. The diagnosis, after one update with threshold 1[/]", align="left")
    torch.manual_seed(seed)
    model = DiaryNetwork(variant)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        train_one_update(model, batch)
    report = monitor.report()
    show(console, report)
    click.echo()
    return report


def fixes(console: Console, variant: Variant, batch: Examples, seed: int) -> None:
    """Print the effect of each fix, one after the other, and of the diary's own fix alone."""
    from rich.table import Table

    from spikecheck.reference.diary import initial_figures

    console.rule("[bold]3. The fixes, one after the other[/]", align="left")
    weights = replace(variant, default_init=True)
    single = replace(weights, single_spike=True)
    binary = replace(single, binary_input=True)
    stages = (
        ("unchanged", variant),
        ("binary input alone, the fix in the diary", replace(variant, binary_input=True)),
        ("1. PyTorch's default weights", weights),
        ("2. and at most one spike per step", single),
        ("3. and binary input", binary),
        ("4. and spike counts / 10 as logits", variant.repaired),
    )
    table = Table("", box=None, header_style="dim", pad_edge=False)
    for title in COLUMNS:
        table.add_column(title, justify="right")
    for name, stage in stages:
        table.add_row(name, *columns(initial_figures(stage, batch, seed)))
    show(console, table)
    click.echo()


def proof(console: Console, variant: Variant, words: Examples, report: Report, seed: int) -> None:
    """Print which fixes of the report are proved to heal copies of the network, as `spikecheck.examine` proves them."""
    from spikecheck.report.terminal import healing_block

    console.rule("[bold]4. The fix, proved[/]", align="left")
    show(
        console,
        "What the findings advise is tried on copies of the network. A fix is proved if the copy learns words that "
        "were held out, beats an untreated copy, and still does after four times the updates:",
    )
    for part in healing_block(treated(variant, words, report, seed)):
        show(console, part)
    click.echo()


def treated(variant: Variant, words: Examples, report: Report, seed: int) -> Healing:
    """Return what treatments of copies come to that the findings of a report name."""
    import torch

    from spikecheck.examination.healing import Healer
    from spikecheck.examination.subject import Subject
    from spikecheck.reference.diary import DiaryNetwork, batches, optimizer

    torch.manual_seed(seed)
    model = DiaryNetwork(variant)
    data = batches(words, variant, PROOF_BATCHES, PROOF_SIZE)
    subject = Subject.of(model, data, torch.nn.functional.cross_entropy, optimizer(model.parameters()))
    until = time.monotonic() + PROOF_SECONDS
    notes, updates = report.diagnosis.notes, PROOF_UPDATES
    return Healer(subject, report.root_causes, notes, until, updates=updates, compares=False).heal()


def search(console: Console, variant: Variant, words: Examples, seed: int) -> float:
    """Finish the diary's search for a threshold, without the fixes and with them; return the best threshold."""
    console.rule("[bold]5. The search for a threshold, finished[/]", align="left")
    show(console, "The diary's network, with thresholds from 1 to 100:")
    show(console, tuned(variant, words, seed, values=tuple(DIARY), low=1, high=100))
    show(console, "\nThe repaired network, with thresholds from 0.1 to 10:")
    tuning = tuned(variant.repaired, words, seed, values=(1.0,), low=0.1, high=10)
    show(console, tuning)
    click.echo()
    return variant.threshold if tuning.best is None else tuning.best.value


def tuned(variant: Variant, words: Examples, seed: int, **limits: Any) -> Tuning:
    """Search for a threshold of a variant: binary outputs, counts up to 50, as the diary wanted, and a falling loss."""
    import spikecheck
    from spikecheck.reference.diary import DiaryNetwork, batches, optimizer

    def build(threshold: float) -> DiaryNetwork:
        return DiaryNetwork(replace(variant, threshold=threshold))

    data = batches(words, variant, SEARCH_BATCHES)
    plan: dict[str, Any] = {"updates": SEARCH_UPDATES, "trials": SEARCH_TRIALS, "counts": (0, 50), "seed": seed}
    return spikecheck.tune(build, data, optimizer=optimizer, **plan, **limits)


def columns(figures: Figures) -> tuple[str, str, str]:
    """Return the cells for spikes per step, spike counts, and loss."""
    counts = f"{number(figures.min_count)} to {number(figures.max_count)}"
    return number(figures.max_per_step), counts, number(figures.loss, padded=figures.loss < 100)


def training(console: Console, variant: Variant, train: Examples, test: Examples, seconds: float, seed: int) -> int:
    """Train the repaired network with spikecheck attached; return exit code 1 if anything is found."""
    import torch

    import spikecheck
    from spikecheck.reference.diary import DiaryNetwork, train_epochs

    console.rule(f"[bold]6. The repaired network, trained for {seconds:g} seconds[/]", align="left")
    torch.manual_seed(seed)
    model = DiaryNetwork(variant)
    end = time.monotonic() + seconds
    with spikecheck.attach(model) as monitor:
        for epoch, (loss, accuracy) in enumerate(train_epochs(model, train, test), start=1):
            bar = "█" * round(40 * accuracy)
            console.print(f"epoch {epoch:2d}  loss {loss:5.2f}  accuracy {accuracy:4.0%} {bar}", highlight=False)
            if time.monotonic() > end:
                break
    report = monitor.report()
    learns = "The network learns" if accuracy >= LEARNS_FROM else "The network needs more time"
    show(
        console,
        f"{learns}: {accuracy:.0%} accuracy on speakers that it was not trained on (chance: 5%). "
        f"spikecheck: {report.conclusion}.",
    )
    if not report.ok:
        show(console, report)
    return 0 if report.ok else 1
