"""Make experiments on copies of a network, and report what they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from spikecheck.cli.diagnose import fail_on_option
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Severity

if TYPE_CHECKING:
    from spikecheck.report.model import Report

PARTS = ("model", "loss_fn", "optimizer")  # of a tuple that the factory returns, in this order
NAMES = (*PARTS, "batches", "step", "forward")  # of a dict


@click.command(
    epilog="Exit codes: 0 no finding at or above the severity of --fail-on, 1 such a finding, 2 bad usage or a network "
    "that cannot be examined."
)
@click.argument("factory", metavar="MODULE:NAME")
@click.option("--model-args", metavar="JSON", help='Keyword arguments for the factory, as JSON: {"hidden": 128}.')
@click.option(
    "--data",
    metavar="SOURCE",
    help="Batches: module:name of a loader or of a function that returns one; a .npz, .pt or .h5 file; or the word "
    "`reference` for the built-in data set.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="Time for all experiments."
)
@click.option(
    "--treatment-seconds",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    help="Time for treatments of a network that is sick; 0 for none.",
)
@click.option(
    "--treatment-updates",
    type=click.IntRange(min=15),
    default=40,
    show_default=True,
    help="Updates after which a treated copy is judged, and again after two and four times as many: more for a task "
    "that is learned slowly.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON; - for standard output.")
@click.option("--html", "html_file", metavar="FILE", help="Write the report as one HTML page with plots.")
@fail_on_option
def command(
    factory: str,
    model_args: str | None,
    data: str | None,
    seconds: float,
    treatment_seconds: float,
    treatment_updates: int,
    json_file: str | None,
    html_file: str | None,
    fail_on: str,
) -> int:
    """Examine a network: train copies of it, change one thing at a time, and report what that shows.

    MODULE:NAME is a function that returns the model, or a tuple (model, loss), (model, loss, optimizer), or a dict with
    "model", "loss_fn", "optimizer", "step", "forward" and "batches". Without a loss, it is cross-entropy. This EXECUTES
    your module.
    """
    from rich.console import Console

    from spikecheck.cli.diagnose import STDIN, write
    from spikecheck.report import html

    if html_file is not None:
        html.required()
    limits = {"seconds": seconds, "treatment_seconds": treatment_seconds, "treatment_updates": treatment_updates}
    report = examined(factory, model_args, data, limits)
    Console(stderr=STDIN in (json_file, html_file)).print(report, crop=False)
    if json_file is not None:
        write(json_file, report.to_json() + "\n")
    if html_file is not None:
        write(html_file, html.page([(factory, report, "")]))
    return int(bool(report.at_least(Severity.named(fail_on))))


def examined(factory: str, model_args: str | None, data: str | None, limits: Mapping[str, Any]) -> Report:
    """Return the report on what a factory returns."""
    import spikecheck
    from spikecheck.model_run.batches import read_batches
    from spikecheck.model_run.run import parse_arguments
    from spikecheck.model_run.user_code import call_factory, import_object
    from spikecheck.settings import Settings

    target = import_object(factory, "MODULE:NAME")
    made = target if is_network(target) else call_factory(target, parse_arguments(model_args), factory)
    arguments = arguments_of(made, factory)
    if data is not None:
        arguments["batches"] = read_batches(data)
    if arguments.get("batches") is None:
        raise SpikecheckError(f'{factory} returned no "batches": pass --data')
    return spikecheck.examine(**arguments, **limits, settings=Settings.load())


def is_network(value: Any) -> bool:
    """Return whether a name is that of a model, not of a function that returns one."""
    from torch import nn

    return isinstance(value, nn.Module)


def arguments_of(made: Any, factory: str) -> dict[str, Any]:
    """Return the arguments of `spikecheck.examine` in what a factory returned; SpikecheckError for anything else."""
    from torch.nn import functional as F

    if isinstance(made, Mapping):
        unknown = [str(name) for name in made if name not in NAMES]
        if unknown:
            raise SpikecheckError(f"{factory} returned {', '.join(unknown)}: expected {', '.join(NAMES)}")
        arguments = dict(made)
    elif isinstance(made, tuple):
        if len(made) > len(PARTS):
            raise SpikecheckError(f"{factory} returned {len(made)} values: expected {', '.join(PARTS)}, or a dict")
        arguments = dict(zip(PARTS, made, strict=False))
    else:
        arguments = {"model": made}
    if not is_network(arguments.get("model")):
        raise SpikecheckError(
            f"{factory} returned no torch.nn.Module: return the model, or a tuple that begins with it"
        )
    if arguments.get("step") is None:
        arguments.setdefault("loss_fn", F.cross_entropy)
    return arguments
