"""Layers of code without modules: found, named, counted, and the training bit-identical, by both ways of listening."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import _SingleLevelFunction
from torch.nn import functional as F

import spikecheck
from spikecheck.monitor import Monitor
from spikecheck.probe import functional, functions
from spikecheck.probe.torch_private import apply_code
from tests.conformance import functional_styles as styles
from tests.conformance.functional_styles import CLASSES, STYLES, TRUE_SPIKES, Style

NEW_NAMES = sys.version_info >= (3, 11)  # before, the text of a call cannot be found, and the class's name is used
CALLED = {"spike_fn": "FastSigmoid", "rectangle": "Rectangle"}


@pytest.fixture(params=["patched apply", "wrapped forward"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(functional, "has_compiled", lambda: False)  # as in a process of its own
    if request.param == "wrapped forward":
        monkeypatch.setattr(functions.PatchedApply, "is_possible", staticmethod(lambda: False))
    elif not functions.PatchedApply.is_possible():
        pytest.skip("Function.apply is not written in Python here")
    yield
    TRUE_SPIKES.clear()


def train(style: Style, *, watched: bool, passes: int = 4) -> tuple[Monitor | None, dict[str, Tensor], list[Tensor]]:
    torch.manual_seed(0)
    model = style.build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    monitor = spikecheck.attach(model, every=1, on_finding=lambda _: None) if watched else None
    true: dict[str, list[Tensor]] = {}
    for number in range(passes):
        x = style.example()[: -1 if number == passes - 1 else None]
        TRUE_SPIKES.clear()
        loss = F.cross_entropy(model(x), torch.randint(CLASSES, (len(x),)))
        for name, steps in TRUE_SPIKES.items() if number or not style.sampled else ():
            true.setdefault(name, []).extend(steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model(style.example())
    counts = {name: torch.stack([step.sum() for step in steps]) for name, steps in true.items()}
    return monitor, counts, [p.detach() for p in model.parameters()]


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("name", STYLES)
def test_layers_time_steps_and_counts(name: str) -> None:
    style = STYLES[name]
    _, _, bare = train(style, watched=False)
    monitor, true, weights = train(style, watched=True)
    assert monitor is not None
    with monitor:
        report = monitor.report()
        fed_by = {site.name: site.fed_by for site in monitor.evidence().observations.sites if site.fed_by}
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))
    names = style.names() if NEW_NAMES else {k: renamed(v) for k, v in style.names().items()}
    rows = {row.name: (row.spikes.time_steps, row.spikes.count) for row in report.layers}
    assert rows == {names[layer]: (len(counts), float(counts.sum())) for layer, counts in true.items()}
    assert [row.name for row in report.layers] == list(names.values())
    assert {names[layer]: feeding for layer, _, feeding in style.layers} == fed_by
    assert not report.incomplete
    assert all(float(true[layer].sum()) > 0 for layer in true), "the style is silent, and shows nothing"


def renamed(name: str) -> str:
    for called, cls in CALLED.items():
        name = name.replace(called, cls)
    return name


@pytest.mark.usefixtures("_way")
def test_detach_leaves_nothing() -> None:
    before = dict(vars(styles.FastSigmoid))
    monitor, _, _ = train(STYLES["tutorial"], watched=True)
    assert monitor is not None
    monitor.detach()
    assert dict(vars(styles.FastSigmoid)) == before
    assert "apply" not in vars(_SingleLevelFunction)


@pytest.mark.usefixtures("_way")
def test_a_watched_class_is_copied_and_pickled() -> None:
    cloudpickle: Any = pytest.importorskip("cloudpickle")

    class Local(torch.autograd.Function):  # pickled by value
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return (x > 0).float()

    x = torch.randn(3)
    with spikecheck.attach(STYLES["tutorial"].build()) as monitor:
        assert copy.deepcopy(Local) is Local
        assert pickle.loads(pickle.dumps(styles.FastSigmoid)) is styles.FastSigmoid
        loaded = cloudpickle.loads(cloudpickle.dumps(Local))
        copied: nn.Module = copy.deepcopy(monitor.model)
    assert torch.equal(loaded.apply(x), Local.apply(x))
    assert copied(styles.sequence()).shape == (styles.BATCH, CLASSES)


def test_the_way_is_chosen_by_a_trial() -> None:
    ways = [functions.observes(functions.WrappedForward)]
    if functions.PatchedApply.is_possible():
        ways.append(functions.observes(functions.PatchedApply))
    assert all(ways)
    assert functions.listening(lambda *_: None) is not None
    assert (apply_code() is None) is not functions.PatchedApply.is_possible()
