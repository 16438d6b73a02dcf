"""What the scripts share: data, a surrogate, neurons; imported as a script imports the modules beside it."""

import torch
from torch import nn

STEPS, INPUTS, CLASSES = 8, 12, 3


def data(count: int = 48):
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % CLASSES
    rates = torch.where(torch.arange(INPUTS) % CLASSES == labels[:, None], 0.7, 0.2)
    return (torch.rand(count, STEPS, INPUTS, generator=generator) < rates[:, None, :]).float(), labels


class Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient / (1 + 5 * x.abs()) ** 2


spike = Surrogate.apply


class Net(nn.Module):
    def __init__(self, inputs=INPUTS, outputs=CLASSES):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, 16), nn.Linear(16, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        v1 = v2 = 0.0
        total = 0.0
        for step in x.unbind(1):
            v1 = 0.9 * v1 + self.fc1(step)
            s1 = spike(v1 - 1)
            v1 = v1 - s1.detach()
            v2 = 0.9 * v2 + self.fc2(self.drop(s1))
            s2 = spike(v2 - 1)
            v2 = v2 - s2.detach()
            total = total + s2
        return total
