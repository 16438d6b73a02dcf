"""Convert states of statistics to what `torch.load(weights_only=True)` reads, and back: no code can be in a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from torch import Tensor

from spikecheck.site import SiteKind
from spikecheck.stats.base import Statistic, statistics
from spikecheck.stats.engine import Engine, Windows

CLASS = "class"  # the key that names the class of what a dict stands for
CARRIED = ("first", "current", "previous", "earlier")


def pack(value: Any) -> Any:
    """Return a value as dicts, lists, numbers and tensors in main memory."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Enum):
        return {CLASS: name_of(type(value)), "value": value.value}
    if is_dataclass(value) and not isinstance(value, type):
        return {CLASS: name_of(type(value)), **{one.name: pack(getattr(value, one.name)) for one in fields(value)}}
    if isinstance(value, tuple | list | frozenset):
        return {CLASS: type(value).__name__, "items": [pack(item) for item in value]}
    if isinstance(value, Mapping):
        return {CLASS: "dict", "items": [[pack(key), pack(item)] for key, item in value.items()]}
    raise TypeError(f"{type(value).__name__} cannot be passed to another rank")


def unpack(value: Any) -> Any:
    """Return the value that `pack` was given; LookupError for a class that is none of ours."""
    if not isinstance(value, dict):
        return value
    kind = value[CLASS]
    if kind in ("tuple", "list", "frozenset"):
        return {"tuple": tuple, "list": list, "frozenset": frozenset}[kind](unpack(item) for item in value["items"])
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in value["items"]}
    cls = class_of(kind)
    if issubclass(cls, Enum):
        return cls(value["value"])
    return cls(**{name: unpack(item) for name, item in value.items() if name != CLASS})


def name_of(cls: type) -> str:
    """Return the name by which a class of ours is found again."""
    return f"{cls.__module__}:{cls.__qualname__}"


def class_of(name: str) -> Any:
    """Return the dataclass or enumeration of this name; LookupError where it is none of this package."""
    module, _, attribute = name.partition(":")
    cls = getattr(sys.modules.get(module), attribute, None) if module.startswith("spikecheck.") else None
    if not isinstance(cls, type) or not (is_dataclass(cls) or issubclass(cls, Enum)):
        raise LookupError(f"{name!r} is no state of this version of spikecheck")
    return cls


def pack_engine(engine: Engine) -> list[Any]:
    """Return the states of an engine, without excerpts, which are of one forward pass of one rank."""
    return [
        [training, type(statistic).__name__, kind.value, name, pack(windows.sites), windows.windowed]
        + [pack(getattr(windows, one)) for one in CARRIED]
        for (training, statistic, (kind, name)), windows in engine.windows.items()
        if not statistic.one_pass
    ]


def unpack_engine(packed: list[Any]) -> Engine:
    """Return the engine; states of statistics that are not known here are left out."""
    by_name: dict[str, Statistic[Any]] = {type(one).__name__: one for one in statistics()}
    engine = Engine({})
    for training, statistic, kind, name, sites, windowed, *states in packed:
        if statistic in by_name:
            known = dict(zip(CARRIED, map(unpack, states), strict=True))
            key = training, by_name[statistic], (SiteKind(kind), name)
            engine.windows[key] = Windows(unpack(sites), windowed=windowed, **known)
    return engine
