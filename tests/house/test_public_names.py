"""What users and other packages may import is listed here: a name that is added or removed is a decision."""

from __future__ import annotations

import pytest

import spikecheck
from spikecheck import plugin, readings, stored, timelines
from tests.house.test_import_is_light import loaded_by

PUBLIC = set(
    [
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
)
PLUGIN = set(
    [
        "Cause",
        "Check",
        "RunLog",
        "RunPoint",
        "RunStart",
        "Sink",
        "Observations",
        "Readings",
        "limit",
        "Expected",
        "Finding",
        "Fix",
        "Observed",
        "Severity",
        "SpikecheckError",
        "Framework",
        "Observation",
        "BATCH_FIRST",
        "PER_STEP",
        "TIME_FIRST",
        "Layout",
        "NeuronSpec",
        "ReplacedParameter",
        "Moment",
        "Site",
        "SiteKind",
        "NonFinite",
        "number",
        "percentage",
        "BatchReading",
        "ClassWeightReading",
        "DriveReading",
        "EvaluationInputReading",
        "EvaluationSpikeTimelineReading",
        "EvaluationStateReading",
        "FlowReading",
        "GradientAtStepReading",
        "GradientReading",
        "GradientToSpikesReading",
        "InitialStatisticsReading",
        "InputHalvesReading",
        "InputReading",
        "LogitReading",
        "LossReading",
        "LossTermReading",
        "MemoryReading",
        "ModeInEvaluationReading",
        "ModeReading",
        "ParameterReading",
        "PotentialReading",
        "RegressionTargetReading",
        "RunReading",
        "SpikeReading",
        "StaleGradientReading",
        "StateReading",
        "StepLawReading",
        "TargetReading",
        "UndoneUpdateReading",
        "UnusedGradientReading",
        "UpdateReading",
        "CurrentTimelineReading",
        "InputTimelineReading",
        "LogitTimelineReading",
        "LossTimelineReading",
        "OptimizerPoint",
        "OptimizerTimelineReading",
        "PotentialTimelineReading",
        "SpikeTimelineReading",
        "TimelinePoint",
        "TimeSteps",
        "TimelineReading",
        "FitReading",
        "GlobalReading",
        "MomentReading",
        "StoredNeuronReading",
        "StoredReading",
    ]
)


def test_the_public_names_of_spikecheck() -> None:
    assert set(spikecheck.__all__) == PUBLIC


def test_the_public_names_of_the_plugin_module() -> None:
    assert set(plugin.__all__) == PLUGIN


@pytest.mark.parametrize("name", sorted(PLUGIN))
def test_every_public_name_of_the_plugin_module_exists(name: str) -> None:
    assert getattr(plugin, name) is not None


def test_every_reading_that_a_check_can_need_is_public() -> None:
    made = {name for module in (readings, stored, timelines) for name in vars(module) if name.endswith("Reading")}
    assert made - PLUGIN == {"ChangeReading"}, "between two files, and no check judges it"


def test_a_check_of_another_package_does_not_load_torch() -> None:
    assert "torch" not in loaded_by("from spikecheck.plugin import Check, SpikeReading, limit")
