"""A small spiking network, its data and its loss."""

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, STEPS, CLASSES, HIDDEN = 40, 50, 4, 64


def events(samples, seed=0):
    """Return event counts [sample, time, channel] and labels; each class has its own active channels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % CLASSES
    active = torch.arange(CHANNELS) % CLASSES == labels[:, None]
    rate = torch.where(active, 0.5, 0.05)[:, None].expand(-1, STEPS, -1)
    return torch.poisson(rate, generator=generator), labels


def frames(counts):
    """Convert counts to spikes: 1 if a bin holds any event."""
    return (counts > 0).float()


class Spike(torch.autograd.Function):
    """A step function with a fast sigmoid as surrogate gradient."""

    @staticmethod
    def forward(ctx, over):
        """Return 1 where the potential is above the threshold, else 0."""
        ctx.save_for_backward(over)
        return (over > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        """Return the surrogate gradient."""
        (over,) = ctx.saved_tensors
        return gradient / (1 + 5 * over.abs()) ** 2


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons, from currents [batch, time, neuron] to spikes of the same shape."""

    def __init__(self, decay=0.9, threshold=0.5):
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def forward(self, current):
        """Run all time steps from potential 0."""
        potential = torch.zeros_like(current[:, 0])
        spikes = []
        for step in current.unbind(1):
            potential = self.decay * potential + step
            spikes.append(Spike.apply(potential - self.threshold))
            potential = potential - self.threshold * spikes[-1].detach()
        return torch.stack(spikes, 1)


class Net(nn.Module):
    """A network from frames [batch, time, channel] to logits [batch, class]."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(CHANNELS, HIDDEN), LIF()
        self.fc2, self.lif2 = nn.Linear(HIDDEN, HIDDEN), LIF()
        self.readout = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        """Return the mean of the readout over time."""
        return self.readout(self.lif2(self.fc2(self.lif1(self.fc1(x))))).mean(1)


def loss(logits, labels):
    """Return the cross-entropy."""
    return F.cross_entropy(logits, labels)


def batch(samples=16):
    """Return a batch of frames and labels."""
    counts, labels = events(samples)
    return frames(counts), labels
