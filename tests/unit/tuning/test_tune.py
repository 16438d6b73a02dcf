"""`spikecheck.tune` on a small network: what works, resuming, several processes, and what it leaves alone."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
import torch

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.tuning.result import Tuning
from spikecheck.tuning.trial import ProblemKind, TriedValue
from tests.unit.tuning.networks import SEARCH, Net, batches, build

optuna = pytest.importorskip("optuna", reason="pip install 'spikecheck[tune]'")


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    return spikecheck.tune(build, batches(), **SEARCH)


def test_the_interval_lies_between_saturated_and_silent(tuning: Tuning) -> None:
    assert tuning.interval is not None
    low, high = tuning.interval
    assert 0.01 < low < 1 < high < 100
    assert tuning.rows[-1].outcome is ProblemKind.SILENT
    assert tuning.best is not None
    assert low <= tuning.best.value <= high
    assert tuning.best.code == f"model = build(threshold={tuning.best.value})"


def test_the_best_value_is_the_one_with_the_lowest_loss(tuning: Tuning) -> None:
    assert tuning.best is not None
    assert tuning.best.last_loss == min(row.last_loss for row in tuning.rows if row.works)


def test_what_was_tried_survives_json(tuning: Tuning) -> None:
    for row in tuning.rows:
        assert TriedValue.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    assert json.loads(tuning.to_json())["interval"] == list(tuning.interval)


def test_a_silent_network_that_does_not_move_is_stopped_early(tuning: Tuning) -> None:
    assert tuning.rows[-1].updates == 2
    assert all(row.updates == 8 for row in tuning.rows if row.works)


def test_the_table_marks_the_interval_and_the_best_value(tuning: Tuning) -> None:
    lines = str(tuning).splitlines()
    assert max(map(len, lines)) <= 80
    marks = "".join(line[0] for line in lines[1 : len(tuning.rows) + 1] if line)
    assert marks.strip().strip("•") == "*" or marks.strip() == "*"
    assert any(line.startswith("threshold works from") for line in lines)


def test_random_states_and_the_network_of_the_user_stay_as_they_are() -> None:
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    spikecheck.tune(model, batches(), **{**SEARCH, "trials": 1})
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.lif1.threshold, model.training, model.fc1.weight.grad) == (1.0, True, None)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("threshold", "model.lif1.threshold = 0.5\nmodel.lif2.threshold = 0.5"),
        ("beta", "model.lif1.beta = 0.5\nmodel.lif2.beta = 0.5"),
        ("weight_scale", "weight.mul_(0.5)"),
        ("learning_rate", 'group["lr"] = 0.5'),
    ],
)
def test_a_parameter_is_set_on_a_network_by_code_that_is_shown(parameter: str, code: str) -> None:
    tuning = spikecheck.tune(
        Net(), batches(), parameter=parameter, values=[0.5], low=0.1, high=0.9, trials=1, updates=2
    )
    assert tuning.tried[0].value == 0.5
    assert code in tuning.tried[0].code
    compile(tuning.tried[0].code, "<code>", "exec")


def test_a_count_out_of_range_is_a_problem() -> None:
    tuning = spikecheck.tune(build, batches(), values=[1.0], low=0.5, high=2.0, trials=1, updates=4, counts=(100, 200))
    assert ProblemKind.OUT_OF_RANGE in [problem.kind for problem in tuning.tried[0].problems]


def test_a_search_is_continued_and_not_repeated(tmp_path: Path) -> None:
    journal = tmp_path / "tune.journal"
    first = spikecheck.tune(build, batches(), storage=journal, trials=3, **SEARCH)
    calls: list[TriedValue] = []
    second = spikecheck.tune(build, batches(), storage=journal, trials=5, on_result=calls.append, **SEARCH)
    assert len(first.tried) == 3
    assert len(calls) == 2
    assert second.tried[:3] == first.tried
    with pytest.raises(SpikecheckError, match=r"another search named 'threshold', with high 100\.0, not 50\.0"):
        spikecheck.tune(build, batches(), storage=journal, **{**SEARCH, "high": 50.0})


def work(journal: Path, trials: int) -> None:
    spikecheck.tune(build, batches(), storage=journal, trials=trials, **SEARCH)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork, to start at once")
def test_two_processes_share_one_journal(tmp_path: Path) -> None:
    journal, trials = tmp_path / "tune.journal", 6
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(journal, trials)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
        assert worker.exitcode == 0
    from spikecheck.tuning.study import backend

    done: list[TriedValue] = []
    shared = spikecheck.tune(build, batches(), storage=journal, trials=trials, on_result=done.append, **SEARCH)
    assert done == [], "nothing is left to do"
    assert len(shared.tried) >= trials
    states = optuna.load_study(study_name="threshold", storage=backend(journal)).get_trials(deepcopy=False)
    assert {one.state.name for one in states} <= {"COMPLETE", "PRUNED", "FAIL"}, "nobody waits for a value"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 2.0, "high": 1.0}, "low must be below high"),
        ({"low": 1.0}, "needs low= and high="),
        ({"low": 1.0, "high": 2.0, "values": [3.0]}, "must lie between"),
        ({"low": 1.0, "high": 2.0, "trials": 0}, "trials="),
        ({"low": 1.0, "high": 2.0, "parameter": "sharpness"}, "no spiking layer has a 'sharpness'"),
        ({"low": 1.0, "high": 2.0, "loss": lambda output, target: output}, "must return a tensor with one element"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: dict, message: str) -> None:
    with pytest.raises(SpikecheckError, match=message):
        spikecheck.tune(Net(), batches(), **arguments)


def test_an_error_of_the_network_names_the_value() -> None:
    def loss(output, target):
        raise ZeroDivisionError("no labels")

    with pytest.raises(SpikecheckError, match="training with threshold = 1 raised ZeroDivisionError: no labels"):
        spikecheck.tune(build, batches(), loss, low=1.0, high=2.0)
