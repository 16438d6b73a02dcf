"""Every private name of torch has a fallback: without it a network still trains, bit for bit, and is still watched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module, reload
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import spikecheck
from spikecheck.probe import loss, torch_private
from tests.promises.networks import Run, assert_same, by_hand

PROBE = Path(torch_private.__file__).parent


def owner_of(path: str) -> object:
    """Return what holds the last name of a dotted path."""
    thing: object = torch
    for name in path.split(".")[1:-1]:
        thing = getattr(thing, name, None) or import_module(path.rpartition(".")[0])
    return thing


@pytest.fixture
def _restored() -> Iterator[None]:
    yield
    reload(torch_private)


@pytest.mark.parametrize("path", torch_private.PRIVATE)
@pytest.mark.usefixtures("_restored")
def test_without_a_name_a_network_trains_as_before_and_is_watched(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    bare = Run(by_hand()).train(4).weights()
    with monkeypatch.context() as missing:
        torch_private.find(path)  # imports its home
        missing.delattr(owner_of(path), path.rpartition(".")[2])
        reload(torch_private)  # the functions that others imported read the names of the file again
    torch.manual_seed(0)
    run = Run(by_hand())
    with spikecheck.attach(run.model, every=1, on_finding="raise", ignore=["SPK"]) as monitor:
        assert_same(run.train(4).weights(), bare)
        assert monitor.watching
        report = monitor.report()
    assert report.updates == 4
    assert [row.name for row in report.layers] == ["lif"]


def test_nodes_and_tensors_without_a_private_attribute_are_not_numbered_and_hold_nothing() -> None:
    class Unversioned:
        def is_inference(self) -> bool:
            return False

    node: Any = type("StackBackward0", (), {})()
    bare: Any = Unversioned()
    assert torch_private.version(bare) is None
    assert torch_private.sequence_number(node) == 0
    assert torch_private.saved_difference(node) is None
    assert torch_private.saved_axis(node, "_saved_dim") is None


def test_fallbacks_agree_with_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [torch.rand(3), torch.rand(2, 2)]
    spikes = torch.nn.functional.relu(torch.rand(2, requires_grad=True))
    fused, same = torch_private.norms(values), torch_private.is_batch_norm(torch.nn.BatchNorm1d(2))
    monkeypatch.setattr(torch_private, "_foreach_norm", None)
    monkeypatch.setattr(torch_private, "_batch_norm", None)
    monkeypatch.setattr(torch_private, "_custom_function", None)
    assert all(torch.allclose(a, b) for a, b in zip(fused, torch_private.norms(values), strict=True))
    assert torch_private.is_batch_norm(torch.nn.BatchNorm1d(2)) is same is True
    assert not torch_private.is_batch_norm(torch.nn.LayerNorm(2))
    assert not torch_private.is_custom_function(spikes.grad_fn)


def test_a_loss_that_torch_does_not_show_is_still_seen_where_the_backward_pass_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as missing:
        missing.setattr(torch_private, "find", lambda path: None)
        assert not hasattr(torch_private.loss_functions(), "mse_loss")
    monkeypatch.setattr(loss, "loss_functions", object)
    model = by_hand()
    with spikecheck.attach(model, every=1, on_finding=lambda _: None) as monitor:
        value = F.mse_loss(model(torch.rand(6, 4, 10)), torch.zeros(4, 3))
        value.backward()
        assert "no loss" not in " ".join(map(str, monitor.report().unseen))


def test_no_other_file_of_the_probe_uses_a_private_name_of_torch() -> None:
    used = {}
    for path in sorted(PROBE.rglob("*.py")):
        if path.name == "torch_private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("torch._"):
                used[f"{path.name}:{node.lineno}"] = ast.unparse(node)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch"):
                private = [a.name for a in node.names if a.name.startswith("_")]
                private += [part for part in (node.module or "").split(".") if part.startswith("_")]
                used |= {f"{path.name}:{node.lineno}": name for name in private}
            if isinstance(node, ast.Attribute) and node.attr in torch_private.ON_OBJECTS:
                used[f"{path.name}:{node.lineno}"] = node.attr
    assert not used
