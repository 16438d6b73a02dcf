"""Two checkpoints side by side: the figures are those of the tensors, whatever their type and however they lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spikecheck.checkpoint import compare as comparison
from spikecheck.checkpoint import record_reader
from spikecheck.checkpoint.compare import changes
from spikecheck.stored import ChangeReading

SMALL_CHUNK = 1 << 12


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_reader, "CHUNK", SMALL_CHUNK)
    monkeypatch.setattr(comparison, "VALUES_AT_ONCE", SMALL_CHUNK)


def compared(folder: Path, before: dict[str, object], after: dict[str, object]) -> dict[str, ChangeReading]:
    torch.save(before, folder / "before.pt")
    torch.save(after, folder / "after.pt")
    return {change.name: change for change in changes(folder / "before.pt", folder / "after.pt")}


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.int64], ids=str
)
def test_a_step_is_that_of_the_two_tensors(dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = (4 * torch.randn(61, 83)).to(dtype)
    after = before.clone()
    after[5:9] += 2
    change = compared(tmp_path, {"w": before, "still": before}, {"w": after, "still": before})
    a, b = (torch.view_as_real(x).double() if x.is_complex() else x.double() for x in (before, after))
    assert change["w"].status == "changed"
    assert change["w"].changed_elements == int((a != b).sum())
    assert change["w"].max_change == float((b - a).abs().max())
    assert change["w"].relative_change == pytest.approx(float((b - a).norm() / a.norm()), rel=1e-9)
    assert change["w"].rms_after == pytest.approx(float(b.square().mean().sqrt()), rel=1e-9)
    assert (change["still"].status, change["still"].changed_elements, change["still"].max_change) == ("same", 0, 0.0)


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    weight = torch.arange(12.0).view(3, 4)
    change = compared(
        tmp_path,
        {"kept": weight, "gone": weight, "shape": weight, "turned": weight.t()},
        {"kept": weight, "new": weight, "shape": weight.view(4, 3), "turned": weight.t()},
    )
    assert {name: change.status for name, change in change.items()} == {
        "kept": "same",
        "new": "new",
        "shape": "was [3, 4]",
        "turned": "not compared",
        "gone": "gone",
    }


def test_views_of_one_storage_are_compared_by_what_they_look_at(tmp_path: Path) -> None:
    before, after = torch.zeros(5000), torch.zeros(5000)
    after[2500] = 1
    parts = {"first": slice(0, 2000), "middle": slice(2000, 3000), "last": slice(3000, 5000)}
    change = compared(tmp_path, *({name: x[part] for name, part in parts.items()} for x in (before, after)))
    assert {name: change.changed_elements for name, change in change.items()} == {"first": 0, "middle": 1, "last": 0}
    assert change["middle"].relative_change is None


def test_values_that_were_lost_are_counted_apart(tmp_path: Path) -> None:
    before, after = torch.ones(3000), torch.ones(3000)
    after[7], before[8], after[9] = float("nan"), float("inf"), 3
    change = compared(tmp_path, {"w": before}, {"w": after})["w"]
    assert (change.status, change.lost_elements, change.changed_elements, change.max_change) == ("changed", 1, 1, 2.0)
