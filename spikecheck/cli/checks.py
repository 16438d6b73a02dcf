"""List the checks: id, name, severity, and what each one finds."""

from __future__ import annotations

import click

from spikecheck.checks.base import discover, unusable_extensions


@click.command()
def command() -> None:
    """List every check."""
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "severity", "finds", box=None, pad_edge=False)
    for check in discover().values():
        table.add_row(check.id, check.slug, check.severity.name.lower(), check.sections()[""])
    Console().print(table)
    for one in unusable_extensions():
        click.echo(f"spikecheck: {one}", err=True)
