"""Assertions about spiking networks: plain functions of a model and a batch, with or without pytest.

They work on a copy: weights, gradients, mode, state and random state of the model do not change. `batch` is what a
DataLoader yields, (input, target), or the input alone if no loss is needed. `layer=` takes names and patterns ("lif1",
"lif*"). `spikes=` takes the names of spiking layers that are not detected automatically. `reset=` takes the function
that the training loop calls before each batch, for models that do not reset themselves.
"""

from spikecheck.assertions.behavior import assert_batch_independent, assert_causal_in_time, assert_state_resets
from spikecheck.assertions.failure import UnhealthyError
from spikecheck.assertions.health import assert_checkpoint_healthy, assert_healthy, failure, severity
from spikecheck.assertions.learning import (
    assert_gradients_reach_every_parameter,
    assert_initial_loss_near_chance,
    assert_learns_one_batch,
    assert_logits_in_range,
)
from spikecheck.assertions.spikes import (
    assert_binary,
    assert_binary_input,
    assert_firing_rate,
    assert_max_spikes_per_step,
    assert_no_dead_layers,
    assert_spikes_binary,
)

__all__ = [
    "UnhealthyError",
    "assert_batch_independent",
    "assert_binary",
    "assert_binary_input",
    "assert_causal_in_time",
    "assert_checkpoint_healthy",
    "assert_firing_rate",
    "assert_gradients_reach_every_parameter",
    "assert_healthy",
    "assert_initial_loss_near_chance",
    "assert_learns_one_batch",
    "assert_logits_in_range",
    "assert_max_spikes_per_step",
    "assert_no_dead_layers",
    "assert_spikes_binary",
    "assert_state_resets",
    "failure",
    "severity",
]
