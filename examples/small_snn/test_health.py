import pytest
import spikecheck as sc
from network import Net, batch, loss

RUNS = (sc.assert_binary_input, sc.assert_spikes_binary, sc.assert_no_dead_layers, sc.assert_state_resets)
LEARNS = (sc.assert_initial_loss_near_chance, sc.assert_gradients_reach_every_parameter, sc.assert_learns_one_batch)


@pytest.mark.parametrize("check", [*RUNS, sc.assert_batch_independent, sc.assert_causal_in_time])
def test_runs_correctly(check):
    check(Net(), batch())


@pytest.mark.parametrize("check", [*LEARNS, sc.assert_logits_in_range, sc.assert_healthy])
def test_can_learn(check):
    check(Net(), batch(), loss)
