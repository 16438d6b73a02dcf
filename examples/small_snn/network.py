"""A small spiking network, its data and its loss: what a lab would put under test."""

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, STEPS, CLASSES, HIDDEN = 40, 50, 4, 64


def events(samples, seed=0):
    """Counts of events [sample, time, channel]; each class makes other channels busy. And the labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % CLASSES
    busy = torch.arange(CHANNELS) % CLASSES == labels[:, None]
    rate = torch.where(busy, 0.5, 0.05)[:, None].expand(-1, STEPS, -1)
    return torch.poisson(rate, generator=generator), labels


def frames(counts):
    """At least one event in a bin is a spike."""
    return (counts > 0).float()


class Spike(torch.autograd.Function):
    """A step, with a fast sigmoid's derivative in place of its own."""

    @staticmethod
    def forward(ctx, over):
        """1 where the potential is above the threshold."""
        ctx.save_for_backward(over)
        return (over > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        """The surrogate gradient."""
        (over,) = ctx.saved_tensors
        return gradient / (1 + 5 * over.abs()) ** 2


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons, currents [batch, time, neuron] to spikes of the same shape."""

    def __init__(self, decay=0.9, threshold=0.5):
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def forward(self, current):
        """Run all time steps from rest."""
        potential = torch.zeros_like(current[:, 0])
        spikes = []
        for step in current.unbind(1):
            potential = self.decay * potential + step
            spikes.append(Spike.apply(potential - self.threshold))
            potential = potential - self.threshold * spikes[-1].detach()
        return torch.stack(spikes, 1)


class Net(nn.Module):
    """Frames [batch, time, channel] to logits [batch, class]."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(CHANNELS, HIDDEN), LIF()
        self.fc2, self.lif2 = nn.Linear(HIDDEN, HIDDEN), LIF()
        self.readout = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        """The mean of the readout over time."""
        return self.readout(self.lif2(self.fc2(self.lif1(self.fc1(x))))).mean(1)


def loss(logits, labels):
    """Cross-entropy of the logits."""
    return F.cross_entropy(logits, labels)


def batch(samples=16):
    """What the training loop sees: frames and labels."""
    counts, labels = events(samples)
    return frames(counts), labels
