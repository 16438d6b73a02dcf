"""Faults in the neurons: thresholds, decays, weights, state."""

from __future__ import annotations

import math
from collections.abc import Sequence

import norse.torch as norse
import sinabs.activation as sa
import sinabs.layers as sl
import snntorch as snn
import torch
from torch import Tensor, nn

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet, fast_sigmoid
from ..networks.norse import NorseNet, parameters
from ..networks.rockpool import RockpoolNet
from ..networks.rockpool import lif as rockpool_lif
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import BETA, SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import Script

DEEP = (CHANNELS, 100, 100, 100, 100, CLASSES)


@fault("snntorch", "threshold_too_high", "dead_layer", thread="yjwu17/STBP-for-training-SpikingNN#6")
def threshold_in_millivolts(broken: bool) -> Script:
    """The threshold of the first layer is 15, a value in millivolts; the weights assume 1."""
    synaptic = lambda i: snn.Synaptic(0.6, BETA, threshold=15.0 if broken else 1.0)  # noqa: E731
    return Script(SnntorchNet(neuron=synaptic))


@fault("hand", "dead_layer", "threshold_too_high", "vanishing_gradient", thread="fangwei123456/spikingjelly#216")
def dies_with_depth(broken: bool) -> Script:
    """Five layers with weights that are far too small: each fires less than the one before, the last hardly ever."""
    return Script(HandNet(DEEP, gain=0.05 if broken else 4.0))


@fault("rockpool", "dead_layer", "threshold_too_high", thread="jeshraghian/snntorch#219")
def bias_below_rest(broken: bool) -> Script:
    """A constant bias in the wrong unit keeps every neuron far below its threshold."""
    return Script(RockpoolNet(neuron=lambda i, size: rockpool_lif(size, bias=-3.0 if broken else 0.0)))


@fault("spikingjelly", "silent_output", "dead_layer", "threshold_too_high", thread="jeshraghian/snntorch#219")
def output_never_fires(broken: bool) -> Script:
    """The threshold of the output neurons is out of reach: every logit is 0."""
    return Script(JellyNet(last=lambda: lif(v_threshold=40.0 if broken else 1.0)))


@fault("sinabs", "weight_scale", "multi_spike", "threshold_too_low")
def unit_normal_weights(broken: bool) -> Script:
    """Weights from N(0, 1), and neurons with several spikes per step."""
    net = SinabsNet(
        neuron=lambda i: sl.IAF(spike_fn=sa.MultiSpike if broken else sa.SingleSpike),
        last=lambda: sl.IAF(spike_fn=sa.MultiSpike if broken else sa.SingleSpike),
        read=lambda out: out.sum(1) if broken else out.mean(1) * 20,
    )
    for linear in net.layers[::2] if broken else ():
        nn.init.normal_(linear.weight)
    return Script(net)


@fault("spikingjelly", "threshold_too_low", "saturated_layer", thread="jeshraghian/snntorch#219")
def threshold_near_rest(broken: bool) -> Script:
    """The threshold was lowered to 0.01 to make a silent network fire."""
    return Script(JellyNet((CHANNELS, 80, 80, CLASSES), node=lambda i: lif(v_threshold=0.01 if broken else 1.0)))


@fault("hand", "decay_out_of_range", "state_explosion", "logit_scale", thread="jeshraghian/snntorch#66")
def decay_sign(broken: bool) -> Script:
    """The decay is 1 + dt / tau instead of 1 - dt / tau: the potential grows without input."""
    return Script(HandNet((CHANNELS, 80, 80, CLASSES), cell=lambda i: Cell(decay=1 + 0.4 * (1 if broken else -1))))


@fault("snntorch", "decay_out_of_range", "decay_wrong", "time_constant_units", thread="jeshraghian/snntorch#346")
def beta_is_a_time_constant(broken: bool) -> Script:
    """beta=8, a time constant in steps; the library clamps it to 1, so nothing leaks."""
    return Script(SnntorchNet(neuron=lambda i: leaky(beta=8.0 if broken else math.exp(-1 / 8))))


@fault("hand", "time_constant_units", "decay_wrong", "no_memory")
def tau_in_seconds(broken: bool) -> Script:
    """exp(-dt / tau) with dt in milliseconds and tau in seconds: the decay is 0, the neuron has no memory."""
    decay = math.exp(-1 / (0.008 if broken else 8))
    return Script(HandNet(cell=lambda i: Cell(decay=decay)))


@fault("sinabs", "time_constant_units", "decay_wrong")
def tau_in_microseconds(broken: bool) -> Script:
    """tau_mem is 20,000 microseconds, while sinabs counts time steps: what came before the recording never leaks."""
    tau = 20_000.0 if broken else 20.0
    neuron = lambda i: sl.LIF(tau_mem=tau, norm_input=False, spike_fn=sa.MultiSpike)  # noqa: E731

    def prepare(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([x.roll(1, 0), x.roll(2, 0), x], 1), y

    net = SinabsNet((CHANNELS, 80, 80, CLASSES), neuron=neuron, read=lambda out: out[:, -10:].mean(1))
    if broken:
        net.layers[-1] = sl.ExpLeak(tau_mem=tau, norm_input=False)
    return Script(net, prepare=prepare)


@fault("norse", "time_constant_units", "decay_out_of_range", "decay_wrong", "state_explosion")
def step_in_milliseconds(broken: bool) -> Script:
    """dt=1 for a millisecond, while norse expects seconds: the potential oscillates and grows."""
    return Script(NorseNet(lif=lambda i: norse.LIF(parameters(tau_mem_inv=100.0), dt=1.0 if broken else 1e-3)))


@fault("norse", "threshold_too_high", "dead_layer", thread="yjwu17/STBP-for-training-SpikingNN#6")
def weights_made_for_another_library(broken: bool) -> Script:
    """Weights meant for neurons that do not scale their input: norse scales it by a tenth, and nothing fires."""
    return Script(NorseNet((CHANNELS, 80, 80, CLASSES), gain=0.3 if broken else 12.0))


@fault("rockpool", "state_carry", "state_not_reset", thread="norse/norse#131")
def carries_on(broken: bool) -> Script:
    """The state is never reset: each batch starts with the final state of the previous one."""
    return Script(RockpoolNet(reset=not broken))


class StatefulNet(nn.Module):
    """A network that stores the state of its neurons and resets it only if `reset` is set."""

    def __init__(self, reset: bool, detach: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.cell = nn.Linear(CHANNELS, 90), nn.Linear(90, CLASSES), Cell()
        self.reset, self.detach = reset, detach
        self.state: Sequence[Tensor] | None = None
        with torch.no_grad():
            self.fc1.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        if self.reset or self.state is None:
            self.state = (x.new_zeros(len(x), 90), x.new_zeros(len(x), 90))
        if self.detach:
            self.state = [part.detach() for part in self.state]
        total = x.new_zeros(len(x), CLASSES)
        for frame in x.unbind(1):
            spikes, self.state = self.cell(self.fc1(frame), self.state)
            total = total + self.fc2(spikes)
        return total / 4


@fault("hand", "state_not_reset", "graph_reused", "state_carry", thread="jeshraghian/snntorch#250")
def second_backward(broken: bool) -> Script:
    """The state keeps its graph across batches: the second backward pass raises."""
    return Script(StatefulNet(reset=not broken, detach=False))


class DetachedNet(SnntorchNet):
    """`Leaky(init_hidden=True)` whose state is detached and never reset."""

    def __init__(self, broken: bool) -> None:
        super().__init__(neuron=lambda i: leaky(init_hidden=True))
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        hidden = self.lif[0]
        if self.broken and len(hidden.mem.shape) > 1:
            hidden.detach_hidden()
        else:
            hidden.reset_mem()
        mem, total = self.lif[1].reset_mem(), 0
        for frame in x.unbind(1):
            _, mem = self.lif[1](self.fc[1](hidden(self.fc[0](frame))), mem)
            total = total + mem
        return total / x.shape[1]


@fault("snntorch", "state_carry", "state_not_reset", thread="jeshraghian/snntorch#340")
def detached_and_kept(broken: bool) -> Script:
    """The error about a second backward pass was silenced with detach; the state is still carried over."""
    return Script(DetachedNet(broken))


@fault("snntorch", "no_reset_membrane", "saturated_layer", "state_explosion", thread="jeshraghian/snntorch#66")
def never_resets(broken: bool) -> Script:
    """reset_mechanism="none" was copied from the readout to the hidden layers."""
    reset = "none" if broken else "subtract"
    sizes = (CHANNELS, 80, 80, CLASSES)
    return Script(SnntorchNet(sizes, neuron=lambda i: leaky(beta=0.97, reset_mechanism=reset)))


@fault("hand", "weight_scale", "saturated_layer", "exploding_gradient", "state_explosion", thread="fzenke/spytorch#2")
def recurrent_unit_normal(broken: bool) -> Script:
    """Recurrent weights from N(0, 1): the layer excites itself."""
    recurrent = nn.Linear(100, 100, bias=False)
    nn.init.normal_(recurrent.weight, std=1.0 if broken else 0.3 / math.sqrt(100))
    return Script(HandNet(cell=lambda i: Cell(recurrent=recurrent)))


@fault("hand", "weight_scale", "dead_layer")
def orthogonal_with_a_small_gain(broken: bool) -> Script:
    """Layers that hold their weights have these drawn with the gain of 0.01 that the heads of policies are given."""

    class Layer(nn.Module):
        def __init__(self, inputs: int, neurons: int) -> None:
            super().__init__()
            self.weights = nn.Linear(inputs, neurons)
            nn.init.orthogonal_(self.weights.weight, gain=0.01 if broken else 3.0)

        def forward(self, x: Tensor) -> Tensor:
            current, shown = self.weights(x), []
            potential = torch.zeros_like(current[:, 0])
            for step in range(x.shape[1]):
                potential = 0.85 * potential + current[:, step]
                shown.append(fast_sigmoid(potential - 1.0))
                potential = potential - shown[-1].detach()
            return torch.stack(shown, 1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Sequential(Layer(CHANNELS, 80), Layer(80, 80), Layer(80, 80))
            self.readout = nn.Linear(80, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.readout(self.hidden(x)).mean(1)
            return logits

    return Script(Net())


@fault("hand", "state_lost_each_step", "no_memory", thread="norse/norse#131")
def fresh_every_step(broken: bool) -> Script:
    """The potential starts at zero in every step: the returned state is not passed on."""

    class Forgets(Cell):
        def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            zero = torch.zeros_like(current)
            return super().forward(current, (zero, zero) if broken else state)

    return Script(HandNet((CHANNELS, 80, 80, CLASSES), cell=lambda i: Forgets(), gain=2.0), Melodies(paired=True))


@fault("spikingjelly", "shared_state")
def one_node_for_all_layers(broken: bool) -> Script:
    """The hidden layers share one neuron object, as an activation function may be shared."""
    one = lif()
    return Script(JellyNet((CHANNELS, 80, 80, 80, CLASSES), node=lambda i: one if broken else lif()))


@fault("snntorch", "shared_state")
def one_hidden_neuron_for_all_layers(broken: bool) -> Script:
    """Several layers share one `Leaky(init_hidden=True)`, which keeps its membrane itself."""
    return Script(OneHidden(broken))


class OneHidden(nn.Module):
    """Three layers of snnTorch neurons that keep their membrane, one object for each or one for all."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        sizes = ((CHANNELS, 80), (80, 80), (80, 80))
        neurons = [leaky(init_hidden=True) for _ in sizes]
        self.fc = nn.ModuleList(nn.Linear(*size) for size in sizes)
        self.lif = nn.ModuleList(neurons[:1] * len(sizes) if shared else neurons)
        self.out = nn.Linear(80, CLASSES)
        with torch.no_grad():
            for linear in self.fc:
                linear.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        for neuron in self.lif:
            neuron.reset_mem()  # type: ignore[operator]
        total = 0
        for frame in x.unbind(1):
            for linear, neuron in zip(self.fc, self.lif, strict=True):
                frame = neuron(linear(frame))
            total = total + self.out(frame)
        return total / 4


@fault("hand", "identical_neurons")
def weights_of_one_constant(broken: bool) -> Script:
    """All weights begin with the same constant: the hidden neurons are copies of each other, and stay so."""
    net = HandNet()
    if broken:
        for linear in net.linear:
            nn.init.constant_(linear.weight, 0.05)
            nn.init.zeros_(linear.bias)
    return Script(net)
