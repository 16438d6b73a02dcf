"""What a package that adds a check, a spiking library or a sink may import.

    from spikecheck.plugin import Check, Expected, Finding, Observed, Readings, SiteKind, SpikeReading, limit

These names stay where they are; other modules of spikecheck may change without notice. The names that belong to a
spiking library (`Framework`, `Observation`, the layouts) load torch, the others do not, so that `spikecheck explain`
starts at once beside a check of another package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spikecheck.checks.base import Check, Observations, Readings, limit
from spikecheck.diagnosis import Cause
from spikecheck.errors import SpikecheckError
from spikecheck.evaluation_readings import InitialStatisticsReading, ModeInEvaluationReading
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.loss_readings import ClassWeightReading, LossTermReading
from spikecheck.neuron import NeuronSpec, ReplacedParameter
from spikecheck.number_format import number, percentage
from spikecheck.readings import (
    BatchReading,
    DriveReading,
    EvaluationInputReading,
    EvaluationStateReading,
    FlowReading,
    GradientReading,
    InputHalvesReading,
    InputReading,
    LogitReading,
    LossReading,
    ModeReading,
    NonFinite,
    ParameterReading,
    PotentialReading,
    RegressionTargetReading,
    RunReading,
    SpikeReading,
    StateReading,
    TargetReading,
    UpdateReading,
)
from spikecheck.runlog.writer import RunLog
from spikecheck.sinks.base import RunPoint, RunStart, Sink
from spikecheck.site import Layout, Moment, Site, SiteKind
from spikecheck.state_readings import MemoryReading, StepLawReading
from spikecheck.stored import FitReading, GlobalReading, MomentReading, StoredNeuronReading, StoredReading
from spikecheck.timelines import (
    CurrentTimelineReading,
    EvaluationSpikeTimelineReading,
    InputTimelineReading,
    LogitTimelineReading,
    LossTimelineReading,
    OptimizerPoint,
    OptimizerTimelineReading,
    PotentialTimelineReading,
    SpikeTimelineReading,
    TimelinePoint,
    TimelineReading,
    TimeSteps,
)
from spikecheck.update_readings import (
    GradientAtStepReading,
    GradientToSpikesReading,
    StaleGradientReading,
    UndoneUpdateReading,
    UnusedGradientReading,
)

if TYPE_CHECKING:
    from spikecheck.probe.frameworks.base import BATCH_FIRST as BATCH_FIRST
    from spikecheck.probe.frameworks.base import PER_STEP as PER_STEP
    from spikecheck.probe.frameworks.base import TIME_FIRST as TIME_FIRST
    from spikecheck.probe.frameworks.base import Framework as Framework
    from spikecheck.probe.frameworks.base import Observation as Observation

#: Names that need torch, by the name they have in `spikecheck.probe.frameworks.base`.
WITH_TORCH = {
    "BATCH_FIRST": "BATCH_FIRST",
    "Framework": "Framework",
    "Observation": "Observation",
    "PER_STEP": "PER_STEP",
    "TIME_FIRST": "TIME_FIRST",
}

__all__ = [
    "BATCH_FIRST",
    "PER_STEP",
    "TIME_FIRST",
    "BatchReading",
    "Cause",
    "Check",
    "ClassWeightReading",
    "CurrentTimelineReading",
    "DriveReading",
    "EvaluationInputReading",
    "EvaluationSpikeTimelineReading",
    "EvaluationStateReading",
    "Expected",
    "Finding",
    "FitReading",
    "Fix",
    "FlowReading",
    "Framework",
    "GlobalReading",
    "GradientAtStepReading",
    "GradientReading",
    "GradientToSpikesReading",
    "InitialStatisticsReading",
    "InputHalvesReading",
    "InputReading",
    "InputTimelineReading",
    "Layout",
    "LogitReading",
    "LogitTimelineReading",
    "LossReading",
    "LossTermReading",
    "LossTimelineReading",
    "MemoryReading",
    "ModeInEvaluationReading",
    "ModeReading",
    "Moment",
    "MomentReading",
    "NeuronSpec",
    "NonFinite",
    "Observation",
    "Observations",
    "Observed",
    "OptimizerPoint",
    "OptimizerTimelineReading",
    "ParameterReading",
    "PotentialReading",
    "PotentialTimelineReading",
    "Readings",
    "RegressionTargetReading",
    "ReplacedParameter",
    "RunLog",
    "RunPoint",
    "RunReading",
    "RunStart",
    "Severity",
    "Sink",
    "Site",
    "SiteKind",
    "SpikeReading",
    "SpikeTimelineReading",
    "SpikecheckError",
    "StaleGradientReading",
    "StateReading",
    "StepLawReading",
    "StoredNeuronReading",
    "StoredReading",
    "TargetReading",
    "TimeSteps",
    "TimelinePoint",
    "TimelineReading",
    "UndoneUpdateReading",
    "UnusedGradientReading",
    "UpdateReading",
    "limit",
    "number",
    "percentage",
]


def __getattr__(name: str) -> Any:
    """Load a name that needs torch at its first use (PEP 562)."""
    if name not in WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("spikecheck.probe.frameworks.base"), WITH_TORCH[name])
    return value
