"""Find out why a spiking neural network does not train.

    with spikecheck.attach(model) as monitor:
        ...                            # train as before
    print(monitor.report())

Public names are imported when they are first used. `import spikecheck` imports neither torch nor rich nor a spiking
library, so that `spikecheck explain` starts at once and test runs that do not use spikecheck do not pay for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import attach as attach
    from .api import disable as disable
    from .api import tap as tap
    from .assertions import UnhealthyError as UnhealthyError
    from .assertions import assert_batch_independent as assert_batch_independent
    from .assertions import assert_binary as assert_binary
    from .assertions import assert_binary_input as assert_binary_input
    from .assertions import assert_causal_in_time as assert_causal_in_time
    from .assertions import assert_checkpoint_healthy as assert_checkpoint_healthy
    from .assertions import assert_firing_rate as assert_firing_rate
    from .assertions import assert_gradients_reach_every_parameter as assert_gradients_reach_every_parameter
    from .assertions import assert_healthy as assert_healthy
    from .assertions import assert_initial_loss_near_chance as assert_initial_loss_near_chance
    from .assertions import assert_learns_one_batch as assert_learns_one_batch
    from .assertions import assert_logits_in_range as assert_logits_in_range
    from .assertions import assert_max_spikes_per_step as assert_max_spikes_per_step
    from .assertions import assert_no_dead_layers as assert_no_dead_layers
    from .assertions import assert_spikes_binary as assert_spikes_binary
    from .assertions import assert_state_resets as assert_state_resets
    from .baseline import assert_matches_baseline as assert_matches_baseline
    from .baseline import record_baseline as record_baseline
    from .calibration.calibrate import calibrate as calibrate
    from .errors import SpikecheckError as SpikecheckError
    from .errors import SpikecheckWarning as SpikecheckWarning
    from .evidence.save import save_evidence as save_evidence
    from .examination import examine as examine
    from .finding import Finding as Finding
    from .finding import Severity as Severity
    from .monitor import Monitor as Monitor
    from .report.model import Report as Report
    from .tuning.study import tune as tune

__version__ = "0.1.0"

_HOMES = {
    "Finding": "finding",
    "Monitor": "monitor",
    "Report": "report.model",
    "Severity": "finding",
    "SpikecheckError": "errors",
    "SpikecheckWarning": "errors",
    "UnhealthyError": "assertions",
    "assert_batch_independent": "assertions",
    "assert_binary": "assertions",
    "assert_binary_input": "assertions",
    "assert_causal_in_time": "assertions",
    "assert_checkpoint_healthy": "assertions",
    "assert_firing_rate": "assertions",
    "assert_gradients_reach_every_parameter": "assertions",
    "assert_healthy": "assertions",
    "assert_initial_loss_near_chance": "assertions",
    "assert_learns_one_batch": "assertions",
    "assert_logits_in_range": "assertions",
    "assert_matches_baseline": "baseline",
    "assert_max_spikes_per_step": "assertions",
    "assert_no_dead_layers": "assertions",
    "assert_spikes_binary": "assertions",
    "assert_state_resets": "assertions",
    "attach": "api",
    "calibrate": "calibration.calibrate",
    "disable": "api",
    "examine": "examination",
    "record_baseline": "baseline",
    "save_evidence": "evidence.save",
    "tap": "api",
    "tune": "tuning.study",
}

__all__ = [
    "Finding",
    "Monitor",
    "Report",
    "Severity",
    "SpikecheckError",
    "SpikecheckWarning",
    "UnhealthyError",
    "assert_batch_independent",
    "assert_binary",
    "assert_binary_input",
    "assert_causal_in_time",
    "assert_checkpoint_healthy",
    "assert_firing_rate",
    "assert_gradients_reach_every_parameter",
    "assert_healthy",
    "assert_initial_loss_near_chance",
    "assert_learns_one_batch",
    "assert_logits_in_range",
    "assert_matches_baseline",
    "assert_max_spikes_per_step",
    "assert_no_dead_layers",
    "assert_spikes_binary",
    "assert_state_resets",
    "attach",
    "calibrate",
    "disable",
    "examine",
    "record_baseline",
    "save_evidence",
    "tap",
    "tune",
]


def load_ipython_extension(ipython: Any) -> None:
    """Add the cell magic %%spikecheck to a notebook: what `%load_ext spikecheck` calls."""
    import_module(f"{__name__}.notebook").add_magic(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Show warnings as before: what `%unload_ext spikecheck` calls."""
    import_module(f"{__name__}.notebook").unfold_warnings()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), and keep it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
