"""Each experiment tells a fault from a healthy network."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck.examination.experiments.base import Experiment, NotApplicableError, experiments
from spikecheck.examination.experiments.changed_sample import ChangedSample
from spikecheck.examination.experiments.evaluation_mode import EvaluationMode
from spikecheck.examination.experiments.gradient_path import GradientPath
from spikecheck.examination.experiments.input_path import InputPath
from spikecheck.examination.experiments.late_step import LateStep
from spikecheck.examination.experiments.linear_probe import LinearProbe
from spikecheck.examination.experiments.one_batch import OneBatch
from spikecheck.examination.experiments.permuted_batch import PermutedBatch
from spikecheck.examination.experiments.precision import Precision
from spikecheck.examination.experiments.rate_ladder import RateLadder
from spikecheck.examination.experiments.reference_neuron import ReferenceNeuron
from spikecheck.examination.experiments.repeated_batch import RepeatedBatch, needs_reset
from spikecheck.examination.experiments.smoothed_slope import SmoothedSlope
from spikecheck.examination.experiments.time_order import TimeOrder
from spikecheck.examination.forward_pass import output_of
from spikecheck.examination.gradients import gradients_of
from spikecheck.examination.isolation import run_isolated
from tests.unit.examination.subjects import CHANNELS, CLASSES, LIF, SAMPLES, STEPS, Net, Spike, batches, subject


def reading(experiment: Experiment, one, place: str = "the model"):
    made = {measurement.place: measurement for measurement in experiment.run(one)}
    assert experiment.summarize(list(made.values()))
    return made[place].reading


def changed_forward(change) -> Net:
    net = Net()
    inner = net.forward
    net.forward = lambda x: change(inner, x)
    return net


class HardSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).float()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return -grad / (1 + 5 * v.abs()) ** 2


class Other(LIF):
    """With another spike function."""

    def __init__(self, spike) -> None:
        super().__init__()
        self.spike = spike

    def forward(self, current: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(current[:, 0]), []
        for step in current.unbind(1):
            v = 0.9 * v + step
            s = self.spike(v - 1.0)
            v = v - s.detach()
            spikes.append(s)
        return torch.stack(spikes, 1)


def test_every_experiment_says_what_it_needs_costs_proves_and_cannot_tell() -> None:
    assert len({one.name for one in experiments()}) == len(experiments()) >= 12
    for one in experiments():
        assert all([one.needs, one.cost, one.proves, one.cannot_tell, type(one).__doc__])
        assert one.seconds <= 20


# -- mixed samples


def scrambled(inner, x: Tensor) -> Tensor:
    return inner(x.transpose(0, 1).reshape(x.shape))


def test_mixed_samples_change_each_other() -> None:
    assert reading(ChangedSample(), subject()).changed_others == 0
    assert reading(ChangedSample(), subject(changed_forward(scrambled))).changed_others > 0


def test_swapped_axes_are_found_where_both_have_the_same_size() -> None:
    square = batches(16, samples=STEPS)
    swapped = changed_forward(lambda inner, x: inner(x.transpose(0, 1)))
    assert reading(ChangedSample(), subject(batches=square)).changed_others == 0
    assert reading(ChangedSample(), subject(swapped, batches=square)).changed_others > 0


def test_time_first_data_of_equal_sizes_are_not_accused() -> None:
    data = [(x.transpose(0, 1).contiguous(), y) for x, y in batches(24, samples=STEPS)]
    net = changed_forward(lambda inner, x: inner(x.transpose(0, 1)))
    assert reading(ChangedSample(), subject(net, batches=data)).changed_others == 0


@pytest.mark.parametrize("running", [True, False])
def test_batch_statistics_are_told_apart(running) -> None:
    net = changed_forward(lambda inner, x: net.norm(inner(x)))
    net.norm = nn.BatchNorm1d(CLASSES, track_running_stats=running)
    statistics = reading(ChangedSample(), subject(net))
    assert (statistics.changed_others == 0) is running
    assert statistics.batch_statistics is not running


def test_a_sample_keeps_its_output_at_another_position() -> None:
    assert reading(PermutedBatch(), subject()).changed_samples == 0
    net = changed_forward(lambda inner, x: inner(x) + net.positions)
    net.positions = nn.Parameter(torch.randn(SAMPLES, CLASSES))
    assert reading(PermutedBatch(), subject(net)).changed_samples > SAMPLES / 2


def test_random_numbers_belong_to_positions_by_design() -> None:
    noisy = changed_forward(lambda inner, x: inner((torch.rand_like(x) < x * 0.9).float()))
    with pytest.raises(NotApplicableError, match="random numbers"):
        PermutedBatch().run(subject(noisy))
    assert reading(ChangedSample(), subject(noisy)).changed_others == 0


def test_without_targets_or_samples_it_does_not_apply() -> None:
    alone = subject(batches=batches(4, samples=1))
    with pytest.raises(NotApplicableError, match="single sample"):
        ChangedSample().run(alone)


# -- state


def test_a_state_that_stays_is_found_and_named() -> None:
    carried = reading(RepeatedBatch(), subject(Net(LIF(carry=True))))
    assert carried.largest_change > 0.01
    assert carried.holders == ("lif",)
    assert not carried.by_own_step
    assert reading(RepeatedBatch(), subject()).largest_change == 0


def test_a_loop_that_resets_the_state_is_believed() -> None:
    net = Net(LIF(carry=True))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.1)

    def step(x: Tensor, y: Tensor, *, reset: bool = True) -> Tensor:
        net.lif.v = None if reset else net.lif.v
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    own = subject(net, step=step, optimizer=optimizer)
    assert reading(RepeatedBatch(), own).largest_change == 0
    assert reading(RepeatedBatch(), own).by_own_step
    forgetful = subject(net, step=lambda x, y: step(x, y, reset=False), optimizer=optimizer)
    assert reading(RepeatedBatch(), forgetful).largest_change > 0.01


class Resettable(LIF):
    """Keeps its state until a loop resets it."""

    def __init__(self) -> None:
        super().__init__(carry=True)

    def reset(self) -> None:
        self.v = None


def test_a_state_that_an_unknown_loop_may_reset_is_told_apart() -> None:
    assert reading(RepeatedBatch(), subject(Net(Resettable()))).resettable
    assert needs_reset(subject(Net(Resettable())))
    assert not needs_reset(subject(Net(LIF(carry=True))))
    assert not needs_reset(subject())
    one = subject(Net(Resettable()))
    one.resets = True
    assert output_of(one, one.training[0]).equal(output_of(one, one.training[0]))


def test_a_reset_that_changes_weights_is_none() -> None:
    class Initialized(Resettable):
        def reset(self) -> None:
            with torch.no_grad():
                self.weight.zero_()

    layer = Initialized()
    layer.weight = nn.Parameter(torch.ones(1))
    assert not needs_reset(subject(Net(layer)))


def test_random_numbers_in_the_network_are_no_state() -> None:
    noisy = changed_forward(lambda inner, x: inner((torch.rand_like(x) < x).float()))
    assert reading(RepeatedBatch(), subject(noisy)).largest_change == 0


# -- time


def test_a_layer_that_sees_the_future_is_found() -> None:
    def centered(inner, x: Tensor) -> Tensor:
        return inner(x - x.mean(1, keepdim=True))

    assert reading(LateStep(), subject()).changed_places == ()
    assert reading(LateStep(), subject(changed_forward(centered))).changed_places == ("spikes of lif",)


def test_whether_the_order_of_time_steps_matters_is_measured() -> None:
    one = subject()
    one.train(30)
    order = reading(TimeOrder(), one)
    assert order.accuracy > 0.9
    assert order.shuffled_accuracy > 0.8, "rates do not depend on the order"


# -- gradients


def test_a_weight_behind_a_step_function_gets_no_gradient() -> None:
    torch.manual_seed(0)
    hard = subject(Net(Other(lambda v: (v > 0).float())))
    assert reading(GradientPath(), hard, "fc1.weight").is_none
    assert reading(GradientPath(), hard, "fc1.weight").relative_change > 0.01
    assert not reading(GradientPath(), hard, "fc2.weight").is_none
    assert not reading(GradientPath(), subject(), "fc1.weight").is_none


@pytest.mark.parametrize("by_name", [False, True])
def test_gradients_that_a_closure_makes_are_those_of_the_weights_as_they_are(by_name) -> None:
    net = Net()
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3)

    def step(x: Tensor, y: Tensor) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure=closure) if by_name else optimizer.step(closure)

    plain = subject(net, optimizer=optimizer)
    expected = run_isolated(partial(gradients_of, batch=plain.batches[0]), plain).get().by_name
    own = subject(net, optimizer=optimizer, step=step)
    received = run_isolated(partial(gradients_of, batch=own.batches[0]), own).get().by_name
    assert received.keys() == expected.keys()
    assert all(torch.equal(received[name], expected[name]) for name in expected)
    assert not reading(GradientPath(), own, "fc1.weight").is_none


def test_a_surrogate_with_the_wrong_sign_is_measured() -> None:
    torch.manual_seed(0)
    good = reading(SmoothedSlope(), subject(Net(Other(Spike.apply))), "fc1.weight")
    wrong = reading(SmoothedSlope(), subject(Net(Other(HardSpike.apply))), "fc1.weight")
    assert good.measured > 0.3 * good.backward
    assert wrong.measured < -0.3 * wrong.backward
    assert wrong.measured < -5 * wrong.error
    silent_head = Net()
    nn.init.zeros_(silent_head.fc2.weight)
    with pytest.raises(NotApplicableError, match="not 0"):
        SmoothedSlope().run(subject(silent_head))
    linear = reading(SmoothedSlope(), subject(), "fc2.weight")
    assert linear.measured == pytest.approx(linear.backward, rel=0.2)


def test_outputs_without_a_path_to_the_input_are_counted() -> None:
    one = reading(InputPath(), subject())
    assert (one.dead_outputs, one.dead_channels) == (0, 0)
    assert (one.outputs, one.channels) == (CLASSES, CHANNELS)
    hard = reading(InputPath(), subject(Net(Other(lambda v: (v > 0).float()))))
    assert (hard.dead_outputs, hard.dead_channels) == (CLASSES, CHANNELS)


def test_running_statistics_that_do_not_fit_are_measured() -> None:
    net = changed_forward(lambda inner, x: net.norm(inner(x)))
    net.norm = nn.BatchNorm1d(CLASSES)
    one = subject(net)
    one.train(20)
    net.norm.running_mean.copy_(torch.tensor([50.0, -50.0, 0.0]))
    modes = reading(EvaluationMode(), one)
    assert modes.training_mode_accuracy > modes.accuracy + 0.3
    with pytest.raises(NotApplicableError, match="evaluation mode"):
        EvaluationMode().run(subject())


# -- learning


def test_the_labels_follow_from_the_inputs_or_not() -> None:
    assert reading(LinearProbe(), subject()).succeeded
    generator = torch.Generator().manual_seed(1)
    shuffled = [(x, y[torch.randperm(len(y), generator=generator)]) for x, y in batches()]
    assert not reading(LinearProbe(), subject(batches=shuffled)).succeeded
    with pytest.raises(NotApplicableError, match="only one batch"):
        LinearProbe().run(subject(batches=batches(1)))


def test_one_batch_is_learned_by_heart() -> None:
    learned = reading(OneBatch(), subject())
    assert learned.last_loss < 0.5 * learned.first_loss
    stuck = reading(OneBatch(), subject(rate=1e-9))
    assert stuck.last_loss == pytest.approx(stuck.first_loss, rel=0.01)


def test_the_ladder_finds_the_rate_at_which_a_network_learns() -> None:
    ladder = reading(RateLadder(), subject(rate=5e-5))
    at = dict(zip(ladder.factors, ladder.losses, strict=True))
    assert at[1.0] > 0.9 * ladder.first_loss
    assert at[100.0] < 0.75 * ladder.first_loss


@pytest.mark.parametrize("layer", [LIF(threshold=50.0)])
def test_silent_neurons_are_told_apart_by_a_reference_neuron(layer) -> None:
    compared = reading(ReferenceNeuron(), subject(Net(layer), rate=1e-2))
    assert compared.layers == 1
    assert compared.reference_accuracy > compared.accuracy + 0.2
    assert compared.p_value < 1e-3


# -- precision


def half_sum(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy((output.half() * 60_000).float(), y) + (output.half() * 60_000 * 60_000).float().mean()


def test_a_half_precision_overflow_is_told_apart() -> None:
    overflow = reading(Precision(), subject(loss_fn=half_sum))
    assert overflow.reduced == "float16"
    assert (overflow.finite, overflow.full_precision_finite) == (False, True)
    with pytest.raises(NotApplicableError, match="32 bits"):
        Precision().run(subject())


def test_autocast_is_recognized_as_harmless() -> None:
    def cast(inner, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return inner(x).float()

    harmless = reading(Precision(), subject(changed_forward(cast)))
    assert (harmless.reduced, harmless.finite) == ("bfloat16", True)


def test_the_input_of_the_networks_has_other_sizes_than_the_batch() -> None:
    assert len({STEPS, SAMPLES, CHANNELS, CLASSES}) == 4
