"""Networks for the examples of checks that are more than a line of layers."""

from __future__ import annotations

import copy
from typing import Any

import snntorch
import torch
from spikingjelly.activation_based import functional
from torch import nn

Scope = dict[str, Any]


class Cameras(nn.Module):
    """A network for [time, batch, camera, height, width]."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(2 * 64, 20), snntorch.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, out = self.lif.init_leaky(), []
        for x_t in x:
            _, mem = self.lif(self.fc(x_t.flatten(1)), mem)
            out.append(mem)
        return torch.stack(out).mean(0)


class Normed(nn.Module):
    """A model whose time step is the example."""

    def __init__(self, names: Scope, step: str) -> None:
        super().__init__()
        self.norm, self.lif, self.readout, self.step = names["norm"], snntorch.Leaky(beta=0.9), nn.Linear(128, 20), step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        names = {"torch": torch, "copy": copy, "model": self, "norm": self.norm, "lif": self.lif}
        names["membrane"], out = self.lif.init_leaky(), []
        for names["x"] in x:
            exec(self.step, names)
            out.append(self.readout(names["spikes"]))
        return torch.stack(out).mean(0)


class Steps(nn.Sequential):
    """Layers that are called once per time step; every second one is a neuron that keeps its state."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self[1::2]:
            part.reset_mem()
        return torch.stack([super(Steps, self).forward(x_t) for x_t in x.unbind(1)]).mean(0)


class Spike(torch.autograd.Function):
    """A spike function with a surrogate gradient, as scripts write it."""

    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        (distance,) = ctx.saved_tensors
        return gradient / (1 + 10 * distance.abs()) ** 2


class TimeStep(nn.Module):
    """A layer whose time step is the example's own code, and a linear readout."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.fc1, self.readout, self.code = nn.Linear(700, 256), nn.Linear(256, 20), compile(code, "example", "exec")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        names, logits = {"torch": torch, "fc1": self.fc1, "spike": Spike.apply, "v": torch.zeros(1), "v_th": 0.3}, []
        for x_t in x.unbind(1):
            exec(self.code, names | {"x_t": x_t}, names)
            logits.append(self.readout(names["spikes"]))
        return torch.stack(logits).mean(0)


class TimeLoop(nn.Module):
    """A layer whose loop over time is the example's own code, with what it spikes."""

    def __init__(self, code: str, inputs: int) -> None:
        super().__init__()
        self.fc, self.code = nn.Linear(inputs, 64), compile(code, "example", "exec")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes: list[torch.Tensor] = []

        def spike(potential: torch.Tensor) -> torch.Tensor:
            spikes.append(Spike.apply(potential - 0.3))
            return spikes[-1]

        x = self.fc(x).movedim(1, -1)
        start = torch.zeros_like(x[..., 0])
        exec(self.code, {"x": x, "spike": spike, "v": start, "spikes": start})
        return torch.stack(spikes, 1)


class Forward(nn.Module):
    """A model whose forward pass runs the example's own statements, and reads out the last spikes or the logits."""

    def __init__(self, scope: Scope, code: str) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: value for name, value in scope.items() if isinstance(value, nn.Module)})
        self.readout = nn.Linear(256, 20)
        self.scope, self.code = scope, compile(code, "example", "exec")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        scope = self.scope | {"x": x, "images": x}
        exec(self.code, scope)
        return scope["logits"] if "logits" in scope else self.readout(scope["spikes"])


class Hidden(nn.Module):
    """A layer that keeps its state itself, and a linear readout."""

    def __init__(self, fc1: nn.Module, lif1: nn.Module) -> None:
        super().__init__()
        self.fc1, self.lif1, self.readout = fc1, lif1, nn.Linear(256, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.readout(self.lif1(self.fc1(x_t))) for x_t in x.unbind(1)]).mean(0)


class Recurrent(nn.Module):
    """A layer whose call is the example's own code, and a linear readout."""

    def __init__(self, fc: nn.Module, lif: nn.Module, code: str) -> None:
        super().__init__()
        self.fc, self.lif, self.readout, self.code = fc, lif, nn.Linear(48, 20), compile(code, "example", "exec")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        exec(self.code, {"fc": self.fc, "lif": self.lif, "x": x}, made := {})
        return self.readout(made["spikes"]).mean(1)
