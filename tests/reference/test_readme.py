"""The report that README.md shows is the one that is printed."""

from __future__ import annotations

import re

import pytest
import torch

import spikecheck
from spikecheck.cli.demo import WORDS
from spikecheck.reference.diary import DiaryNetwork, Variant, examples, train_one_update
from spikecheck.reference.frames import Examples
from tests.house.tree import ROOT


def words(line: str) -> str:
    """Return a line without its alignment and without the measured cost."""
    return " ".join(re.sub(r"[+-]?[\d.]+ ?% (?:time|cost)|cost [\d.]+%", "", line).split())


@pytest.mark.slow
def test_the_report_in_the_readme_is_what_is_printed() -> None:
    """Every line of the page is one of the report, in the report's order; lines of `...` stand for what is left out."""
    (sample,) = re.findall(r"^```text\n(spikecheck .*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    train = examples(train=True)
    torch.manual_seed(0)
    model = DiaryNetwork(Variant())
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        train_one_update(model, Examples(train.frames[::7][:WORDS], train.labels[::7][:WORDS]))
    printed = iter([words(line) for line in str(monitor.report()).splitlines()])
    for line in sample.splitlines():
        if words(line) not in ("", "..."):
            assert any(words(line) == one for one in printed), f"not printed, or not in this order: {line}"
