"""Compare a reading with that of its oracle."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal up to float32 rounding; NaN equals NaN."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and not differences(a, b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float | int):
        return (a != a and b != b) or a == b or math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-5)
    return type(a) is type(b) and bool(a == b)


def differences(a: Any, b: Any, leave_out: Sequence[str] = ()) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which two readings differ."""
    pairs = {f.name: (getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)}
    return {name: pair for name, pair in pairs.items() if name not in leave_out and not same(*pair)}
