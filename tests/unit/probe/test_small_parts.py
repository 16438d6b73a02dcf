"""The clock, the schedule, what feeds what, and names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spikecheck.probe import schedule as schedules
from spikecheck.probe.clock import Clock
from spikecheck.probe.find import clean
from spikecheck.probe.hook_cost import seconds_per_call
from spikecheck.probe.schedule import Schedule
from spikecheck.probe.trace import Trace, is_weighted

NOTED = 0.001  # seconds that a call takes which is noted

# -- the clock


def test_a_sequence_begins_after_a_loss_or_a_backward_pass() -> None:
    clock = Clock()
    assert [clock.forward(True) for _ in range(3)] == [True, False, False]
    clock.end_sequence()
    clock.backward()
    assert clock.forward(True)
    assert (clock.forward_passes, clock.backward_passes, clock.longest_sequence) == (4, 1, 3)


def test_a_script_that_calls_the_model_once_a_step_is_told_from_one_that_does_not() -> None:
    clock = Clock()
    for _ in range(5):
        clock.forward(True)
    clock.end_sequence()
    assert clock.is_called_per_time_step(1)
    assert not clock.is_called_per_time_step(5)
    once = Clock()
    once.forward(True)
    once.end_sequence()
    assert not once.is_called_per_time_step(1)


# -- the schedule


def test_each_so_many_th_forward_and_the_first() -> None:
    schedule = Schedule(every=5)
    assert [n for n in range(1, 16) if schedule.tier(True) == schedules.FULL] == [1, 5, 10, 15]


def test_a_loop_that_alternates_has_both_of_its_forward_passes_measured_in_full() -> None:
    schedule = Schedule(every=2)
    tiers = [(n, schedule.tier(training)) for n in range(8) for training in (False, True)]
    assert tiers[::2] == tiers[1::2]
    assert [n for n, tier in tiers[::2] if tier == schedules.FULL] == [0, 1, 3, 5, 7]


@pytest.mark.parametrize(
    ("cost", "stride"), [(0.0, 1), (0.01, 1), (0.1, 1), (0.25, 3), (0.5, 5), (99.0, schedules.MAX_STRIDE)]
)
def test_auto_looks_at_all_at_the_start_and_then_as_often_as_the_budget_allows(
    monkeypatch: pytest.MonkeyPatch, cost: float, stride: int
) -> None:
    schedule = Schedule(budget=0.1)
    monkeypatch.setattr(schedules.Schedule, "cost_so_far", lambda _: cost)
    looked = [n for n in range(1, 1000) if schedule.tier(True) == schedules.FULL]
    start = schedules.FULL_FIRST
    assert looked[:start] == [*range(1, start + 1)]
    assert looked[start:] == [n for n in range(start + 1, 1000) if n % stride == 0]


def test_the_first_updates_are_judged_one_by_one_and_then_after_so_many_looks() -> None:
    schedule = Schedule(every=2)
    judged = []
    for update in range(100):
        schedule.tier(True)
        judged += [update] if schedule.is_evaluated(update) else []
        schedule.close_window()
    first = [*schedules.EVALUATED_FIRST]
    assert judged[: len(first)] == first
    apart = {b - a for a, b in zip(judged[len(first) :], judged[len(first) + 1 :], strict=False)}
    assert apart == {2 * schedules.EVALUATED_EVERY}
    assert all(Schedule(always=True).is_evaluated(n) for n in range(50))


def test_own_time_is_counted_once_however_deep_the_hooks_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 10.0, 12.0])
    monkeypatch.setattr(schedules.time, "perf_counter", lambda: next(now))
    schedule = Schedule()
    schedule.enter()
    schedule.enter()
    schedule.leave()
    schedule.leave()  # 0 to 1
    schedule.enter()
    schedule.leave()  # 10 to 12
    assert schedule.own == 3.0


def test_the_cost_is_that_of_the_time_after_the_start_and_left_out_of_a_short_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of each second, 0.2 are in our hooks in the first passes, and 0.1 later."""
    now = 0.0
    monkeypatch.setattr(schedules.time, "perf_counter", lambda: now)
    monkeypatch.setattr(schedules, "seconds_per_call", lambda: NOTED)
    schedule, costs = Schedule(every=1), []
    for step in range(schedules.FULL_FIRST + schedules.MIN_TIMED):
        schedule.enter()
        schedule.tier(True)
        now += 0.2 if step < schedules.FULL_FIRST else 0.1
        schedule.leave()
        now += 0.8 if step < schedules.FULL_FIRST else 0.9
        costs.append(schedule.cost())
    assert costs[:-1] == [None] * (len(costs) - 1)
    entry = schedules.PER_ENTRY * NOTED
    assert schedule.cost() == pytest.approx((0.1 + entry) / (0.9 - entry))
    assert schedule.start_cost() == pytest.approx((0.2 + entry) / (0.8 - entry), rel=0.01)
    schedule.note(100)
    entries, calls = schedules.MIN_TIMED, 100 * schedules.PER_CALL * NOTED
    assert schedule.cost() == pytest.approx(((0.1 + entry) * entries + calls) / ((0.9 - entry) * entries - calls))


def test_where_our_hooks_fill_all_time_no_cost_is_told_and_few_passes_are_measured_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(schedules.time, "perf_counter", lambda: now)
    monkeypatch.setattr(schedules, "seconds_per_call", lambda: NOTED)
    schedule = Schedule()
    for _ in range(schedules.FULL_FIRST + schedules.MIN_TIMED):
        schedule.enter()
        schedule.tier(True)
        now += 1.0
        schedule.leave()
    assert schedule.cost() is None
    assert schedule.stride == schedules.MAX_STRIDE


def test_a_noted_call_costs_microseconds() -> None:
    assert 0 <= seconds_per_call() < 1e-3


# -- what feeds what


def traced(model: nn.Module, x: Tensor) -> Trace:
    trace = Trace()
    handles = [
        module.register_forward_hook(lambda m, args, out, name=name: trace.record(name, m, args, out))
        for name, module in model.named_modules()
        if name
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return trace


def test_a_layer_is_fed_by_the_weighted_module_before_batch_norm_and_dropout() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.ReLU(), nn.Linear(6, 2), nn.Sigmoid())
    trace = traced(model, torch.rand(8, 4))
    assert trace.fed_by["3"] == "0"
    assert trace.fed_by["5"] == "4"
    assert trace.fed_by["4"] == "0"
    assert "0" not in trace.fed_by
    assert list(trace.order) == [str(n) for n in range(6)]


def test_of_two_branches_each_layer_is_fed_by_its_own() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(3, 3), nn.Linear(3, 3)
            self.a, self.b = nn.ReLU(), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            left, right = self.left(x), self.right(x)
            y: Tensor = self.a(left) + self.b(right)
            return y

    trace = traced(Branches(), torch.rand(2, 3))
    assert (trace.fed_by["a"], trace.fed_by["b"]) == ("left", "right")


def test_where_an_operation_lies_between_the_last_weighted_module_is_taken() -> None:
    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(3, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.act(self.fc(x) * 2 + 1)
            return y

    trace = traced(Between(), torch.rand(2, 3))
    assert trace.fed_by["act"] == "fc"
    trace.close()
    assert trace.fed_by["act"] == "fc"
    assert not trace._alive


@pytest.mark.parametrize(
    ("module", "answer"),
    [(nn.Linear(2, 2), True), (nn.Conv2d(1, 1, 3), True), (nn.BatchNorm1d(2), False), (nn.ReLU(), False)],
)
def test_what_counts_as_weighted(module: nn.Module, answer: bool) -> None:
    assert is_weighted(module) is answer


# -- names


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("module.fc", "fc"), ("_orig_mod.module.fc", "fc"), ("net.module.fc", "net.module.fc"), ("fc", "fc"), ("", "")],
)
def test_wrappers_leave_no_trace_in_a_name(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


class Recurrent(nn.Module):
    """A layer for one time step with a weight for its own output, and one for its input where it `weighs` that."""

    def __init__(self, inputs: int, neurons: int, *, weighs: bool) -> None:
        super().__init__()
        self.forward_weight = nn.Linear(inputs, neurons) if weighs else None
        self.recurrent = nn.Linear(neurons, neurons)

    def forward(self, x: Tensor) -> Tensor:
        current = x if self.forward_weight is None else self.forward_weight(x)
        y: Tensor = torch.sigmoid(current + self.recurrent(torch.zeros_like(current)))
        return y


@pytest.mark.parametrize("sizes", [(3, 5, 4), (5, 5, 5)])
def test_a_layer_that_holds_the_weight_of_its_input_is_fed_by_that(sizes: tuple[int, int, int]) -> None:
    a, b, c = sizes
    trace = traced(nn.Sequential(Recurrent(a, b, weighs=True), Recurrent(b, c, weighs=True)), torch.rand(2, a))
    assert (trace.fed_by["0"], trace.fed_by["1"]) == ("0.forward_weight", "1.forward_weight")


@pytest.mark.parametrize("between", [nn.Identity(), nn.BatchNorm1d(5)])
def test_a_recurrent_weight_does_not_feed_a_layer_whose_input_is_a_current(between: nn.Module) -> None:
    layers = [nn.Linear(3, 5), between, Recurrent(5, 5, weighs=False), nn.Linear(5, 5), Recurrent(5, 5, weighs=False)]
    trace = traced(nn.Sequential(*layers), torch.rand(2, 3))
    assert (trace.fed_by["2"], trace.fed_by["4"]) == ("0", "3")


def test_a_square_weight_that_gets_spikes_feeds_its_layer() -> None:
    class Weighing(nn.Sequential):
        """A weight and what comes after it, as one layer."""

    layers = [Weighing(nn.Linear(5, 5), nn.ReLU()) for _ in range(2)]
    trace = traced(nn.Sequential(*layers), torch.rand(2, 5))
    assert (trace.fed_by["0"], trace.fed_by["1"]) == ("0.0", "1.0")
