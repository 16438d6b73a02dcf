"""Every example keeps the promises of its strategy, and failing examples shrink to readable ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from torch import Tensor
from torch.nn import functional as F

import spikecheck as sc
from spikecheck import strategies as spiking

torch.set_num_threads(1)
few = settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
quick = settings(max_examples=2000, deadline=None, database=None)
rates = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@few
@given(st.data(), rates)
def test_a_spike_train_is_binary_of_the_shape_and_within_the_rates(data: st.DataObject, rates: list[float]) -> None:
    low, high = rates
    shape = (10, 2, 5)
    if np.ceil(low * 100) > np.floor(high * 100):
        with pytest.raises(InvalidArgument):
            data.draw(spiking.spike_trains(shape, min_rate=low, max_rate=high))
        return
    train = data.draw(spiking.spike_trains(shape, min_rate=low, max_rate=high))
    assert train.shape == shape
    sc.assert_binary(train)
    assert low <= train.double().mean() <= high


@few
@given(st.data(), st.integers(1, 4))
def test_a_neuron_is_silent_during_its_refractory_period(data: st.DataObject, refractory: int) -> None:
    train = data.draw(spiking.spike_trains((12, 1, 2), refractory=refractory)).flatten(1)
    for neuron in train.T:
        gaps = neuron.nonzero().flatten().diff()
        assert bool((gaps > refractory).all())


@few
@given(spiking.count_trains(max_count=4))
def test_counts_are_whole_and_somewhere_above_one(counts: Tensor) -> None:
    assert 2 <= counts.max() <= 4
    assert counts.min() >= 0
    assert torch.equal(counts, counts.round())


@few
@given(spiking.empty_trains(), spiking.one_channel_trains(), spiking.bursts(length=3))
def test_empty_one_channel_and_bursts(empty: Tensor, one: Tensor, burst: Tensor) -> None:
    assert not empty.any()
    assert one.flatten(2).any(0).any(0).sum() == 1
    assert (one == one[:, :1]).all()
    sc.assert_binary(burst)
    for neuron in burst.flatten(1).T:
        runs = "".join(str(int(spike)) for spike in neuron).split("0")
        last = runs.pop()  # the end may cut a burst short
        assert all(len(run) == 0 or len(run) >= 3 for run in runs), last


@few
@given(st.sampled_from([spiking.TONIC, spiking.SHD]), st.data())
def test_events_are_in_order_and_on_the_sensor(dtype: np.dtype, data: st.DataObject) -> None:
    events = data.draw(spiking.event_streams((5, 3, 2), min_events=1, duration=50, dtype=dtype))
    assert events.dtype == dtype
    assert (np.diff(events["t"]) >= 0).all()
    limits = {"x": 5, "y": 3, "p": 2, "t": 50}
    for name in dtype.names:
        assert events[name].min() >= 0
        assert events[name].max() < limits[name]


@few
@given(spiking.event_streams((5, 3, 2), min_events=1, duration=50))
def test_tonic_converts_the_events_to_frames(events: np.ndarray) -> None:
    transforms = pytest.importorskip("tonic.transforms", reason="pip install tonic")
    frames = transforms.ToFrame(sensor_size=(5, 3, 2), n_time_bins=2)(events)
    assert frames.shape == (2, 2, 3, 5)


def test_the_dtypes_are_tonics() -> None:
    tonic = pytest.importorskip("tonic", reason="pip install tonic")
    assert tonic.io.events_struct == spiking.TONIC
    assert tonic.datasets.SHD.dtype == spiking.SHD


@few
@given(spiking.frames((5, 3, 2), steps=4, max_count=2), spiking.labels(6, classes=4))
def test_frames_and_labels(frames: np.ndarray, labels: Tensor) -> None:
    assert (frames.shape, frames.dtype) == ((4, 2, 3, 5), np.int16)
    assert 0 <= frames.min() <= frames.max() <= 2
    assert (labels.shape, labels.dtype) == ((6,), torch.int64)
    assert ((labels >= 0) & (labels < 4)).all()


@settings(few, max_examples=20)
@given(spiking.networks(), spiking.spike_trains((7, 2, 4)), spiking.labels(2))
def test_a_network_accepts_any_train_and_passes_the_assertions(net: torch.nn.Module, x: Tensor, y: Tensor) -> None:
    before = torch.get_rng_state()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    assert torch.isfinite(loss)
    sc.assert_spikes_binary(net, x)
    sc.assert_state_resets(net, x)
    sc.assert_causal_in_time(net, x)
    assert torch.equal(before, torch.get_rng_state())


@few
@given(st.data())
def test_drawing_a_network_does_not_change_the_random_state(data: st.DataObject) -> None:
    before = torch.get_rng_state()
    data.draw(spiking.networks())
    assert torch.equal(before, torch.get_rng_state())


SHRUNK: list[tuple[st.SearchStrategy[Tensor], Callable[[Tensor], bool], list]] = [
    (spiking.spike_trains(), lambda x: bool(x.any()), [[[1.0]]]),
    (spiking.spike_trains(), lambda x: x.shape[0] > 2 and x.sum() >= 2, [[[1.0]], [[1.0]], [[0.0]]]),
    (spiking.count_trains(), lambda x: bool((x > 1).any()), [[[2.0]]]),
    (spiking.one_channel_trains(), lambda x: x.shape[2] > 1, [[[1.0, 0.0]]]),
    (spiking.bursts((4, 1, 1)), lambda x: x.sum() >= 3, [[[1.0]], [[1.0]], [[1.0]], [[0.0]]]),
    (spiking.empty_trains(), lambda x: True, [[[0.0]]]),
]


@pytest.mark.parametrize(("strategy", "fails", "smallest"), SHRUNK)
def test_a_failing_example_shrinks_to_a_readable_one(
    strategy: st.SearchStrategy[Tensor], fails: Callable[[Tensor], bool], smallest: list
) -> None:
    assert find(strategy, fails, settings=quick).tolist() == smallest


def test_events_and_networks_shrink_to_the_smallest() -> None:
    events = find(spiking.event_streams(), lambda events: len(events) > 0, settings=quick)
    assert events.tolist() == [(0, 0, 0, False)]
    net = find(spiking.networks(), lambda net: True, settings=quick)
    assert [type(part).__name__ for part in net] == ["Linear", "LIF", "Linear"]
    assert (net[0].out_features, net[1].decay, net[1].threshold) == (1, 0.0, 1.0)


@pytest.mark.parametrize(
    "strategy",
    [
        spiking.spike_trains(min_rate=0.5, max_rate=0.1),
        spiking.spike_trains(min_rate=0.5, refractory=1),
        spiking.count_trains(max_count=1),
        spiking.event_streams(dtype=np.dtype([("x", int)])),
    ],
)
def test_impossible_arguments_raise(strategy: st.SearchStrategy) -> None:
    with pytest.raises(InvalidArgument):
        find(strategy, lambda x: True)
    with pytest.raises(InvalidArgument, match="at least 1"):
        spiking.labels(classes=0)
