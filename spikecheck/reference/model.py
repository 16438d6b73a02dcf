"""A small recurrent spiking network that learns spoken digits, written to be copied.

docs/reference-model.md gives the measurements behind each choice.
"""

from __future__ import annotations

import snntorch as snn
from snntorch import surrogate
from torch import Tensor, nn


class SpokenDigits(nn.Module):
    """A network from binary frames [batch, time, channel] to logits [batch, class].

    One recurrent layer of leaky integrate-and-fire neurons, and a readout layer of leaky neurons without spikes, whose
    membrane potential, averaged over time, is the logit.

    Args:
        channels: input channels.
        hidden: neurons of the recurrent layer.
        classes: neurons of the readout.
        beta: decay of the membrane potential per time step in the recurrent layer.
        readout_beta: decay in the readout.
        slope: of the fast sigmoid whose derivative is the surrogate gradient.
        dropout: probability with which a spike does not reach the readout.
    """

    def __init__(
        self,
        channels: int = 140,
        hidden: int = 256,
        classes: int = 20,
        *,
        beta: float = 0.7,
        readout_beta: float = 0.95,
        slope: float = 5.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        self.lif1 = snn.Leaky(beta=beta, spike_grad=surrogate.fast_sigmoid(slope))
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, classes)
        self.readout = snn.Leaky(beta=readout_beta, reset_mechanism="none")
        nn.init.zeros_(self.fc2.bias)  # no class is preferred at initialization: the first loss is about ln(classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Run all time steps of `frames`; return the mean potential of the readout."""
        potential1 = self.lif1.reset_mem()  # every batch starts at the resting potential
        potential2 = self.readout.reset_mem()
        spikes = frames.new_zeros(len(frames), self.fc1.out_features)
        total = frames.new_zeros(len(frames), self.fc2.out_features)
        currents = self.fc1(frames)  # for all time steps at once: they are independent
        for current in currents.unbind(dim=1):
            spikes, potential1 = self.lif1(current + self.recurrent(spikes), potential1)
            _, potential2 = self.readout(self.fc2(self.dropout(spikes)), potential2)
            total = total + potential2
        return total / frames.shape[1]


def build(**arguments: float) -> nn.Module:
    """Build the model from plain values, the `arguments` of SpokenDigits, as stored in a checkpoint.

    Raises:
        TypeError: SpokenDigits has no such argument.
    """
    return SpokenDigits(**arguments)  # type: ignore[arg-type]
