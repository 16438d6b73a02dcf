"""Make the report of a run from its log, also after the run was killed."""

from __future__ import annotations

import click

from spikecheck.cli.diagnose import baseline_options, fail_on_option, file_option


@click.command(
    epilog="Exit codes: 0 no finding at or above the severity of --fail-on, 1 such a finding, 2 bad usage or a log "
    "without a report."
)
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@file_option("--html", "html_file", help="Write the reports as one HTML page with plots.")
@file_option("--json", "json_file", help="Write the reports as JSON; - for standard output.")
@file_option("--sarif", "sarif_file", help="Write the findings as SARIF 2.1.0, for code scanning.")
@click.option("--all", "every", is_flag=True, help="Report on every run in the log, not on those of the last process.")
@fail_on_option
@baseline_options
def command(
    logs: tuple[str, ...],
    html_file: str | None,
    json_file: str | None,
    sarif_file: str | None,
    every: bool,
    fail_on: str,
    baseline_file: str | None,
    write_baseline: bool,
) -> int:
    """Report on the run in LOG, which `spikecheck run --log` or `attach(model, log=...)` wrote.

    The log may be of another machine, and of a run that still trains or was killed: the report says what it is of. The
    logs of all ranks of one run (run.jsonl run.rank*.jsonl) give one report.
    """
    from pathlib import Path

    from rich.console import Console

    from spikecheck.cli.diagnose import STDIN, FileResult, failing, write_sarif, write_views
    from spikecheck.finding import Severity
    from spikecheck.report import html
    from spikecheck.runlog.ranks import reports_in
    from spikecheck.settings import Settings

    if html_file is not None:
        html.required()
    settings, level = Settings.load(), Severity.named(fail_on)
    console = Console(stderr=STDIN in (json_file, sarif_file, html_file))
    results: list[FileResult] = []
    for headline, report in reports_in(map(Path, logs), settings, every=every):
        console.print(headline, style="bold", markup=False, highlight=False, soft_wrap=True)
        console.print(report, crop=False)
        results.append((headline, report, ""))
    write_views(results, level, json_file, None, None, html_file, "", {})
    if sarif_file is not None:
        write_sarif(sarif_file, [(logs[0], report, "") for _, report, _ in results])
    return int(failing((report for _, report, _ in results), level, baseline_file, write_baseline))
