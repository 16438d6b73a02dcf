"""Mistakes in what the network is given."""

from __future__ import annotations

import torch
from torch import Tensor

from ..case import fault
from ..melodies import CHANNELS, CLASSES, STEPS, Melodies
from ..networks.hand import HandNet
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet
from ..networks.spikingjelly import JellyNet
from ..script import Batch, Script

THREE = (CHANNELS, 80, 80, CLASSES)


@fault("snntorch", "count_input", "input_scale", thread="neuromorphs/tonic#244")
def coarse_bins(broken: bool) -> Script:
    """Frames of coarse bins keep their event counts, up to dozens."""
    data = Melodies(counts=150.0) if broken else Melodies()
    return Script(SnntorchNet(), data)


@fault("spikingjelly", "count_input", "input_scale", thread="neuromorphs/tonic#244")
def pooled_channels(broken: bool) -> Script:
    """Events of pooled channels are summed and never binarized."""
    return Script(JellyNet(), Melodies(counts=20.0) if broken else Melodies())


@fault("sinabs", "empty_input", "dead_layer", thread="neuromorphs/tonic#313")
def window_in_seconds(broken: bool) -> Script:
    """The time window is in the wrong unit, so that a frame holds next to no event."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        kept = torch.rand(x.shape) < 1e-3
        return (x * kept if broken else x), y

    return Script(SinabsNet(), prepare=prepare)


@fault("spikingjelly", "time_bins_collapsed", "missing_time_axis", "count_input", thread="neuromorphs/tonic#264")
def microseconds_as_milliseconds(broken: bool) -> Script:
    """Timestamps are a thousand times too small for the bins: every event lies in the first one."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        if not broken:
            return x, y
        first = torch.zeros_like(x)
        first[:, 0] = (x.sum(1) > 0).float()
        return first, y

    return Script(JellyNet(), Melodies(paired=True), prepare=prepare)


@fault("spikingjelly", "polarity_lost", "silent_channels", thread="neuromorphs/tonic#244")
def polarities_merged(broken: bool) -> Script:
    """Events of both polarities are written to the first of two halves; the other one stays empty."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        on, off = x.chunk(2, dim=-1)
        return (torch.cat([(on + off).clamp(max=1), torch.zeros_like(off)], -1) if broken else x), y

    return Script(JellyNet(), prepare=prepare)


@fault("sinabs", "axis_swap", "input_scrambled", thread="jeshraghian/snntorch#133")
def time_first(broken: bool) -> Script:
    """[step, batch, channel], as other libraries want it, for layers that want [batch, step, channel]."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.transpose(0, 1) if broken else x), y

    return Script(SinabsNet(THREE), Melodies(batch=STEPS), prepare=prepare)


@fault("norse", "axis_swap", "input_scrambled", thread="jeshraghian/snntorch#133")
def batch_as_time(broken: bool) -> Script:
    """What already is [step, batch, channel] is transposed once more; 40 of both, so that nothing raises."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.transpose(0, 1) if broken else x), y

    return Script(NorseNet(), Melodies(batch=STEPS), prepare=prepare)


@fault("hand", "axis_swap", "input_scrambled", "label_noise", "loss_plateau", thread="jeshraghian/snntorch#133")
def reshaped(broken: bool) -> Script:
    """[step, batch, channel] is made [batch, step, channel] by reshape, where a transpose was due."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        turned = x.transpose(0, 1)
        return (turned.reshape(x.shape) if broken else turned.transpose(0, 1)), y

    return Script(HandNet(), prepare=prepare)


@fault(
    "rockpool", "missing_time_axis", "single_time_step", "time_bins_collapsed", thread="fangwei123456/spikingjelly#186"
)
def summed_over_time(broken: bool) -> Script:
    """The events of a sample are one frame: the neurons see a single time step."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.amax(1, keepdim=True) if broken else x), y

    return Script(RockpoolNet(), Melodies(paired=True), prepare=prepare)


@fault("hand", "dtype_overflow", "count_input", "input_scale")
def unsigned_difference(broken: bool) -> Script:
    """On minus off in uint8: minus one becomes 255."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        on, off = x.to(torch.uint8), x.roll(1, dims=1).to(torch.uint8)
        return ((on - off).float() if broken else (on > off).float()), y

    return Script(HandNet(), prepare=prepare)


@fault("snntorch", "nan_origin")
def silent_channel_normalised(broken: bool) -> Script:
    """Channels are divided by their spread; one that is silent in a batch becomes 0 / 0."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        x = x.clone()
        x[..., 0] = 0
        spread = x.std((0, 1))
        return x / (spread if broken else spread + 1) * (0.3 if broken else 1), y

    return Script(SnntorchNet(), prepare=prepare)
