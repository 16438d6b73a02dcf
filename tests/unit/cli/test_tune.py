"""`spikecheck tune`: exit codes, files, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikecheck.cli import main

pytest.importorskip("optuna", reason="pip install 'spikecheck[tune]'")

NETWORKS = "tests.unit.tuning.networks"
MODEL = ["--model", f"{NETWORKS}:build", "--data", f"{NETWORKS}:batches", "--optimizer", f"{NETWORKS}:optimizer"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_search_is_printed_written_and_continued(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    args = ["tune", "threshold", *MODEL, "--values", "1,100", "--updates", "6", "--trials", "2"]
    assert main([*args, "--json", "tune.json", "--html", "tune.html", "--png", "tune.png"]) == 0
    shown = capsys.readouterr().out
    assert "threshold works 1; the loss is lowest at 1" in shown
    assert "silent: lif1, lif2" in shown
    written = json.loads((tmp_path / "tune.json").read_text(encoding="utf-8"))
    assert [row["value"] for row in written["values"]] == [1.0, 100.0]
    assert (tmp_path / "runs" / "tune.journal").exists()
    assert (tmp_path / "tune.html").exists()
    assert (tmp_path / "tune.png").exists()
    assert main(args) == 0, "it is over already, and is only shown"


def test_exit_code_1_where_nothing_works() -> None:
    model = ["--model", f"{NETWORKS}:Sick", "--data", f"{NETWORKS}:batches"]
    assert main(["tune", "threshold", *model, "--values", "1,2", "--updates", "2", "--trials", "2"]) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["threshold", *MODEL], "needs low= and high="),
        (["threshold", *MODEL, "--values", "1,x"], "expected numbers such as 1,10,30"),
        (["threshold", *MODEL, "--values", "1,2", "--counts", "7"], "expected a range such as 1:50"),
        (["threshold", *MODEL, "--values", "1,2", "--model-args", '{"threshold": 1}'], "which is what is varied"),
        (["sharpness", *MODEL[2:], "--model", f"{NETWORKS}:Net", "--values", "1,2"], "has a 'sharpness'"),
        (["threshold", *MODEL, "--values", "1,2", "--storage", "/dev/null/x"], "cannot be used as a journal"),
    ],
)
def test_bad_usage(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *args]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
