"""The expressions by which a script reaches the modules of a model: `net[1]`, `net.layers[0].lif`."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

from torch import nn

from spikecheck.probe.parameter_set import Assembly

#: Whose frames are no script's: a loop of theirs calls what the script trains by a name of its own.
PACKAGES = (
    "spikecheck",
    "torch",
    "accelerate",
    "ignite",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "skorch",
    "sklearn",
    "transformers",
)
MAX_VARIABLES = 10_000  # more than that in one place are not searched for the model's name


def module_paths(model: nn.Module, variable: str = "model") -> dict[int, str]:
    """Return a valid Python expression per module, by its id; the first, for one that stands in several places."""
    paths = {id(model): variable}
    if isinstance(model, Assembly):
        paths.update((id(module), name) for name, module in model._modules.items() if module is not None)
    for name, module in model.named_modules():
        for key, child in module._modules.items():
            if child is not None and id(child) not in paths:
                before = paths.get(id(module), f"{variable}.get_submodule({name!r})")
                paths[id(child)] = before + step(module, key, child)
    return paths


def step(parent: nn.Module, key: str, child: nn.Module) -> str:
    """Return what leads from a module to its child; `get_submodule` takes every name."""
    if type(parent) in (nn.Sequential, nn.ModuleList) and key.isdecimal():
        return f"[{key}]"
    if type(parent) is nn.ModuleDict and '"' not in key and "\\" not in key and key.isprintable():
        return f'["{key}"]'
    if key.isidentifier() and not iskeyword(key) and getattr(parent, key, None) is child:
        return f".{key}"
    return f'.get_submodule("{key}")'


def script_frame(frame: Any) -> Any:
    """Return the frame itself, or the nearest of its callers that is the script's."""
    while frame.f_back is not None and not is_of_script(frame):
        frame = frame.f_back
    return frame


def is_of_script(frame: Any) -> bool:
    """Return whether a frame is neither ours nor of a library that calls what a script trains."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] not in PACKAGES


def variable_name(model: nn.Module, frame: Any) -> str:
    """Return the name by which a frame of the script knows the model, or one of its callers does; else "model".

    A library that calls the model for the script knows it as `self`.
    """
    if name := name_in(model, frame):
        return name
    while (frame := frame.f_back) is not None:
        if is_of_script(frame) and (name := name_in(model, frame)) not in ("", "self"):
            return name
    return "model"


def name_in(model: nn.Module, frame: Any) -> str:
    """Return the name of the model among the variables of a frame; empty where it has none."""
    for variables in (frame.f_locals, frame.f_globals):
        if name := name_of(model, variables):
            return name
        holder = getattr(variables.get("self"), "__dict__", {})
        modules = holder.get("_modules") if isinstance(holder, dict) else None  # which may be anything in a class
        if name := name_of(model, {**holder, **modules} if isinstance(modules, dict) else holder):
            return f"self.{name}"
    return ""


def name_of(model: nn.Module, variables: Mapping[str, Any]) -> str:
    """Return the first name that a script would write for the model; empty where there is none."""
    if len(variables) > MAX_VARIABLES:
        return ""
    return next((name for name, value in [*variables.items()] if value is model and is_plain_name(name)), "")


def is_plain_name(name: object) -> bool:
    """Return whether it is a name that a script would write; notebooks keep results under names with underscores."""
    return isinstance(name, str) and name.isidentifier() and not name.startswith("_")
