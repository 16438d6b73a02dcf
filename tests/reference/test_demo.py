"""`spikecheck demo`, in a process of its own, as a new user runs it."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from spikecheck.cli import demo
from spikecheck.reference.diary import Variant, examples
from spikecheck.reference.frames import Examples


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints with a training of one second: at least one epoch."""
    run = subprocess.run(
        [sys.executable, "-m", "spikecheck", "demo", "--seconds", "1"], capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.full
def test_the_root_causes_come_first_and_cross_entropy_is_not_blamed(shown: str) -> None:
    assert "ROOT CAUSE   SPK406 weight-scale" in shown
    assert shown.index("SPK406 weight-scale") < shown.index("ROOT CAUSE   SPK201 multi-spike")
    assert "NOTE   SPK101 count-input" in shown
    assert "overflow" not in shown


@pytest.mark.full
def test_the_table_of_the_diary_stands_beside_the_measured_one(shown: str) -> None:
    rows = [line for line in shown.splitlines() if line.startswith(("1 ", "10 ", "30 ", "100 "))]
    assert len(rows) == 4
    assert "211,029" in rows[0]
    assert rows[3].endswith("3.00")


@pytest.mark.full
def test_the_first_fix_of_the_report_is_proved(shown: str) -> None:
    proof = shown[shown.index("4. The fix, proved") : shown.index("5. The search for a threshold")]
    assert "PROVED  the code that SPK406 weight-scale advises" in proof
    assert "torch.nn.init.kaiming_uniform_(model.fc1.weight" in proof


@pytest.mark.full
def test_no_threshold_works_before_the_fixes_and_an_interval_does_with_them(shown: str) -> None:
    search = shown[shown.index("5. The search for a threshold") : shown.index("6. The repaired network")]
    assert "no threshold from 1 to 100 works" in search
    assert "threshold works from" in search
    assert "model = build(threshold=" in search


@pytest.mark.full
def test_the_repaired_network_is_trained_under_watch(shown: str) -> None:
    repaired = shown[shown.index("6. The repaired network") :]
    assert "epoch  1" in repaired
    assert "spikecheck: healthy" in repaired


@pytest.mark.full
def test_nothing_is_wider_than_a_terminal(shown: str) -> None:
    assert max(map(len, shown.splitlines())) <= 80


def test_table_and_diagnosis_are_printed() -> None:
    train = examples(train=True)
    batch = Examples(train.frames[::40], train.labels[::40])
    console = Console(file=StringIO(), width=80)
    demo.thresholds(console, Variant(), batch, seed=0)
    demo.diagnosis(console, Variant(), batch, seed=0)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "211,029" in printed
    assert "ROOT CAUSE   SPK406 weight-scale" in printed
