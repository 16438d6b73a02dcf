"""Between two judgments nothing of spikecheck waits for the device: no value is copied to the host.

Two ways of seeing it without a device. A tensor on "meta" has no values, so whatever needs one raises: the captures of
a real run are counted there. And a dispatch mode sees every copy of a scalar, in all the hooks. On a GPU,
`torch.cuda.set_sync_debug_mode` has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import spikecheck
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.engine import Engine, Windows
from tests.promises.networks import BATCH, CLASSES, INPUTS, STEPS, assert_watched, batch, by_hand, every

WAITS = (
    "_local_scalar_dense",
    "nonzero",
    "_unique2",
    "masked_select",
    "equal",
    "bincount",
    "repeat_interleave",
    "is_nonzero",
)
UNJUDGED = range(11, 15)  # the first ten updates are judged, the sixteenth, and so on; after each, parameters are read


class Waited(AssertionError):
    """Something copied a value to the host."""


class NoValues(TorchDispatchMode):
    """Raises where an operation gives a value, or a shape that depends on values."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket.__name__ in WAITS:
            raise Waited(f"{func} was called")
        return func(*args, **(kwargs or {}))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, update: int) -> None:
    x, y = batch()
    with NoValues() if update in UNJUDGED else torch.enable_grad():
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@every
def test_no_hook_copies_a_value_to_the_host(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = spikecheck.attach(model, on_finding=lambda _: None, every=1)
    for update in range(UNJUDGED.stop):
        train(model, optimizer, update)
    report = monitor.report()
    monitor.detach()
    assert_watched(report)
    assert report.updates == UNJUDGED.stop


def test_the_mode_sees_a_hook_that_does() -> None:
    model = by_hand()
    model.register_forward_hook(lambda _m, _a, output: output.max().item() and None)
    with pytest.raises(Waited), NoValues():
        model(batch()[0])


@every
def test_all_that_a_run_shows_can_be_counted_without_values(
    build: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    blind, kinds = Engine(), set()
    seeing = Engine.receive

    def receive(self: Engine, capture: Capture[Tensor], tier: int = 2) -> None:
        seeing(self, capture, tier)
        kinds.add(capture.sites[0].kind)
        seeing(blind, replace(capture, values=tuple(value.to("meta") for value in capture.values)), tier)

    monkeypatch.setattr(Engine, "receive", receive)
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for update in range(3):
            train(model, optimizer, update)
        assert_watched(monitor.report())
    assert kinds >= {SiteKind.INPUT, SiteKind.SPIKES, SiteKind.CURRENT, SiteKind.LOGITS, SiteKind.TARGETS}
    assert kinds >= {SiteKind.LOSS, SiteKind.GRADIENT, SiteKind.PARAMETER, SiteKind.UPDATE}


def test_a_model_on_meta_runs_and_is_reported_on() -> None:
    model = by_hand().to("meta")
    with spikecheck.attach(model, on_finding="raise") as monitor:
        x = torch.zeros(STEPS, BATCH, INPUTS, device="meta")
        y = torch.zeros(BATCH, dtype=torch.int64, device="meta")
        assert F.cross_entropy(model(x), y).is_meta
        assert model(x).shape == (BATCH, CLASSES)
        report = monitor.report()
    assert report.forward_passes == 2
    assert not report.findings


def test_a_log_copies_nothing_that_a_judgment_has_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, counts = Windows.readings, []

    def counted(windows: Windows, window: str, statistic: Any) -> tuple[Any, ...]:
        counts[-1] += 1
        return read(windows, window, statistic)

    monkeypatch.setattr(Windows, "readings", counted)
    for options in ({}, {"log": tmp_path / "run.jsonl"}):
        counts.append(0)
        model = by_hand()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor = spikecheck.attach(model, on_finding=lambda _: None, every=1, **options)  # type: ignore[arg-type]
        for update in range(UNJUDGED.stop):
            train(model, optimizer, update)
        made = counts[-1]
        monitor.detach()
        counts[-1] = made
    assert (tmp_path / "run.jsonl").read_text().count('"line":"state"') >= 2
    assert counts[0] == counts[1] > 0
