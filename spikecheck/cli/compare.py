"""Compare two runs by their logs or JSON reports: what changed since it worked, the earliest difference first."""

from __future__ import annotations

import click

from spikecheck.cli.diagnose import file_option


@click.command(epilog="Exit codes: 0 nothing differs, 1 something does, 2 bad usage or a file that cannot be read.")
@click.argument("first", metavar="GOOD")
@click.argument("second", metavar="BAD")
@file_option("--json", "json_file", help="Write the comparison as JSON; - for standard output.")
def command(first: str, second: str, json_file: str | None) -> int:
    """Compare the run in BAD with that in GOOD, each a log (run.jsonl) or a report in JSON.

    Layers, losses, optimizers and weights are matched by name. A quantity differs from the update on at which both runs
    are further apart than they fluctuate, and by at least 20%.
    """
    from rich.console import Console, Group

    from spikecheck.cli.diagnose import STDIN, write
    from spikecheck.report.comparison_table import renderables
    from spikecheck.report.terminal import print_on
    from spikecheck.runlog.stored_report import compare_files

    comparison = compare_files(first, second)
    print_on(Console(stderr=json_file == STDIN), Group(*renderables(comparison)))
    if json_file is not None:
        write(json_file, comparison.to_json())
    return int(not comparison.same)
