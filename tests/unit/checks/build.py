"""Readings for the tables of the checks: everything healthy, except for what a row changes.

A row judges a run with spikes of one layer by `severity_of(DeadLayer(), observe({"lif1": [spikes()]}), "lif1")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from spikecheck import evaluation_readings, experiment_readings, timelines, update_readings
from spikecheck.checks.base import Check, Observations, place_of
from spikecheck.finding import Finding
from spikecheck.loss_readings import ClassWeightReading, LossTermReading
from spikecheck.neuron import NeuronSpec
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
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.state_readings import MemoryReading, StepLawReading
from spikecheck.stored import FitReading, GlobalReading, MomentReading, StoredNeuronReading, StoredReading

FINITE = NonFinite(count=0, elements=1000)
POISONED = NonFinite(count=7, elements=1000, first=Moment(3, 2))

SPIKES = SpikeReading(
    forward_passes=20,
    time_steps=400,
    samples=320,
    neurons=64,
    elements=409_600,
    count=20_480.0,
    active=20_480,
    minimum=0.0,
    maximum=1.0,
    values=(0.0, 1.0),
    non_binary=0,
    sampled_elements=81_920,
    non_integer=0,
    silent_neurons=3,
    saturated_neurons=0,
    max_count=9.0,
    min_count=0.0,
    non_finite=FINITE,
)
DRIVE = DriveReading(
    forward_passes=20,
    time_steps=400,
    mean=0.05,
    rms=0.5,
    maximum=2.5,
    peak=1.5,
    non_finite=FINITE,
)
POTENTIAL = PotentialReading(maximum=0.99, non_finite=FINITE)
INPUT = InputReading(
    forward_passes=20,
    shape=(20, 16, 100),
    dtype="float32",
    time_steps=20,
    elements=640_000,
    count=19_200.0,
    active=19_200,
    above_one=0,
    negative=0,
    minimum=0.0,
    maximum=1.0,
    values=(0.0, 1.0),
    sampled_elements=81_920,
    non_integer=0,
    non_finite=FINITE,
    frames=6400,
    filled_frames=5400,
    samples=320,
    empty_samples=0,
    densest_frame_share=0.1,
    constant_forward_passes=0,
    distinct_batches=16,
)
STATE = StateReading(sequences=20, carried_sequences=0, largest_potential=0.0)
MEMORY = MemoryReading(forward_passes=20, stateful_forward_passes=20)
MODE = ModeReading(updates=20, evaluation_updates=0, calls_per_forward_pass=1)
FLOW = FlowReading(forward_passes=20, blocked_forward_passes=0, spikes_receive_gradient=True)
LOGITS = LogitReading(
    updates=20,
    rows=320,
    classes=20,
    minimum=-3.0,
    maximum=4.0,
    spread=3.0,
    tied_rows=0,
    simplex_rows=0,
    one_hot_rows=0,
    non_finite=FINITE,
)
TARGETS = TargetReading(updates=20, samples=320, minimum=0, maximum=19, distinct_batches=16, loss_calls=20)
LOSS = LossReading(
    function="cross_entropy",
    updates=200,
    first=3.1,
    last=1.2,
    minimum=1.1,
    window=100,
    recent_mean=1.6,
    recent_deviation=0.1,
    recent_slope=-0.008,
    recent_slope_error=0.0004,
    classes=20,
    plain_mean=True,
    non_finite=FINITE,
)
LOSS_TERMS = LossTermReading(updates=20, own=3.0, others=0.0)
GRADIENT = GradientReading(
    updates=20, missing_updates=0, zero_updates=0, mean_norm=0.3, dimensions=2, non_finite=FINITE
)
PARAMETER = ParameterReading(elements=6400, dimensions=2, fan_in=100, rms=0.0577, non_finite=FINITE)
UPDATE = UpdateReading(
    updates=20, mean_relative_norm=0.002, max_relative_norm=0.01, unmoved_updates=0, learning_rate=1e-3
)
UNUSED = update_readings.UnusedGradientReading(backward_passes=1, gradient_passes=1, cleared_passes=1, moved_passes=0)
UNDONE = update_readings.UndoneUpdateReading(updates=10, undone_updates=0)
RUN = RunReading(
    live=False, update=20, forward_passes=20, backward_passes=20, called_per_time_step=False, frameworks=("snntorch",)
)
NEURON = NeuronSpec(v_threshold=1.0, decay=0.9, reset="subtract", surrogate="FastSigmoid", multi_spike=False)
STORED = StoredReading(
    role="weight",
    shape=(64, 100),
    dtype="float32",
    elements=6400,
    dimensions=2,
    fan_in=100,
    mean=0.001,
    rms=0.07,
    minimum=-0.31,
    maximum=0.28,
    nan=0,
    infinite=0,
    first_non_finite=None,
    rows=64,
    zero_rows=0,
)
STORED_NEURON = StoredNeuronReading(
    role="threshold",
    minimum=1.0,
    maximum=1.0,
    elements=1,
    out_of_range=0,
    layer="lif1",
    max_potential=40.0,
    unreachable_neurons=0,
    neurons=64,
)
MOMENT = MomentReading(missing=False, other_parameters=5, max_abs=0.01, updates=60.0, learning_rate=1e-3)

# What a reading says is said of one kind of site.
KINDS: dict[type[Any], SiteKind] = {
    SpikeReading: SiteKind.SPIKES,
    DriveReading: SiteKind.CURRENT,
    PotentialReading: SiteKind.POTENTIAL,
    InputReading: SiteKind.INPUT,
    InputHalvesReading: SiteKind.INPUT,
    EvaluationInputReading: SiteKind.INPUT,
    StateReading: SiteKind.STATE,
    EvaluationStateReading: SiteKind.STATE,
    MemoryReading: SiteKind.MEMORY,
    StepLawReading: SiteKind.MEMORY,
    ModeReading: SiteKind.BATCH_NORM_OR_DROPOUT,
    evaluation_readings.InitialStatisticsReading: SiteKind.BATCH_NORM_OR_DROPOUT,
    evaluation_readings.ModeInEvaluationReading: SiteKind.BATCH_NORM_OR_DROPOUT,
    RunReading: SiteKind.RUN,
    FlowReading: SiteKind.SPIKES,
    LogitReading: SiteKind.LOGITS,
    TargetReading: SiteKind.TARGETS,
    LossReading: SiteKind.LOSS,
    LossTermReading: SiteKind.LOSS_TERMS,
    ClassWeightReading: SiteKind.CLASS_WEIGHTS,
    GradientReading: SiteKind.GRADIENT,
    ParameterReading: SiteKind.PARAMETER,
    UpdateReading: SiteKind.UPDATE,
    update_readings.GradientToSpikesReading: SiteKind.GRADIENT_TO_SPIKES,
    update_readings.StaleGradientReading: SiteKind.STALE_GRADIENT,
    update_readings.UnusedGradientReading: SiteKind.UNUSED_GRADIENT,
    update_readings.UndoneUpdateReading: SiteKind.UNDONE_UPDATE,
    update_readings.GradientAtStepReading: SiteKind.GRADIENT_AT_STEP,
    RegressionTargetReading: SiteKind.REGRESSION_TARGET,
    BatchReading: SiteKind.LABELS,
    StoredReading: SiteKind.STORED,
    StoredNeuronReading: SiteKind.STORED_NEURON,
    MomentReading: SiteKind.MOMENT,
    FitReading: SiteKind.MODEL,
    GlobalReading: SiteKind.GLOBAL,
    timelines.SpikeTimelineReading: SiteKind.SPIKES,
    timelines.EvaluationSpikeTimelineReading: SiteKind.SPIKES,
    timelines.CurrentTimelineReading: SiteKind.CURRENT,
    timelines.PotentialTimelineReading: SiteKind.POTENTIAL,
    timelines.InputTimelineReading: SiteKind.INPUT,
    timelines.LogitTimelineReading: SiteKind.LOGITS,
    timelines.LossTimelineReading: SiteKind.LOSS,
    timelines.OptimizerTimelineReading: SiteKind.OPTIMIZER,
}
KINDS |= dict.fromkeys(
    (kind for name, kind in vars(experiment_readings).items() if name.endswith("Reading")), SiteKind.EXPERIMENT
)

# The readings of a loss belong to the place "loss", whatever its sites are called.
NAMES = {SiteKind.LOGITS: "logits"}
NAMES |= dict.fromkeys(
    (SiteKind.TARGETS, SiteKind.REGRESSION_TARGET, SiteKind.LABELS, SiteKind.CLASS_WEIGHTS), "targets"
)


def spikes(**changed: Any) -> SpikeReading:
    """A layer of 64 neurons in which 5 % of the bins hold a spike."""
    return replace(SPIKES, **changed)


def firing_at(*rates: float) -> dict[str, list[object]]:
    """Layers lif0, lif1, ... that fire at these rates."""
    return {f"lif{n}": [spikes(elements=100_000, count=r * 100_000), flow()] for n, r in enumerate(rates)}


def drive(**changed: Any) -> DriveReading:
    """A drive of half the threshold."""
    return replace(DRIVE, **changed)


def potential(**changed: Any) -> PotentialReading:
    """Potentials that come close to a threshold of 1."""
    return replace(POTENTIAL, **changed)


def inputs(**changed: Any) -> InputReading:
    """Binary spikes, 3 % of the bins."""
    return replace(INPUT, **changed)


def state(**changed: Any) -> StateReading:
    """Every sequence began with potentials of 0."""
    return replace(STATE, **changed)


def memory(**changed: Any) -> MemoryReading:
    """Every forward went on from potentials."""
    return replace(MEMORY, **changed)


def mode(**changed: Any) -> ModeReading:
    """A module in training mode throughout."""
    return replace(MODE, **changed)


def modules(observations: Observations) -> Observations:
    """The same run, with its spiking layers as modules that are judged as they are set up."""
    layers = (replace(s, kind=SiteKind.MODULE) for s in observations.sites if s.kind is SiteKind.SPIKES)
    return replace(observations, sites=(*observations.sites, *layers))


def flow(**changed: Any) -> FlowReading:
    """Gradients pass."""
    return replace(FLOW, **changed)


def logits(**changed: Any) -> LogitReading:
    """20 classes, a few units apart."""
    return replace(LOGITS, **changed)


def targets(**changed: Any) -> TargetReading:
    """Indices of 20 classes."""
    return replace(TARGETS, **changed)


def loss(**changed: Any) -> LossReading:
    """A loss that fell from ln 20 and is falling."""
    return replace(LOSS, **changed)


def loss_terms(**changed: Any) -> LossTermReading:
    """A loss that is all that is minimized."""
    return replace(LOSS_TERMS, **changed)


def gradient(**changed: Any) -> GradientReading:
    """A gradient of ordinary size."""
    return replace(GRADIENT, **changed)


def parameter(*, scale: float | None = None, **changed: Any) -> ParameterReading:
    """The weight of an `nn.Linear` as torch draws it; `scale` is rms * sqrt(fan_in)."""
    made = replace(PARAMETER, **changed)
    return made if scale is None else replace(made, rms=scale / made.fan_in**0.5)


def update(**changed: Any) -> UpdateReading:
    """Steps of 0.2 % of the weights."""
    return replace(UPDATE, **changed)


def unused(**changed: Any) -> update_readings.UnusedGradientReading:
    """The one backward pass before the first update."""
    return replace(UNUSED, **changed)


def undone(**changed: Any) -> update_readings.UndoneUpdateReading:
    """Ten updates that all lasted."""
    return replace(UNDONE, **changed)


def stored(*, scale: float | None = None, **changed: Any) -> StoredReading:
    """A trained weight of a checkpoint; `scale` is rms * sqrt(fan_in)."""
    made = replace(STORED, **changed)
    return made if scale is None else replace(made, rms=scale / made.fan_in**0.5)


def stored_neuron(**changed: Any) -> StoredNeuronReading:
    """A threshold of a checkpoint that its layer reaches easily."""
    return replace(STORED_NEURON, **changed)


def moment(**changed: Any) -> MomentReading:
    """What an optimizer remembers of a parameter that learned."""
    return replace(MOMENT, **changed)


def run(**changed: Any) -> RunReading:
    """A run that is over, after 20 updates."""
    return replace(RUN, **changed)


def neuron(**changed: Any) -> NeuronSpec:
    """A leaky neuron with threshold 1 and decay 0.9."""
    return replace(NEURON, **changed)


def site(kind: SiteKind, name: str, **changed: Any) -> Site:
    """A site; layers are snntorch's with the neuron above unless told otherwise."""
    layer = kind in SiteKind.CURRENT | SiteKind.SPIKES | SiteKind.POTENTIAL | SiteKind.STATE
    return Site(kind, name, **(({"framework": "snntorch", "neuron": NEURON} if layer else {}) | changed))


def observe(
    places: Mapping[str, Iterable[object]],
    *,
    sites: Mapping[str, Mapping[str, Any]] | None = None,
    run: RunReading = RUN,
    first: Mapping[str, Iterable[object]] | None = None,
    all: Mapping[str, Iterable[object]] | None = None,
) -> Observations:
    """Return a run in which these readings were made; places stand in the order of the data flow.

    `sites` changes fields of a place's sites: `sites={"lif1": {"fed_by": "fc1", "neuron": neuron(decay=1.0)}}`. All
    windows read as the recent one does, except for what `first` and `all` give.
    """
    recent = {name: {type(reading): reading for reading in readings} for name, readings in places.items()}
    made: dict[tuple[SiteKind, str], Site] = {}
    for position, (name, readings) in enumerate(recent.items(), start=1):
        for kind in dict.fromkeys(KINDS[reading] for reading in readings):
            changed = {"position": position, **(sites or {}).get(name, {})}
            called = NAMES.get(kind, name) if name == "loss" else name
            made[kind, name] = site(kind, called, **changed)
    other = [{name: {type(r): r for r in readings} for name, readings in (w or {}).items()} for w in (first, all)]
    windows = {"recent": recent, "first": recent | other[0], "all": recent | other[1]}
    return Observations(run, tuple(made.values()), windows)


def findings(check: Check, observations: Observations, name: str) -> list[Finding]:
    """Return the findings of a check at those sites of a place that it judges."""
    sites = [s for s in observations.sites if s.kind in check.sites and place_of(s) == name]
    assert sites, f"no {check.sites.label} at {name}"
    return [finding for s in sites for finding in check.judge(s, observations.readings(s))]


def severity_of(check: Check, observations: Observations, name: str) -> str | None:
    """Return the severity of the one finding at a place; None where there is none."""
    [severity] = [one.severity.label for one in findings(check, observations, name)] or [None]
    return severity
