"""The decay of hand-written neurons, read from the graph, in the ways in which they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import spikecheck
from spikecheck.probe import functional
from spikecheck.readings import FlowReading
from tests.promises.networks import Spike

STEPS, BATCH, CHANNELS, NEURONS = 12, 8, 10, 16


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spikes without a surrogate are looked for as in a process of its own: another test may have compiled a model."""
    monkeypatch.setattr(functional, "has_compiled", lambda: False)


def spike(x: Tensor) -> Tensor:
    return Spike.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def subtraction(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = 0.9 * v + step
        shown.append(spike(v - 1.0))
        v = v - shown[-1]
    return torch.stack(shown)


def reset_in_the_next_step(current: Tensor) -> Tensor:
    v = s = torch.zeros_like(current[0])
    shown = []
    for step in current:
        v = v * 0.6 * (1 - s.detach()) + step
        s = spike((v - 0.5) / 0.5)
        shown.append(s)
    return torch.stack(shown)


def reset_from_a_spike_computed_again(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = 0.7 * v + step - spike(v - 1.0).detach()
        shown.append(spike(v - 1.0))
    return torch.stack(shown)


def time_constant(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = v + (step - v) / 4.0
        shown.append(spike(v - 0.3))
        v = torch.where(shown[-1] > 0, torch.zeros_like(v), v)
    return torch.stack(shown)


def synaptic_current(current: Tensor) -> Tensor:
    v = i = torch.zeros_like(current[0])
    shown = []
    for step in current:
        i = 0.5 * i + step
        v = 0.8 * v + i
        shown.append(spike(v - 1.0))
        v = v.masked_fill(shown[-1] > 0, 0.0)
    return torch.stack(shown)


def adaptive_threshold(current: Tensor) -> Tensor:
    v = a = torch.zeros_like(current[0])
    shown = []
    for step in current:
        v = torch.lerp(v, step, 0.2)
        shown.append(spike(v - (0.3 + 0.1 * a)))
        a = 0.95 * a + shown[-1]
    return torch.stack(shown)


def wrong_sign(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = v + 0.25 * (v - 0.0) + step
        shown.append(spike(v - 1.0))
        v = v - shown[-1].detach()
    return torch.stack(shown)


def forgetful(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    fraction = torch.tensor(10.0, requires_grad=True)
    for step in current:
        v = (1 - fraction.clamp(0, 1)) * v + step
        shown.append(spike(v - 1.0))
    return torch.stack(shown)


def decay_per_neuron(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    decays = torch.linspace(0.5, 0.9, NEURONS)
    for step in current:
        v = decays * v + step
        shown.append(spike(v - 1.0))
    return torch.stack(shown)


def decay_per_neuron_in_a_batch_of_one(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    decays = nn.Parameter(torch.linspace(0.5, 0.9, NEURONS).unsqueeze(0))
    for step in current:
        v = decays * v + (1 - decays.detach()) * step - (v > 1.0).float()
        shown.append(spike(v - 1.0))
    return torch.stack(shown)


def squashed(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = torch.tanh(0.9 * v + step)
        shown.append(spike(v - 0.5))
    return torch.stack(shown)


def straight_through(current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = 0.9 * v + step
        shown.append((v > 1.0).float().detach() + v - v.detach())
        v = v - shown[-1]
    return torch.stack(shown)


def rotated(current: Tensor) -> Tensor:
    z, shown = torch.zeros_like(current[0], dtype=torch.complex64), []
    for step in current:
        z = z * complex(0.5, 0.7) + step
        shown.append(spike(z.real - 0.5))
    return torch.stack(shown)


def without_state(current: Tensor) -> Tensor:
    return torch.stack([spike(step - 0.5) for step in current])


class Net(nn.Module):
    """Two layers that are calls of a function in `forward`."""

    def __init__(self, neurons: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.neurons = neurons
        self.first, self.second = nn.Linear(CHANNELS, NEURONS), nn.Linear(NEURONS, NEURONS)

    def forward(self, x: Tensor) -> Tensor:
        return self.neurons(self.second(self.neurons(self.first(x)))).sum(0)


class Layer(nn.Module):
    """A layer that holds its weights, and returns nothing but spikes."""

    def __init__(self, inputs: int, neurons: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weights, self.neurons = nn.Linear(inputs, NEURONS), neurons

    def forward(self, x: Tensor) -> Tensor:
        return self.neurons(self.weights(x))


def decays(model: nn.Module) -> list[float | None]:
    """Return the decay of each layer after two updates."""
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(2):
            model((torch.rand(STEPS, BATCH, CHANNELS) < 0.5).float()).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        recent = monitor.evidence().observations.windows["recent"]
    flows = [readings[FlowReading] for readings in recent.values() if FlowReading in readings]
    return [flow.decay for flow in flows]


CASES = [
    pytest.param(subtraction, 0.9, id="reset by subtraction, in the graph"),
    pytest.param(reset_in_the_next_step, 0.6, id="reset by a product, in the next step"),
    pytest.param(reset_from_a_spike_computed_again, 0.7, id="a second spike for the reset"),
    pytest.param(time_constant, 0.75, id="a time constant, and torch.where"),
    pytest.param(synaptic_current, 0.8, id="a synaptic current, and masked_fill"),
    pytest.param(adaptive_threshold, 0.8, id="torch.lerp, and a threshold with a state"),
    pytest.param(wrong_sign, 1.25, id="a leak of the wrong sign"),
    pytest.param(forgetful, 0.0, id="a decay that is clamped to nothing"),
    pytest.param(straight_through, 0.9, id="the derivative of the identity, also in the reset"),
    pytest.param(decay_per_neuron, 0.7, id="a decay for each neuron: the mean"),
    pytest.param(decay_per_neuron_in_a_batch_of_one, 0.7, id="a learned decay for each neuron, with a batch axis"),
    pytest.param(squashed, None, id="a potential in a function"),
    pytest.param(rotated, None, id="a complex potential"),
    pytest.param(without_state, None, id="no state"),
]


@pytest.mark.parametrize(("neurons", "decay"), CASES)
def test_the_decay_of_layers_that_are_call_sites(neurons: Callable[[Tensor], Tensor], decay: float | None) -> None:
    known = [one for one in decays(Net(neurons)) if one is not None]
    assert known == ([] if decay is None else [pytest.approx(decay)] * 2)


@pytest.mark.parametrize(("neurons", "decay"), CASES)
def test_the_decay_of_layers_that_are_modules(neurons: Callable[[Tensor], Tensor], decay: float | None) -> None:
    model = nn.Sequential(Layer(CHANNELS, neurons), Layer(NEURONS, neurons))
    assert decays(model) == [None if decay is None else pytest.approx(decay)] * 2


def test_what_a_checkpoint_packs_is_not_unpacked() -> None:
    class Checkpointed(Net):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = checkpoint(self.counted, x, use_reentrant=False)
            return y

        def counted(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    model = Checkpointed(subtraction)
    assert set(decays(model)) <= {None}
    assert model.calls == 4  # forward and backward of two updates


def test_a_potential_that_grows_is_a_root_cause() -> None:
    torch.manual_seed(0)
    model = Net(wrong_sign)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(12):
            logits = model((torch.rand(STEPS, BATCH, CHANNELS) < 0.5).float())
            nn.functional.cross_entropy(logits, torch.randint(NEURONS, (BATCH,))).backward()
            optimizer.step()
            optimizer.zero_grad()
        first = monitor.report().root_causes[0].finding
    assert first.check == "SPK207"
    assert "multiplies its potential by 1.25" in first.message
