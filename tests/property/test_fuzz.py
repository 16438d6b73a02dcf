"""Each target of the fuzzer, briefly: `make fuzz` runs them for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises import pickles
from tests.property.fuzz import TARGETS, check, fuzz


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_breaks_nothing(target: str, tmp_path: Path) -> None:
    fuzz(target, tmp_path / "file.pt", 60, number=0)


def test_the_comparison_with_torch_finds_a_healthy_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecheck.checks.spk501_non_finite_weights.NonFiniteWeights.judge", lambda *_: iter(()))
    content = pickles.save(tmp_path / "bad.pt", pickles.items((pickles.text("w"), pickles.BAD))).read_bytes()
    with pytest.raises(AssertionError, match="NaN in torch"):
        check(tmp_path / "file.pt", content)
