"""SPK405 non-finite-value: a table of numbers, no model."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch

from spikecheck.checks.spk403_exploding_gradient import ExplodingGradient
from spikecheck.checks.spk405_non_finite_value import DESCRIPTIONS, READINGS_BY_KIND, NonFiniteValue
from spikecheck.diagnosis import diagnose
from spikecheck.readings import NonFinite
from spikecheck.site import LearningRateHistory, Moment, Operation, Origin, SiteKind
from spikecheck.timelines import InputTimelineReading
from tests.unit.checks.build import (
    POISONED,
    drive,
    findings,
    gradient,
    inputs,
    logits,
    loss,
    neuron,
    observe,
    parameter,
    potential,
    run,
    severity_of,
    spikes,
    update,
)

ZERO_BY_ZERO, LOG_OF_ZERO = Origin(Operation.ZERO_BY_ZERO), Origin(Operation.LOG_OF_ZERO)
MADE = {
    SiteKind.INPUT: inputs,
    SiteKind.CURRENT: drive,
    SiteKind.POTENTIAL: potential,
    SiteKind.SPIKES: spikes,
    SiteKind.LOGITS: logits,
    SiteKind.LOSS: loss,
    SiteKind.GRADIENT: gradient,
    SiteKind.PARAMETER: parameter,
}


@pytest.mark.parametrize("kind", READINGS_BY_KIND, ids=lambda kind: kind.label)
def test_every_kind_of_site_is_judged_by_its_own_reading(kind: SiteKind) -> None:
    name = "loss" if kind in SiteKind.LOGITS | SiteKind.LOSS else "place"
    assert severity_of(NonFiniteValue(), observe({name: [MADE[kind]()]}), name) is None
    [finding] = findings(NonFiniteValue(), observe({name: [MADE[kind](non_finite=POISONED)]}), name)
    assert finding.severity.label == "error"
    assert finding.when == POISONED.first
    what = DESCRIPTIONS[kind].format(site=finding.site)
    assert finding.message == f"NaN or infinity in {what}, after update 3, time step 2"


def test_a_timeline_names_the_moment_that_the_sampled_forward_passes_missed() -> None:
    missed = NonFinite(3, 4000, Moment(500, 2), "infinity")
    timeline = InputTimelineReading((), missed)
    [finding] = findings(NonFiniteValue(), observe({"input": [inputs(), timeline]}), "input")
    assert finding.message == "infinity in the input, after update 500, time step 2"
    assert finding.observed.text.endswith("in the first of them, the sum is infinity")


@pytest.mark.parametrize(
    ("made", "origins", "message"),
    [
        (loss, {"value_origins": (ZERO_BY_ZERO,)}, "NaN or infinity in the loss, after update 3, time step 2: 0 / 0"),
        (loss, {"gradient_origins": (LOG_OF_ZERO,)}, "NaN or infinity in the loss, after update 3, time step 2"),
        (
            gradient,
            {"gradient_origins": (LOG_OF_ZERO,)},
            "NaN or infinity in the gradient of loss, after update 3, time step 2: log(0)",
        ),
        (
            gradient,
            {"gradient_origins": (LOG_OF_ZERO,), "value_origins": (ZERO_BY_ZERO,)},
            "NaN or infinity in the gradient of loss, after update 3, time step 2: 0 / 0",
        ),
    ],
)
def test_it_names_the_operation_that_the_graph_shows(made, origins, message) -> None:
    observations = observe({"loss": [made(non_finite=POISONED)]}, run=run(**origins))
    [finding] = findings(NonFiniteValue(), observations, "loss")
    assert finding.message == message


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("in_branch", [False, True])
def test_the_fix_is_that_of_the_operation(operation: Operation, in_branch: bool) -> None:
    observations = observe(
        {"loss": [loss(non_finite=POISONED)]}, run=run(value_origins=(Origin(operation, in_branch),))
    )
    [finding] = findings(NonFiniteValue(), observations, "loss")
    ast.parse(finding.fix)
    assert ("torch.where" in finding.fix) is in_branch
    assert finding.fix != NonFiniteValue().fixes(finding.site)[0].code


def test_every_kind_has_a_description() -> None:
    assert set(DESCRIPTIONS) == set(READINGS_BY_KIND)
    assert all(kind in NonFiniteValue.sites for kind in READINGS_BY_KIND)


def test_only_the_kind_of_site_with_the_bad_value_is_found() -> None:
    observations = observe({"lif1": [drive(non_finite=POISONED), spikes()]})
    assert [finding.site.kind for finding in findings(NonFiniteValue(), observations, "lif1")] == [SiteKind.CURRENT]


def test_a_finding_is_dated_by_the_first_moment_of_the_run() -> None:
    early = NonFinite(1, 1000, Moment(1, 7))
    observations = observe({"lif1": [drive(non_finite=POISONED)]}, all={"lif1": [drive(non_finite=early)]})
    [finding] = findings(NonFiniteValue(), observations, "lif1")
    assert finding.when == Moment(1, 7)


def test_the_first_bad_value_is_the_root_cause_of_all_others() -> None:
    """A current of the second layer is poisoned at update 3; gradient and weights of both layers follow."""
    later = NonFinite(1, 20, Moment(4))
    observations = observe(
        {
            "fc1.weight": [gradient(non_finite=NonFinite(1, 20, Moment(3))), parameter(non_finite=later)],
            "lif1": [drive(non_finite=NonFinite(9, 1000, Moment(4, 0)))],
            "lif2": [drive(non_finite=POISONED), potential(non_finite=POISONED)],
            "loss": [loss(non_finite=later)],
        }
    )
    made = [
        finding
        for name in ("fc1.weight", "lif1", "lif2", "loss")
        for finding in findings(NonFiniteValue(), observations, name)
    ]
    [cause] = diagnose(made).causes
    assert (cause.finding.site.name, cause.finding.site.kind) == ("lif2", SiteKind.CURRENT)
    assert cause.finding.when == Moment(3, 2)
    assert len(cause.consequences) == len(made) - 1


@pytest.mark.parametrize(
    ("decay", "explains"), [(-99.0, True), (1.01, True), (1.0, False), (-1.0, False), (0.9, False), (None, False)]
)
def test_only_a_decay_that_lets_a_potential_grow_makes_it_infinite(decay: float | None, explains: bool) -> None:
    layers = {"lif1": {"neuron": neuron(decay=decay)}}
    observations = observe({"lif1": [potential(non_finite=POISONED)]}, sites=layers)
    (finding,) = findings(NonFiniteValue(), observations, "lif1")
    assert ("SPK207" in finding.explained_by) is explains


@pytest.mark.parametrize(
    ("update", "origins", "root"),
    [
        pytest.param(14, (), "SPK403", id="gradients had grown before"),
        pytest.param(0, (), "SPK405", id="it was there from the start"),
        pytest.param(14, (Origin(Operation.LOG_OF_ZERO),), "SPK405", id="an operation made it"),
    ],
)
def test_a_gradient_that_explodes_before_is_the_cause(update, origins, root) -> None:
    bad = NonFinite(3, 20, Moment(update))
    places = {
        "fc1.weight": [gradient(mean_norm=3000.0), parameter()],
        "fc2.weight": [gradient(mean_norm=1.0), parameter()],
        "loss": [loss(non_finite=bad)],
    }
    observations = observe(places, run=run(value_origins=origins))
    [grown] = findings(ExplodingGradient(), observations, "fc1.weight")
    made = [replace(grown, when=Moment(0)), *findings(NonFiniteValue(), observations, "loss")]
    assert next(cause.finding.check for cause in diagnose(made).causes) == root


def at(update_number: int) -> NonFinite:
    return NonFinite(1, 20, Moment(update_number))


@pytest.mark.parametrize(
    ("epsilon", "first_gradient", "message"),
    [
        pytest.param(
            1e-8,
            5,
            "NaN or infinity in fc1.weight, after update 4: the optimizer made it of finite gradients: its eps of 1e-8 "
            "is 0 in the number format of the parameters",
            id="its eps is 0",
        ),
        pytest.param(
            0.0, 5, "NaN or infinity in fc1.weight, after update 4: the optimizer made it of finite gradients", id="not"
        ),
        pytest.param(1e-8, 3, "NaN or infinity in fc1.weight, after update 4", id="a gradient was NaN in that update"),
    ],
)
def test_it_names_the_optimizer_where_all_gradients_were_finite(epsilon, first_gradient, message) -> None:
    history = LearningRateHistory(1e-3, 1e-3, 9.0, 9, zero_epsilon=epsilon)
    spoiled = [
        gradient(non_finite=at(first_gradient)),
        parameter(non_finite=at(9)),
        update(first_spoiling=3, learning_rate_history=history),
    ]
    made = findings(NonFiniteValue(), observe({"fc1.weight": spoiled}), "fc1.weight")
    (finding,) = [one for one in made if one.site.kind is SiteKind.PARAMETER]
    assert finding.message == message
    assert ("float()" in finding.fix) is ("eps" in message)


@pytest.mark.parametrize(
    ("fc2", "lif1", "named"),
    [
        pytest.param(gradient(), spikes(), True, id="finite behind the layer"),
        pytest.param(gradient(non_finite=POISONED), spikes(), False, id="not finite behind it either"),
        pytest.param(gradient(mean_norm=0.0), spikes(), False, id="no gradient behind it"),
        pytest.param(gradient(), spikes(non_finite=POISONED), False, id="its values are not finite"),
    ],
)
def test_it_names_the_layer_whose_surrogate_gradient_makes_it(fc2, lif1, named) -> None:
    observations = observe({"fc1.weight": [gradient(non_finite=POISONED)], "lif1": [lif1], "fc2.weight": [fc2]})
    (finding,) = findings(NonFiniteValue(), observations, "fc1.weight")
    assert ("it is finite behind lif1" in finding.message) is named
    assert ("sigmoid" in finding.fix) is named


def test_of_averaged_gradients_another_rank_may_have_made_it() -> None:
    places = {"fc1.weight": [gradient(non_finite=POISONED)], "lif1": [spikes()], "fc2.weight": [gradient()]}
    (finding,) = findings(NonFiniteValue(), observe(places, run=run(processes=2)), "fc1.weight")
    assert finding.message.endswith(": gradients are averages over all ranks, and another rank may have made it")
    assert not finding.fixes
    assert "SPK403" in finding.explained_by


def test_the_surrogate_gradient_of_a_library_is_replaced_at_the_layer() -> None:
    places = {"fc1.weight": [gradient(non_finite=POISONED)], "lif1": [spikes()], "fc2.weight": [gradient()]}
    observations = observe(places, sites={"lif1": {"framework": "snntorch"}})
    (finding,) = findings(NonFiniteValue(), observations, "fc1.weight")
    assert finding.fix.endswith("model.lif1.spike_grad = surrogate.fast_sigmoid()")


@pytest.mark.parametrize(
    ("parameter_name", "first_large", "named"),
    [("lif1.tau", 2, True), ("lif1.tau", 1, False), ("lif1.tau", None, False), ("fc1.bias", 2, False)],
)
def test_it_names_the_update_that_moved_a_neuron_parameter_far(parameter_name, first_large, named) -> None:
    moved = [gradient(dimensions=1), update(first_large=first_large, max_relative_norm=1.5, learning_rate=0.02)]
    observations = observe({"lif1": [spikes()], parameter_name: moved, "loss": [loss(non_finite=at(3))]})
    (finding,) = findings(NonFiniteValue(), observations, "loss")
    assert finding.message.endswith(": the update before changed lif1.tau by 150% of its size") is named
    assert ('"lr": 0.0002' in finding.fix) is named


def test_no_fix_is_printed_that_belongs_to_another_operation() -> None:
    (value,) = findings(NonFiniteValue(), observe({"lif1": [potential(non_finite=POISONED)]}), "lif1")
    (slope,) = findings(NonFiniteValue(), observe({"fc1.weight": [gradient(non_finite=POISONED)]}), "fc1.weight")
    assert value.fix == ""
    assert "set_detect_anomaly(True)" in slope.fix


def test_what_comes_with_the_data_is_mended_there() -> None:
    observations = observe({"place": [MADE[SiteKind.INPUT](non_finite=POISONED)]})
    (finding,) = findings(NonFiniteValue(), observations, "place")
    data = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    scope = {"torch": torch, "x": data}
    exec(finding.fix, scope)
    assert torch.isfinite(scope["x"]).all()
