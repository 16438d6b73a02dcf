"""The settings of docs/how-to/settings.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.judge import Judge
from spikecheck.settings import Settings
from spikecheck.site import Site, SiteKind
from tests.house.tree import ROOT
from tests.promises.networks import LIF

PAGE = (ROOT / "docs" / "how-to" / "settings.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+ ?\w*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for label, text in BLOCKS if label == kind]


class Gated(nn.Module):
    """A gate that stays closed, beside an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 12), nn.Linear(12, 3)
        self.encoder, self.gate = (
            nn.Sequential(LIF(threshold=0.3), nn.Linear(12, 12), LIF(threshold=0.3)),
            LIF(threshold=99.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        current = self.fc1(x)
        return self.fc2(self.encoder(current) + self.gate(current)).mean(0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's file, where a script is started."""
    monkeypatch.setattr("spikecheck.rootdir.folder", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("\n".join(blocks("toml")), encoding="utf-8")
    return tmp_path


def test_the_file_is_understood_and_the_last_table_counts(project: Path) -> None:
    judge = Judge.of(Settings.load())
    check = next(check for check in judge.checks if check.id == "SPK204")
    at = {
        name: judge.with_site_limits(check, Site(SiteKind.SPIKES, name))
        for name in ("encoder.0", "encoder.2", "gate", "lif")
    }
    limits = {name: (one.max_saturated_fraction, one.max_active_fraction) for name, one in at.items()}  # type: ignore[attr-defined]
    whole = (check.max_saturated_fraction, check.max_active_fraction)  # type: ignore[attr-defined]
    assert limits == {"encoder.0": (0.8, 0.95), "encoder.2": (whole[0], 0.9), "gate": (0.8, 0.95), "lif": whole}
    assert next(c for c in judge.checks if c.id == "SPK203").min_forward_passes == 20  # type: ignore[attr-defined]


def test_the_report_shows_what_is_ignored(project: Path) -> None:
    torch.manual_seed(0)
    x, y = (torch.rand(12, 9, 8) < 0.5).float(), torch.arange(9) % 3
    with spikecheck.attach(Gated(), every=1, on_finding=id) as monitor:
        optimizer = torch.optim.Adam(monitor.model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(monitor.model(x), y).backward()
            optimizer.step()
    report = monitor.report()
    (shown, _) = blocks("text")
    assert shown.strip() in str(report)
    assert not [f for f in report.findings if f.site.name == "gate" and f.check in ("SPK203", "SPK205")]


def test_the_script_of_the_page_runs(project: Path) -> None:
    (code,) = blocks("python")
    names = {"spikecheck": spikecheck, "model": Gated()}
    exec(code, names)
    names["monitor"].detach()


def test_the_mistake_is_answered_as_the_page_says(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((wrong,), (_, message)) = blocks("toml wrong"), blocks("text")
    (project / "pyproject.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(spikecheck.SpikecheckError) as caught:
        spikecheck.attach(Gated())
    assert str(caught.value) == f"{project}/{message.strip()}"
