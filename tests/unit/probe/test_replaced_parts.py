"""Parts that are replaced after attach() are named; layers inside of a reentrant checkpoint are seen."""

from __future__ import annotations

import pytest
import snntorch as snn
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import spikecheck
from spikecheck.monitor import Monitor
from tests.promises.networks import LIF, Spike


class Checkpointed(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.before, self.network = nn.Linear(10, 10), network

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(self.network, self.before(x), use_reentrant=True)
        return y


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(10, 12), LIF(), nn.Linear(12, 3))


def train(model: nn.Module, updates: int = 4, optimizer: torch.optim.Optimizer | None = None) -> list[Tensor]:
    torch.manual_seed(0)
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(updates):
        loss = F.cross_entropy(model(torch.rand(6, 8, 10)).mean(0), torch.randint(3, (8,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


def unseen(monitor: Monitor) -> list[str]:
    return [str(one) for one in monitor.report().unseen if "replaced in the model" in str(one)]


def test_a_layer_that_was_replaced_is_named_and_a_parameter_is_observed() -> None:
    model = network()
    with spikecheck.attach(model, spikes="1", on_finding=lambda _: None) as monitor:
        train(model)
        assert not unseen(monitor)
        model[1], model[2] = LIF(), nn.Linear(12, 3)
        train(model)
        assert [text.partition(":")[0] for text in unseen(monitor)] == ["1"]
        report = monitor.report()
        assert report.updates == 8
        assert {row.name for row in report.weights} == {"0.weight", "2.weight"}


def test_spiking_layers_that_a_conversion_adds_are_named() -> None:
    model = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 3))
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        train(model)
        before = monitor.report()
        model[1] = snn.Leaky(beta=1.0, init_hidden=True)
        with torch.no_grad():
            model(torch.rand(6, 8, 10))
        after = monitor.report()
    assert not any("added to the model" in str(one) for one in before.unseen)
    assert [str(one).partition(":")[0] for one in after.unseen if "added to the model" in str(one)] == ["1"]


def test_parameters_that_replace_others_are_observed_with_their_optimizer() -> None:
    """As with `fully_shard`, which replaces every parameter; the new ones may have another shape."""
    model = network()
    with spikecheck.attach(model, spikes="1", on_finding=lambda _: None) as monitor:
        train(model, 2)
        model[0], model[2] = nn.Linear(10, 12, bias=False), nn.Linear(12, 5)
        model.register_parameter("scale", nn.Parameter(torch.ones(1)))
        train(model)
        report = monitor.report()
    assert not [f for f in report.findings if f.check == "SPK001"]
    assert report.updates == 6
    assert {row.name: row.elements for row in report.weights} == {"0.weight": 120, "2.weight": 60}


def test_a_head_that_no_optimizer_holds_is_a_finding_until_one_does() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, spikes="1", on_finding=lambda _: None) as monitor:
        train(model, 2, optimizer)
        model[2] = nn.Linear(12, 4)
        train(model, 2, optimizer)
        assert [f.site.name for f in monitor.report().findings if f.check == "SPK408"] == ["2.weight"]
        train(model, 2)
        assert not [f for f in monitor.report().findings if f.check == "SPK408"]


def test_an_optimizer_of_another_model_is_asked_once_about_its_parameters() -> None:
    model, other = network(), network()
    with spikecheck.attach(model, spikes="1", on_finding=lambda _: None) as monitor:
        train(model, 2)
        train(other, 2)
        assert monitor.report().updates == 2


def test_layers_in_a_reentrant_checkpoint_are_seen_and_nothing_changes() -> None:
    torch.manual_seed(0)
    model = Checkpointed(network())
    with spikecheck.attach(model, spikes="network.1", on_finding=lambda _: None) as monitor:
        weights = train(model)
        report = monitor.report()
    assert [(row.name, row.spikes.forward_passes) for row in report.layers] == [("network.1", 4)]
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(weights, train(Checkpointed(network())), strict=True))


class Neurons(nn.Module):
    """A hand-written layer of [time, batch, neurons]."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.fc, self.threshold = nn.Linear(10, 12), threshold

    def forward(self, x: Tensor) -> Tensor:
        v, shown = x.new_zeros(x.shape[1], 12), []
        for step in x:
            v = 0.9 * v + self.fc(step)
            shown.append(Spike.apply(v - self.threshold))
        return torch.stack(shown)


@pytest.mark.parametrize(("threshold", "silent"), [(0.1, False), (50.0, True)])
def test_a_hand_written_layer_in_a_reentrant_checkpoint_is_one_although_it_is_silent(threshold, silent) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Checkpointed(Neurons(threshold)), nn.Linear(12, 3))
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        train(model)
        (row,) = monitor.report().layers
    assert (row.name, row.spikes.active == 0) == ("0.network", silent)


def test_a_module_without_neurons_in_a_reentrant_checkpoint_is_no_layer() -> None:
    model = nn.Sequential(Checkpointed(nn.Sequential(nn.Linear(10, 12), nn.ReLU())), nn.Linear(12, 3))
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        train(model)
        assert not monitor.report().layers
