"""Which cases of a long test run every time: the others are marked `full`, and run by `make full` alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def every_time(cases: Iterable[Any], *, always: Iterable[Any]) -> list[Any]:
    """Return the cases as parameters; those not in `always` are marked `full`."""
    cases, always = list(cases), set(always)
    unknown = always.difference(cases)
    assert not unknown, f"no such cases: {unknown}"
    return [case if case in always else pytest.param(case, marks=pytest.mark.full) for case in cases]
