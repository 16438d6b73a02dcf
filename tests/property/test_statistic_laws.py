"""The laws of `spikecheck.stats.base`, for every statistic."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikecheck.site import Capture, Layout, Moment, Site, SiteKind
from spikecheck.stats.base import State, Statistic, statistics
from tests.oracles.agree import differences
from tests.property.captures import ARRANGEMENTS, RASTERS, Arrangement, arrays, capture, runs, tensor

torch.set_num_threads(1)

Counted = Statistic[Any]
every = pytest.mark.parametrize("statistic", statistics(), ids=lambda s: type(s).__name__)
rasters = pytest.mark.parametrize(
    "statistic", [s for s in statistics() if s.kind in RASTERS], ids=lambda s: type(s).__name__
)
# An excerpt is part of one forward pass, so splitting that pass changes the excerpt.
sums = pytest.mark.parametrize(
    "statistic", [s for s in statistics() if s.kind in RASTERS and not s.one_pass], ids=lambda s: type(s).__name__
)
quickly = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thoroughly = settings(quickly, max_examples=50)


def total(statistic: Counted, captures: Sequence[Capture[Tensor]]) -> State:
    state: State = reduce(add, [statistic.measure(one) for one in captures])
    return state


def all_differences(a: Sequence[Any], b: Sequence[Any], leave_out: Sequence[str] = ()) -> list[dict[str, Any]]:
    return [fields for x, y in zip(a, b, strict=True) if (fields := differences(x, y, leave_out))]


def tensors(state: State) -> Iterator[Tensor]:
    for value in vars(state).values():
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, State):
            yield from tensors(value)


# -- 1. summarize(measure(x)) equals the oracle


@every
@given(data=st.data())
@thoroughly
def test_a_statistic_equals_its_oracle(statistic: Counted, data: st.DataObject) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(statistic).__name__).lower()
    oracle = importlib.import_module(f"tests.oracles.{name}").oracle
    captures = data.draw(runs(statistic.kind))
    assert not all_differences(statistic.summarize(total(statistic, captures)), oracle(captures))


@pytest.mark.parametrize("rows", [1_025, 2_500, 16_385, 32_768])
@pytest.mark.parametrize("kind", [SiteKind.SPIKES, SiteKind.INPUT])
def test_values_of_large_tensors_are_from_an_even_sample(kind: SiteKind, rows: int) -> None:
    statistic = next(s for s in statistics() if s.kind is kind and not s.one_pass)
    x = torch.zeros(rows, 4)
    x[:, 2] = 0.5  # one channel of four
    (reading,) = statistic.summarize(statistic.measure(Capture((Site(kind, "here"),), (x,))))
    assert reading.values == (0.0, 0.5)
    assert reading.elements == 4 * rows
    assert 1_000 < reading.sampled_elements <= 4 * rows
    assert reading.non_integer / reading.sampled_elements == pytest.approx(0.25, abs=0.01)


def test_the_maximum_of_each_step_is_among_the_values_even_if_the_sample_misses_it() -> None:
    x = torch.zeros(3, 100, 1000)
    x[1, 7, 13] = 5.0
    for kind in (SiteKind.SPIKES, SiteKind.INPUT):
        statistic = next(s for s in statistics() if s.kind is kind and not s.one_pass)
        (reading,) = statistic.summarize(statistic.measure(Capture((Site(kind, "here"),), (x,), Layout(0, 1))))
        assert reading.values == (0.0, 5.0)


@pytest.mark.parametrize("how", [how for how in ARRANGEMENTS if how.name != "no batch"], ids=lambda how: how.name)
def test_correlations_need_axes_that_are_long_enough(how: Arrangement) -> None:
    statistic = next(s for s in statistics() if s.kind is SiteKind.CURRENT)
    rng = torch.Generator().manual_seed(3)
    forward_passes = [torch.randn(9, n, 5, generator=rng).cumsum(0) for n in (4, 3, 6, 7)]
    captures = [capture(SiteKind.CURRENT, how, x, n) for n, x in enumerate(forward_passes)]
    (reading,) = statistic.summarize(total(statistic, captures))
    assert not all_differences([reading], importlib.import_module("tests.oracles.drive_stats").oracle(captures))
    assert reading.step_correlation.difference > 10 * reading.step_correlation.error
    assert abs(reading.sample_correlation.difference) < 4 * reading.sample_correlation.error


@pytest.mark.parametrize("samples", [7, 8, 12, 13])
def test_correlations_along_rows_compare_different_samples_where_there_are_more_of_them_than_steps(
    samples: int,
) -> None:
    statistic = next(s for s in statistics() if s.kind is SiteKind.CURRENT and s.windowed and not s.one_pass)
    rng = torch.Generator().manual_seed(samples)
    rows = [torch.randn(samples, 5, 3, generator=rng).flatten(0, 1).cumsum(0) for _ in range(2)]
    mixed = [one.reshape(samples, 5, 3).transpose(0, 1) for one in rows]  # neighbors follow each other along rows
    captures = [capture(SiteKind.CURRENT, ARRANGEMENTS[0], x, n) for n, x in enumerate(mixed)]
    (reading,) = statistic.summarize(total(statistic, captures))
    assert reading.row_correlation is not None
    assert not all_differences([reading], importlib.import_module("tests.oracles.drive_stats").oracle(captures))


# -- 2. splitting and adding changes nothing

# These count forward passes, so a second pass changes them.
PER_FORWARD_PASS = (
    *("forward_passes", "time_steps", "samples", "shape", "constant_forward_passes", "distinct_batches", "profile"),
    *("channels", "silent_channels", "silent_half"),  # the channels of an empty part are unknown
    *("step_variance_share", "sample_variance_share", "step_correlation", "sample_correlation"),
)
# Non-finite sums are over the batch: two halves have twice as many.
BATCH_SUMS = ("non_finite",)
# Quantities within one forward pass.
WITHIN_FORWARD_PASS = (
    *("max_count", "min_count", "densest_frame_share", "empty_samples", "consecutive_products"),
    "final",  # of its last time step
)
# A point counts forward passes and averages over them; `without_passes` leaves the rest to compare.
POINTS = ("points",)


def without_passes(reading: Any) -> list[Any]:
    points = getattr(reading, "points", ())
    return [dataclasses.replace(point, passes=0, silent=None) for point in points]


@sums
@given(data=st.data())
@quickly
def test_splitting_the_batch_changes_nothing(statistic: Counted, data: st.DataObject) -> None:
    x = tensor(data.draw(arrays(3, 4, 2)), torch.float32)
    how = data.draw(st.sampled_from([how for how in ARRANGEMENTS if how.name != "no batch"]))
    cut = data.draw(st.integers(0, 4))
    parts = [capture(statistic.kind, how, part, 0) for part in (x[:, :cut], x[:, cut:])]
    whole = statistic.summarize(statistic.measure(capture(statistic.kind, how, x, 0)))
    joined = statistic.summarize(total(statistic, parts))
    assert not all_differences(joined, whole, (*PER_FORWARD_PASS, *BATCH_SUMS, *POINTS))
    if not statistic.windowed and all(torch.isfinite(x).flatten()):  # a step that is not finite is left out of a mean
        assert not all_differences(without_passes(joined[0]), without_passes(whole[0]))


@sums
@given(data=st.data())
@quickly
def test_splitting_time_changes_nothing(statistic: Counted, data: st.DataObject) -> None:
    x = tensor(data.draw(arrays(4, 3, 2)), torch.float32)
    how = data.draw(st.sampled_from([how for how in ARRANGEMENTS if not how.stacked]))
    cut = data.draw(st.integers(0, 4))
    parts = [capture(statistic.kind, how, part, 0) for part in (x[:cut], x[cut:])]
    (whole,) = statistic.summarize(statistic.measure(capture(statistic.kind, how, x, 0)))
    (joined,) = statistic.summarize(total(statistic, parts))
    assert not differences(joined, whole, (*PER_FORWARD_PASS, *BATCH_SUMS, *WITHIN_FORWARD_PASS, *POINTS))
    if not statistic.windowed:
        assert not all_differences(without_passes(joined), without_passes(whole))
    assert joined.non_finite.count == whole.non_finite.count
    assert joined.non_finite.elements == whole.non_finite.elements


@pytest.mark.parametrize("kind", [SiteKind.LOGITS, SiteKind.TARGETS])
@given(data=st.data())
@quickly
def test_splitting_the_samples_of_a_loss_changes_nothing(kind: SiteKind, data: st.DataObject) -> None:
    statistic = next(s for s in statistics() if s.kind is kind and not s.one_pass)
    captures = data.draw(runs(statistic.kind))
    apart = [dataclasses.replace(one, values=(value,)) for one in captures for value in one.values]
    whole, joined = (statistic.summarize(total(statistic, of)) for of in (captures, apart))
    assert not all_differences(joined, whole, ("updates", "distinct_batches", "repeated_batches"))


# -- 3. the order of adding

# Where these differ from forward to forward or from update to update, a reading says one of them.
SAYS_ONE = dict.fromkeys(SiteKind, ()) | {
    SiteKind.INPUT: ("shape", "time_steps"),
    SiteKind.UPDATE: ("learning_rate", "learning_rate_history"),
}


@every
@given(data=st.data())
@quickly
def test_adding_is_associative_and_commutative_unless_ordered(statistic: Counted, data: st.DataObject) -> None:
    captures = data.draw(runs(statistic.kind).filter(lambda run: len(run) == 3))
    a, b, c = (statistic.measure(one) for one in captures)
    left, right = statistic.summarize((a + b) + c), statistic.summarize(a + (b + c))
    assert not all_differences(left, right)
    if not statistic.order_matters:
        turned = statistic.summarize(c + b + a)
        assert not all_differences(turned, left, SAYS_ONE[statistic.kind])


def test_a_long_run_of_losses_remembers_the_last_of_them_whatever_the_order_of_adding() -> None:
    statistic = next(s for s in statistics() if s.kind is SiteKind.LOSS)
    losses = torch.rand(150, generator=torch.Generator().manual_seed(1))
    states = [
        statistic.measure(Capture((Site(SiteKind.LOSS, "loss"),), (loss,), update=n)) for n, loss in enumerate(losses)
    ]
    halves = reduce(add, states[:71]) + reduce(add, states[71:])
    assert not all_differences(statistic.summarize(reduce(add, states)), statistic.summarize(halves))


@pytest.mark.parametrize("updates", [128, 129, 600])
@pytest.mark.parametrize("start", [0, 1])
def test_the_trace_of_a_long_run_is_what_the_slow_version_says_and_does_not_grow(updates: int, start: int) -> None:
    statistic = next(s for s in statistics() if s.kind is SiteKind.LOSS)
    losses = torch.rand(updates, generator=torch.Generator().manual_seed(1))
    site = (Site(SiteKind.LOSS, "loss"),)
    captures = [Capture(site, (loss,), update=n) for n, loss in enumerate(losses, start=start)]
    states = [statistic.measure(one) for one in captures]
    (slow,) = importlib.import_module("tests.oracles.loss_stats").oracle(captures)
    for cut in (1, updates // 3, updates - 1):
        (reading,) = statistic.summarize(reduce(add, states[:cut]) + reduce(add, states[cut:]))
        assert reading.trace == slow.trace
        assert 64 <= len(reading.trace) <= 128


@pytest.mark.parametrize("updates", [63, 64, 65, 1000])
def test_a_long_timeline_has_at_most_64_points_whatever_the_order_of_adding(updates: int) -> None:
    statistic = next(s for s in statistics() if type(s).__name__ == "SpikeTimelineStats")
    rng = torch.Generator().manual_seed(updates)
    captures = [
        Capture(
            (Site(SiteKind.SPIKES, "here"),),
            ((torch.rand(3, 2, 4, generator=rng) < 0.3).float(),),
            Layout(0, 1),
            True,
            n,
        )
        for n in range(updates)
    ]
    captures[-3].values[0][2, 1, 0] = -math.inf
    (slow,) = importlib.import_module("tests.oracles.spike_timeline_stats").oracle(captures)
    assert 32 < len(slow.points) <= 64
    assert slow.non_finite.first == Moment(updates - 3, 2)
    assert slow.non_finite.kind == "-infinity"
    states = [statistic.measure(one) for one in captures]
    for parts in ([states], [states[:20], states[20:]], [states[50:], states[:50]], [states[::2], states[1::2]]):
        (reading,) = statistic.summarize(reduce(add, [reduce(add, part) for part in parts]))
        assert not differences(reading, slow)


# -- of an excerpt, which shows a part of one forward


def test_a_raster_shows_each_so_many_th_neuron_of_the_first_sample() -> None:
    statistic = next(s for s in statistics() if type(s).__name__ == "RasterStats")
    x = (torch.rand(200, 3, 150, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    captured = Capture((Site(SiteKind.SPIKES, "here"),), (x,), Layout(0, 1), update=7)
    (reading,) = statistic.summarize(statistic.measure(captured))
    assert not all_differences([reading], importlib.import_module("tests.oracles.raster_stats").oracle([captured]))
    assert (len(reading.raster), len(reading.raster[0])) == (50, 128)
    assert (reading.time_steps, reading.neurons, reading.stride, reading.update) == (200, 150, 3, 7)


def test_a_sample_of_potentials_is_even() -> None:
    statistic = next(s for s in statistics() if type(s).__name__ == "PotentialSampleStats")
    x = torch.zeros(100, 30, 40)
    x[:, :, ::4] = 1.0
    captured = Capture((Site(SiteKind.POTENTIAL, "here"),), (x,), Layout(0, 1))
    (reading,) = statistic.summarize(statistic.measure(captured))
    assert 1_000 < len(reading.values) <= 2_048
    assert sum(reading.values) / len(reading.values) == pytest.approx(0.25, abs=0.02)
    assert reading.elements == 120_000


# -- 4. the state does not grow


@every
@given(data=st.data())
@settings(quickly, max_examples=5)
def test_the_bytes_of_a_state_do_not_depend_on_how_many_were_added(statistic: Counted, data: st.DataObject) -> None:
    capture = data.draw(runs(statistic.kind, most=1))[0]
    size = {n: sum(t.nbytes for t in tensors(total(statistic, [capture] * n))) for n in (100, 200)}
    assert size[100] == size[200] < 100_000
    held = [t.untyped_storage().nbytes() for t in tensors(total(statistic, [capture] * 100))]
    assert sum(held) < 100_000, "a view keeps all of what it is a view of"


# -- 5. nothing is done to what is looked at


@every
@given(data=st.data())
@quickly
def test_the_values_the_graph_and_the_random_state_are_left_alone(statistic: Counted, data: st.DataObject) -> None:
    captures = data.draw(runs(statistic.kind))
    asking = [
        dataclasses.replace(one, values=tuple(v.clone().requires_grad_(v.is_floating_point()) for v in one.values))
        for one in captures
    ]
    before = torch.get_rng_state()
    state = total(statistic, asking)
    statistic.summarize(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(t.requires_grad for t in tensors(state)), "the graph of the training would be kept alive"
    for one, was in zip(asking, captures, strict=True):
        for value, old in zip(one.values, was.values, strict=True):
            assert torch.equal(value.detach().nan_to_num(), old.nan_to_num())
            assert value.grad is None
            assert value._version == 0 or value.requires_grad


# -- 6. nothing waits for the device


def without_values(capture: Capture[Tensor]) -> Capture[Tensor]:
    """Return the capture with meta tensors: the same shapes and types, without values."""
    values, step_tensors = (tuple(v.to("meta") for v in part) for part in (capture.values, capture.step_tensors))
    return dataclasses.replace(capture, values=values, step_tensors=step_tensors)


@every
@given(data=st.data())
@quickly
def test_measuring_and_adding_read_no_values(statistic: Counted, data: st.DataObject) -> None:
    captures = data.draw(runs(statistic.kind))
    real = total(statistic, captures)
    meta = total(statistic, [without_values(capture) for capture in captures])
    assert [(t.shape, t.dtype) for t in tensors(meta)] == [(t.shape, t.dtype) for t in tensors(real)]
    assert all(t.is_meta for t in tensors(meta)), "a value would have to be copied to the device"


# -- 7. number types (law 1 draws halves, bools, integers, empty tensors and zero steps); sums do not saturate


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.bool])
def test_sums_do_not_saturate(dtype: torch.dtype) -> None:
    x = torch.ones(3000, 40, 1, dtype=dtype)
    for statistic in statistics():
        if statistic.kind in RASTERS and not statistic.one_pass:
            one = capture(statistic.kind, ARRANGEMENTS[0], x, 0)
            (reading,) = statistic.summarize(total(statistic, [one, one]))
            count = getattr(reading, "count", None)
            if count is not None and reading.sampled_elements == reading.elements:
                assert count == 240_000
                assert reading.active == 240_000
            assert getattr(reading, "max_count", 3000) == 3000
            assert getattr(reading, "rms", 1.0) == pytest.approx(1.0)
            assert reading.non_finite.count == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_sum_and_the_norm_of_large_halves_are_finite(dtype: torch.dtype) -> None:
    x = torch.full((8, 16, 2), 60000.0, dtype=dtype)
    size = x[0, 0, 0].item()
    for statistic in statistics():
        if statistic.kind in RASTERS and not statistic.one_pass:
            (reading,) = statistic.summarize(statistic.measure(capture(statistic.kind, ARRANGEMENTS[0], x, 0)))
            assert reading.non_finite.count == 0
            assert getattr(reading, "count", 256 * size) == 256 * size
            assert getattr(reading, "rms", size) == pytest.approx(size)
        elif statistic.kind in (SiteKind.GRADIENT, SiteKind.PARAMETER):
            (reading,) = statistic.summarize(statistic.measure(Capture((Site(statistic.kind, "w"),), (x,))))
            assert reading.non_finite.count == 0
            assert math.isfinite(getattr(reading, "mean_norm", 0.0) + getattr(reading, "rms", 0.0))


# -- of the states themselves


@rasters
def test_a_layer_that_changes_its_shape_starts_over(statistic: Counted) -> None:
    if statistic.kind in SiteKind.INPUT | SiteKind.POTENTIAL or not statistic.windowed:
        return  # no count per neuron is kept
    small, large = (capture(statistic.kind, ARRANGEMENTS[0], torch.ones(2, 3, n), 0) for n in (4, 5))
    assert not all_differences(
        statistic.summarize(statistic.measure(small) + statistic.measure(large)),
        statistic.summarize(statistic.measure(large)),
    )
