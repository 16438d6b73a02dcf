"""What is passed to another rank arrives as it was, and no file can bring anything but states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import spikecheck
from spikecheck.ranks.pack import pack_engine, unpack, unpack_engine
from spikecheck.report.ranks import on_ranks
from spikecheck.stats.engine import Engine
from tests.promises.networks import Run, by_hand


def read(engine: Engine) -> dict[str, object]:
    return {window: engine.read(window) for window in ("first", "recent", "all")}


def test_an_engine_arrives_as_it_was(tmp_path: Path) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model, on_finding=lambda finding: None) as monitor:
        run.train(40)
    engine = monitor._engine.snapshot()
    engine.windows = {key: value for key, value in engine.windows.items() if not key[1].one_pass}
    torch.save(pack_engine(engine), tmp_path / "state")
    arrived = unpack_engine(torch.load(tmp_path / "state", weights_only=True))
    assert len(arrived.windows) == len(engine.windows) > 10
    assert read(arrived) == read(engine)


@pytest.mark.parametrize("name", ["builtins:eval", "os:system", "spikecheck.settings:os", "spikecheck.monitor:Monitor"])
def test_other_classes_are_refused(name: str) -> None:
    with pytest.raises(LookupError, match="no state"):
        unpack({"class": name, "value": "1"})


@pytest.mark.parametrize(
    ("ranks", "text"),
    [
        ([1], "on rank 1 of 16"),
        ([1, 3], "on ranks 1 and 3 of 16"),
        ([0, 1, 2], "on ranks 0, 1 and 2 of 16"),
        (list(range(12)), "on ranks 0, 1, 2, 3, 4, 5, 6 and 5 more of 16"),
    ],
)
def test_ranks_in_a_sentence(ranks: list[int], text: str) -> None:
    assert on_ranks(ranks, 16) == text
