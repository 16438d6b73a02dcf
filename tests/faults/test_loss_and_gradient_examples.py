"""The examples on the pages of the checks of losses and gradients: the broken one is found, the repaired one is not."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from spikecheck.report.model import Report
from tests.house.test_checks import FENCE

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")
sinabs = pytest.importorskip("sinabs", reason="pip install --no-deps sinabs")
pytest.importorskip("snntorch.surrogate")
pytest.importorskip("sinabs.layers")
pytest.importorskip("sinabs.activation")

CLASSES, STEPS, BATCH, INPUTS = 20, 40, 16, 700
Scope = dict[str, Any]


def examples(check: type[Check]) -> dict[str, str]:
    """The broken and the repaired code of a check's page."""
    return {label: code for _, label, code in FENCE.findall(check.sections()["Example"])}


def split(code: str, first: str | tuple[str, ...]) -> tuple[str, str]:
    """The statements before the first one that begins so, and those from it on."""
    statements = [ast.get_source_segment(code, statement) or "" for statement in ast.parse(code).body]
    at = next((n for n, text in enumerate(statements) if text.startswith(first)), len(statements))
    return "\n".join(statements[:at]), "\n".join(statements[at:])


class Forward(nn.Module):
    """A model whose forward pass runs statements, and returns what the loss is computed from."""

    def __init__(self, scope: Scope, code: str, output: str) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: part for name, part in scope.items() if isinstance(part, nn.Module)})
        self.scope, self.code, self.output = scope, compile(code, "example", "exec"), output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        names = self.scope | {"x": x}
        sinabs.reset_states(self)
        exec(self.code, names)
        self.results = {name: value for name, value in names.items() if name not in self.scope}
        return names[self.output]


def scope() -> Scope:
    """What the examples leave out because every script has it: imports, a layer and its neurons."""
    torch.manual_seed(0)
    layers = {"fc": nn.Linear(INPUTS, CLASSES), "lif": snntorch.Leaky(beta=0.9)}
    return {"torch": torch, "snntorch": snntorch, "sinabs": sinabs} | layers


def batch(time_axis: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Binary spikes, every class with channels of its own, and labels."""
    y = torch.randint(0, CLASSES, (BATCH,))
    rate = 0.05 + 0.2 * (torch.arange(INPUTS) % CLASSES == y[:, None])
    x = (torch.rand(BATCH, STEPS, INPUTS) < rate[:, None]).float()
    return (x[:, 0] if time_axis is None else x.movedim(1, time_axis)), y


def watch(model: nn.Module, step: Callable[[], None], updates: int) -> Report:
    with spikecheck.attach(model) as monitor:
        for _ in range(updates):
            step()
    return monitor.report()


def of_a_loss(code: str, *, once: str, output: str, time_axis: int | None = 0, updates: int = 4, lr: float = 1e-3):
    """The report on a network that is the example, up to `output`; the loss is the example's own last statement."""
    names = scope()
    names["fc"] = nn.Linear(INPUTS, CLASSES)
    first, always = split(code, once)
    exec(first, names)
    inner, loss = split(always, ("loss = ", "probabilities = ", "target = "))
    model = Forward(names, inner, output)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def step() -> None:
        x, y = batch(time_axis)
        out = model(x)
        local = names | model.results | {output: out, "y": y}
        exec(loss, local)
        optimizer.zero_grad()
        local["loss"].backward()
        optimizer.step()

    return watch(model, step, updates)


class Deep(nn.Module):
    """Three spiking layers of one kind, with weights before them, and a linear readout of the last spikes."""

    def __init__(self, neurons: list[nn.Module]) -> None:
        super().__init__()
        self.neurons = nn.ModuleList(neurons)
        self.weights = nn.ModuleList(nn.Linear(INPUTS if n == 0 else 64, 64) for n in range(len(neurons)))
        self.readout = nn.Linear(64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self.neurons[0], sinabs.layers.IAF):
            sinabs.reset_states(self)
            for weight, neuron in zip(self.weights, self.neurons, strict=True):
                x = neuron(2 * weight(x))
            return self.readout(x).mean(1)
        potentials = [neuron.init_leaky() for neuron in self.neurons]
        logits = []
        for spikes in x.unbind(1):
            for n, (weight, neuron) in enumerate(zip(self.weights, self.neurons, strict=True)):
                spikes, potentials[n] = neuron(2 * weight(spikes), potentials[n])
            logits.append(self.readout(spikes))
        return torch.stack(logits).mean(0)


def train(model: nn.Module, optimizer: torch.optim.Optimizer | None = None, updates: int = 8) -> Report:
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        x, y = batch(1)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return watch(model, step, updates)


def of_neurons(code: str, updates: int = 50) -> Report:
    """The report on a deep network of the example's neurons."""
    names = scope()
    exec(split(code, "spikes")[0], names)
    neurons = names.get("layers") or [names[f"lif{n}"] for n in (1, 2, 3) if f"lif{n}" in names] or [names["lif"]]
    model = Deep(neurons)
    if neurons == [names["lif"]]:
        model.weights[0], model.readout = names["fc"], nn.Linear(names["fc"].out_features, CLASSES)
    return train(model, updates=updates)


def of_an_optimizer(code: str, updates: int = 50) -> Report:
    """The report on the example's model and optimizer; snntorch's neuron keeps its state."""
    names = scope() | {"model": Two()}
    exec(code, names)
    layers, model = names["model"], names["model"]

    class Readout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if isinstance(layers, Two):
                return layers(x)
            if isinstance(layers[1], sinabs.layers.IAF):
                sinabs.reset_states(layers)
                return layers(x).sum(1)
            layers[1].reset_hidden()
            return torch.stack([layers(x_t) for x_t in x.unbind(1)]).mean(0)

    return train(model if isinstance(model, Two) else Readout(), names["optimizer"], updates)


def of_learned_neurons(code: str) -> Report:
    """The report on the example's optimizer, with a network of its one layer and neuron."""
    names = scope()
    exec(code, names)

    class Readout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = names["model"]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            potential, potentials = names["lif"].init_leaky(), []
            for x_t in x.unbind(1):
                _, potential = names["lif"](names["fc"](x_t), potential)
                potentials.append(potential)
            return torch.stack(potentials).mean(0)

    return train(Readout(), names["optimizer"], updates=20)


class Two(nn.Module):
    """Two layers: the second is read out as a potential."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1, self.fc2 = nn.Linear(INPUTS, 256), snntorch.Leaky(beta=0.9), nn.Linear(256, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        potential, logits = self.lif1.init_leaky(), []
        for x_t in x.unbind(1):
            spikes, potential = self.lif1(self.fc1(x_t), potential)
            logits.append(self.fc2(spikes))
        return torch.stack(logits).mean(0)


def of_a_loop(code: str, batches: int = 30) -> Report:
    """The report on the example's training loop, with the batches or the epochs that it needs."""
    names = scope() | {"model": Two(), "copy": copy}
    names["optimizer"] = torch.optim.Adam(names["model"].parameters(), lr=1e-3)
    names["loader"] = [batch(1) for _ in range(batches)]

    def train_step(x: torch.Tensor, y: torch.Tensor) -> None:
        names["optimizer"].zero_grad()
        torch.nn.functional.cross_entropy(names["model"](x), y).backward()
        names["optimizer"].step()

    names["train_step"] = train_step
    compiled = compile(code, "example", "exec")
    with spikecheck.attach(names["model"]) as monitor:
        for _ in range(1 if "for x, y" in code else 12):
            names["x"], names["y"] = batch(1)
            exec(compiled, names)
    return monitor.report()


#: What stands before an example that begins with spikes.
LOOP = """
spikes, membrane = [], lif.init_leaky()
for frame in x:
    spike, membrane = lif(fc(frame), membrane)
    spikes.append(spike)
"""
#: Weights with which output neurons fire in many time steps.
STRONG = "torch.nn.init.normal_(fc.weight)\n"
#: The examples about data and about stalled losses are left out: a few updates do not show them.
REPORTS: dict[str, Callable[[str], Report]] = {
    "SPK301": lambda code: of_a_loss(STRONG + code, once="spikes, membrane", output="logits"),
    "SPK302": lambda code: of_a_loss(code, once="spikes", output="membrane", updates=70),
    "SPK303": lambda code: of_a_loss(STRONG + code, once="logits", output="logits", time_axis=1),
    "SPK305": lambda code: of_a_loss(code, once="spikes", output="membrane", time_axis=None),
    "SPK309": lambda code: of_a_loss(
        code.replace("256", "700").replace("hidden_spikes", "x"),
        once="spikes",
        output="membrane",
        time_axis=None,
        updates=70,
    ),
    "SPK310": lambda code: of_a_loss(code, once="spikes", output="membrane"),
    "SPK311": lambda code: of_a_loss(LOOP + code, once="spikes", output="counts"),
    "SPK315": lambda code: of_a_loss(code, once="spikes", output="membrane", time_axis=None),
    "SPK316": lambda code: of_a_loss(code, once="spikes", output="membrane", time_axis=None),
    "SPK317": lambda code: of_a_loss(code, once="spikes", output="membrane", time_axis=None),
    "SPK318": lambda code: of_a_loss(code, once="spikes", output="membrane", time_axis=None),
    "SPK319": lambda code: of_a_loss(code, once="spikes", output="spike", updates=14),
    "SPK320": lambda code: of_a_loss(code, once="spikes", output="logits", updates=70),
    "SPK321": lambda code: of_a_loss(code, once="spikes", output="rates", updates=70),
    "SPK322": lambda code: of_a_loss(code, once="spikes", output="logits", updates=20),
    "SPK323": lambda code: of_a_loss(code, once="potentials", output="output", updates=70),
    "SPK401": of_neurons,
    "SPK402": of_neurons,
    "SPK403": of_neurons,
    "SPK405": lambda code: of_a_loss(
        "iaf = sinabs.layers.IAF()\nspikes = iaf(20 * fc(x))\n" + code, once="spikes", output="counts", time_axis=1
    ),
    "SPK406": of_neurons,
    "SPK407": lambda code: of_an_optimizer(code, updates=12),
    "SPK408": of_an_optimizer,
    "SPK410": of_an_optimizer,
    "SPK416": of_learned_neurons,
    "SPK417": lambda code: of_an_optimizer(code, updates=3),
    "SPK418": lambda code: of_a_loop(code, batches=50),
    "SPK412": of_an_optimizer,
    "SPK409": of_a_loop,
    "SPK420": lambda code: of_a_loss(code, once="membrane", output="membrane", updates=70),
    "SPK411": of_a_loop,
    "SPK413": of_a_loop,
    "SPK414": lambda code: of_a_loop(code, batches=40),
    "SPK415": lambda code: of_a_loop(code, batches=10),
}


@pytest.mark.parametrize("which", ["broken", "repaired"])
@pytest.mark.parametrize("id_", REPORTS)
def test_the_broken_example_is_found_and_the_repaired_one_is_not(id_: str, which: str) -> None:
    report = REPORTS[id_](examples(own_checks()[id_])[which])
    assert (id_ in {finding.check for finding in report.findings}) is (which == "broken"), str(report)
