from __future__ import annotations

import math
import re

import pytest
import torch

from spikecheck import faults
from spikecheck.errors import SpikecheckError
from spikecheck.faults.base import Recipe
from spikecheck.faults.layers import leaky, spiking
from spikecheck.faults.multi_spike import FloorSpikes, MultiSpikeLeaky
from spikecheck.reference.frames import Frames, examples
from spikecheck.reference.train import RECIPE, Plan, Run
from tests.reference.train_words import Words

WORDS = Words(32, seed=1)
every_fault = pytest.mark.parametrize("name", faults.names())


def run(*names: str, epochs: int = 1) -> Run:
    recipe = faults.inject(RECIPE, names)
    words = examples(WORDS, recipe.frames)
    return Run(Plan(epochs=epochs, faults=names), recipe, words, words)


@every_fault
def test_a_fault_has_the_name_of_its_file_a_line_of_help_and_a_cause(name: str) -> None:
    fault = faults.load(name)
    assert fault.name == name
    assert 20 < len(faults.first_line(name)) < 120
    assert fault.causes
    assert all(re.fullmatch(r"SPK\d{3}", cause) for cause in fault.causes)


@every_fault
def test_a_fault_changes_the_recipe_and_leaves_the_old_one(name: str) -> None:
    before = Recipe(**vars(RECIPE))
    assert faults.load(name).inject(RECIPE) != RECIPE
    assert before == RECIPE


@every_fault
def test_a_broken_run_does_not_raise(name: str) -> None:
    """A mistake that raises needs no spikecheck."""
    assert len(list(run(name).epochs())) == 1


def test_all_faults_at_once_compose() -> None:
    assert len(list(run(*faults.names()).epochs())) == 1


def test_names_are_read_as_people_write_them() -> None:
    assert faults.load("COUNT_INPUT") is faults.load("count-input") is faults.load(" count_input ")
    with pytest.raises(SpikecheckError, match=r"unknown fault 'cuont-input'; the faults are: count-input, "):
        faults.load("cuont-input")
    with pytest.raises(SpikecheckError, match="unknown fault"):
        faults.first_line("base")


def test_count_input_leaves_counts() -> None:
    frames = run("count-input").train.frames
    assert frames.max() > 1
    binary = Frames(bins=frames.shape[1], window_ms=80)
    assert torch.equal((frames > 0).to(frames.dtype), examples(WORDS, binary).frames)


def test_count_input_says_what_it_needs() -> None:
    with pytest.raises(SpikecheckError, match="count-input needs frames made by Frames"):
        faults.load("count-input").inject(Recipe(**{**vars(RECIPE), "frames": torch.as_tensor}))


def test_multi_spike_emits_the_floor_and_subtracts_it() -> None:
    layer = MultiSpikeLeaky(torch.tensor(0.5), torch.tensor(2.0))
    spikes, potential = layer(torch.tensor([[7.0, -3.0, 1.9]]), layer.reset_mem())
    assert spikes.tolist() == [[3.0, 0.0, 0.0]]
    assert torch.allclose(potential, torch.tensor([[1.0, -3.0, 1.9]]))
    spikes, _ = layer(torch.tensor([[1.5, 0.0, 9.0]]), potential)
    assert spikes.tolist() == [[1.0, 0.0, 4.0]]


def test_multi_spike_has_a_gradient_near_the_threshold() -> None:
    potential = torch.tensor([1.0, 3.0], requires_grad=True)
    FloorSpikes.apply(potential, torch.tensor(1.0)).sum().backward()
    assert potential.grad is not None
    assert potential.grad.tolist() == pytest.approx([1.0, math.exp(-4)])


def test_multi_spike_replaces_the_spiking_layers_and_not_the_readout() -> None:
    model = run("multi-spike").model
    assert not list(spiking(model))
    assert len(list(leaky(model))) == 1
    assert any(isinstance(module, MultiSpikeLeaky) for module in model.modules())


def test_weight_scale_is_one() -> None:
    weights = torch.cat([p.flatten() for name, p in run("weight-scale").model.named_parameters() if "weight" in name])
    assert weights.std().item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("name", "low", "high"), [("threshold-low", 0.2, 1.0), ("threshold-high", 0.0, 0.0)])
def test_the_threshold_decides_how_often_neurons_fire(name: str, low: float, high: float) -> None:
    training = run(name)
    rates: list[float] = []
    for layer in spiking(training.model):
        layer.register_forward_hook(lambda module, args, output: rates.append(output[0].mean().item()))
    training.model(training.train.frames.float())
    assert low <= sum(rates) / len(rates) <= high


def test_without_a_surrogate_only_the_last_layer_has_a_gradient() -> None:
    training = run("no-surrogate")
    training.recipe.loss(training.model(training.train.frames.float()), training.train.labels).backward()
    with_gradient = {name for name, parameter in training.model.named_parameters() if parameter.grad is not None}
    assert with_gradient == {"fc2.weight", "fc2.bias"}


def test_lr_hot_stays_hot() -> None:
    training = run("lr-hot", epochs=2)
    for _ in training.epochs():
        assert training.optimizer.param_groups[0]["lr"] == 0.5


def test_double_softmax_has_a_floor_under_its_loss() -> None:
    loss = run("double-softmax").recipe.loss
    certain = torch.zeros(1, 20)
    certain[0, 3] = 1e4
    assert loss(certain, torch.tensor([3])).item() == pytest.approx(math.log(1 + 19 / math.e), abs=1e-4)


def test_state_carry_makes_a_batch_depend_on_the_one_before() -> None:
    training = run("state-carry")
    frames = training.test.frames.float()
    training.model.eval()
    with torch.no_grad():
        first = training.model(frames)
        assert not torch.allclose(training.model(frames), first)


def test_nan_current_hides_behind_a_finite_loss() -> None:
    training = run("nan-current", epochs=2)
    history = list(training.epochs())
    assert all(math.isfinite(row.train_loss) for row in history)
    assert not training.model.get_parameter("fc1.weight").isfinite().all()
