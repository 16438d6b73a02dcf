"""Diagnose a network that does not train, then heal it step by step and watch it learn."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.reference.diary import Figures, Variant
    from spikecheck.reference.frames import Examples

# What the notes printed, by threshold: most spikes a step, counts, what became of it.
NOTES = {
    1.0: "3868, 0..211,029, NaN",
    10.0: "5, 0..280, NaN",
    30.0: "1, 0..11, too sparse",
    100.0: "0, 0..0, no spikes",
}
WORDS = 64  # of the batch that the figures are taken from
CLEARLY = 0.4  # accuracy on 20 classes, where guessing gives 0.05


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="Time to train at the end."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights.")
def command(seconds: float, seed: int) -> int:
    """Show the notes' network, its diagnosis, what each fix does, and the healed network learning.

    The network is that of the notes spikecheck began with: three linear layers with integrate-and-fire neurons,
    weights from N(0, 1), event counts as input, spike counts straight into cross-entropy.
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
    diagnosis(console, variant, batch, seed)
    fixes(console, variant, batch, seed)
    return training(console, variant.repaired, train, test, seconds, seed)


def thresholds(console: Console, variant: Variant, batch: Examples, seed: int) -> None:
    """The notes' table beside the measured one."""
    from rich.table import Table

    from spikecheck.reference.diary import initial_figures

    console.rule("[bold]1. the patient[/]", align="left")
    console.print(
        "Three linear layers with integrate-and-fire neurons; counted events as input, counted spikes as logits. The"
        " notes tried four thresholds and saw the most spikes a step, the range of counts, and the result:"
    )
    table = Table("threshold", "the notes", box=None, header_style="dim", pad_edge=False)
    for title in ("spikes a step", "counts", "first loss"):
        table.add_column(title, justify="right")
    for threshold, noted in NOTES.items():
        figures = initial_figures(replace(variant, threshold=threshold), batch, seed)
        table.add_row(f"{threshold:g}", noted, *columns(figures))
    console.print(table)
    console.print("ln 20 = 3.0 is the loss of a guess.\n")


def diagnosis(console: Console, variant: Variant, batch: Examples, seed: int) -> None:
    """Attach, train one step, report."""
    import torch

    import spikecheck
    from spikecheck.reference.diary import DiaryNetwork, train_one_update

    console.rule("[bold]2. the diagnosis, after one step at threshold 1[/]", align="left")
    torch.manual_seed(seed)
    model = DiaryNetwork(variant)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        train_one_update(model, batch)
    console.print(monitor.report())
    console.print()


def fixes(console: Console, variant: Variant, batch: Examples, seed: int) -> None:
    """What each fix does, one after the other; and the one that the notes began with, by itself."""
    from rich.table import Table

    from spikecheck.reference.diary import initial_figures

    console.rule("[bold]3. the fixes, one by one[/]", align="left")
    weights = replace(variant, default_init=True)
    single = replace(weights, single_spike=True)
    binary = replace(single, binary_input=True)
    stages = (
        ("as it was", variant),
        ("only binary input, as the notes advise", replace(variant, binary_input=True)),
        ("1. weights as torch draws them", weights),
        ("2. and at most one spike a step", single),
        ("3. and binary input", binary),
        ("4. and counts / 10 as logits", variant.repaired),
    )
    table = Table("", box=None, header_style="dim", pad_edge=False)
    for title in ("spikes a step", "counts", "first loss"):
        table.add_column(title, justify="right")
    for name, stage in stages:
        table.add_row(name, *columns(initial_figures(stage, batch, seed)))
    console.print(table)
    console.print()


def columns(figures: Figures) -> tuple[str, str, str]:
    """Spikes a step, counts, loss."""
    loss = f"{figures.loss:,.0f}" if figures.loss >= 1000 else f"{figures.loss:.2f}"
    return f"{figures.max_per_step:.0f}", f"{figures.min_count:.0f}..{figures.max_count:,.0f}", loss


def training(console: Console, variant: Variant, train: Examples, test: Examples, seconds: float, seed: int) -> int:
    """Train the healed network with spikecheck attached; exit code 1 where it is found to be unwell."""
    import torch

    import spikecheck
    from spikecheck.reference.diary import DiaryNetwork, train_epochs

    console.rule(f"[bold]4. the healed network, trained for {seconds:g} seconds[/]", align="left")
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
    verdict = "nothing to warn of" if report.ok else "not well"
    learns = "it learns" if accuracy >= CLEARLY else "it needs more time"
    console.print(
        f"{learns}: {accuracy:.0%} on words of other speakers, where a guess gets 5 %; spikecheck: {verdict}.",
        highlight=False,
    )
    if not report.ok:
        console.print(report)
    return 0 if report.ok else 1
