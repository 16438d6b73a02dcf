"""Find the values of a threshold, slope, scale or learning rate with which a network can be trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spikecheck.cli.diagnose import file_option

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.tuning.trial import TriedValue

JOURNAL = Path("runs/tune.journal")


def split_numbers(ctx: click.Context, option: click.Parameter, value: str) -> tuple[float, ...]:
    """Return the numbers in "1,10,30"."""
    try:
        return tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(f"expected numbers such as 1,10,30, got {value!r}") from error


def split_counts(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Return the range in "1:50"."""
    if value is None:
        return None
    low, _, high = value.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise click.BadParameter(f"expected a range such as 1:50, got {value!r}") from error


@click.command(epilog="Exit codes: 0 a value works, 1 none does, 2 bad usage, or the network raised an error.")
@click.argument("parameter")
@click.option(
    "--model", metavar="MODULE:NAME", required=True, help="Factory or network to train. This EXECUTES your module."
)
@click.option("--model-args", metavar="JSON", help='Keyword arguments for the factory, as JSON: {"hidden": 128}.')
@file_option(
    "--data", metavar="SOURCE", required=True, help="Batches (input, target), as for `spikecheck diagnose --data`."
)
@click.option("--loss", metavar="MODULE:NAME", help="Function of output and target.  [default: cross-entropy]")
@click.option(
    "--optimizer", metavar="MODULE:NAME", help="Function of the parameters.  [default: Adam with a rate of 0.001]"
)
@click.option("--reset", metavar="MODULE:NAME", help="Function that resets the network's state before each batch.")
@click.option("--low", type=float, help="Smallest value.")
@click.option("--high", type=float, help="Largest value.")
@click.option("--values", metavar="N,N,...", default="", callback=split_numbers, help="Values to try first.")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Most values to try.")
@click.option("--updates", type=click.IntRange(min=1), default=24, show_default=True, help="Updates per value.")
@click.option("--batches", type=click.IntRange(min=1), default=8, show_default=True, help="Batches taken from --data.")
@click.option(
    "--counts",
    metavar="LOW:HIGH",
    callback=split_counts,
    help="Range for the largest spike count of an output neuron, such as 1:50.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed for the weights.")
@file_option(
    "--storage",
    default=str(JOURNAL),
    show_default=True,
    help="Journal file, or the URL of a database. The search in it is continued; several workers may share it.",
)
@click.option("--name", default="", help="Name of the search in the storage.  [default: the parameter's]")
@file_option("--png", "png_file", help="Draw losses and spikes over the values.")
@file_option("--html", "html_file", help="Write the table and the drawings as one HTML file.")
@file_option("--json", "json_file", help="Write the values as JSON; - for standard output.")
def command(
    parameter: str,
    model: str,
    model_args: str | None,
    data: str,
    low: float | None,
    high: float | None,
    values: tuple[float, ...],
    counts: tuple[float, float] | None,
    batches: int,
    png_file: str | None,
    html_file: str | None,
    json_file: str | None,
    **options: Any,
) -> int:
    """Find the values of PARAMETER with which a network can be trained, and the best of them.

    PARAMETER is an argument of the factory, or one of threshold, weight_scale and learning_rate, or an attribute of the
    spiking layers, such as beta or tau. Each value trains a new network for a few updates. A value works if outputs are
    binary, counts are in range, no layer is silent or saturated, gradients reach every weight, and the loss falls.
    """
    from rich.console import Console

    from spikecheck.cli.diagnose import STDIN, write
    from spikecheck.model_run.data import read_several
    from spikecheck.report import html
    from spikecheck.report.terminal import print_on
    from spikecheck.tuning.study import tune

    if png_file is not None or html_file is not None:
        html.required()
    functions = {key: imported(options.pop(key), f"--{key}") for key in ("loss", "optimizer", "reset")}
    pairs = [(*batch.inputs, batch.targets) for batch in read_several(data, batches)]
    console = Console(stderr=json_file == STDIN)
    with progress(console, parameter) as on_result:
        tuning = tune(
            factory(model, model_args, parameter),
            pairs,
            parameter=parameter,
            low=low,
            high=high,
            values=values,
            counts=counts,
            on_result=on_result,
            **options,
            **{key: value for key, value in functions.items() if value is not None},
        )
    print_on(console, tuning)
    if png_file is not None:
        tuning.to_png(png_file)
    if html_file is not None:
        tuning.to_html(html_file)
    if json_file is not None:
        write(json_file, tuning.to_json())
    return int(tuning.best is None)


def imported(spec: str | None, option: str) -> Any:
    """Return the object that an option names; None without it."""
    from spikecheck.model_run.user_code import import_object

    return None if spec is None else import_object(spec, option)


def factory(spec: str, model_args: str | None, parameter: str) -> Any:
    """Return the network or its factory, with the arguments of --model-args; the parameter's own is set for each value.

    Raises:
        SpikecheckError: there is no such object, or the arguments are no JSON object.
    """
    from functools import partial, update_wrapper

    from torch import nn

    from spikecheck.model_run.run import parse_arguments

    target, arguments = imported(spec, "--model"), parse_arguments(model_args)
    if isinstance(target, nn.Module) or not arguments:
        return target
    if parameter in arguments:
        raise click.UsageError(f"--model-args sets {parameter}, which is what is varied")
    return update_wrapper(partial(target, **arguments), target)


@contextmanager
def progress(console: Console, parameter: str) -> Iterator[Callable[[TriedValue], object]]:
    """Show the table in a terminal as it grows; the final one takes its place."""
    from rich.live import Live

    from spikecheck.tuning.table import table

    rows: list[TriedValue] = []
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def add(row: TriedValue) -> None:
            rows.append(row)
            if console.is_terminal:
                live.update(table(parameter, sorted(rows, key=lambda one: one.value)), refresh=True)

        yield add
