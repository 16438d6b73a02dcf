"""The report of docs/how-to/read-a-report.md is the one that spikecheck makes."""

from __future__ import annotations

import re

import pytest
import torch
from torch.nn.functional import cross_entropy

import spikecheck
from tests.house.tree import ROOT
from tests.plugin.test_diagnose_page import BLOCK, shows
from tests.plugin.test_diagnose_page import PAGE as NETWORK_PAGE

PAGE = (ROOT / "docs" / "how-to" / "read-a-report.md").read_text(encoding="utf-8")


def test_the_report_on_the_page_is_that_of_the_network() -> None:
    pytest.importorskip("snntorch", reason="pip install snntorch")
    scope: dict = {}
    exec(next(code for _, name, code in BLOCK.findall(NETWORK_PAGE) if name.strip() == "network.py"), scope)
    torch.manual_seed(0)
    model = scope["Net"](threshold=50.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(24):
            x, y = scope["batch"]()
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
    shown = next(code for kind, _, code in BLOCK.findall(PAGE) if kind == "text")
    # new checks change the counts
    shown = re.sub(r"\d+ passed, \d+ not applicable", "...", shown)
    report = str(monitor.report())
    assert shows(report, shown), report


def test_the_page_explains_every_column_of_the_table_and_every_label_of_a_finding() -> None:
    table = next(code for kind, _, code in BLOCK.findall(PAGE) if kind == "text").splitlines()
    header = next(line for line in table if line.startswith("layer "))
    labels = [line.strip().split("  ")[0] for line in table if re.match(r"   \w", line)]
    for name in [*re.split(r"\s{2,}", header.strip()), *labels]:
        assert f"`{name}`" in PAGE, name
