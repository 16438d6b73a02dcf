"""The command line: one file a command, found by its name.

`cli/train.py` holds a click command called `command` and is `spikecheck train`. The first line of the file's docstring
is its line in `spikecheck --help`; it is read without importing the file, so that asking for help neither loads torch
nor fails where an extra is missing.

Exit codes: 0 nothing found, 1 findings, 2 the question could not be asked.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path

import click

from spikecheck.errors import SpikecheckError

EXIT_CANNOT_ASK = 2
USERS_EXTRAS = (
    "reference",
    "data",
    "html",
)  # what a command may need; the others are for development, or part of these
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what a shell reports for a program stopped by Ctrl-C


class Commands(click.Group):
    """The files beside this one, as commands; a file is imported when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, by looking at the folder alone."""
        return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(__path__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the one file that holds the command."""
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{__name__}.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the files' docstrings, unimported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(name)) for name in self.list_commands(ctx)])


def _first_line(name: str) -> str:
    source = Path(__file__).with_name(name.replace("-", "_") + ".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


@click.command(cls=Commands, epilog="Exit codes: 0 nothing found, 1 findings, 2 the question could not be asked.")
@click.version_option(package_name="spikecheck")
def commands() -> None:
    """Find out why a spiking network does not train."""


def extra_with(module: str) -> str | None:
    """Name the extra of spikecheck that brings a module, as its metadata declares it; None where none does."""
    wanted = module.partition(".")[0].lower().replace("_", "-")
    for extra in USERS_EXTRAS:
        for requirement in metadata.requires("spikecheck") or ():
            name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
            if name == wanted and re.search(rf"""extra == ['"]{extra}['"]""", requirement):
                return extra
    return None


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a mistake of the user's is one line, never a traceback."""
    try:
        code = commands.main(args, prog_name="spikecheck", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_CANNOT_ASK
    except SpikecheckError as error:
        click.echo(f"spikecheck: {error}", err=True)
        return EXIT_CANNOT_ASK
    except ModuleNotFoundError as error:
        extra = extra_with(error.name or "")
        if extra is None:  # nothing that an extra would bring: a mistake of ours, and its traceback is wanted
            raise
        click.echo(
            f"spikecheck: this needs {error.name}, which is not installed: pip install 'spikecheck[{extra}]'", err=True
        )
        return EXIT_CANNOT_ASK
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
