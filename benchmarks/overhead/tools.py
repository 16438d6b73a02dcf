"""What is put on a network: spikecheck, the floors below it, and other tools as their documentation shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

import spikecheck

PEERS = ("torcheck==1.0.1", "torch-audit==0.3.0")  # those of benchmarks/overhead/__main__.py's environment


@dataclass(frozen=True)
class Tool:
    """One way to watch; `sees` is what it shows of each training step."""

    name: str
    sees: str
    attach: Callable[[Any, torch.optim.Optimizer], AbstractContextManager[object]]


@contextmanager
def nothing(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Watch nothing: the control row."""
    yield


@contextmanager
def empty_hooks(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Call a Python function before and after each call of a neuron."""
    for neuron in model.neurons:
        neuron.register_forward_pre_hook(lambda *_: None, with_kwargs=True)
        neuron.register_forward_hook(lambda *_: None, with_kwargs=True)
    yield


@contextmanager
def sums(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Read each tensor once: the sum of the input, and of each neuron's current, spikes and state."""
    read_sums: list[Tensor] = []

    def read(module: nn.Module, args: Any, output: Any) -> None:
        state = output if isinstance(output, tuple) else (output,)
        read_sums.extend(t.detach().sum() for t in (args[0], *state) if isinstance(t, Tensor))

    def finish(module: nn.Module, args: Any, output: Any) -> None:
        read_sums.append(args[0].sum())
        torch.stack(read_sums)
        read_sums.clear()

    for neuron in model.neurons:
        neuron.register_forward_hook(read)
    model.register_forward_hook(finish)
    yield


def ours(**options: Any) -> Callable[[Any, torch.optim.Optimizer], AbstractContextManager[object]]:
    """Return spikecheck with these options."""
    return lambda model, optimizer: spikecheck.attach(model, on_finding=lambda finding: None, **options)


class Anomaly:
    """A tool for the whole process, which is on during the steps of the watched network alone."""

    def around_step(self) -> AbstractContextManager[object]:
        """Return what a step runs in."""
        return torch.autograd.set_detect_anomaly(True, check_nan=True)


@contextmanager
def anomaly(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[Anomaly]:
    """Use torch's own search for the operation that made a NaN."""
    yield Anomaly()


@contextmanager
def torcheck(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Check at every step that parameters change and outputs are finite."""
    tool = import_module("torcheck")
    tool.register(optimizer)
    tool.add_module_changing_check(model, module_name="model")
    tool.add_module_nan_check(model, module_name="model")
    tool.add_module_inf_check(model, module_name="model")
    yield


@contextmanager
def torch_audit(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Audit every step."""
    tool = import_module("torch_audit")
    auditor = tool.autopatch(model, optimizer=optimizer, every_n_steps=1, reporters=[])
    yield
    auditor.unpatch()


EVERYTHING = "all statistics, by layer and time step, in every training step"
TIER_1 = (
    "counts, maxima and what is not finite, by layer and time step, in every training step; all statistics in some "
    "training steps"
)
TOOLS = (
    Tool("nothing (control)", "", nothing),
    Tool("empty hooks", "nothing: the floor of any tool that hooks the neurons", empty_hooks),
    Tool("one sum per tensor", "nothing: the floor of any tool that reads every value once", sums),
    Tool("spikecheck", TIER_1, ours()),
    Tool("spikecheck, budget=0.01", TIER_1, ours(budget=0.01)),
    Tool("spikecheck, every=1", EVERYTHING, ours(every=1)),
    Tool("torcheck 1.0.1", "parameters that do not change; outputs of the model that are not finite", torcheck),
    Tool(
        "torch-audit 0.3.0, every step", "parameters, gradients and their norms; no neuron, no time step", torch_audit
    ),
    Tool("torch detect_anomaly", "the operation whose backward pass made a NaN; no layer, no time step", anomaly),
)
