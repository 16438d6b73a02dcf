"""Faults in the input."""

from __future__ import annotations

import sinabs.activation as sa
import sinabs.layers as sl
import torch
from torch import Tensor, nn

from ..case import fault
from ..melodies import BATCH, CHANNELS, CLASSES, STEPS, Melodies
from ..networks.hand import HandNet
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.sinabs import TAU, SinabsNet
from ..networks.snntorch import SnntorchNet
from ..networks.spikingjelly import JellyNet
from ..script import Batch, Script

THREE = (CHANNELS, 80, 80, CLASSES)


@fault("snntorch", "count_input", "input_scale", thread="neuromorphs/tonic#244")
def coarse_bins(broken: bool) -> Script:
    """Frames with coarse bins contain event counts up to several dozen."""
    data = Melodies(counts=150.0) if broken else Melodies()
    return Script(SnntorchNet(), data)


@fault("spikingjelly", "count_input", "input_scale", thread="neuromorphs/tonic#244")
def pooled_channels(broken: bool) -> Script:
    """Events of pooled channels are summed and not binarized."""
    return Script(JellyNet(), Melodies(counts=20.0) if broken else Melodies())


@fault("sinabs", "empty_input", "dead_layer", thread="neuromorphs/tonic#313")
def window_in_seconds(broken: bool) -> Script:
    """The time window has the wrong unit: a frame contains almost no events."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        mask = torch.rand(x.shape) < 1e-3
        return (x * mask if broken else x), y

    return Script(SinabsNet(), prepare=prepare)


@fault("spikingjelly", "time_bins_collapsed", "missing_time_axis", "count_input", thread="neuromorphs/tonic#264")
def microseconds_as_milliseconds(broken: bool) -> Script:
    """Timestamps are a thousand times too small: all events are in the first bin."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        if not broken:
            return x, y
        first = torch.zeros_like(x)
        first[:, 0] = (x.sum(1) > 0).float()
        return first, y

    return Script(JellyNet(), Melodies(paired=True), prepare=prepare)


@fault("spikingjelly", "polarity_lost", "silent_channels", thread="neuromorphs/tonic#244")
def polarities_merged(broken: bool) -> Script:
    """Events of both polarities are written to the first half of the channels; the second half stays empty."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        on, off = x.chunk(2, dim=-1)
        return (torch.cat([(on + off).clamp(max=1), torch.zeros_like(off)], -1) if broken else x), y

    return Script(JellyNet(), prepare=prepare)


@fault("sinabs", "axis_swap", "input_scrambled", thread="jeshraghian/snntorch#133")
def time_first(broken: bool) -> Script:
    """Input is [step, batch, channel], the layers expect [batch, step, channel]."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.transpose(0, 1) if broken else x), y

    return Script(SinabsNet(THREE), Melodies(batch=STEPS), prepare=prepare)


class Flat(SinabsNet):
    """A network whose hidden layer takes [batch * step, channel], and cuts it by its own batch size."""

    def __init__(self, batch_size: int) -> None:
        squeezed = sl.LIFSqueeze(tau_mem=TAU, norm_input=False, spike_fn=sa.SingleSpike, batch_size=batch_size)
        super().__init__(neuron=lambda i: squeezed)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        for layer in self.layers:
            if isinstance(layer, sl.StatefulLayer):
                layer.reset_states()
        *hidden, last = self.layers
        currents = nn.Sequential(*hidden)(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.read(last(currents))


@fault("sinabs", "axis_swap", "input_scrambled")
def batch_size_of_the_time_steps(broken: bool) -> Script:
    """LIFSqueeze is given the number of time steps as its batch size."""
    return Script(Flat(STEPS if broken else BATCH), Melodies(paired=True))


@fault("norse", "axis_swap", "input_scrambled", thread="jeshraghian/snntorch#133")
def batch_as_time(broken: bool) -> Script:
    """Input that is already [step, batch, channel] is transposed again; both sizes are 40, so nothing raises."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.transpose(0, 1) if broken else x), y

    return Script(NorseNet(), Melodies(batch=STEPS), prepare=prepare)


@fault("hand", "axis_swap", "input_scrambled", "label_noise", "loss_plateau", thread="jeshraghian/snntorch#133")
def reshaped(broken: bool) -> Script:
    """[step, batch, channel] is converted to [batch, step, channel] by reshape instead of transpose."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        turned = x.transpose(0, 1)
        return (turned.reshape(x.shape) if broken else turned.transpose(0, 1)), y

    return Script(HandNet(), prepare=prepare)


@fault("spikingjelly", "axis_swap", "input_scrambled", "label_noise", "loss_plateau")
def recordings_regrouped(broken: bool) -> Script:
    """[step, batch, channel] from the loader is given the shape [batch, step, channel] by view; sizes differ."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        loaded = x.transpose(0, 1).contiguous()
        return (loaded.view(x.shape) if broken else loaded.transpose(0, 1)), y

    return Script(JellyNet(), Melodies(batch=28), prepare=prepare)


@fault(
    "rockpool", "single_time_step", "missing_time_axis", "time_bins_collapsed", thread="fangwei123456/spikingjelly#186"
)
def summed_over_time(broken: bool) -> Script:
    """All events of a sample are in one frame: there is a single time step."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.amax(1, keepdim=True) if broken else x), y

    return Script(RockpoolNet(), Melodies(paired=True), prepare=prepare)


@fault("hand", "dtype_overflow", "count_input", "input_scale")
def unsigned_difference(broken: bool) -> Script:
    """ON minus OFF events are computed in uint8: -1 becomes 255."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        on, off = x.to(torch.uint8), x.roll(1, dims=1).to(torch.uint8)
        return ((on - off).float() if broken else (on > off).float()), y

    return Script(HandNet(), prepare=prepare)


@fault("snntorch", "nan_origin")
def silent_channel_normalized(broken: bool) -> Script:
    """Channels are divided by their standard deviation; a silent channel becomes 0 / 0."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        x = x.clone()
        x[..., 0] = 0
        spread = x.std((0, 1))
        return x / (spread if broken else spread + 1) * (0.3 if broken else 1), y

    return Script(SnntorchNet(), prepare=prepare)
