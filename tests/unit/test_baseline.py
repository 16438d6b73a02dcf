"""A baseline is a small file; what moved beyond the tolerance is named, with both numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import spikecheck as sc
from spikecheck import baseline
from tests.unit.assertions.networks import Net, batch, loss


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "baselines" / "net.json"
    sc.record_baseline(Net(), batch(), loss, path)
    return path


def test_the_same_network_matches_and_the_file_is_small_and_readable(file: Path) -> None:
    sc.assert_matches_baseline(Net(), batch(), loss, file, tolerance=0.0)
    text = file.read_text(encoding="utf-8")
    held = json.loads(text)
    assert set(held) == {"schema", "rate", "logits", "loss", "gradient"}
    assert set(held["gradient"]) == {"fc1.weight", "fc2.weight"}
    assert held["rate"] == {"lif1": 0.2778}
    assert len(text) < 500
    assert text.endswith("}\n")


MOVED = """\
the network does not match its baseline
  where     lif1: firing rate, spikes per neuron per time step
  observed  0.2, now 0.278 (+38.9%)
  expected  within 10% of net.json
  try       if the change is intended: pytest --spikecheck-update, or \
spikecheck.record_baseline(model, batch, loss, path)"""


def test_what_moved_is_named_with_both_numbers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    held = json.loads(file.read_text(encoding="utf-8"))
    held["rate"]["lif1"] = 0.2
    file.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(sc.UnhealthyError) as caught:
        sc.assert_matches_baseline(Net(), batch(), loss, "net.json")
    assert str(caught.value) == MOVED


def test_a_change_within_the_tolerance_passes(file: Path) -> None:
    with pytest.raises(sc.UnhealthyError):
        sc.assert_matches_baseline(Net(gain=1.2), batch(), loss, file)
    sc.assert_matches_baseline(Net(gain=1.2), batch(), loss, file, tolerance=0.5)


def test_a_parameter_that_came_or_went_is_a_change(file: Path) -> None:
    with pytest.raises(sc.UnhealthyError, match=r"fc3.weight: gradient norm\n  observed +new, not in the file"):
        sc.assert_matches_baseline(Net(unused=True), batch(), loss, file)


def test_a_missing_file_fails_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(sc.UnhealthyError, match="the baseline file does not exist"):
        sc.assert_matches_baseline(Net(), batch(), loss, path)
    assert not path.exists()


def test_updating_writes_instead_of_comparing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "updating", True)
    sc.assert_matches_baseline(Net(threshold=0.5), batch(), loss, file)
    monkeypatch.setattr(baseline, "updating", False)
    sc.assert_matches_baseline(Net(threshold=0.5), batch(), loss, file)
    assert baseline.updated.pop() == str(file)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 9}', '{"schema": 1, "rate": {"lif1": "x"}}'])
def test_a_file_of_something_else_is_said_to_be_that(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(sc.SpikecheckError, match=r"net\.json (is not a baseline|has schema)"):
        sc.assert_matches_baseline(Net(), batch(), loss, file)


def test_numbers_that_are_not_finite_are_kept_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "nan.json"

    def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return loss(output, target) * torch.nan

    sc.record_baseline(Net(), batch(), broken, path)
    sc.assert_matches_baseline(Net(), batch(), broken, path)
    with pytest.raises(sc.UnhealthyError, match="loss\n  observed  nan, now"):
        sc.assert_matches_baseline(Net(), batch(), loss, path)
