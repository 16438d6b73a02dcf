"""Run a training script unchanged, and report why it does not train."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from spikecheck.cli.diagnose import STDIN, baseline_options, file_option
from spikecheck.finding import Severity

if TYPE_CHECKING:
    from spikecheck.script_run.result import NamedReports


#: Options that hardly any script has: behind the script, they are probably meant for spikecheck.
FOR_SPIKECHECK = ("--html", "--sarif", "--fail-on", "--baseline", "--write-baseline")


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Exit codes: that of the script. If it is 0: 1 with a finding at or above the severity of --fail-on. 2 if "
    "there is no such script, or an option cannot be used.",
)
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is a module or package, as for `python -m`.")
@file_option("--html", "html_file", help="Write the reports as one HTML page with plots.")
@file_option("--json", "json_file", help="Write the reports as JSON.")
@file_option("--sarif", "sarif_file", help="Write the findings as SARIF 2.1.0, for code scanning.")
# torchrun takes --log for an abbreviation of options of its own, even behind the script.
@file_option("--log", "--log-file", "log_file", help="Write the course of the run as JSON lines while it trains.")
@click.option(
    "--fail-on",
    type=click.Choice(["note", "warning", "error"]),
    help="Exit with 1 if there are findings of at least this severity and the script ended well.",
)
@baseline_options
def command(
    script: str,
    args: tuple[str, ...],
    as_module: bool,
    html_file: str | None,
    json_file: str | None,
    sarif_file: str | None,
    log_file: str | None,
    fail_on: str | None,
    baseline_file: str | None,
    write_baseline: bool,
) -> int:
    """Run SCRIPT with its own ARGS, and report on every model that it trains, on standard error.

    The script is not changed: it gets its own arguments, output and exit code, and its weights are bit-identical. The
    report comes at its end, also after an exception, sys.exit or Ctrl-C. Options of spikecheck stand before SCRIPT.
    """
    from spikecheck.cli.diagnose import check_baseline, failing, write_sarif
    from spikecheck.report import html
    from spikecheck.report.file import of_rank
    from spikecheck.script_run.discovery import Discovery
    from spikecheck.script_run.result import own_error
    from spikecheck.script_run.runner import EXIT_INTERRUPTED, run_script
    from spikecheck.settings import process_rank

    if html_file is not None:
        html.required()
    check_baseline(baseline_file, write_baseline)
    # The script may change its folder.
    files = (html_file, json_file, sarif_file, log_file, baseline_file)
    html_file, json_file, sarif_file, log_file, baseline_file = map(from_here, files)
    with Discovery(log=log_file) as discovery:
        code = run_script(script, args, as_module=as_module)
        # Rank 0 speaks for all. If another fails alone, rank 0 may never come to its end.
        discovery.reports_at_end = not process_rank() or code not in (0, EXIT_INTERRUPTED)
    for error in discovery.errors:
        click.echo(own_error(error), err=True)
    if not discovery.reports_at_end:
        return code
    reports = discovery.reports()
    write_out(reports, html_file, json_file, explained=bool(discovery.errors))
    if late := [word for word in args if word.partition("=")[0] in FOR_SPIKECHECK]:
        hint = f"{late[0]} was passed on to {script}: options of spikecheck run stand before the script"
        click.echo(f"spikecheck: {hint}", err=True)
    if sarif_file is not None:
        name = script.replace(".", "/") + ".py" if as_module else script
        write_sarif(of_rank(sarif_file, process_rank()), [(name, report, "") for _, report in reports])
    level = None if fail_on is None else Severity.named(fail_on)
    failed = failing((report for _, report in reports), level, baseline_file, write_baseline)
    return code or int(failed)


def from_here(file: str | None) -> str | None:
    """Return the absolute path of a file; None and standard output as they are."""
    return file if file in (None, STDIN) else os.path.abspath(file)


def write_out(reports: NamedReports, html_file: str | None, json_file: str | None, *, explained: bool) -> None:
    """Print the reports, and write them to files; why there are none may be `explained` already."""
    import sys
    from contextlib import suppress

    from rich.console import Console

    from spikecheck.cli.diagnose import write
    from spikecheck.report import html
    from spikecheck.report.file import of_rank
    from spikecheck.report.json import to_json
    from spikecheck.script_run.result import show
    from spikecheck.settings import process_rank

    rank = process_rank()
    with suppress(OSError, ValueError):  # the script may have closed it, or nobody reads it any more
        sys.stdout.flush()
    show(reports, Console(stderr=True), explained=explained)
    entries = [(name, report, "") for name, report in reports]
    if html_file is not None:
        write(of_rank(html_file, rank), html.page(entries))
    if json_file is not None:
        write(of_rank(json_file, rank), to_json(entries, "", {}))
