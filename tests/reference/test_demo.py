"""`spikecheck demo`, in a process of its own, as a new user runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints with a training of one second: at least one epoch."""
    run = subprocess.run(
        [sys.executable, "-m", "spikecheck", "demo", "--seconds", "1"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_root_causes_come_first_and_cross_entropy_is_not_blamed(shown: str) -> None:
    assert "ROOT CAUSE   SPK406 weight-scale" in shown
    assert shown.index("SPK406 weight-scale") < shown.index("ROOT CAUSE   SPK201 multi-spike")
    assert "NOTE   SPK101 count-input" in shown
    assert "overflow" not in shown


@pytest.mark.slow
def test_the_table_of_the_diary_stands_beside_the_measured_one(shown: str) -> None:
    rows = [line for line in shown.splitlines() if line.startswith(("1 ", "10 ", "30 ", "100 "))]
    assert len(rows) == 4
    assert "211,029" in rows[0]
    assert rows[3].endswith("3.00")


@pytest.mark.slow
def test_no_threshold_works_before_the_fixes_and_an_interval_does_with_them(shown: str) -> None:
    search = shown[shown.index("4. The search for a threshold") : shown.index("5. The repaired network")]
    assert "no threshold from 1 to 100 works" in search
    assert "threshold works from" in search
    assert "model = build(threshold=" in search


@pytest.mark.slow
def test_the_repaired_network_is_trained_under_watch(shown: str) -> None:
    repaired = shown[shown.index("5. The repaired network") :]
    assert "epoch  1" in repaired
    assert "spikecheck: healthy" in repaired


@pytest.mark.slow
def test_nothing_is_wider_than_a_terminal(shown: str) -> None:
    assert max(map(len, shown.splitlines())) <= 80
