"""The report that README.md shows, shortened; `python -m tests.reference.readme_sample` writes it there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

import spikecheck
from spikecheck.cli.demo import WORDS
from spikecheck.reference.diary import DiaryNetwork, Variant, examples, train_one_update
from spikecheck.reference.frames import Examples
from spikecheck.report.model import Report
from tests.house.tree import ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=^```text\n)spikecheck .*?(?=^```)", flags=re.MULTILINE | re.DOTALL)
ROW = re.compile(r"   (observed|expected|because|first seen|fix|led to|ignore) ")
SHOWN_ROWS = ("fix", "led to", "ignore")  # of all findings but the first, which is shown in full


def observed() -> Report:
    """Return the report after one update of the network from the debugging diary."""
    train = examples(train=True)
    torch.manual_seed(0)
    model = DiaryNetwork(Variant())
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        train_one_update(model, Examples(train.frames[::7][:WORDS], train.labels[::7][:WORDS]))
    return monitor.report()


def report() -> str:
    """Return what is printed."""
    return str(observed())


def shortened(printed: str) -> str:
    """Return a report without its cost, its last lines, and part of the rows of all findings but the first."""
    return "\n".join(kept_lines(printed.splitlines())) + "\n"


def kept_lines(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a report that the page shows; `...` stands for those that are left out."""
    findings, row, left_out = 0, "", False
    yield re.sub(r" +[+-][\d.]+% time$", "", lines[0])
    for line in lines[2:]:
        if re.match(r"\d+ passed", line):
            return
        findings += line.startswith((" ROOT CAUSE", " NOTE", " WARNING", " ERROR"))
        match = ROW.match(line)
        row = match[1] if match else row if line.startswith("    ") else ""
        if findings > 1 and row and row not in SHOWN_ROWS:
            if not left_out:
                yield "   ..."
            left_out = True
        else:
            left_out = False
            yield line.rstrip()


if __name__ == "__main__":
    page = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda _: shortened(report()).rstrip() + "\n", page), encoding="utf-8")
