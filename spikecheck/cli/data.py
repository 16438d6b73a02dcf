"""Regenerate the spoken-digit data set, or show its contents."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import click

from spikecheck.errors import SpikecheckError


@click.group()
def command() -> None:
    """Regenerate the spoken-digit data set, or show its contents."""


@command.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("digits.xz"),
    show_default=True,
    help="File to write.",
)
@click.option(
    "--words",
    type=click.IntRange(min=1),
    help="Generate only this many words, taken evenly from the whole list, for a quick test.",
)
@click.option(
    "--processes", type=click.IntRange(min=1), default=2, show_default=True, help="Number of parallel processes."
)
def make(out: Path, words: int | None, processes: int) -> None:
    """Speak the digits with espeak-ng and convert them to spikes with a cochlea model.

    Needs a clone of the repository and the extra `data`: pip install '.[data]'.
    """
    from rich.progress import Progress

    generator = import_generator()
    planned = generator.plan()
    chosen = generator.evenly_spaced(planned, min(words or len(planned), len(planned)))
    with Progress(transient=True) as progress:
        task = progress.add_task("words", total=len(chosen))
        packed = generator.make(chosen, processes=processes, progress=lambda done: progress.advance(task, done))
    out.write_bytes(packed)
    click.echo(f"{out}: {len(chosen):,} words, {len(packed):,} bytes")


def import_generator() -> ModuleType:
    """Import the generator, which is in the repository and not in the wheel.

    Raises:
        SpikecheckError: spikecheck does not run from a checkout.
    """
    try:
        from tools.spoken_digits import generator
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("tools"):
            raise
        raise SpikecheckError(
            "the generator of the data set is not part of the installed package: run this command in a checkout of"
            " the repository, or in the unpacked source distribution (pip download --no-deps --no-binary spikecheck"
            " spikecheck), after pip install --editable '.[data]'"
        ) from error
    return generator


@command.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
def show(path: Path | None) -> None:
    """Show words, speakers and spikes of a data set.

    Without PATH, the data set that comes with spikecheck.
    """
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
