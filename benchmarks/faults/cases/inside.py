"""Faults inside of hand-written layers that weigh their input themselves and run over all time steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import GAIN, averaged, fast_sigmoid
from ..script import Batch, Script

DECAY = 0.85


class Layer(nn.Module):
    """A weight and leaky neurons with reset to zero: [step, batch, input] to the spikes of its neurons."""

    def __init__(self, inputs: int, neurons: int, *, resets_first: bool = False, is_late: bool = False) -> None:
        super().__init__()
        self.fc, self.threshold = nn.Linear(inputs, neurons), 1.0
        self.resets_first, self.is_late = resets_first, is_late
        with torch.no_grad():
            self.fc.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Run all time steps."""
        currents = self.fc(x)
        potential, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            if not self.is_late:
                potential = DECAY * potential + current
            if self.resets_first:
                potential = self.reset(potential)
            spikes.append(fast_sigmoid(potential - self.threshold))
            potential = self.reset(potential)
            if self.is_late:
                potential = DECAY * potential + current
        return torch.stack(spikes)

    def reset(self, potential: Tensor) -> Tensor:
        """Return the potential, with 0 where it reached the threshold."""
        return torch.where(potential >= self.threshold, torch.zeros_like(potential), potential)


class LayerNet(nn.Module):
    """Layers one after the other, and a readout of the mean potential."""

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers, self.readout = nn.Sequential(*layers), nn.Linear(80, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        return averaged(self.readout(self.layers(x.transpose(0, 1))))


@fault("hand", "weight_scale", "saturated_layer")
def huge_weights_inside_a_layer(broken: bool) -> Script:
    """Weights from N(0, 10) inside a layer that shows no current: each neuron fires by the sign of its input."""
    layer = Layer(CHANNELS, 80)
    if broken:
        nn.init.normal_(layer.fc.weight, std=10)
    return Script(LayerNet(layer, Layer(80, 80)))


@fault("hand", "reset_before_spike")
def reset_before_the_comparison(broken: bool) -> Script:
    """The potential is reset before it is compared with the threshold, so that no neuron ever fires."""
    return Script(LayerNet(Layer(CHANNELS, 80, resets_first=broken), Layer(80, 80)))


@fault("hand", "late_spikes", "constant_prediction", thread="thiswinex/STBP-simple#8")
def spikes_of_the_potential_before(broken: bool) -> Script:
    """Four layers compute their spikes before they add the input, and a recording is summed up in four time steps."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return x.unflatten(1, (4, -1)).sum(2), y

    layers = (Layer(size, 80, is_late=broken) for size in (CHANNELS, 80, 80, 80))
    return Script(LayerNet(*layers), Melodies(120), prepare=prepare)
