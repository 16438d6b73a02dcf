"""A checkpoint that is unwell is found at its place, and its healthy twin is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from spikecheck.checkpoint import diagnose_file
from spikecheck.errors import UnreadableError
from spikecheck.finding import Severity
from spikecheck.settings import Settings
from tests.promises import pickles


def network(**changed: float) -> dict[str, torch.Tensor]:
    """What snntorch's layers keep: two lists of modules, so that the order of the keys says nothing."""
    torch.manual_seed(0)
    content = {}
    for number, (inputs, outputs) in enumerate(((140, 128), (128, 128), (128, 20))):
        content[f"fc.{number}.weight"] = 3 * nn.Linear(inputs, outputs).weight.detach()
        content[f"fc.{number}.bias"] = torch.zeros(outputs)
    for number in range(3):
        content[f"lif.{number}.threshold"] = torch.tensor(1.0)
        content[f"lif.{number}.beta"] = torch.tensor(0.9)
    return content | {name.replace("__", "."): torch.tensor(value) for name, value in changed.items()}


def findings(content: object, path: Path, least: Severity = Severity.NOTE, **how: bool) -> list[str]:
    torch.save(content, path, **how)
    report = diagnose_file(path, settings=Settings())
    return [f"{finding.check} {finding.site.name}" for finding in report.at_least(least)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ck.pt"


def test_a_healthy_network_is_left_alone(path: Path) -> None:
    assert findings({"model": network(), "epoch": 12}, path) == []


def test_learned_neurons_that_drifted_are_found(path: Path) -> None:
    drifted = network(**{"lif.1.beta": 1.37, "lif.2.threshold": -0.2})
    assert findings({"model": drifted, "epoch": 12}, path) == ["SPK504 lif.2.threshold", "SPK505 lif.1.beta"]


def test_a_threshold_beyond_reach_is_found_where_the_decay_is_known(path: Path) -> None:
    assert findings(network(**{"lif.1.threshold": 1000.0}), path) == ["SPK504 lif.1.threshold"]
    without = {k: v for k, v in network(**{"lif.1.threshold": 1000.0}).items() if not k.endswith("beta")}
    assert findings(without, path) == []  # it may be a number in the code, and the potential adds up over many steps


def test_nan_in_a_weight_is_found_in_both_formats(path: Path) -> None:
    content = network()
    content["fc.1.weight"][3, 5:9] = float("nan")
    for zipped in (True, False):
        assert findings({"model": content}, path, _use_new_zipfile_serialization=zipped) == ["SPK501 fc.1.weight"]


def test_an_exploded_layer_and_a_dead_one_are_found(path: Path) -> None:
    content = network()
    content["fc.1.weight"] *= 1e4
    content["fc.2.weight"][:5] = 0
    assert set(findings(content, path)) == {"SPK502 fc.1.weight", "SPK506 fc.2.weight"}


class Forgotten(nn.Module):
    """Two layers, of which the first gets no gradient."""

    def __init__(self, detach: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.detach = nn.Linear(100, 64), nn.Linear(64, 20), detach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc1(x)
        return self.fc2(hidden.detach() if self.detach else hidden)


@pytest.mark.parametrize("detach", [True, False])
def test_a_layer_without_gradient_shows_in_moments_and_weights(path: Path, detach: bool) -> None:
    torch.manual_seed(0)
    net = Forgotten(detach)
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(5):
        optimizer.zero_grad()
        net(torch.rand(8, 100)).square().mean().backward()
        optimizer.step()
    findings_here = findings({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, path)
    expected = {"SPK508 optimizer: fc1.weight", "SPK508 optimizer: fc1.bias", "SPK507 fc1.weight"} if detach else set()
    assert set(findings_here) == expected


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_are_taken_off(path: Path, prefix: str) -> None:
    content = {f"{prefix}{name}": value for name, value in network(**{"lif.1.beta": 1.37}).items()}
    assert findings(content, path) == ["SPK505 lif.1.beta"]


def test_a_beta_beside_a_gamma_is_no_decay(path: Path) -> None:
    assert findings({"norm.gamma": torch.ones(4), "norm.beta": torch.tensor([1.5, -2.0, 0.0, 9.0])}, path) == []


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_an_optimizer_in_use_is_left_alone(path: Path, kind: type) -> None:
    torch.manual_seed(0)
    net = Forgotten(False)
    optimizer = kind(net.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        net(torch.rand(8, 100)).square().mean().backward()
        optimizer.step()
    assert (
        findings({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "step": 5}, path, Severity.WARNING)
        == []
    )


@pytest.mark.parametrize(
    ("version", "named"), [("2.9.1", "2.9"), ("2.4.0a0+git", "2.4"), ("2.10.0+cu128", ""), ("3.0.0", "")]
)
def test_a_torch_with_known_vulnerabilities_is_named(
    version: str, named: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(network(), path)
    monkeypatch.setattr(torch, "__version__", version)
    texts = [one.text for one in diagnose_file(path, settings=Settings()).unseen]
    warnings = [text for text in texts if "known vulnerabilities" in text]
    assert len(warnings) == bool(named)
    assert all(warning.startswith(f"torch {named} has known vulnerabilities in") for warning in warnings)


class AddsConstant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight + torch.tensor([float("nan"), 1.0])


def test_the_constants_of_torchscript_are_read(path: Path) -> None:
    torch.jit.trace(AddsConstant(), torch.ones(2), check_trace=False).save(str(path))
    (finding,) = diagnose_file(path, settings=Settings()).findings
    assert finding.site.name.endswith("constants.0")


def test_a_name_of_torchscript_in_another_file_is_a_global_like_any_other(path: Path) -> None:
    content = pickles.called("__torch__.system", pickles.text("x"))
    pickles.save(path, pickles.items((pickles.text("w"), pickles.GOOD), (pickles.text("x"), content)))
    assert [f.check for f in diagnose_file(path, settings=Settings()).findings] == ["SPK510"]


def test_a_tensor_of_an_unknown_type_is_refused(path: Path) -> None:
    untyped = pickles.several(
        pickles.text("storage"), pickles.named("torch.storage.UntypedStorage"), pickles.text("bad")
    )
    of = untyped[:-1] + pickles.text("cpu") + pickles.integer(16) + b"tQ"
    places = pickles.integer(0), pickles.several(pickles.integer(16)), pickles.several(pickles.integer(1))
    rest = b"\x89", pickles.called("collections.OrderedDict"), pickles.named("torch.float4_e2m1fn_x2")
    new = pickles.called("torch._utils._rebuild_tensor_v3", of, *places, *rest)
    pickles.save(path, pickles.items((pickles.text("w"), pickles.GOOD), (pickles.text("new"), new)))
    with pytest.raises(UnreadableError, match="float4_e2m1fn_x2"):
        diagnose_file(path, settings=Settings())


@pytest.mark.parametrize(
    ("call", "severity"),
    [
        (
            pickles.called("numpy.random._pickle.__generator_ctor", pickles.text("x"), pickles.named("lab.run")),
            "WARNING",
        ),
        (
            pickles.called(
                "copyreg._reconstructor", pickles.named("lab.Log"), pickles.named("lab.Log"), pickles.text("x")
            ),
            "WARNING",
        ),
        (
            pickles.called("copyreg._reconstructor", pickles.named("lab.Log"), pickles.named("builtins.object"), b"N"),
            "NOTE",
        ),
    ],
    ids=["given to a function that calls it", "constructed as a base", "an object without its state"],
)
def test_what_a_harmless_function_would_call_is_a_warning(path: Path, call: bytes, severity: str) -> None:
    pickles.save(path, pickles.items((pickles.text("w"), pickles.GOOD), (pickles.text("x"), call)))
    (finding,) = diagnose_file(path, settings=Settings()).findings
    assert (finding.check, finding.severity) == ("SPK510", Severity[severity])
