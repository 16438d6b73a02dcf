"""`spikecheck diagnose`: exit codes, several files, patterns, standard input, JSON, and two files side by side."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from spikecheck.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A healthy file, one with NaN, one with a dead row, and one that is none."""
    torch.manual_seed(0)
    healthy = {"fc1.weight": torch.randn(8, 16) / 4, "fc1.bias": torch.zeros(8)}
    sick = {**healthy, "fc1.weight": healthy["fc1.weight"].clone()}
    sick["fc1.weight"][3, 5] = float("nan")
    dead = {"fc1.weight": torch.randn(20, 16) / 4}
    dead["fc1.weight"][2] = 0
    torch.save(healthy, tmp_path / "healthy.pt")
    torch.save(sick, tmp_path / "sick.pt")
    torch.save(dead, tmp_path / "note.pt")
    (tmp_path / "none.bin").write_bytes(b"hello\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["healthy.pt"], 0),
        (["sick.pt"], 1),
        (["none.bin"], 2),
        (["nowhere.pt"], 2),
        (["no*where.pt"], 2),
        (["note.pt"], 0),
        (["note.pt", "--fail-on", "note"], 1),
        (["sick.pt", "--fail-on", "error"], 1),
        (["healthy.pt", "sick.pt", "none.bin"], 2),
        (["healthy.pt", "note.pt"], 0),
        (["*.pt"], 1),
        ([], 2),
        (["healthy.pt", "--fail-on", "never"], 2),
        (["healthy.pt", "--json", "nowhere/x.json"], 2),
        (["healthy.pt", "--html", "nowhere/x.html"], 2),
        (["healthy.pt", "--against", "none.bin"], 2),
        (["-", "--against", "healthy.pt"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("folder")
def test_exit_codes(args: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO(Path("healthy.pt").read_bytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    assert main(["diagnose", *args]) == code


@pytest.mark.usefixtures("folder")
def test_one_file_that_cannot_be_read_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "none.bin", "sick.pt", "-q"]) == 2
    printed = capsys.readouterr()
    assert printed.out == (
        "sick.pt: error SPK501 non-finite-weights: "
        "fc1.weight contains 1 NaN or infinite values (of 128), the first at [3, 5]\n"
    )
    assert printed.err.startswith("spikecheck: none.bin: not a checkpoint: its first bytes")
    assert printed.err.count("\n") == 1


@pytest.mark.usefixtures("folder")
def test_quiet_says_nothing_of_a_healthy_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "healthy.pt", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("folder")
def test_json_holds_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "healthy.pt", "sick.pt", "none.bin", "--json", "-", "-q"]) == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["file"] for file in files] == ["healthy.pt", "sick.pt", "none.bin"]
    assert files[1]["report"]["root_causes"][0]["check"] == "SPK501"
    assert files[2]["report"] is None
    assert "first bytes" in files[2]["error"]


def test_json_goes_into_a_file(folder: Path) -> None:
    assert main(["diagnose", "healthy.pt", "--json", "out.json"]) == 0
    assert json.loads((folder / "out.json").read_text())["files"][0]["report"]["ok"]


def test_one_page_shows_every_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "sick.pt", "none.bin", "--html", "out.html", "-q"]) == 2
    page = (folder / "out.html").read_text(encoding="utf-8")
    for sentence in (
        ">sick.pt ",
        ">1 root cause<",
        "<b>SPK501</b> non-finite-weights",
        ">none.bin ",
        ">Could not be read<",
    ):
        assert sentence in page
    capsys.readouterr()
    assert main(["diagnose", "sick.pt", "none.bin", "--html", "-", "-q"]) == 2
    assert capsys.readouterr().out == page


def test_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=(folder / "sick.pt").open("rb")))
    assert main(["diagnose", "-"]) == 1
    assert "SPK501" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_what_changed_is_shown_tensor_by_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "sick.pt", "--against", "healthy.pt", "-q"]) == 1
    shown = capsys.readouterr().out
    assert "non-finite" in shown
    assert re.search(r"^fc1\.weight +changed .* 1 *$", shown, re.MULTILINE)
    assert "1 of 2 tensors unchanged" in shown


def test_quiet_says_why_evidence_is_not_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = torch.load(folder / "healthy.pt")
    evidence = {"format": "spikecheck evidence", "version": 99}
    torch.save({"model": content, "spikecheck": evidence}, folder / "newer.pt")
    assert main(["diagnose", "newer.pt", "-q"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        "spikecheck: newer.pt: the evidence of the run in this file is not used: it has version 99"
    )
    assert printed.err.count("\n") == 1


def test_a_name_in_a_file_is_text_and_no_markup(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"[red]a[/red].weight": torch.ones(2, 2), "[/x].weight": torch.ones(2)}, folder / "odd.pt")
    main(["diagnose", "odd.pt", "--against", "healthy.pt"])
    shown = capsys.readouterr().out
    assert "[red]a[/red].weight" in shown
    assert "[/x].weight" in shown


@pytest.mark.usefixtures("folder")
def test_unsafe_pickle_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "healthy.pt", "--unsafe-pickle"]) == 0
    printed = capsys.readouterr()
    assert "executes any code in them" in printed.err
    assert "executed the code in it" in printed.out.replace("\n", " ")
