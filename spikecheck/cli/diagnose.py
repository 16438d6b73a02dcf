"""Diagnose checkpoint files without running anything that they carry."""

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
COPIED = 1 << 20
LARGE = 1 << 27  # from here on a file's progress is shown

Outcome = tuple[str, "Report | None", str]  # name, report, why the question could not be asked


def files(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    return [CompletionItem(begun, type="file")]


file_option = partial(click.option, metavar="FILE", shell_complete=files)


@click.command(epilog="Exit codes: 0 nothing found, 1 findings, 2 a file could not be read.")
@click.argument("checkpoints", metavar="CKPT...", nargs=-1, required=True, shell_complete=files)
@file_option("--against", metavar="OTHER", help="Also say what changed since this checkpoint, layer by layer.")
@file_option("--json", "json_file", help="Write the reports as JSON; - writes them to standard output.")
@file_option("--sarif", "sarif_file", help="Write the findings as SARIF 2.1.0.")
@file_option("--junit", "junit_file", help="Write the verdicts as JUnit XML.")
@file_option("--html", "html_file", help="Write the reports as one page of HTML, with pictures.")
@click.option(
    "--fail-on",
    type=click.Choice(["note", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Exit with 1 for findings of this severity or above.",
)
@click.option("--model", metavar="MODULE:NAME", help="Make this model, load the weights, run it once: RUNS your code.")
@click.option("--model-args", metavar="JSON", help='What the factory of --model is called with: {"hidden": 128}.')
@file_option("--data", help="Run it with this batch: .npz, .pt, .h5, module:function or reference.")
@click.option("--quiet", "-q", is_flag=True, help="One line a finding, nothing for a healthy file.")
@click.option("--unsafe-pickle", is_flag=True, help="Let torch load the file, and RUN whatever code it carries.")
def command(
    checkpoints: tuple[str, ...],
    against: str | None,
    json_file: str | None,
    sarif_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    fail_on: str,
    model: str | None,
    model_args: str | None,
    data: str | None,
    quiet: bool,
    unsafe_pickle: bool,
) -> int:
    """Diagnose checkpoints: torch.save files of any version, Lightning's, TorchScript, safetensors, NIR graphs.

    CKPT is a file, a pattern ("runs/*.pt"), or - for standard input. Nothing that a file carries is run.
    """
    from rich.console import Console

    from spikecheck.checkpoint.diagnose import safe
    from spikecheck.cli import EXIT_ERROR
    from spikecheck.report import html
    from spikecheck.report.changes import table
    from spikecheck.settings import Settings

    if html_file is not None:
        html.required()
    settings, level = Settings.load(), Severity.named(fail_on)
    console = Console(stderr=STDIN in (json_file, sarif_file, junit_file, html_file))
    if unsafe_pickle:
        click.echo("spikecheck: --unsafe-pickle: torch loads these files, and runs whatever code they carry", err=True)
    trying = wanted(model, model_args, data)
    answers: list[Outcome] = []
    changes: dict[str, Changes] = {}
    for name in matching(checkpoints):
        answer = asked(name, safe(name), settings, unsafe_pickle, trying)
        answers.append(answer)
        show(answer, console, level, quiet=quiet)
        if against is not None and answer[1] is not None:
            found, why = compared(name, against, unsafe_pickle)
            if why:
                answers.append((safe(against), None, why))
            else:
                changes[answer[0]] = found
                console.print(table(found, safe(against), safe(name)))
    write_views(answers, level, json_file, sarif_file, junit_file, html_file, safe(against or ""), changes)
    if any(error for _, _, error in answers):
        return EXIT_ERROR
    return int(any(report is not None and report.at_least(level) for _, report, _ in answers))


def matching(patterns: Iterable[str]) -> Iterator[str]:
    """The files that are meant: as given, or by pattern where no file is called so."""
    for pattern in patterns:
        found = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) and not exists(pattern) else []
        yield from found or [pattern]


def exists(name: str) -> bool:
    """Is there anything of this name?"""
    try:
        Path(name).lstat()
    except (OSError, ValueError):
        return False
    return True


def wanted(model: str | None, model_args: str | None, data: str | None) -> Any:
    """The model and the batch that are asked for; None where neither is. SpikecheckError where they cannot be had."""
    if model_args is not None and model is None:
        raise click.UsageError("--model-args needs --model")
    if model is None and data is None:
        return None
    from spikecheck.model_run.run import RunRequest

    return RunRequest.of(model, model_args, data)


def asked(name: str, shown: str, settings: Any, unsafe_pickle: bool, trying: Any = None) -> Outcome:
    """The report on one file, or why there is none; why not all that was asked of it could be done."""
    from spikecheck.checkpoint.diagnose import diagnose_file
    from spikecheck.checkpoint.stored_run import refusal

    def then(report: Report, content: Content) -> Report:
        if trying is None and content.factory is None:
            return report
        from spikecheck.model_run.run import with_model

        return with_model(report, content, path, trying, settings, unsafe_pickle=unsafe_pickle)

    how = {"unsafe_pickle": unsafe_pickle, "settings": settings}
    try:
        with source(name) as path, progress(shown) as advance:
            report = diagnose_file(path, advance=advance, then=then, **how)
        why = refusal(report)
    except UnreadableError as error:
        report, why = None, str(error)
    if why:
        click.echo(f"spikecheck: {shown}: {why}", err=True)
    return shown, report, why


@contextmanager
def source(name: str) -> Iterator[Path | BinaryIO]:
    """The path; or standard input, copied to a file without a name, since a checkpoint is read from its end."""
    if name != STDIN:
        yield Path(name)
        return
    with tempfile.TemporaryFile() as file:
        while content := sys.stdin.buffer.read(COPIED):
            file.write(content)
        file.flush()
        yield file


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], object]]:
    """A bar on a terminal, from the first bytes of a large file on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None, visible=False)

        def advance(done: int, size: int) -> None:
            if size >= LARGE:
                bars.update(task, total=size, advance=done, visible=True)

        yield advance


def show(answer: Outcome, console: Console, level: Severity, *, quiet: bool) -> None:
    """The whole report, or one line a finding."""
    name, report, _ = answer
    if report is None:
        return
    if not quiet:
        console.print(report)
        return
    for finding in report.at_least(level):
        console.print(f"{name}: {finding.severity.label} {finding}", markup=False, highlight=False, soft_wrap=True)


def compared(name: str, other: str, unsafe_pickle: bool) -> tuple[Changes, str]:
    """What changed, tensor by tensor; or why the other file cannot be read."""
    from spikecheck.checkpoint.compare import changes
    from spikecheck.checkpoint.diagnose import safe

    if STDIN in (name, other):
        raise SpikecheckError("--against compares two files: standard input can be read only once")
    try:
        return changes(Path(other), Path(name), unsafe_pickle=unsafe_pickle), ""
    except UnreadableError as error:
        click.echo(f"spikecheck: {safe(other)}: {error}", err=True)
        return (), str(error)


def write_views(
    answers: list[Outcome],
    level: Severity,
    json_file: str | None,
    sarif_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    against: str,
    changes: dict[str, Changes],
) -> None:
    """All reports in each form that was asked for."""
    from spikecheck import __version__
    from spikecheck.report import html
    from spikecheck.report.json import to_json
    from spikecheck.report.junit import to_junit
    from spikecheck.report.sarif import to_sarif

    if json_file is not None:
        write(json_file, to_json(answers, against, changes))
    if sarif_file is not None:
        write(sarif_file, to_sarif(answers, __version__))
    if junit_file is not None:
        write(junit_file, to_junit(answers, level))
    if html_file is not None:
        write(html_file, html.page(answers, against=against, changes=changes))


def write(file: str, text: str) -> None:
    """Write to a file, or to standard output."""
    from spikecheck.report.file import write as put

    if file == STDIN:
        click.echo(text)
        return
    put(file, text.rstrip() + "\n")
