"""The command line: one file per command, named like the command.

`cli/train.py` holds a click command named `command`, which is `spikecheck train`. The first line of the file's
docstring is the line in `spikecheck --help`. It is read without importing the file, so `--help` neither loads torch nor
fails if an extra is missing.

Exit codes: 0 no warning or error, 1 a warning or an error, 2 bad usage or a file that was not read completely.
"""

from __future__ import annotations

import ast
import codecs
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module, metadata
from io import TextIOWrapper
from pathlib import Path

import click

from spikecheck.errors import SpikecheckError
from spikecheck.report.encoding import ERRORS, ascii_instead

EXIT_ERROR = 2
USERS_EXTRAS = ("reference", "data", "html", "tune")  # what a command may need; others are part of these
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what a shell reports for a program stopped by Ctrl-C


class Commands(click.Group):
    """The files next to this one as commands. A file is imported when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, from the file names."""
        return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(__path__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command, from the one file that holds it."""
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{__name__}.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, from the docstrings of the files."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(name)) for name in self.list_commands(ctx)])


def _first_line(name: str) -> str:
    source = Path(__file__).with_name(name.replace("-", "_") + ".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


@click.command(
    cls=Commands,
    epilog="Exit codes: 0 no warning or error, 1 a warning or an error, 2 bad usage or a file not read completely.",
)
@click.version_option(package_name="spikecheck")
def commands() -> None:
    """Find out why a spiking neural network does not train."""


def extra_with(module: str) -> str | None:
    """Return the extra of spikecheck that installs a module, from the package metadata; None if no extra does."""
    wanted = module.partition(".")[0].lower().replace("_", "-")
    for extra in USERS_EXTRAS:
        for requirement in metadata.requires("spikecheck") or ():
            name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
            if name == wanted and re.search(rf"""extra == ['"]{extra}['"]""", requirement):
                return extra
    return None


@contextmanager
def printable() -> Iterator[None]:
    """Print ASCII in place of characters that standard output cannot show, instead of failing with an error."""
    stream = sys.stdout
    if not isinstance(stream, TextIOWrapper):
        yield
        return
    errors = stream.errors
    codecs.register_error(ERRORS, ascii_instead)
    stream.reconfigure(errors=ERRORS)
    try:
        yield
    finally:
        stream.reconfigure(errors=errors)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. A user error is reported in one line, without a traceback."""
    try:
        words = sys.argv[1:] if args is None else args
        with nullcontext() if words[:1] == ["run"] else printable():  # the output of a script is its own
            code = commands.main(args, prog_name="spikecheck", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    except SpikecheckError as error:
        click.echo(f"spikecheck: {error}", err=True)
        return EXIT_ERROR
    except ModuleNotFoundError as error:
        extra = extra_with(error.name or "")
        if extra is None:  # no extra installs it: a bug, so show the traceback
            raise
        click.echo(
            f"spikecheck: this needs {error.name}, which is not installed: pip install 'spikecheck[{extra}]'", err=True
        )
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
