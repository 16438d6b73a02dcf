"""What a framework file knows about its layers, and which files apply.

A model can contain a layer of a library only if the process has imported that library, so only files whose `name`
stands in `sys.modules` are loaded: nothing is imported in order to ask. Another package adds a library through an
entry point of the group `spikecheck.frameworks` that names a subclass of `Framework`.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.neuron import FIX_ATTRIBUTES, Holder, NeuronChange, NeuronSpec
from spikecheck.packages import ExtensionCode, UnusableExtension, entry_points_of
from spikecheck.site import Layout

PACKAGE = __name__.rpartition(".")[0]
PER_STEP = Layout(time=None, batch=0)
BATCH_FIRST = Layout(time=1, batch=0)
TIME_FIRST = Layout(time=0, batch=1)


@dataclass(slots=True)  # not frozen: one is made per time step, and that takes three times as long
class Observation:
    """What one call of a spiking layer shows; None where it shows nothing. `layout` is that of spikes and current."""

    spikes: Tensor | None = None
    current: Tensor | None = None
    potential: Tensor | None = None
    layout: Layout = PER_STEP
    potential_layout: Layout | None = None  # where the potential's is another, such as that of the last step alone
    output: Tensor | None = None  # what the layer returned, where `spikes` is a view of it: gradients reach this one


class Framework:
    """How to read the layers of one library. `name` is the module that must have been imported.

    `module` is a layer of the model; `args` and `kwargs` are what it was called with, `output` is what it returned.
    """

    name: ClassVar[str]
    shows_time: ClassVar[bool] = True  # whether `observe` knows which axis is time, or that a call is a step
    shows_state: ClassVar[bool] = True  # whether `state` finds any state there is, so that an empty one means none
    weighs: bool = False  # whether a layer written by hand makes its current inside, so that its input is none
    input_gain: float = 1.0  # by what such a layer multiplies that current
    input_weight: ClassVar[str] = ""  # of layers that make their current inside: the weight of their input, out x in

    def spikes(self, module: nn.Module) -> bool:
        """Return whether this layer emits spikes."""
        raise NotImplementedError

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return the neurons' parameters, None where unknown; called once per window: it may wait for the device."""
        raise NotImplementedError

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code that makes a `change` to `layer`, with a new `value`; empty if unknown, or if nothing changes."""
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return what a forward hook's arguments show."""
        raise NotImplementedError

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return what the layer will start from, read before its call; empty where it starts fresh or shows nothing."""
        return ()

    def previous_state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return what a call in the middle of a sequence starts from."""
        return self.state(module, args, kwargs)

    def next_state(self, module: nn.Module, output: Any) -> tuple[Tensor, ...]:
        """Return what the next call should start from, read after a call; empty where the library does that itself."""
        return ()


def spec_of(framework: Framework, module: nn.Module) -> NeuronSpec:
    """Return the parameters of a layer's neurons, with the attributes that it has of those that fixes name."""
    return replace(framework.neuron(module), attributes=tuple(name for name in FIX_ATTRIBUTES if has(module, name)))


def has(module: nn.Module, path: str) -> bool:
    """Return whether a module has an attribute, or one of its attributes has."""
    *owners, name = path.split(".")
    owner: object = module
    for one in owners:
        owner = getattr(owner, one, None)
    return hasattr(owner, name)


def settable(module: nn.Module, name: str) -> dict[str, Any]:
    """Return the facts of a `NeuronSpec` by which a threshold of this name is set; none for one that is computed."""
    own, is_tensor = getattr(type(module), name, None), isinstance(getattr(module, name, None), Tensor)
    computed = isinstance(own, property) and (is_tensor or own.fset is None)
    holder = Holder.TENSOR if is_tensor else Holder.ATTRIBUTE
    return {"threshold_name": "" if computed else name, "threshold_holder": holder}


def number(value: object) -> float | None:
    """Return a parameter as one number: the mean of a tensor's entries, None where it is no number."""
    if isinstance(value, Tensor):
        return float(value.detach().float().mean()) if value.numel() else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def tensors(values: Sequence[Any]) -> tuple[Tensor, ...]:
    """Return the tensors that hold anything, of a sequence of anything."""
    return tuple(value for value in values if isinstance(value, Tensor) and value.numel())


def nested(values: Sequence[Any]) -> tuple[Tensor, ...]:
    """Return the tensors that hold anything, of sequences within sequences too."""
    inner = (nested(v) if isinstance(v, tuple | list) else tensors([v]) for v in values)
    return tuple(tensor for some in inner for tensor in some)


@cache
def load(home: str) -> Framework:
    """Return the framework that a module of this name defines."""
    module = import_module(home)
    for thing in vars(module).values():
        if inspect.isclass(thing) and issubclass(thing, Framework) and thing.__module__ == home:
            return thing()
    raise LookupError(f"{home} defines no Framework")


@cache
def files() -> tuple[str, ...]:
    """Return the files of this folder that are named after a library."""
    every = (info.name for info in pkgutil.iter_modules(import_module(PACKAGE).__path__))
    return tuple(name for name in every if name not in ("base", "generic"))


def imported(model: nn.Module) -> list[Framework]:
    """Return the frameworks whose library this process has imported, ours and those of other packages."""
    ours = [load(f"{PACKAGE}.{file}") for file in files() if library_of(file) in sys.modules]
    return [*ours, *(tried for tried in others(model) if isinstance(tried, Framework))]


def library_of(file: str) -> str:
    """Return the module that a file is named after, where an underscore may stand for the dot of a submodule."""
    return file if file in sys.modules else file.replace("_", ".", 1)


def broken_for(model: nn.Module) -> tuple[UnusableExtension, ...]:
    """Return what other packages offer for imported libraries and cannot be used for this model."""
    return tuple(tried for tried in others(model) if isinstance(tried, UnusableExtension))


def others(model: nn.Module) -> Iterator[Framework | UnusableExtension]:
    """Yield other packages' frameworks, each tried on the modules of the model before it is relied on."""
    for point in entry_points_of("spikecheck.frameworks"):
        if point.name in sys.modules:
            with ExtensionCode() as code:
                framework = made(point)
                for _, module in model.named_modules():
                    framework.spikes(module)
            yield UnusableExtension.of("framework", point, code.why) if code.why else framework


@cache
def made(point: EntryPoint) -> Framework:
    """Return the framework that an entry point names; SpikecheckError where it is none."""
    offer = point.load()
    if not inspect.isclass(offer) or not issubclass(offer, Framework):
        raise SpikecheckError("it is no subclass of spikecheck.probe.frameworks.base.Framework")
    if not hasattr(offer, "name"):
        raise SpikecheckError("it lacks name, the module that must have been imported")
    framework: Framework = offer()
    return framework
