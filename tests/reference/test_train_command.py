from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from spikecheck import faults
from spikecheck.cli import main
from spikecheck.reference import shd
from tests.reference.train_words import Words


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of 32 and 12 words in place of the packed one."""

    def open_words(folder: Path | None, *, train: bool) -> Words:
        return Words(32, seed=1) if train else Words(12, seed=2)

    monkeypatch.setattr(shd, "open_digits", open_words)


def train(tmp_path: Path, *arguments: str) -> int:
    return main(["train", "--out", str(tmp_path), *arguments])


def test_a_run_leaves_a_checkpoint_and_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--epochs", "2", "--no-check") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "curves.png"]
    shown = capsys.readouterr().out
    assert "32 spoken digits for training, 12 by other speakers for testing" in shown
    assert "epoch   2/2" in shown


def test_resume_after_an_interruption_ends_as_a_whole_run(tmp_path: Path) -> None:
    assert train(tmp_path / "whole", "--epochs", "3", "--no-check") == 0

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikecheck.cli.train.line", stop)  # once the first epoch's checkpoint has been written
        assert train(tmp_path / "half", "--epochs", "3", "--no-check") == 130
    assert len(torch.load(tmp_path / "half/checkpoint.pt", weights_only=True)["history"]) == 1
    assert train(tmp_path / "half", "--resume", "--no-check") == 0
    whole, half = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "half"))
    assert half["history"] == whole["history"]
    assert all(torch.equal(whole["model"][name], half["model"][name]) for name in whole["model"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--resume"], "nothing to resume"),
        (["--break", "dead-cat"], "unknown fault 'dead-cat'"),
        (["--epochs", "0"], "--epochs"),
        (["--data", "no/such/folder"], "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert train(tmp_path, *arguments) == 2
    assert complaint in capsys.readouterr().err


def test_a_resumed_run_keeps_its_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--epochs", "1", "--seed", "5", "--no-check") == 0
    assert train(tmp_path, "--resume", "--epochs", "9") == 2
    assert "started with --epochs 1" in capsys.readouterr().err
    assert train(tmp_path, "--resume", "--break", "lr-hot") == 2
    assert "started without --break" in capsys.readouterr().err
    assert train(tmp_path, "--resume", "--epochs", "1", "--seed", "5", "--no-check") == 0


def test_the_help_lists_every_fault_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name in faults.names():
        assert f"{name} {faults.first_line(name)}" in shown


def test_a_healthy_run_is_silent_and_a_broken_one_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(tmp_path / "healthy", "--epochs", "3") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert train(tmp_path / "broken", "--epochs", "3", "--break", "threshold-high") == 1
    assert faults.load("threshold-high").causes[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "code"), [((), 0), (("--break", "threshold-high"), 1), (("--break", "nan-current"), 1)]
)
def test_diagnose_of_the_checkpoint_gives_the_verdict_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: tuple[str, ...], code: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert train(tmp_path, "--epochs", "2", *fault) == code
    run = capsys.readouterr().out
    assert main(["diagnose", str(tmp_path / "checkpoint.pt")]) == code
    diagnosis = capsys.readouterr().out
    causes = [line for line in run.splitlines() if "ROOT CAUSE" in line]
    assert [line for line in diagnosis.splitlines() if "ROOT CAUSE" in line and "SPK5" not in line] == causes
    assert "evidence of 2 updates" in " ".join(diagnosis.split())
