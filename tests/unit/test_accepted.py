"""Accepted findings do not decide an exit code; others, and accepted ones that became more severe, do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spikecheck.accepted import AcceptedFindings, entry, update_tests, write_accepted
from spikecheck.cli import main
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind


def finding(check: str = "SPK203", site: str = "lif1", severity: Severity = Severity.WARNING) -> Finding:
    place = Site(SiteKind.SPIKES, site)
    return Finding(check, "name", severity, place, f"{site} is silent", Observed("0"), Expected("1"))


def test_what_is_accepted_what_is_new_and_what_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    write_accepted(path, [("", finding()), ("", finding(site="lif2")), ("", finding())])
    assert [one["site"] for one in json.loads(path.read_text())["accepted"]] == ["lif1", "lif2"]
    accepted = AcceptedFindings.load(path)
    new = finding("SPK204")
    worse = replace(finding(), severity=Severity.ERROR)
    better = replace(finding(), severity=Severity.NOTE)
    assert accepted.others([finding(), better, worse, new]) == (worse, new)
    assert accepted.summary([finding()]) == "accepted.json: 1 finding accepted, 1 no longer found (SPK203:lif2)"
    assert AcceptedFindings().others([finding()]) == (finding(),)


def test_a_line_of_a_script_may_move(tmp_path: Path) -> None:
    write_accepted(tmp_path / "a.json", [("", finding(site="net.py:14 spike_fn"))])
    accepted = AcceptedFindings.load(tmp_path / "a.json")
    assert accepted.others([finding(site="net.py:57 spike_fn")]) == ()
    assert len(accepted.others([finding(site="net.py:14 other_fn")])) == 1


def test_a_test_accepts_its_own_findings_alone_and_the_others_are_left(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    update_tests(path, {"a": [entry("a", finding())], "b": [entry("b", finding())]})
    update_tests(path, {"b": []})
    accepted = AcceptedFindings.load(path)
    assert accepted.others([finding()], "a") == ()
    assert accepted.others([finding()], "b") == (finding(),)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1, "accepted": [{"check": 1}]}', '{"schema": 2}'])
def test_what_is_no_such_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SpikecheckError):
        AcceptedFindings.load(tmp_path / "a.json")
    with pytest.raises(SpikecheckError, match="--write-baseline creates it"):
        AcceptedFindings.load(tmp_path / "b.json")


def test_the_exit_code_of_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, accepted = str(tmp_path / "net.pt"), str(tmp_path / "accepted.json")
    torch.save({"fc.weight": torch.full((4, 4), float("nan"))}, file)
    assert main(["diagnose", file]) == 1
    assert main(["diagnose", file, "--write-baseline"]) == 2
    assert main(["diagnose", file, "--baseline", accepted]) == 2
    assert main(["diagnose", file, "--baseline", accepted, "--write-baseline"]) == 0
    capsys.readouterr()
    assert main(["diagnose", file, "--baseline", accepted]) == 0
    captured = capsys.readouterr()
    assert "SPK501" in captured.out, "the report shows it still"
    assert "accepted.json: 1 finding accepted" in captured.err
    torch.save({"other.weight": torch.full((4, 4), float("nan"))}, file)
    assert main(["diagnose", file, "--baseline", accepted]) == 1
