"""Faults inside of hand-written layers that weigh their input themselves and run over all time steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..case import fault
from ..melodies import CHANNELS, CLASSES
from ..networks.hand import GAIN, averaged, fast_sigmoid
from ..script import Script

DECAY = 0.85


class Layer(nn.Module):
    """A weight and leaky neurons with reset to zero: [step, batch, input] to the spikes of its neurons."""

    def __init__(self, inputs: int, neurons: int, *, resets_first: bool = False) -> None:
        super().__init__()
        self.fc, self.resets_first, self.threshold = nn.Linear(inputs, neurons), resets_first, 1.0
        with torch.no_grad():
            self.fc.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Run all time steps."""
        currents = self.fc(x)
        potential, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            potential = DECAY * potential + current
            if self.resets_first:
                potential = self.reset(potential)
            spikes.append(fast_sigmoid(potential - self.threshold))
            if not self.resets_first:
                potential = self.reset(potential)
        return torch.stack(spikes)

    def reset(self, potential: Tensor) -> Tensor:
        """Return the potential, with 0 where it reached the threshold."""
        return torch.where(potential >= self.threshold, torch.zeros_like(potential), potential)


class LayerNet(nn.Module):
    """Two layers and a readout of the mean potential."""

    def __init__(self, first: Layer) -> None:
        super().__init__()
        self.layers = nn.Sequential(first, Layer(first.fc.out_features, 80))
        self.readout = nn.Linear(80, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        return averaged(self.readout(self.layers(x.transpose(0, 1))))


@fault("hand", "weight_scale", "saturated_layer")
def huge_weights_inside_a_layer(broken: bool) -> Script:
    """Weights from N(0, 10) inside a layer that shows no current: each neuron fires by the sign of its input."""
    layer = Layer(CHANNELS, 80)
    if broken:
        nn.init.normal_(layer.fc.weight, std=10)
    return Script(LayerNet(layer))


@fault("hand", "reset_before_spike")
def reset_before_the_comparison(broken: bool) -> Script:
    """The potential is reset before it is compared with the threshold, so that no neuron ever fires."""
    return Script(LayerNet(Layer(CHANNELS, 80, resets_first=broken)))
