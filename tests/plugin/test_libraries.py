"""The assertions on networks of several libraries, time first: they pass where all is well, and see a kept state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck as sc
from tests.promises.networks import BATCH, INPUTS, STEPS, batch, every

WITHOUT = (
    sc.assert_binary_input,
    sc.assert_no_dead_layers,
    sc.assert_state_resets,
    sc.assert_batch_independent,
    sc.assert_causal_in_time,
)
WITH_LOSS = (
    sc.assert_logits_in_range,
    sc.assert_initial_loss_near_chance,
    sc.assert_gradients_reach_every_parameter,
)


@every
def test_a_network_of_each_library_passes(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model, written = build(), batch()
    for check in WITHOUT:
        check(model, written)
    for check in WITH_LOSS:
        check(model, written, F.cross_entropy)
    sc.assert_learns_one_batch(model, written, F.cross_entropy, 80, optimizer=lambda p: torch.optim.Adam(p, lr=0.03))


def test_a_layer_that_keeps_its_state_and_the_loop_that_resets_it() -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch==1.0.0")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(INPUTS, 8), snn.Leaky(beta=0.95, threshold=0.5, init_hidden=True)

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.lif1(self.fc1(step)) for step in x]).mean(0)

    def reset(model: nn.Module) -> None:
        model.lif1.reset_mem()

    torch.manual_seed(0)
    model, (x, _) = Net(), batch()
    model(x)  # its state now hangs on a graph, which torch refuses to copy
    assert x.shape == (STEPS, BATCH, INPUTS)
    with pytest.raises(sc.UnhealthyError, match="different output the second time"):
        sc.assert_state_resets(model, x)
    sc.assert_state_resets(model, x, reset=reset)


def test_a_default_layer_of_sinabs_spikes_many_times_a_step() -> None:
    layers = pytest.importorskip("sinabs.layers", reason="pip install --no-deps sinabs==3.1.3")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.iaf = nn.Linear(INPUTS, 8), layers.IAF()
            nn.init.constant_(self.fc1.weight, 3.0)

        def forward(self, x: Tensor) -> Tensor:
            self.iaf.reset_states()
            y: Tensor = self.iaf(self.fc1(x.movedim(0, 1))).mean(1)
            return y

    with pytest.raises(sc.UnhealthyError, match=r"iaf, first at time step \d+, sample \d+, neuron \d+"):
        sc.assert_spikes_binary(Net(), batch())
    with pytest.raises(sc.UnhealthyError, match="a neuron emits too many spikes in one time step"):
        sc.assert_max_spikes_per_step(Net(), batch(), 2, layer="i*f")
