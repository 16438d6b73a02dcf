"""Frozen dataclasses to what JSON can hold, and back: strictly, since what comes back may come from anybody."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

Clean = Callable[[str], str]
LARGEST = 1 << 63  # counts of a run fit into 64 bits, and arithmetic with longer ones can take for ever


class MisfitError(ValueError):
    """A value is not of the type that its place asks for; the message says where."""


def plain(value: Any) -> Any:
    """The value as JSON can hold it. TypeError for what is neither a plain value nor made of them."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} is no plain value")


@cache
def hints(kind: Hashable) -> dict[str, Any]:
    """The types of a dataclass' fields."""
    return get_type_hints(kind)


def rebuilt(kind: Any, value: Any, clean: Clean, where: str) -> Any:
    """The value of a type that `plain` was given; texts pass through `clean`. MisfitError where it is of another."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return rebuilt(next(one for one in inner if one is not NoneType), value, clean, where)
    if origin is tuple:
        return row(inner, value, clean, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        name = rebuilt(str, value, clean, where)
        if name not in kind.__members__:
            misfit(where, f"{kind.__name__} has no {name!r}")
        return kind[name]
    if is_dataclass(kind) and isinstance(kind, type):
        return record(kind, value, clean, where)
    if isinstance(value, int) and abs(value) >= LARGEST:
        misfit(where, "too large a number")
    if kind in (int, float) and isinstance(value, kind | int) and not isinstance(value, bool):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return clean(value)
    misfit(where, f"{type(value).__name__} in place of {getattr(kind, '__name__', kind)}")


def row(inner: tuple[Any, ...], value: Any, clean: Clean, where: str) -> tuple[Any, ...]:
    """A tuple, of any length where its type says so."""
    if not isinstance(value, list):
        misfit(where, f"{type(value).__name__} in place of a list")
    kinds = [inner[0]] * len(value) if inner[-1:] == (...,) else list(inner)
    if len(kinds) != len(value):
        misfit(where, f"{len(value)} values in place of {len(kinds)}")
    return tuple(rebuilt(kind, item, clean, where) for kind, item in zip(kinds, value, strict=True))


def record(kind: Any, value: Any, clean: Clean, where: str) -> Any:
    """A dataclass from its fields by name; one that has a default may be missing."""
    given, known = mapping(value, where), hints(kind)
    names = {f.name for f in fields(kind)}
    if strange := sorted(set(given) - names):
        misfit(where, f"{kind.__name__} has no {clean(strange[0])!r}")
    asked = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(asked - set(given)):
        misfit(where, f"{kind.__name__} without {missing[0]!r}")
    return kind(**{name: rebuilt(known[name], part, clean, f"{where}.{name}") for name, part in given.items()})


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A dict by text; MisfitError where it is none."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        misfit(where, f"{type(value).__name__} in place of a dict by name")
    return value


def misfit(where: str, what: str) -> NoReturn:
    """Raise with the place."""
    raise MisfitError(f"{where}: {what}")
