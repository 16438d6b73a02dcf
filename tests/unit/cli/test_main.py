"""The group of commands: found by file, exit codes, and mistakes said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from spikecheck import cli
from spikecheck.errors import SpikecheckError


@pytest.fixture
def run_body(monkeypatch: pytest.MonkeyPatch):
    """Run main() on a command whose body is given; return its exit code."""

    def run(body) -> int:
        command = click.command("probe")(body)
        monkeypatch.setattr(cli.Commands, "get_command", lambda self, ctx, name: command)
        return cli.main(["probe"])

    return run


def test_a_command_that_returns_nothing_exits_with_zero(run_body) -> None:
    assert run_body(lambda: None) == 0


def test_a_command_can_exit_with_findings(run_body) -> None:
    assert run_body(lambda: click.get_current_context().exit(1)) == 1


def test_an_error_of_ours_is_one_line_and_two(run_body, capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        raise SpikecheckError("no such folder: data")

    assert run_body(body) == 2
    assert capsys.readouterr().err == "spikecheck: no such folder: data\n"


def test_a_missing_extra_is_named(run_body, capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        raise ModuleNotFoundError("No module named 'espeakng_loader'", name="espeakng_loader")

    assert run_body(body) == 2
    message = capsys.readouterr().err
    assert "espeakng_loader" in message
    assert "pip install 'spikecheck[data]'" in message
    assert message.count("\n") == 1


def test_a_missing_module_that_no_extra_brings_keeps_its_traceback(run_body) -> None:
    def body() -> None:
        raise ModuleNotFoundError("No module named 'spikecheck.nowhere'", name="spikecheck.nowhere")

    with pytest.raises(ModuleNotFoundError):
        run_body(body)


def test_an_interrupt_is_not_a_finding(run_body) -> None:
    def body() -> None:
        raise KeyboardInterrupt

    assert run_body(body) == 130


def test_an_unknown_command_could_not_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diagnoze"]) == 2
    assert "diagnoze" in capsys.readouterr().err


def test_help_lists_every_file_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in cli.commands.list_commands(click.Context(cli.commands)):
        assert f"\n  {name}" in shown


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("snntorch", "reference"),
        ("tonic.datasets", "reference"),
        ("espeakng_loader", "data"),
        ("jinja2", "html"),
        ("pytest", None),
        ("torch", None),
        ("", None),
    ],
)
def test_the_extra_of_a_module_is_read_from_the_metadata(module: str, extra: str | None) -> None:
    assert cli.extra_with(module) == extra


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_stream_that_cannot_show_a_character_gets_ascii(encoding: str) -> None:
    script = (
        "import sys, click; from spikecheck import cli\n"
        "command = click.command('probe')(lambda: print('a \\u2265 b \\u2192 c'))\n"
        "cli.Commands.get_command = lambda self, ctx, name: command\n"
        "code = cli.main(['probe']); assert sys.stdout.errors == 'strict'; sys.exit(code)"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, [b"a", b">=", b"b", b"->", b"c"]), done.stderr


def test_an_option_behind_the_script_is_passed_on_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("import sys\nprint(sys.argv)\n", encoding="utf-8")
    assert cli.main(["run", "train.py", "--html", "x.html"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "['train.py', '--html', 'x.html']\n"
    assert "--html was passed on to train.py: options of spikecheck run stand before the script" in printed.err
