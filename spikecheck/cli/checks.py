"""List the checks: id, name, severity, and what each one finds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from spikecheck.checks.base import Check
from spikecheck.checks.discovery import discover, unusable_extensions

if TYPE_CHECKING:
    from rich.table import Table

#: The first digit of an id is its family.
FAMILIES = {
    "0": "spikecheck itself",
    "1": "input",
    "2": "neurons",
    "3": "readout and loss",
    "4": "gradients and parameters",
    "5": "checkpoints",
    "6": "experiments",
}


def family(check: type[Check]) -> str:
    """Return the family of a check in words; that of a check from another package is its prefix."""
    return FAMILIES.get(check.id[3:4], check.id[:3]) if check.id.startswith("SPK") else check.id.rstrip("0123456789")


def listing(checks: Iterable[type[Check]]) -> Table:
    """Return a table of checks for a terminal."""
    from rich.table import Table

    table = Table("id", "name", "severity", "finds", box=None, pad_edge=False)
    for check in checks:
        table.add_row(check.id, check.slug, check.severity.label, summary(check))
    return table


def summary(check: type[Check]) -> str:
    """Return what a check finds, in one line."""
    return " ".join(check.sections()[""].split())


def as_json(checks: Iterable[type[Check]]) -> str:
    """Return the checks as JSON, one object each."""
    rows = [
        {
            "id": check.id,
            "slug": check.slug,
            "severity": check.severity.label,
            "family": family(check),
            "since": check.since,
            "finds": summary(check),
        }
        for check in checks
    ]
    return json.dumps(rows, indent=2)


@click.command()
@click.option("--family", "name", metavar="NAME", help="Only one family: " + ", ".join(FAMILIES.values()) + ".")
@click.option("--json", "machine", is_flag=True, help="Write JSON.")
def command(name: str | None, machine: bool) -> None:
    """List the checks, each with its id, name, severity, and what it finds."""
    checks = [check for check in discover().values() if name is None or family(check).startswith(name.lower())]
    if not checks:
        raise click.BadParameter(f"no family is called {name!r}: {', '.join(FAMILIES.values())}", param_hint="--family")
    if machine:
        click.echo(as_json(checks))
    else:
        from rich.console import Console

        from spikecheck.report.terminal import print_on

        print_on(Console(), listing(checks))
    for extension in unusable_extensions():
        click.echo(f"spikecheck: {extension}", err=True)
