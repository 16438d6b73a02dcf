"""A run that ends by an exception still gives its report, and the exception passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spikecheck
from spikecheck.errors import SpikecheckError, SpikecheckWarning
from spikecheck.sinks.last_report import end_all
from tests.promises.networks import Run, by_hand


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_exception_that_leaves_with_prints_the_report(
    error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model)
    run.train(2)
    raised = error()
    with pytest.raises(error) as caught, monitor:
        raise raised
    assert caught.value is raised
    assert "spikecheck · 2 updates" in capsys.readouterr().err


def test_nothing_is_printed_without_an_exception_nor_where_nothing_was_observed_nor_with_false(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model):
        run.train(1)
    monitor = spikecheck.attach(run.model)
    with pytest.raises(RuntimeError), monitor:
        raise RuntimeError
    monitor = spikecheck.attach(run.model, report=False)
    run.train(1)
    with pytest.raises(RuntimeError), monitor:
        raise RuntimeError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("name", "begin"), [("r.html", "<!doctype html>"), ("r.json", "{"), ("r.txt", "spikecheck ·")])
def test_the_report_is_written_to_a_file_and_not_printed(
    name: str, begin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, report=tmp_path / name)
    run.train(1)
    with pytest.raises(RuntimeError), monitor:
        raise RuntimeError
    assert (tmp_path / name).read_text(encoding="utf-8").lower().startswith(begin)
    assert capsys.readouterr().err == ""


def test_a_report_that_cannot_be_written_is_a_warning_and_the_exception_passes(tmp_path: Path) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, report=tmp_path / "no folder" / "r.json")
    run.train(1)
    with pytest.raises(RuntimeError, match="mine"), pytest.warns(SpikecheckWarning, match="cannot be written"), monitor:
        raise RuntimeError("mine")


def test_a_report_that_is_no_file_is_refused() -> None:
    with pytest.raises(SpikecheckError, match="report= takes"):
        spikecheck.attach(by_hand(), report=3)  # type: ignore[arg-type]


def test_what_is_left_at_the_exit_of_the_interpreter_is_ended(tmp_path: Path) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, report=tmp_path / "r.json")
    run.train(1)
    end_all(os.getpid() + 1)  # in a forked process
    assert not (tmp_path / "r.json").exists()
    end_all(os.getpid())
    monitor.detach()
    assert json.loads((tmp_path / "r.json").read_text())["updates"] == 1


@pytest.mark.full
def test_a_script_that_never_detaches_has_its_report_and_its_log_at_its_end(tmp_path: Path) -> None:
    code = (
        "import spikecheck\nfrom tests.promises.networks import Run, by_hand\n"
        f"run = Run(by_hand())\nspikecheck.attach(run.model, report={str(tmp_path / 'r.json')!r},"
        f" log={str(tmp_path / 'run.jsonl')!r})\nrun.train(3)\nraise ValueError('mine')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.endswith("ValueError: mine\n")
    assert json.loads((tmp_path / "r.json").read_text())["updates"] == 3
    assert json.loads((tmp_path / "run.jsonl").read_text().splitlines()[-1])["error"] == "ValueError: mine"
