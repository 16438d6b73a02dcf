"""The pages that begin with a symptom: their code runs, their tables and pictures come from the benchmark."""

from __future__ import annotations

import functools
import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import spikecheck
from benchmarks.symptoms.__main__ import with_table
from benchmarks.symptoms.pictures import PICTURES
from benchmarks.symptoms.runs import read
from benchmarks.symptoms.symptoms import CAUSE_OF, SYMPTOMS, table
from spikecheck.checks.discovery import own_checks
from spikecheck.diagnosis import SYMPTOMS as SYMPTOM_CHECKS
from tests.house.tree import ROOT

FOLDER = ROOT / "docs" / "symptoms"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "README")
CODE = re.compile(r"^ *```python\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)
QUICK = "saturated-neurons"  # runs every time


def names() -> dict[str, object]:
    """Return what the code of a page uses: a small network, its data and its optimizer."""
    import snntorch

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(30, 4)
            self.lif = snntorch.Leaky(beta=0.9)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            potential, potentials = self.lif.reset_mem(), []
            for step in range(x.shape[1]):
                _, potential = self.lif(self.fc(x[:, step]), potential)
                potentials.append(potential)
            return torch.stack(potentials).mean(0)

    torch.manual_seed(0)
    model = Net()
    loader = [((torch.rand(8, 10, 30) < 0.2).float(), torch.arange(8) % 4) for _ in range(4)]
    optimizer = torch.optim.Adam(model.parameters())
    x, y = loader[0]
    criterion = nn.CrossEntropyLoss()
    return {**locals(), "torch": torch, "spikecheck": spikecheck}


@pytest.mark.parametrize(
    "page", [p if p.stem == QUICK else pytest.param(p, marks=pytest.mark.full) for p in PAGES], ids=lambda p: p.stem
)
def test_the_code_of_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = functools.partial(spikecheck.examine, seconds=0.5, treatment_seconds=0, progress=False)
    monkeypatch.setattr(spikecheck, "examine", quick)
    scope = names()
    blocks = [
        re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in CODE.findall(page.read_text(encoding="utf-8"))
    ]
    assert blocks
    for block in blocks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(block, page.name, "exec"), scope)  # the page's own code
    assert capsys.readouterr().out or page.stem == "loss-nan"


def test_the_tables_are_those_of_the_runs() -> None:
    runs = read()
    for symptom in SYMPTOMS:
        text = (FOLDER / f"{symptom.page}.md").read_text(encoding="utf-8")
        assert text == with_table(text, table(symptom, runs)), "`make symptoms` counts again"


def test_every_symptom_has_a_page_with_its_picture() -> None:
    assert {path.stem for path in PAGES} == {symptom.page for symptom in SYMPTOMS} == PICTURES.keys()
    for page in PAGES:
        assert f"({page.stem}.svg)" in page.read_text(encoding="utf-8")
        assert 5_000 < (FOLDER / f"{page.stem}.svg").stat().st_size < 400_000


def test_every_check_of_a_run_belongs_to_a_cause_unless_it_is_a_symptom() -> None:
    of_runs = {id_ for id_ in own_checks() if id_[3] in "1234"}
    assert CAUSE_OF.keys() <= own_checks().keys()
    assert of_runs - CAUSE_OF.keys() <= SYMPTOM_CHECKS, "benchmarks/symptoms/symptoms.py"
