"""Convert frozen dataclasses to what JSON can hold, and back: strictly, since evidence can come from anybody."""

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
    """A value does not have the type that its place requires; the message says where."""


def plain(value: Any) -> Any:
    """Return the value as JSON can hold it; TypeError for what is neither a plain value nor made of plain values."""
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
def field_types(kind: Hashable) -> dict[str, Any]:
    """Return the types of a dataclass's fields by name."""
    return get_type_hints(kind)


@cache
def required_fields(kind: Any) -> frozenset[str]:
    """Return the names of a dataclass's fields that have no default."""
    return frozenset(f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING)


def rebuild(kind: Any, value: Any, clean: Clean, where: str) -> Any:
    """Return the value of this type that `plain` was parts; texts pass through `clean`.

    Raises:
        MisfitError: the value has another type; `where` names the place in the message.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return rebuild(next(one for one in inner if one is not NoneType), value, clean, where)
    if origin is tuple:
        return rebuild_tuple(inner, value, clean, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        name = rebuild(str, value, clean, where)
        if name not in kind.__members__:
            misfit(where, f"{kind.__name__} has no member {name!r}")
        return kind[name]
    if is_dataclass(kind) and isinstance(kind, type):
        return rebuild_dataclass(kind, value, clean, where)
    if isinstance(value, int) and abs(value) >= LARGEST:
        misfit(where, "the number is too large")
    if kind in (int, float) and isinstance(value, kind | int) and not isinstance(value, bool):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return clean(value)
    misfit(where, f"expected {getattr(kind, '__name__', kind)}, got {type(value).__name__}")


def rebuild_tuple(inner: tuple[Any, ...], value: Any, clean: Clean, where: str) -> tuple[Any, ...]:
    """Return a tuple, of any length if its type says so."""
    if not isinstance(value, list):
        misfit(where, f"expected a list, got {type(value).__name__}")
    kinds = [inner[0]] * len(value) if inner[-1:] == (...,) else list(inner)
    if len(kinds) != len(value):
        misfit(where, f"expected {len(kinds)} values, got {len(value)}")
    return tuple(rebuild(kind, item, clean, where) for kind, item in zip(kinds, value, strict=True))


def rebuild_dataclass(kind: Any, value: Any, clean: Clean, where: str) -> Any:
    """Return a dataclass from its fields by name.

    A field with a default may be missing, and a field that is not known here is ignored: evidence of an older and of a
    newer spikecheck differ by such fields.
    """
    parts, types = mapping(value, where), field_types(kind)
    known = [f.name for f in fields(kind) if f.name in parts]
    if missing := sorted(required_fields(kind) - set(known)):
        misfit(where, f"{kind.__name__} lacks {missing[0]!r}")
    return kind(**{name: rebuild(types[name], parts[name], clean, f"{where}.{name}") for name in known})


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a dictionary whose keys are text; MisfitError where the value is something else."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        misfit(where, f"expected a dictionary, got {type(value).__name__}")
    return value


def misfit(where: str, problem: str) -> NoReturn:
    """Raise MisfitError with the place."""
    raise MisfitError(f"{where}: {problem}")
