"""What a framework file tells of its layers, and which file is asked.

A model can contain a layer of a library only if the process has imported that library, so only files whose `name`
stands in `sys.modules` are loaded: nothing is imported in order to ask. Another package adds a library through an
entry point of the group `spikecheck.frameworks` that names a subclass of `Framework`.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.neuron import NeuronSpec
from spikecheck.packages import ExtensionCode, UnusableExtension, entry_points_of
from spikecheck.site import Layout

PER_STEP = Layout(time=None, batch=0)
BATCH_FIRST = Layout(time=1, batch=0)
TIME_FIRST = Layout(time=0, batch=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one call of a spiking layer shows; None is what it does not show. `layout` holds for spikes and current."""

    spikes: Tensor | None = None
    current: Tensor | None = None
    potential: Tensor | None = None
    layout: Layout = PER_STEP
    potential_layout: Layout | None = None  # where the potential has another layout, such as the last step's alone
    # What the layer returned, where `spikes` is a view made of it for us: gradients come to this one.
    returned: Tensor | None = None


class Framework:
    """How to read the layers of one library. `name` is the module that must have been imported."""

    name: ClassVar[str]
    shows_time: ClassVar[bool] = True  # does `heard` know which axis is time, or that a call is a step?
    shows_state: ClassVar[bool] = True  # does `state` find whatever a layer goes on from, so that empty means nothing?

    def spikes(self, module: nn.Module) -> bool:
        """Is this a layer that emits spikes?"""
        raise NotImplementedError

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """The neurons' parameters, None where unknown; read once a window, since it may wait for the device."""
        raise NotImplementedError

    def heard(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Heard:
        """What a forward hook's arguments show."""
        raise NotImplementedError

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """What the layer will start from, read before its call; empty where it starts anew or shows nothing."""
        return ()

    def goes_on_from(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """What a call in the middle of a sequence starts from."""
        return self.state(module, args, kwargs)

    def hands_on(self, module: nn.Module, output: Any) -> tuple[Tensor, ...]:
        """What the next call is to start from, read after a call; empty where the library sees to it."""
        return ()


def number(value: object) -> float | None:
    """A parameter as one number: the mean of a tensor's entries, None where it is no number."""
    if isinstance(value, Tensor):
        return float(value.detach().float().mean()) if value.numel() else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def tensors(values: Sequence[Any]) -> tuple[Tensor, ...]:
    """The tensors that hold anything, of a sequence of anything."""
    return tuple(value for value in values if isinstance(value, Tensor) and value.numel())


def nested(values: Sequence[Any]) -> tuple[Tensor, ...]:
    """The tensors that hold anything, of sequences within sequences too."""
    inner = (nested(v) if isinstance(v, tuple | list) else tensors([v]) for v in values)
    return tuple(tensor for some in inner for tensor in some)


@cache
def load(home: str) -> Framework:
    """The framework that a module of this name defines."""
    module = import_module(home)
    for thing in vars(module).values():
        if inspect.isclass(thing) and issubclass(thing, Framework) and thing.__module__ == home:
            return thing()
    raise LookupError(f"{home} defines no Framework")


def imported(model: nn.Module) -> list[Framework]:
    """The frameworks whose library this process has imported, ours and those of other packages."""
    package = __name__.rpartition(".")[0]
    here = import_module(package).__path__
    names = [info.name for info in pkgutil.iter_modules(here) if info.name in sys.modules]
    ours = [load(f"{package}.{name}") for name in names if name not in ("base", "generic")]
    return [*ours, *(tried for tried in others(model) if isinstance(tried, Framework))]


def broken_for(model: nn.Module) -> tuple[UnusableExtension, ...]:
    """What other packages offer for libraries that this process has imported, and cannot be used for the model."""
    return tuple(tried for tried in others(model) if isinstance(tried, UnusableExtension))


def others(model: nn.Module) -> Iterator[Framework | UnusableExtension]:
    """Other packages' frameworks, each asked about the modules of the model before it is relied on."""
    for point in entry_points_of("spikecheck.frameworks"):
        if point.name in sys.modules:
            with ExtensionCode() as code:
                framework = made(point)
                for module in model.modules():
                    framework.spikes(module)
            yield UnusableExtension.of("framework", point, code.why) if code.why else framework


@cache
def made(point: EntryPoint) -> Framework:
    """The framework that an entry point names; SpikecheckError where it is none."""
    offer = point.load()
    if not inspect.isclass(offer) or not issubclass(offer, Framework):
        raise SpikecheckError("it is no subclass of spikecheck.probe.frameworks.base.Framework")
    if not hasattr(offer, "name"):
        raise SpikecheckError("it lacks name, the module that must have been imported")
    framework: Framework = offer()
    return framework
