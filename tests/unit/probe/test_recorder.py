"""What one forward pass shows of a layer, which calls' state is sampled, and what a new forward pass begins with."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import Tensor, nn

from spikecheck.probe.frameworks.base import Observation
from spikecheck.probe.frameworks.generic import Generic
from spikecheck.probe.layer import Layer, Status, WatchedLayer
from spikecheck.probe.recorder import LayerCalls, Recorder, is_state_sampled
from spikecheck.site import Layout, SiteKind


def watched() -> WatchedLayer:
    return WatchedLayer(Layer("lif", nn.Identity(), Generic()))


def calls_of(layer: WatchedLayer, *outputs: Tensor) -> LayerCalls:
    calls = LayerCalls()
    for output in outputs:
        calls.observe(layer, (), {}, output)
    return calls


def test_calls_of_one_forward_pass_are_its_steps() -> None:
    layer = watched()
    (capture,) = calls_of(layer, torch.zeros(2, 3), torch.ones(2, 3)).drain(layer, update=4, of_state=SiteKind.STATE)
    assert capture.stacked
    assert capture.layout == Layout(0, 1)
    assert len(capture.values) == 2
    assert capture.sites[0].kind is SiteKind.SPIKES
    assert capture.update == 4


def test_spikes_changed_in_place_are_dropped_and_reported_as_unseen() -> None:
    layer, first, second = watched(), torch.zeros(2, 3), torch.ones(2, 3)
    calls = calls_of(layer, first, second)
    second.add_(1)
    assert list(calls.drain(layer, update=0, of_state=SiteKind.STATE)) == []
    assert "changed in place" in layer.unseen


def test_nothing_of_the_graph_is_held() -> None:
    calls = calls_of(watched(), torch.ones(2, 3, requires_grad=True) * 2)
    held = [tensor for references in calls.held.values() for tensor in references.tensors]
    assert len(held) == 1
    assert held[0].grad_fn is None


def test_complex_spikes_are_reported_as_unseen() -> None:
    layer = watched()
    calls_of(layer, torch.zeros(2, 3, dtype=torch.complex64))
    assert "complex" in layer.unseen


def test_the_state_is_sampled_before_calls_1_5_9_17_and_so_on() -> None:
    assert [calls + 1 for calls in range(100) if is_state_sampled(calls)] == [1, 5, 6, 10, 18, 34, 66]


@pytest.mark.parametrize("calls", [5, 20, 25, 100, 1000])
def test_the_last_sampled_call_lies_in_the_second_half(calls: int) -> None:
    last = max(n for n in range(calls) if is_state_sampled(n))
    assert last >= (calls - 1) / 2


def test_the_last_sampled_call_is_handed_on_with_its_step() -> None:
    layer = watched()

    class Carries(Generic):
        def next_state(self, module: nn.Module, output: object) -> tuple[Tensor, ...]:
            return (torch.full((2, 3), 9.0),)

    layer.layer = replace(layer.layer, framework=Carries())
    calls = LayerCalls()
    for step in range(7):
        state = torch.full((2, 3), float(step))
        calls.sample_state(layer, (torch.ones(2, 3), state), {})
        calls.observe(layer, (torch.ones(2, 3), state), {}, torch.zeros(2, 3))
    captures = {capture.sites[0].kind: capture for capture in calls.drain(layer, update=0, of_state=SiteKind.STATE)}
    (first,), (middle,) = captures[SiteKind.STATE].values, captures[SiteKind.MEMORY].values
    assert (float(first.mean()), float(middle.mean())) == (0.0, 5.0)
    assert [float(value.mean()) for value in captures[SiteKind.MEMORY].step_tensors] == [0.0, 1.0, 9.0]


@pytest.mark.parametrize(
    ("layout", "size", "first"),
    [
        pytest.param(Layout(None, 0), (5, 3), [0.0], id="one call per time step"),
        pytest.param(Layout(0, 1), (4, 5, 3), [0.0], id="time, then batch"),
        pytest.param(Layout(1, 0), (5, 4, 3), [0.0], id="batch, then time"),
        pytest.param(Layout(None, 1), (3, 5), [], id="the batch is not the first axis"),
        pytest.param(Layout(0, 2), (4, 3, 5), [], id="nor is it here"),
    ],
)
def test_the_state_is_handed_on_with_the_current_of_the_first_time_step(
    layout: Layout, size: tuple[int, ...], first: list[float]
) -> None:
    layer, calls = watched(), LayerCalls()
    state, current = torch.ones(5, 3), torch.ones(size)
    (current if layout.time is None else current.select(layout.time, 0)).zero_()
    calls.sample_state(layer, (current, state), {})
    calls.record(layer, Observation(spikes=torch.zeros(size), current=current, layout=layout))
    (capture,) = (one for one in calls.drain(layer, 0, SiteKind.STATE) if one.sites[0].kind is SiteKind.STATE)
    assert [float(value.mean()) for value in capture.step_tensors] == first


def test_a_forward_pass_begins_with_nothing_of_the_one_before() -> None:
    recorder, layer = Recorder(), watched()
    recorder.calls("lif").sample_state(layer, (torch.ones(2, 3), torch.ones(2, 3)), {})
    recorder.calls("lif").observe(layer, (), {}, torch.ones(2, 3))
    recorder.inputs.append(torch.ones(2))
    assert recorder.rest() == Recorder(new_sequence=False)
    assert len(list(recorder.drain([layer], update=0))) == 2
    assert not list(recorder.rest().drain([layer], update=0))


def test_the_facts_about_a_layer_do_not_change_in_place() -> None:
    layer = watched()
    before = layer.layer
    with pytest.raises(FrozenInstanceError):
        before.position = 3  # type: ignore[misc]
    layer.place(3, "fc")
    layer.learn_layout(Layout(0, 1))
    layer.read_spec()
    assert (before.position, before.fed_by, before.layout, before.spec) == (0, None, None, None)
    assert (layer.layer.position, layer.layer.fed_by, layer.layer.time) == (3, "fc", 0)
    assert layer.layer.spec is not None
    layer.forget_spec()
    assert layer.layer.spec is not None, "known until it is read again: a report may come before the next forward pass"
    first = layer.layer.spec
    layer.read_spec()
    assert layer.layer.spec is not first


@pytest.mark.parametrize(
    ("status", "spikes", "hooked"),
    [
        (Status.CANDIDATE, False, True),
        (Status.SPIKING, True, True),
        (Status.TAPPED, True, False),
        (Status.REJECTED, False, False),
    ],
)
def test_what_a_status_means(status: Status, spikes: bool, hooked: bool) -> None:
    assert (status.spikes, status.hooked) == (spikes, hooked)
