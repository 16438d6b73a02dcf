"""Finds out why a spiking neural network does not train.

    monitor = spikecheck.attach(model)
    ...                                # train as before
    print(monitor.report())

Every public name is loaded when it is first used, so that importing spikecheck costs nothing: no torch, no rich, no
spiking library. A command like `spikecheck explain` starts at once, and a test runner that merely finds spikecheck
installed does not pay for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import attach as attach
    from .api import disable as disable
    from .api import tap as tap
    from .errors import SpikecheckError as SpikecheckError
    from .errors import SpikecheckWarning as SpikecheckWarning
    from .finding import Finding as Finding
    from .finding import Severity as Severity
    from .monitor import Monitor as Monitor
    from .report.model import Report as Report

__version__ = "0.1.0"

_HOMES = {
    "Finding": "finding",
    "Monitor": "monitor",
    "Report": "report.model",
    "Severity": "finding",
    "SpikecheckError": "errors",
    "SpikecheckWarning": "errors",
    "attach": "api",
    "disable": "api",
    "tap": "api",
}

__all__ = [
    "Finding",
    "Monitor",
    "Report",
    "Severity",
    "SpikecheckError",
    "SpikecheckWarning",
    "attach",
    "disable",
    "tap",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home at first use (PEP 562), and keep it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
