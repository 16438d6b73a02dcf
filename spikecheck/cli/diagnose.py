"""Diagnose checkpoint files without executing any code in them."""

from __future__ import annotations

import glob
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.shell_completion import CompletionItem

from spikecheck.errors import SpikecheckError, UnreadableError
from spikecheck.finding import Severity

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.checkpoint.content import Content
    from spikecheck.report.json import Changes
    from spikecheck.report.model import Report

STDIN = "-"
COPY_SIZE = 1 << 20
LARGE = 1 << 27  # bytes from which on the progress is shown

FileResult = tuple[str, "Report | None", str]  # name, report, and why the file or its model could not be checked


def complete_file(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


file_option = partial(click.option, metavar="FILE", shell_complete=complete_file)
fail_on_option = click.option(
    "--fail-on",
    type=click.Choice(["note", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Exit with 1 if there are findings of at least this severity.",
)


def baseline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for accepted findings to a command."""
    text = "Findings in this file are accepted: they do not decide the exit code."
    flag = "Accept the findings of this run: write them to the file of --baseline."
    decorated = click.option("--write-baseline", is_flag=True, help=flag)(command)
    return file_option("--baseline", "baseline_file", help=text)(decorated)


def failing(
    reports: Iterable[Report | None], level: Severity | None, baseline_file: str | None, write_baseline: bool
) -> bool:
    """Return whether findings decide the exit code; accept them instead, if that is asked for."""
    from spikecheck.accepted import AcceptedFindings, write_accepted
    from spikecheck.report.format import counted

    check_baseline(baseline_file, write_baseline)
    every = [finding for report in reports if report is not None for finding in report.findings]
    if write_baseline and baseline_file is not None:
        write_accepted(baseline_file, (("", finding) for finding in every))
        click.echo(f"spikecheck: {counted(len(every), 'accepted finding')} written to {baseline_file}", err=True)
        return False
    accepted = AcceptedFindings()
    if baseline_file is not None:
        accepted = AcceptedFindings.load(baseline_file)
        click.echo(f"spikecheck: {accepted.summary(every)}", err=True)
    return level is not None and any(finding.severity >= level for finding in accepted.others(every))


def check_baseline(baseline_file: str | None, write_baseline: bool) -> None:
    """Raise an error of usage for a baseline that cannot be used: before a long run, not after it."""
    from spikecheck.accepted import AcceptedFindings

    if write_baseline and baseline_file is None:
        raise click.UsageError("--write-baseline needs --baseline FILE, the file to write")
    if baseline_file is not None and not write_baseline:
        AcceptedFindings.load(baseline_file)


@click.command(
    epilog="Exit codes: 0 no finding at or above the severity of --fail-on, 1 such a finding, 2 bad usage or a file "
    "that was not read completely."
)
@click.argument("checkpoints", metavar="CKPT...", nargs=-1, required=True, shell_complete=complete_file)
@file_option("--against", metavar="OTHER", help="Also compare with this earlier checkpoint, tensor by tensor.")
@file_option("--json", "json_file", help="Write the reports as JSON; - for standard output.")
@file_option("--sarif", "sarif_file", help="Write the findings as SARIF 2.1.0, for code scanning.")
@file_option("--junit", "junit_file", help="Write the outcome of every check as JUnit XML.")
@file_option("--html", "html_file", help="Write the reports as one HTML page with plots.")
@fail_on_option
@baseline_options
@click.option(
    "--model",
    metavar="MODULE:NAME",
    help="Create this model, load the weights and run it once. This EXECUTES your module.",
)
@click.option("--model-args", metavar="JSON", help='Keyword arguments for the model factory, as JSON: {"hidden": 128}.')
@file_option(
    "--data",
    metavar="SOURCE",
    help="Batch for --model: a .npz, .pt or .h5 file; module:name of a batch, a loader or a function; or the word "
    "`reference` for test samples of the built-in data set.",
)
@click.option("--examine", is_flag=True, help="Also make experiments on copies of --model, with batches of --data.")
@click.option("--quiet", "-q", is_flag=True, help="Print one line per finding, and nothing for healthy files.")
@click.option("--unsafe-pickle", is_flag=True, help="Let torch load the files, which EXECUTES any code in them.")
def command(
    checkpoints: tuple[str, ...],
    against: str | None,
    json_file: str | None,
    sarif_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    fail_on: str,
    baseline_file: str | None,
    write_baseline: bool,
    model: str | None,
    model_args: str | None,
    data: str | None,
    examine: bool,
    quiet: bool,
    unsafe_pickle: bool,
) -> int:
    """Diagnose checkpoints of torch.save, Lightning and TorchScript, safetensors files, and NIR graphs.

    CKPT is a file, a pattern ("runs/*.pt"), or - for standard input. No code in a file is executed.
    """
    from rich.console import Console

    from spikecheck.cli import EXIT_ERROR
    from spikecheck.outside_text import safe
    from spikecheck.report import html
    from spikecheck.report.changes import table
    from spikecheck.settings import Settings

    if html_file is not None:
        html.required()
    settings, level = Settings.load(), Severity.named(fail_on)
    console = Console(stderr=STDIN in (json_file, sarif_file, junit_file, html_file))
    if unsafe_pickle:
        click.echo("spikecheck: --unsafe-pickle: torch loads these files and executes any code in them", err=True)
    request = run_request(model, model_args, data, examine=examine)
    results: list[FileResult] = []
    changes: dict[str, Changes] = {}
    for name in matching(checkpoints):
        result = diagnose(name, safe(name), settings, unsafe_pickle, request)
        results.append(result)
        show(result, console, level, quiet=quiet)
        if against is not None and result[1] is not None:
            differences, error = compare(name, against, unsafe_pickle)
            if error:
                results.append((safe(against), None, error))
            else:
                changes[result[0]] = differences
                console.print(table(differences, safe(against), safe(name)))
    write_views(results, level, json_file, sarif_file, junit_file, html_file, safe(against or ""), changes)
    failed = failing((report for _, report, _ in results), level, baseline_file, write_baseline)
    return EXIT_ERROR if any(error for _, _, error in results) else int(failed)


def matching(patterns: Iterable[str]) -> Iterator[str]:
    """Yield the files: each name as it is, or the files that match it if no file has that name."""
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) and not exists(pattern) else []
        yield from matches or [pattern]


def exists(name: str) -> bool:
    """Return whether there is a file, directory or link of this name."""
    try:
        Path(name).lstat()
    except (OSError, ValueError):
        return False
    return True


def run_request(model: str | None, model_args: str | None, data: str | None, *, examine: bool = False) -> Any:
    """Return the model and the batch that are asked for, None without both; SpikecheckError if they are invalid."""
    if examine and (model is None or data is None):
        raise click.UsageError("--examine needs --model and --data")
    if model_args is not None and model is None:
        raise click.UsageError("--model-args needs --model")
    if model is None and data is None:
        return None
    from spikecheck.model_run.run import RunRequest

    return RunRequest.of(model, model_args, data, examine=examine)


def diagnose(name: str, shown: str, settings: Any, unsafe_pickle: bool, request: Any = None) -> FileResult:
    """Return the report on one file, and what went wrong if there is none or the model could not be run."""
    from spikecheck.checkpoint.diagnose import diagnose_file
    from spikecheck.checkpoint.stored_run import refusal

    def then(report: Report, content: Content) -> Report:
        if request is None and content.factory is None:
            return report
        from spikecheck.model_run.run import with_model

        return with_model(report, content, path, request, settings, unsafe_pickle=unsafe_pickle)

    try:
        with source(name) as path, progress(shown) as advance:
            report = diagnose_file(path, unsafe_pickle=unsafe_pickle, settings=settings, advance=advance, then=then)
        problem = refusal(report)
    except UnreadableError as error:
        report, problem = None, str(error)
    if problem:
        click.echo(f"spikecheck: {shown}: {problem}", err=True)
    return shown, report, problem


@contextmanager
def source(name: str) -> Iterator[Path | BinaryIO]:
    """Yield the path, or for standard input a temporary file, since reading a checkpoint begins at its end."""
    if name != STDIN:
        yield Path(name)
        return
    with tempfile.TemporaryFile() as file:
        while content := sys.stdin.buffer.read(COPY_SIZE):
            file.write(content)
        file.flush()
        yield file


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], object]]:
    """Show a progress bar on a terminal while a large file is read."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    if not console.is_terminal:  # rich 13 ends even a disabled bar with an empty line
        yield lambda done, size: None
        return
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name, total=None, visible=False)

        def advance(done: int, size: int) -> None:
            if size >= LARGE:
                bars.update(task, total=size, advance=done, visible=True)

        yield advance


def show(result: FileResult, console: Console, level: Severity, *, quiet: bool) -> None:
    """Print the whole report, or one line per finding."""
    name, report, _ = result
    if report is None:
        return
    if not quiet:
        console.print(report, crop=False)
        return
    for finding in report.at_least(level):
        console.print(f"{name}: {finding.severity.label} {finding}", markup=False, highlight=False, soft_wrap=True)


def compare(name: str, other: str, unsafe_pickle: bool) -> tuple[Changes, str]:
    """Return what changed, tensor by tensor, or why the other file cannot be read."""
    from spikecheck.checkpoint.compare import changes
    from spikecheck.outside_text import safe

    if STDIN in (name, other):
        raise SpikecheckError("--against needs two files: standard input can be read only once")
    try:
        return changes(Path(other), Path(name), unsafe_pickle=unsafe_pickle), ""
    except UnreadableError as error:
        click.echo(f"spikecheck: {safe(other)}: {error}", err=True)
        return (), str(error)


def write_views(
    results: list[FileResult],
    level: Severity,
    json_file: str | None,
    sarif_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    against: str,
    changes: dict[str, Changes],
) -> None:
    """Write all reports in each format that was asked for."""
    from spikecheck.report import html
    from spikecheck.report.json import to_json
    from spikecheck.report.junit import to_junit

    if json_file is not None:
        write(json_file, to_json(results, against, changes))
    if sarif_file is not None:
        write_sarif(sarif_file, results)
    if junit_file is not None:
        write(junit_file, to_junit(results, level))
    if html_file is not None:
        write(html_file, html.page(results, against=against, changes=changes))


def write_sarif(file: str, results: list[FileResult]) -> None:
    """Write the findings as SARIF, with the page of each check that found something."""
    from spikecheck import __version__
    from spikecheck.checks.discovery import discover
    from spikecheck.cli.explain import page
    from spikecheck.report.sarif import RuleText, to_sarif

    known = discover()
    checks = {f.check for _, report, _ in results if report is not None for f in report.findings} & known.keys()
    site = documentation()
    texts = {
        id_: RuleText(known[id_].sections()[""], page(known[id_], known), known[id_].severity, site and f"{site}/{id_}")
        for id_ in checks
    }
    write(file, to_sarif(results, __version__, texts))


def documentation() -> str:
    """Return where the pages of the checks are on the web, as the package says; "" if it is nowhere."""
    from importlib import metadata

    urls = metadata.metadata("spikecheck").get_all("Project-URL") or []
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    base: str = named.get("Documentation", "")
    return f"{base.rstrip('/')}/checks" if base else ""


def write(file: str, text: str) -> None:
    """Write to a file, or to standard output."""
    from spikecheck.report.file import write as put

    if file == STDIN:
        click.echo(text)
        return
    put(file, text.rstrip() + "\n")
