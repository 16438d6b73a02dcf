"""The examples on the pages of the input and neuron checks: the broken one is found, the repaired one is not."""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from spikecheck.report.model import Report
from tests.house.test_checks import FENCE

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")
sinabs = pytest.importorskip("sinabs", reason="pip install --no-deps sinabs")
tonic = pytest.importorskip("tonic", reason="pip install tonic")
sj = pytest.importorskip("spikingjelly.activation_based", reason="pip install --no-deps spikingjelly")
pytest.importorskip("sinabs.layers")
pytest.importorskip("sinabs.activation")
pytest.importorskip("snntorch.spikegen")
from snntorch import utils  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402

from tests.faults.example_networks import (  # noqa: E402
    Cameras,
    Forward,
    Hidden,
    Normed,
    Recurrent,
    Scope,
    Steps,
    TimeLoop,
    TimeStep,
)

CHECKS = [check for check in own_checks().values() if check.id.startswith(("SPK1", "SPK2"))]
EVENT = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])


class Net(nn.Module):
    """The example's weights and neurons, one time step after the other, and a linear readout of the last spikes."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        numbers = [n for n in (1, 2, 3) if f"lif{n}" in scope]
        self.weights = nn.ModuleList(scope[f"fc{n}"] for n in numbers)
        self.neurons = nn.ModuleList(scope[f"lif{n}"] for n in numbers)
        self.readout = nn.Linear(self.weights[-1].out_features, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(self.neurons[0]).__module__.startswith("sinabs"):
            sinabs.reset_states(self)
            for weight, spiking in zip(self.weights, self.neurons, strict=True):
                x = spiking(weight(x))
            return self.readout(x).mean(1)
        functional.reset_net(self)
        potentials = [one.init_leaky() if isinstance(one, snntorch.Leaky) else None for one in self.neurons]
        logits = []
        for spikes in x.unbind(1):
            for n, (weight, spiking) in enumerate(zip(self.weights, self.neurons, strict=True)):
                if potentials[n] is None or spiking.init_hidden:
                    spikes = spiking(weight(spikes))
                else:
                    spikes, potentials[n] = spiking(weight(spikes), potentials[n])
            logits.append(self.readout(spikes))
        return torch.stack(logits).mean(0)


def scope() -> Scope:
    """What the examples leave out because every script has it: imports, layers, and the events of one recording."""
    torch.manual_seed(0)
    modules = {"F": F, "math": math, "nn": nn, "np": np, "sinabs": sinabs, "snn": snntorch, "snntorch": snntorch}
    modules |= {"functional": functional, "layer": layer, "neuron": neuron, "tonic": tonic, "torch": torch}
    sizes = {"fc1": nn.Linear(700, 256), "fc2": nn.Linear(256, 256), "fc3": nn.Linear(256, 256)}
    return modules | sizes | {"lif1": snntorch.Leaky(beta=0.9)} | recording()


def recording(count: int = 4000) -> Scope:
    """The events of one recording of 0.8 s, as an SHD file and as arrays hold them; those of one bin repeat."""
    times, units = torch.rand(count).sort().values * 0.8, torch.randint(0, 700, (count,))
    events = np.zeros(count, dtype=EVENT)
    events["t"], events["x"], events["p"] = (times * 1e6).numpy(), units.numpy(), 1
    frames = [spikes(1)[0] for _ in range(16)]
    images = torch.rand(16, 28, 28)
    step, unit = np.repeat(np.arange(100), 255), np.tile(np.repeat([3, 4], [127, 128]), 100)
    arrays = {"times": times, "units": units, "step": step, "unit": unit, "samples": frames, "images": images}
    return {"events": events, "shd_events": events, **arrays}


def spikes(batch: int) -> torch.Tensor:
    """Binary spikes that begin and end within a recording, [batch, time, channels]."""
    busy = torch.linspace(0, math.pi, 40).sin().view(1, 40, 1)
    return (torch.rand(batch, 40, 700) < 0.1 * busy).float()


def split(code: str, pattern: str) -> tuple[str, str]:
    """The statements in which a pattern does not occur, and those in which it does."""
    parts: tuple[list[str], list[str]] = ([], [])
    for statement in ast.parse(code).body:
        text = ast.get_source_segment(code, statement) or ""
        parts[bool(re.search(pattern, text))].append(text)
    return "\n".join(parts[0]), "\n".join(parts[1])


def train(model: nn.Module, batch: Callable[[], torch.Tensor], updates: int = 4) -> Report:
    """Train on random labels while spikecheck watches."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    with spikecheck.attach(model) as monitor:
        for _ in range(updates):
            logits = model(batch())
            optimizer.zero_grad()
            F.cross_entropy(logits, torch.randint(0, logits.shape[1], logits.shape[:1])).backward()
            optimizer.step()
    return monitor.report()


def of_the_input(code: str) -> Report:
    """The report on a network that is given the example's `x`, made again for each batch."""
    names = scope()
    making, _ = split(code, r"x_t|lif1|^mem")

    def batch() -> torch.Tensor:
        names.update(recording())
        exec(making, names)
        return names["x"] if names["x"].dim() > 2 else names["x"].unsqueeze(0)

    return train(Net(names), batch)


def of_a_model(code: str) -> Report:
    """The report on the example's `model`, which is called by its last statement for each batch."""
    names = scope()
    once, always = split(code, r"^x = |^logits = ")
    exec(once, names)
    optimizer = torch.optim.SGD(names["model"].parameters(), lr=1e-4)
    with spikecheck.attach(names["model"]) as monitor:
        for _ in range(20):
            names.update(recording())
            sinabs.reset_states(names["model"])
            exec(always, names)
            optimizer.zero_grad()
            F.cross_entropy(names["logits"], torch.randint(0, 20, names["logits"].shape[:1])).backward()
            optimizer.step()
    return monitor.report()


def of_an_evaluation(code: str) -> Report:
    """The report on the example's layers, evaluated without any training."""
    exec(code, names := scope())
    with spikecheck.attach(Net(names)) as monitor, torch.no_grad():
        monitor.model(spikes(32))
    return monitor.report()


def of_batches(code: str) -> Report:
    """The report on the example's loop over the batches of a loader."""
    names = scope()
    model = Net(names)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def train_step(x: torch.Tensor, y: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    names |= {"train_step": train_step, "loader": [(spikes(16), torch.randint(0, 20, (16,))) for _ in range(12)]}
    with spikecheck.attach(model) as monitor:
        exec(code, names)
    return monitor.report()


def of_layers(code: str) -> Report:
    """The report on a network of the example's layers."""
    names = scope()
    exec(split(code, r"x_t|\(x\)|^mem")[0], names)
    return train(Net(names), lambda: spikes(16))


def of_pixels(code: str) -> Report:
    """The report on a network of the example's layers that is given its `x`, an image, in every time step."""
    names = scope() | {"fc1": nn.Linear(784, 256), "images": torch.randint(0, 256, (16, 28, 28))}
    exec(split(code, r"\(x\)")[0], names)
    return train(Net(names), lambda: names["x"].unsqueeze(1).repeat(1, 10, 1))


def of_encoded_images(code: str) -> Report:
    """The report on a network that is given the example's `x`, [time, batch, pixel], of other images each time."""
    names = scope() | {"fc1": nn.Linear(784, 256)}
    making, _ = split(code, r"x_t|lif1")

    def batch() -> torch.Tensor:
        names["images"] = torch.rand(16, 28, 28) * (torch.rand(16, 28, 28) < 0.99)
        exec(making, names)
        return names["x"].transpose(0, 1)

    return train(Net(names), batch, updates=12)


def of_a_forward_pass(code: str, once: str, x: Callable[[], torch.Tensor]) -> Report:
    """The report on a model whose forward pass is the example, but for what is made once."""
    names = scope()
    always, first = split(code, once)
    exec(first, names)
    return train(Forward(names, always), x)


def of_a_loop(code: str) -> Report:
    """The report on the example's training loop over batches."""
    names = scope()
    loop, first = split(code, r"^lif1|^from")
    exec(first, names)
    names["model"] = Hidden(names["fc1"], names["lif1"])
    names["loader"] = [(spikes(16), torch.randint(0, 20, (16,))) for _ in range(8)]
    monitor = spikecheck.attach(names["model"])
    with contextlib.suppress(RuntimeError), monitor:  # a second backward pass through the graph of the first batch
        exec(loop, names)
    return monitor.report()


def of_pieces(code: str) -> Report:
    """The report on the example's training loop over pieces of each batch."""
    names = scope()
    loop, first = split(code, r"^lif1|^from")
    exec(first, names)
    names["model"] = model = Hidden(names["fc1"], names["lif1"])
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=1e-4)
    names["loader"] = [(spikes(8), torch.randint(0, 20, (8,))) for _ in range(16)]
    with spikecheck.attach(model) as monitor:
        exec(loop, names)
    return monitor.report()


def of_epochs(code: str) -> Report:
    """The report on the example's loop over epochs, or on its model alone, of an update each."""
    names = scope()
    loop, first = split(code, r"^model = |^lif1 = ")
    exec(first, names)
    optimizer = torch.optim.SGD(names["model"].parameters(), lr=1e-4)

    def train_one_epoch(model: nn.Module) -> None:
        utils.reset(model)
        logits = torch.stack([model(x_t) for x_t in spikes(16).unbind(1)]).mean(0)
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.randint(0, 20, (16,))).backward()
        optimizer.step()

    names |= {"train_one_epoch": train_one_epoch, "validate": lambda model: None}
    with spikecheck.attach(names["model"]) as monitor:
        exec(loop or "for epoch in range(8):\n    train_one_epoch(model)", names)
    return monitor.report()


def of_two_cameras(code: str) -> Report:
    """The report on a network that is given the example's `x`, made of other frames each time."""
    names = scope()

    def batch() -> torch.Tensor:
        names["frames"] = {side: (torch.rand(10, 16, 1, 8, 8) < 0.1).float() for side in ("left", "right")}
        exec(code, names)
        return names["x"]

    return train(Cameras(), batch)


def of_both_modes(code: str) -> Report:
    """The report on a model that is trained and then evaluated, with input of the same kind."""
    names = scope()
    step, once = split(code, r"^norm = ")
    exec(once, names)
    model = Normed(names, step)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    with spikecheck.attach(model) as monitor:
        for update in range(44):
            training = model.train(update < 40).training
            with torch.set_grad_enabled(training):
                logits = model(0.1 * torch.rand(10, 16, 128))
            if training:
                optimizer.zero_grad()
                F.cross_entropy(logits, torch.randint(0, 20, (16,))).backward()
                optimizer.step()
    return monitor.report()


def of_test_images(code: str) -> Report:
    """The report on a model that is trained with the example's training images, and tested with its test images."""
    names = scope() | {name: torch.randint(0, 256, (64, 128)).float() for name in ("train_images", "test_images")}
    exec(code, names)
    model = nn.Sequential(nn.Linear(128, 20), sinabs.layers.IAF())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with spikecheck.attach(model) as monitor:
        for name in ("train_x", "test_x"):
            for images in names[name].chunk(4):
                sinabs.reset_states(model)
                with torch.set_grad_enabled(name == "train_x"):
                    loss = F.cross_entropy(model(images[:, None].repeat(1, 8, 1)).mean(1), torch.arange(16))
                if name == "train_x":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
    return monitor.report()


def of_hidden_neurons(code: str) -> Report:
    """The report on a network of the example's layers, whose neurons keep their state."""
    exec(code, names := scope())
    return train(Steps(*names["layers"]), lambda: spikes(16))


def of_a_time_step(code: str) -> Report:
    """The report on a layer whose time step is the example's."""
    return train(TimeStep(code), lambda: spikes(16))


def of_five_layers(code: str) -> Report:
    """The report on five layers whose loops over the four time steps are the example's, after 80 updates."""
    layers = [TimeLoop(code, inputs) for inputs in (700, 64, 64, 64, 64)]
    return train(nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 64, 20)), lambda: spikes(16)[:, 18:22], updates=80)


def of_a_recurrence(code: str) -> Report:
    """The report on a layer that rockpool connects with itself."""
    torch_module = pytest.importorskip("rockpool.nn.modules", reason="pip install --no-deps rockpool").LIFTorch
    names = scope() | {"LIFTorch": torch_module, "fc": nn.Linear(700, 48)}
    step, once = split(code, r"^lif")
    exec(once, names)

    return train(Recurrent(names["fc"], names["lif"], step), lambda: spikes(16))


def of_a_stream(code: str) -> Report:
    """The report on the example's model, which is trained on batches and validated with one image at a time."""
    names = scope()
    training, first = split(code, r"^(lif1|model) = ")
    exec(first, names)
    model = names["model"]

    def logits(images: int) -> torch.Tensor:
        utils.reset(model)
        return sum(model((torch.rand(images, 2, 8, 8) < 0.3).float()) for _ in range(4)).flatten(1)[:, :20]

    def fit(model: nn.Module) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(logits(8), torch.randint(0, 20, (8,))).backward()
            optimizer.step()

    with spikecheck.attach(model) as monitor:
        exec(training, names | {"train": fit, "validate": lambda model: [logits(1) for _ in range(10)]})
    return monitor.report()


REPORTS: dict[str, Callable[[str], Report]] = {
    "SPK101": of_a_model,
    "SPK102": of_the_input,
    "SPK103": of_the_input,
    "SPK104": lambda code: of_a_forward_pass(code, r"^net = |^functional", lambda: torch.rand(16, 28, 28)),
    "SPK105": of_the_input,
    "SPK106": of_a_model,
    "SPK107": of_the_input,
    "SPK108": of_a_model,
    "SPK109": of_batches,
    "SPK110": of_encoded_images,
    "SPK111": of_two_cameras,
    "SPK112": of_test_images,
    "SPK206": of_pixels,
    "SPK208": of_a_loop,
    "SPK209": lambda code: of_a_forward_pass(code, r"^never", lambda: spikes(16)),
    "SPK213": of_a_loop,
    "SPK214": of_epochs,
    "SPK215": of_epochs,
    "SPK217": of_both_modes,
    "SPK218": of_pieces,
    "SPK219": of_hidden_neurons,
    "SPK221": of_a_time_step,
    "SPK222": of_a_recurrence,
    "SPK223": of_an_evaluation,
    "SPK224": of_an_evaluation,
    "SPK225": of_a_stream,
    "SPK226": of_five_layers,
    "SPK216": lambda code: of_a_forward_pass(code, r"^fc1, |^lif1 = ", lambda: spikes(16)),
}


@pytest.mark.parametrize("which", ["broken", "repaired"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_broken_example_is_found_and_the_repaired_one_is_not(check: type[Check], which: str) -> None:
    (code,) = (text for _, label, text in FENCE.findall(check.sections()["Example"]) if label == which)
    report = REPORTS.get(check.id, of_layers)(code)
    assert (check.id in {finding.check for finding in report.findings}) is (which == "broken"), str(report)
