"""The bar of a large file: on a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest
import torch

from spikecheck.cli import diagnose, main

pty = pytest.importorskip("pty", reason="needs a pseudo terminal: run it on Linux or macOS")


class Terminal:
    """A pseudo terminal in place of standard error, and what was written to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.master, slave = os.openpty()
        self.stderr = os.fdopen(slave, "w")
        patch.setattr(sys, "stderr", self.stderr)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "120")

    def written(self) -> str:
        """All of it, without what moves and colors; the reader's end of a closed terminal raises OSError on Linux."""
        self.stderr.close()
        os.set_blocking(self.master, False)
        parts = []
        try:
            while part := os.read(self.master, 1 << 16):
                parts.append(part)
        except OSError:
            pass
        os.close(self.master)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(parts).decode())


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 2 MB, which counts as large."""
    monkeypatch.setattr(diagnose, "LARGE", 1 << 20)
    path = tmp_path / "[large].pt"
    torch.save({"fc1.weight": torch.randn(700, 700) / 26}, path)
    return path


def test_a_large_file_shows_how_far_it_was_read(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch)
    assert main(["diagnose", str(large), "-q"]) == 0
    written = terminal.written()
    assert str(large) in written, "the name is text, and no markup"
    assert "2.0/2.0 MB" in written


def test_a_small_file_shows_nothing(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "LARGE", 1 << 24)
    terminal = Terminal(monkeypatch)
    assert main(["diagnose", str(large), "-q"]) == 0
    assert "MB" not in terminal.written()


def test_a_log_file_gets_no_bar(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    assert main(["diagnose", str(large), "-q"]) == 0
    assert log.getvalue() == ""


def test_the_bar_leaves_the_report_alone(
    large: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(monkeypatch)
    assert main(["diagnose", str(large)]) == 0
    assert "MB" in terminal.written()
    assert capsys.readouterr().out.startswith("spikecheck · [large].pt")
