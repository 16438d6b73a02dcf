"""Make the spoken-digit spike set anew, or show what it holds."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Make the spoken-digit spike set anew, or show what it holds."""


@command.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("digits.xz"), show_default=True)
@click.option("--words", type=click.IntRange(min=1), help="Only so many words, spread over the set: a trial.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
def make(out: Path, words: int | None, processes: int) -> None:
    """Say the words with espeak-ng, run them through the cochlea, and pack the spikes."""
    from rich.progress import Progress

    from spikecheck.reference import generator

    everything = generator.plan()
    chosen = generator.some(everything, min(words or len(everything), len(everything)))
    with Progress(transient=True) as progress:
        task = progress.add_task("words", total=len(chosen))
        packed = generator.make(chosen, processes=processes, progress=lambda done: progress.advance(task, done))
    out.write_bytes(packed)
    click.echo(f"{out}: {len(chosen)} words, {len(packed)} bytes")


@command.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def show(path: Path | None) -> None:
    """Count words, speakers and spikes of a packed set; without PATH, of the one that comes with spikecheck."""
    from rich.console import Console
    from rich.table import Table

    from spikecheck.reference import shd, statistics

    splits, keys = shd.packed_digits(path or shd.PACKED)
    table = Table("", *splits, box=None, pad_edge=False)
    columns = [statistics.summary(words) for words in splits.values()]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    Console().print(table)
    click.echo(f"classes: {' '.join(keys)}")
