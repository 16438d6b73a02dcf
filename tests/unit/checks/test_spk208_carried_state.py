"""SPK208 carried-state: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk208_carried_state import CarriedState
from spikecheck.readings import EvaluationStateReading
from tests.unit.checks.build import findings, inputs, observe, run, severity_of, spikes, state, targets


@pytest.mark.parametrize(
    ("read", "severity"),
    [
        pytest.param(state(), None, id="every sequence starts at 0"),
        pytest.param(
            state(sequences=3, carried_sequences=3, largest_potential=0.4), "warning", id="exactly at the limit"
        ),
        pytest.param(state(sequences=2, carried_sequences=2, largest_potential=0.4), None, id="too few to say"),
        pytest.param(state(sequences=20, carried_sequences=10, largest_potential=0.4), "warning", id="half of them"),
        pytest.param(state(sequences=20, carried_sequences=9, largest_potential=0.4), None, id="fewer than half"),
        pytest.param(state(sequences=0, carried_sequences=0), None, id="no sequence"),
    ],
)
def test_judge(read, severity) -> None:
    assert severity_of(CarriedState(), observe({"lif1": [read]}), "lif1") == severity


def test_it_says_how_often_and_how_much() -> None:
    read = state(sequences=20, carried_sequences=19, largest_potential=0.75)
    [finding] = findings(CarriedState(), observe({"lif1": [read]}, sites={"lif1": {"framework": "sinabs"}}), "lif1")
    assert finding.message == "lif1 was not reset: 19 of 20 sequences started with the potentials of the one before"
    assert "up to 0.75" in finding.observed.text
    assert "model.lif1.reset_states()" in finding.fix


@pytest.mark.parametrize(
    ("training", "evaluation", "severity"),
    [
        pytest.param(state(), EvaluationStateReading(3, 3, 0.4), "warning", id="a reset in the training loop alone"),
        pytest.param(state(), EvaluationStateReading(2, 2, 0.4), None, id="too few to say"),
        pytest.param(state(), EvaluationStateReading(20, 0, 0.0), None, id="reset everywhere"),
        pytest.param(state(carried_sequences=2), EvaluationStateReading(9, 9, 0.4), None, id="carried on in training"),
    ],
)
def test_evaluation_is_judged_where_the_training_resets(training, evaluation, severity) -> None:
    observations = observe({"lif1": [training, evaluation]})
    assert severity_of(CarriedState(), observations, "lif1") == severity


PIECES = targets(updates=48, repeated_batches=36, distinct_batches=12)  # four pieces of each of twelve batches


@pytest.mark.parametrize(
    ("labels", "read", "input_read", "severity"),
    [
        pytest.param(
            PIECES,
            state(sequences=48, carried_sequences=36),
            inputs(distinct_batches=16),
            None,
            id="reset for every batch",
        ),
        pytest.param(
            PIECES, state(sequences=48, carried_sequences=47), inputs(distinct_batches=16), "warning", id="never reset"
        ),
        pytest.param(
            PIECES,
            state(sequences=48, carried_sequences=36),
            inputs(distinct_batches=1),
            "warning",
            id="the same input forever",
        ),
        pytest.param(
            targets(updates=48, repeated_batches=0, distinct_batches=16),
            state(sequences=48, carried_sequences=36),
            inputs(distinct_batches=16),
            "warning",
            id="reset now and then, with a different batch each time",
        ),
    ],
)
def test_pieces_of_one_batch_continue_each_other(labels, read, input_read, severity) -> None:
    observations = observe({"lif1": [read], "input": [input_read], "targets": [labels]})
    assert severity_of(CarriedState(), observations, "lif1") == severity


@pytest.mark.parametrize("distinct", [1, 4], ids=["a static input per time step", "pieces"])
@pytest.mark.parametrize(("live", "severity"), [(True, None), (False, "warning")])
def test_the_same_targets_forever_may_be_a_first_batch_that_is_not_over(live, severity, distinct) -> None:
    places = {
        "lif1": [state(sequences=4, carried_sequences=3)],
        "input": [inputs(distinct_batches=distinct)],
        "targets": [targets(updates=4, repeated_batches=3, distinct_batches=1)],
    }
    assert severity_of(CarriedState(), observe(places, run=run(live=live)), "lif1") == severity


def test_a_local_rule_may_look_at_the_loss_of_every_time_step() -> None:
    read = {
        "lif1": [state(sequences=48, carried_sequences=47)],
        "loss": [PIECES],
        "input": [inputs(distinct_batches=16)],
    }
    for backward_passes, severity in ((0, None), (48, "warning")):
        observations = observe(read, run=run(backward_passes=backward_passes))
        assert severity_of(CarriedState(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("score", "different", "severity"),
    [
        pytest.param(4.0, 16, "note", id="exactly at the limit"),
        pytest.param(3.9, 16, "warning", id="just below it"),
        pytest.param(-9.0, 16, "warning", id="the opposite of a continuation"),
        pytest.param(None, 16, "warning", id="not compared"),
        pytest.param(40.0, 1, "warning", id="one batch, again and again"),
    ],
)
def test_a_state_that_goes_with_what_follows_may_be_kept_on_purpose(score, different: int, severity) -> None:
    """The first layer tells: what a later one receives depends on the states of those before it."""
    carried = {"sequences": 20, "carried_sequences": 19}
    places = {
        "input": [inputs(distinct_batches=different)],
        "lif1": [spikes(), state(**carried, continuation_score=score)],
        "lif2": [spikes(), state(**carried, continuation_score=-1.0)],
        "loss": [targets(distinct_batches=different)],
    }
    observations = observe(places)
    assert severity_of(CarriedState(), observations, "lif1") == severity
    assert severity_of(CarriedState(), observations, "lif2") == severity


def test_evaluation_is_not_excused_by_what_training_shows() -> None:
    places = {
        "input": [inputs(distinct_batches=16)],
        "lif1": [spikes(), state(continuation_score=9.0), EvaluationStateReading(3, 3, 0.4)],
    }
    assert severity_of(CarriedState(), observe(places), "lif1") == "warning"
