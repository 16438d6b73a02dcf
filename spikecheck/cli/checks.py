"""List the checks: id, name, severity, and what each one finds."""

from __future__ import annotations

import click

from spikecheck.checks.discovery import discover, unusable_extensions


@click.command()
def command() -> None:
    """List the checks, each with its id, name, severity, and what it finds."""
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "severity", "finds", box=None, pad_edge=False)
    for check in discover().values():
        table.add_row(check.id, check.slug, check.severity.label, check.sections()[""])
    Console().print(table)
    for extension in unusable_extensions():
        click.echo(f"spikecheck: {extension}", err=True)
