"""Mistakes from public bug reports, reproduced by somebody who had not seen the checks, and rewritten for this stream.

Those that no check reports are here as well: together with the others, they show what to expect of unknown scripts.
"""

from __future__ import annotations

import torch
from spikingjelly.activation_based import functional, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault, healthy
from ..melodies import CHANNELS, CLASSES, NOTE_CHANNELS, Melodies
from ..networks.hand import Cell, FastSigmoid, HandNet, averaged, fast_sigmoid
from ..networks.norse import NorseNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import Batch, Script

DEEP = (CHANNELS, 80, 80, 80, CLASSES)
EVALUATION = 20  # updates between two evaluations of the same script


class NoDerivative(FastSigmoid):
    """A step function whose surrogate derivative is multiplied by a parameter that is 0."""

    @classmethod
    def backward(cls, ctx: object, *grad_outputs: Tensor) -> Tensor:
        """Return a gradient of 0."""
        return 0.0 * grad_outputs[0]


@fault("hand", "no_gradient", thread="norse/norse#154", reported=True)
def alpha_of_zero(broken: bool) -> Script:
    """The parameter of the surrogate gradient is 0, so nothing before the spikes learns."""
    spike = (lambda v: NoDerivative.apply(v)) if broken else fast_sigmoid  # type: ignore[no-untyped-call]
    return Script(HandNet(cell=lambda i: Cell(spike=spike)))


class Norm(nn.Module):
    """A normalization over the batch, written by hand."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Return the current with mean 0 and variance 1."""
        return (x - x.mean(0)) / (x.var(0) + self.epsilon).sqrt()


@fault("hand", "nan_gradient", "nan_origin", thread="fangwei123456/Parallel-Spiking-Neuron#3", reported=True)
def norm_without_epsilon(broken: bool) -> Script:
    """A normalization divides by a variance of 0; NaN does not spike, so the loss stays finite."""
    net = HandNet((CHANNELS, 80, 80, CLASSES))
    net.before_cell = nn.ModuleList([nn.Identity(), Norm(0.0 if broken else 1e-2)])
    return Script(net)


@fault("hand", "nan_gradient", "nan_origin", thread="nengo/nengo-dl#58", reported=True)
def branch_that_where_leaves_out(broken: bool) -> Script:
    """`torch.where` leaves out a square root whose derivative is infinite, and the gradient is NaN."""

    def read(currents: Tensor) -> Tensor:
        out = averaged(currents)
        above = out.clamp(min=0)
        return torch.where(out > 0, (out if broken else above + 1e-3).sqrt(), out)

    return Script(HandNet(readout=read))


@fault("spikingjelly", "zero_grad_missing", thread="fangwei123456/spikingjelly#105", reported=True)
def gradients_never_cleared(broken: bool) -> Script:
    """The loop has no `zero_grad()`."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        if not broken:
            script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    return Script(JellyNet(), update=update)


class SometimesReset(JellyNet):
    """A network that resets its neurons before a forward pass only where it is told to."""

    in_training = True
    in_evaluation = True

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        if self.in_training if self.training else self.in_evaluation:
            functional.reset_net(self.layers)
        return self.read(self.layers(x.transpose(0, 1)))


@fault("spikingjelly", "graph_reused", "state_not_reset", thread="zhouchenlin2096/QKFormer#10", reported=True)
def own_loop_without_reset(broken: bool) -> Script:
    """A loop of one's own forgets `reset_net`, and the second `backward` raises."""
    net = SometimesReset()
    net.in_training = not broken
    return Script(net)


@fault("spikingjelly", "state_not_reset", thread="fangwei123456/spikingjelly#267", reported=True)
def evaluation_without_reset(broken: bool) -> Script:
    """`reset_net` is in the training loop and not in the evaluation."""
    net, updates = SometimesReset(), [0]
    net.in_evaluation = not broken

    def begin(model: nn.Module) -> None:
        updates[0] += 1
        if updates[0] % EVALUATION == 0:
            model.eval()
            functional.reset_net(model)
            with torch.no_grad():
                for x, _ in Melodies(seed=updates[0]).held_out(4):
                    model(x)
            functional.reset_net(model)
        model.train()

    return Script(net, begin=begin)


class Once(Cell):
    """A cell whose neurons fire once per sample; the flag is kept on the cell."""

    def __init__(self, clear: bool) -> None:
        super().__init__()
        self.clear, self.fired = clear, torch.zeros(())

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step."""
        starts = self.clear and not state[0].any()
        fired = torch.zeros_like(current) if starts or self.fired.shape != current.shape else self.fired
        spikes, (potential, _) = super().forward(current, state)
        spikes = spikes * (1 - fired)
        self.fired = (fired + spikes.detach()).clamp(max=1)
        return spikes, (potential, spikes)


@fault("hand", "dead_layer", "state_not_reset", thread="fangwei123456/spikingjelly#324", reported=True)
def flag_that_no_reset_clears(broken: bool) -> Script:
    """Neurons that fire once per sample never fire again, since their flag is not reset."""
    return Script(HandNet(cell=lambda i: Once(clear=not broken)))


@fault("snntorch", "single_time_step", thread="neuromorphs/tonic#160", reported=True)
def stale_cache(broken: bool) -> Script:
    """A cache returns the frames of an earlier transform, with a single time bin."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.amax(1, keepdim=True) if broken else x), y

    return Script(SnntorchNet(), Melodies(paired=True), prepare=prepare)


@fault("spikingjelly", "silent_channels", thread="neuromorphs/tonic#94", reported=True)
def rows_clipped(broken: bool) -> Script:
    """The coordinates have an offset and are clipped to the sensor: all events are in the last row."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        rows = x.unflatten(2, (-1, NOTE_CHANNELS))
        last = torch.zeros_like(rows)
        last[:, :, -1] = rows.amax(2)
        return (last.flatten(2) if broken else x), y

    return Script(JellyNet(), prepare=prepare)


@fault("snntorch", "polarity_lost", "silent_channels", thread="combra-lab/pop-spiking-deep-rl#2", reported=True)
def negative_values_rate_coded(broken: bool) -> Script:
    """Signed values are coded as rates without a second group of neurons: negative ones become silence."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        low, high = x.chunk(2, dim=2)
        return (torch.cat([(-low).clamp(min=0), high], 2) if broken else x), y

    return Script(SnntorchNet(), prepare=prepare)


@fault("spikingjelly", "vanishing_gradient", "no_gradient", thread="fangwei123456/spikingjelly#190", reported=True)
def narrow_window(broken: bool) -> Script:
    """The window of a rectangular surrogate gradient is so narrow that no potential is inside."""
    shape = surrogate.Rect(alpha=1e4) if broken else surrogate.ATan(alpha=2.0)
    neurons = lambda: lif(surrogate_function=shape)  # noqa: E731
    return Script(JellyNet(DEEP, node=lambda i: neurons(), last=neurons))


class Residual(nn.Module):
    """Spikes of a layer, joined with those that came in."""

    def __init__(self, product: bool) -> None:
        super().__init__()
        self.linear, self.lif, self.product = nn.Linear(100, 100), lif(), product
        with torch.no_grad():
            self.linear.weight.mul_(3)

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the sum of both, or where both fire."""
        out: Tensor = self.lif(self.linear(spikes))
        return out * spikes if self.product else out + spikes


@fault("spikingjelly", "dead_layer", thread="fangwei123456/Spike-Element-Wise-ResNet#21", reported=True)
def product_of_branches(broken: bool) -> Script:
    """Residual connections multiply the spikes of both branches, and the activity dies out with depth."""
    return Script(JellyNet(node=lambda i: nn.Sequential(lif(), *[Residual(broken) for _ in range(4)])))


@fault("spikingjelly", "input_duplicated", thread="urancon/StereoSpike#1", reported=True)
def one_camera_twice(broken: bool) -> Script:
    """Both halves of the channels are the same camera."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        _, right = x.chunk(2, dim=2)
        return (torch.cat([right, right], 2) if broken else x), y

    return Script(JellyNet(), prepare=prepare)


@fault("sinabs", "label_in_input", thread="BindsNET/bindsnet#362", reported=True)
def label_in_training(broken: bool) -> Script:
    """In training, the label drives the output neurons: the loss is small and nothing is learned."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        teacher = 20.0 * F.one_hot(y, CLASSES) if broken else 0.0
        loss = script.loss(script.model(x) + teacher, y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    return Script(SinabsNet(), update=update)


@healthy("snntorch", thread="norse/notebooks#9", reported=True)
def one_spike_per_channel() -> Script:
    """Latency coding: each channel spikes at most once"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return x * (x.cumsum(1) == 1), y

    return Script(SnntorchNet(), prepare=prepare)


@healthy("snntorch", thread="jeshraghian/snntorch#341", reported=True)
def reset_without_delay() -> Script:
    """The reset takes place in the time step of the spike"""
    return Script(SnntorchNet(neuron=lambda i: leaky(reset_delay=False)))


@healthy("norse", thread="BindsNET/bindsnet#381", reported=True)
def random_encoder_inside() -> Script:
    """The model draws its input spikes again in each forward pass"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return x * (torch.rand_like(x) < 0.8), y

    return Script(NorseNet(), prepare=prepare)


@healthy("hand", thread="fangwei123456/spikingjelly#564", reported=True)
def learned_threshold_per_layer() -> Script:
    """One learned threshold per layer"""
    thresholds = nn.ParameterList(nn.Parameter(torch.tensor(1.0)) for _ in range(2))
    net = HandNet((CHANNELS, 80, 80, CLASSES), cell=lambda i: Cell(threshold=thresholds[i]))
    net.thresholds = thresholds
    return Script(net)


@healthy("sinabs", thread="NeuromorphicProcessorProject/snn_toolbox#141", reported=True)
def spikes_of_another_height() -> Script:
    """All input spikes have the height 0.6"""
    return Script(SinabsNet(), prepare=lambda x, y: (0.6 * x, y))


@healthy("hand", thread="fzenke/spytorch#10", reported=True)
def silent_first_step() -> Script:
    """The input starts with a silent time step"""
    return Script(HandNet(), prepare=lambda x, y: (F.pad(x, (0, 0, 1, 0)), y))
