"""Treatments of state, time and precision in code that calls its layers in another way than usual."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from spikecheck.examination.run import train_and_try
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange
from spikecheck.probe.frameworks.norse import Norse
from tests.unit.examination.subjects import CHANNELS, CLASSES, LIF, Loop, Net, batches, subject


def applied(name: str, own: Subject) -> Fix:
    return treatment(name).apply(Patient(own))


def test_a_state_that_is_not_passed_on_is() -> None:
    own, right = subject(Loop(keeps=False)), subject(Loop(keeps=True))
    right.model.load_state_dict(own.model.state_dict())
    assert not torch.equal(own.output(own.batches[0]), right.output(right.batches[0]))
    fix = applied("state passed on to the next time step", own)
    for batch in own.batches[:2]:  # the second one begins from rest again
        assert torch.equal(own.output(batch), right.output(batch))
    assert "out, state = model.lif(x_t, state)" in fix.code


def test_a_state_that_is_passed_on_is_left_alone() -> None:
    with pytest.raises(NotApplicableError, match="does not get"):
        applied("state passed on to the next time step", subject(Loop(keeps=True)))


class Hidden(Net):
    """Its first weight is in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.fc1 = [self.fc1], nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.lif(self.layers[0](x))).mean(1)


def test_parameters_in_a_list_are_trained_too() -> None:
    own = subject(Hidden())
    before = own.model.layers[0].weight.clone()
    fix = applied("optimizer of all parameters", own)
    own.train(1)
    assert not torch.equal(own.model.layers[0].weight, before)
    assert "torch.nn.ModuleList" in fix.code


def test_a_forward_pass_that_rounds_its_input_computes_in_32_bits() -> None:
    net = Net().half()
    own = subject(net, forward=lambda x: net(x.to(torch.float16)))
    applied("32-bit floating point", own)
    assert own.output(own.training[0]).dtype is torch.float32


class Mixing(Net):
    """Makes [time, batch] of [batch, time] with a reshape; hardly any neuron fires."""

    def __init__(self) -> None:
        super().__init__(LIF(threshold=6.0))
        with torch.no_grad():
            self.fc2.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        mixed = x.reshape(x.shape[1], x.shape[0], -1)
        return super().forward(mixed.transpose(0, 1))


def test_mixed_axes_are_found_where_few_neurons_fire() -> None:
    own = subject(Mixing())
    applied("axes permuted instead of reshaped", own)
    unmixed = Net(LIF(threshold=6.0))
    unmixed.load_state_dict(own.model.state_dict())
    assert torch.equal(own.output(own.training[0]), unmixed(batches()[0][0]))


def test_a_rate_is_held_against_a_scheduler_and_without_one_there_is_nothing_to_hold() -> None:
    own, rates = subject(), []
    schedule = lr_scheduler.LambdaLR(own.optimizer, lambda number: 1.0 if number < 2 else 100.0)

    def step(x: Tensor, y: Tensor) -> Tensor:
        own.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(own.model(x), y)
        loss.backward()
        own.optimizer.step()
        schedule.step()
        return loss

    own.step = step
    applied("constant learning rate", own)
    own.optimizer.register_step_pre_hook(lambda optimizer, *args: rates.append(optimizer.param_groups[0]["lr"]))
    own.train(4)
    assert rates == [5e-3] * 4
    with pytest.raises(NotApplicableError, match="no scheduler"):
        applied("constant learning rate", subject())


def test_the_held_out_batches_are_watched_too() -> None:
    net = nn.Sequential(nn.Flatten(0, 1), nn.Linear(CHANNELS, 24), nn.BatchNorm1d(24, momentum=1e-4))
    inner = nn.Sequential(net, nn.Unflatten(0, (-1, 8)), LIF(), nn.Linear(24, CLASSES))
    with torch.no_grad():
        net[1].weight.mul_(30)
        net[1].bias.fill_(-20)

    class Normalized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x).mean(1)

    untreated, _ = train_and_try(subject(Normalized(), batches=batches(48)), seconds=60.0)
    assert "EvaluationSpikeTimelineReading" in str(untreated.evidence)


class Biased(LIF):
    """With a constant current of its own."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((24,), bias))

    def forward(self, current: Tensor) -> Tensor:
        return super().forward(current + self.bias)


@pytest.mark.parametrize("bias", [-0.01, 0.11, 1.0])
def test_a_constant_current_of_neurons_is_taken_away_where_it_matters(bias: float) -> None:
    own = subject(Net(Biased(bias)))
    applied("neuron bias of 0", own)
    assert not own.model.lif.bias.any()


def test_a_small_constant_current_of_neurons_is_left_alone() -> None:
    with pytest.raises(NotApplicableError, match="below 0, or large"):
        applied("neuron bias of 0", subject(Net(Biased(0.09))))


def norse_cell(**options: Any) -> nn.Module:
    norse = pytest.importorskip("norse.torch", reason="pip install norse==1.1.0")
    return norse.LIFCell(**options)


@pytest.mark.parametrize(("dt", "line"), [(0.001, ""), (1.0, "layer.dt = 0.001\n")])
def test_a_step_that_is_too_long_for_the_synapses_is_shortened(dt: float, line: str) -> None:
    code = Norse().code_for(NeuronChange.DECAY, norse_cell(dt=dt), 0.9)
    assert code == f"{line}layer.p = layer.p._replace(tau_mem_inv=torch.tensor(100))"


def test_a_reset_that_snntorch_chose_when_it_made_the_layer_is_chosen_again() -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch==1.0.0")
    layer = snn.Leaky(beta=0.9, reset_mechanism="none")

    class Network(Net):
        def forward(self, x: Tensor) -> Tensor:
            mem, spikes = self.lif.init_leaky(), []
            for step in self.fc1(x).unbind(1):
                s, mem = self.lif(step, mem)
                spikes.append(s)
            return self.fc2(torch.stack(spikes, 1)).mean(1)

    own = subject(Network(layer))
    before = own.output(own.training[0])
    applied("reset after each spike", own)
    assert not torch.equal(own.output(own.training[0]), before)


def test_a_layer_that_takes_one_step_per_call_takes_a_sequence() -> None:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron", reason="pip install spikingjelly")

    class Network(Net):
        def forward(self, x: Tensor) -> Tensor:
            self.lif.reset()
            return self.fc2(self.lif(self.fc1(x.transpose(0, 1)))).mean(0)

    own = subject(Network(neuron.LIFNode()))
    assert applied("layers that take whole sequences", own).code == 'model.lif.step_mode = "m"'
    own.train(1)
