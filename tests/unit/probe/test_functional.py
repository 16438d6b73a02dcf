"""Code without modules: what is taken for a spiking layer, when a forward pass begins, and what the report says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
import snntorch
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.monitor import Monitor
from spikecheck.probe import functional
from spikecheck.probe.call_sites import Order, threshold_between
from spikecheck.report.model import Report
from tests.promises.networks import Spike

BATCH, STEPS, INPUTS, NEURONS = 8, 6, 10, 12
spike_fn: Callable[[Tensor], Tensor] = Spike.apply


class Function(torch.autograd.Function):
    """A straight-through estimator; `forward` is what it computes."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient


class Quantizer(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x * 3).round() / 3


class Reversal(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)


class Sign(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()


class Net(nn.Module):
    """One layer of neurons in a loop; the threshold decides whether it fires."""

    def __init__(self, threshold: float = 0.3, around: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.fc, self.out, self.threshold, self.around = (
            nn.Linear(INPUTS, NEURONS),
            nn.Linear(NEURONS, 4),
            threshold,
            around,
        )

    def forward(self, x: Tensor) -> Tensor:
        potential, total = x.new_zeros(len(x), NEURONS), x.new_zeros(len(x), 4)
        for t in range(x.shape[1]):
            spikes = spike_fn(potential - self.threshold)
            potential = 0.9 * potential * (1 - spikes.detach()) + self.fc(x[:, t])
            total = 0.9 * total + self.out(self.around(spikes))
        return total


def watch(model: nn.Module, updates: int = 3, **options: Any) -> tuple[Monitor, Report]:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    monitor = spikecheck.attach(model, every=1, on_finding=lambda _: None, **options)
    for _ in range(updates):
        loss = F.cross_entropy(model(batch()), torch.randint(4, (BATCH,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    monitor.detach()
    return monitor, monitor.report()


def batch() -> Tensor:
    return (torch.rand(BATCH, STEPS, INPUTS) < 0.3).float()


def test_a_layer_that_never_fires_is_the_root_cause() -> None:
    _, report = watch(Net(threshold=10.0), updates=80)
    assert next(cause.finding.check for cause in report.root_causes) == "SPK203"
    (row,) = report.layers
    assert row.name.startswith("test_functional.py:")
    # Python 3.10 does not tell which expression of a line called: the function's class has to do.
    assert row.name.endswith(" spike_fn" if sys.version_info >= (3, 11) else " Spike")
    assert (row.spikes.time_steps, row.spikes.samples, row.spikes.neurons, row.spikes.count) == (480, 640, NEURONS, 0)
    fix = report.root_causes[0].finding.fix
    assert ".threshold" not in fix, "a call site has no attribute to set"
    assert "input current" not in fix, "the potential is known less the threshold"


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(lambda z: Quantizer.apply(z * torch.rand(NEURONS)), id="quantizer"),
        pytest.param(Reversal.apply, id="gradient reversal"),
        pytest.param(lambda z: z * Sign.apply(z + torch.randn(NEURONS)), id="sign"),
        pytest.param(lambda z: Reversal.apply(Reversal.apply(z)), id="twice"),
    ],
)
def test_other_functions_are_no_layers(around: Callable[[Tensor], Tensor]) -> None:
    _, report = watch(Net(around=around))
    assert [row.spikes.time_steps for row in report.layers] == [3 * STEPS]


def test_a_binary_weight_is_no_layer() -> None:
    class Binary(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) @ Sign.apply(self.out.weight)[:, :4]

    _, report = watch(Binary())
    assert len(report.layers) == 1


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_computes_again_is_not_counted_twice(reentrant: bool) -> None:
    class Checkpointed(Net):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(super().forward, x.requires_grad_(), use_reentrant=reentrant)  # type: ignore[no-any-return]

    _, report = watch(Checkpointed())
    assert sum(row.spikes.time_steps for row in report.layers) == 3 * STEPS


def test_the_tensors_of_torch_func_are_left_alone() -> None:
    model = Net()
    with spikecheck.attach(model) as monitor:
        parameters = dict(model.named_parameters())
        torch.func.functional_call(model, parameters, (batch(),)).sum().backward()
        assert len(monitor.report().layers) == 1
        assert monitor.watching


def test_the_argument_is_the_potential_less_the_threshold_where_values_show_it() -> None:
    monitor, _ = watch(Net())
    (site,) = {site for site in monitor.evidence().observations.sites if site.kind.name == "POTENTIAL"}
    assert site.neuron is not None
    assert site.neuron.v_threshold == 0
    assert site.fed_by == "fc"


@pytest.mark.parametrize(
    ("highest_silent", "lowest_spiking", "threshold"),
    [(-0.1, 0.02, 0.0), (-3.0, float("inf"), 0.0), (0.4991, 0.503, 0.5), (0.9, 0.2, None), (0.2, float("inf"), None)],
)
def test_threshold_between(highest_silent: float, lowest_spiking: float, threshold: float | None) -> None:
    assert threshold_between(highest_silent, lowest_spiking) == threshold


def test_the_order_of_a_call_site_holds_for_another_number_of_steps() -> None:
    by_step, by_layer = Order.of(["a", "b", "a", "b"]), Order.of(["a", "a", "b", "b"])
    assert by_step is not None
    assert by_layer is not None
    assert by_step.names(6) == ["a", "b"] * 3
    assert by_layer.names(6) == [*"aaabbb"]
    assert by_layer.names(5) is None
    assert Order.of(["a", "a", "b"]) is None


# -- no autograd function either


class Bare(Net):
    """A comparison, and no surrogate gradient."""

    def forward(self, x: Tensor) -> Tensor:
        potential, total = x.new_zeros(len(x), NEURONS), x.new_zeros(len(x), 4)
        for t in range(x.shape[1]):
            potential = 0.9 * potential + self.fc(x[:, t])
            spikes = (potential > 0.3).float()
            potential = potential - 0.3 * spikes
            total = total + self.out(spikes)
        return total


class Gated(Net):
    """A hand-written leaky rectifier and a mask: no spikes anywhere."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc(x.mean(1))
        h = torch.where(h > 0, h, 0.1 * h)
        return self.out(h * (h > 0.2).float())  # type: ignore[no-any-return]


def test_a_comparison_without_a_surrogate_gradient_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functional, "has_compiled", lambda: False)  # as in a process of its own
    _, report = watch(Bare(), updates=6)
    finding = report.root_causes[0].finding
    assert (finding.check, finding.site.fed_by) == ("SPK401", "fc")
    assert finding.site.name.endswith(" forward")
    (row,) = report.layers
    assert row.spikes.time_steps == 5 * STEPS, "from the second training pass on"


def test_a_mask_is_no_layer() -> None:
    _, report = watch(Gated())
    assert not report.layers


def test_nothing_is_looked_at_where_a_layer_is_known_or_code_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(functional.Comparisons, "__enter__", lambda self: looks.append("looked"))
    monkeypatch.setattr(functional.Comparisons, "__exit__", lambda *_: None)
    watch(Net())
    monkeypatch.setattr(functional, "has_compiled", lambda: True)
    watch(Bare())
    assert not looks


# -- no module at all


def list_of_parameters(steps: int = STEPS) -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    torch.manual_seed(0)
    w1 = (torch.randn(INPUTS, NEURONS) * 0.6).requires_grad_()
    w2 = (torch.randn(NEURONS, 4) * 0.6).requires_grad_()

    def run(x: Tensor) -> Tensor:
        current, potential, shown = torch.einsum("bti,ih->bth", x, w1), x.new_zeros(len(x), NEURONS), []
        for t in range(x.shape[1]):
            spikes = spike_fn(potential - 0.5)
            potential = 0.9 * potential * (1 - spikes.detach()) + current[:, t]
            shown.append(spikes)
        return torch.einsum("bth,hc->btc", torch.stack(shown, 1), w2).sum(1)

    return [w1, w2], run


Attach = Callable[[torch.optim.Optimizer, list[Tensor]], Monitor | None]
QUIET: dict[str, Any] = {"every": 1, "on_finding": lambda _: None}


def train(watch: Attach) -> tuple[list[Tensor], Monitor | None]:
    (w1, w2), run = list_of_parameters()
    optimizer = torch.optim.Adam([w1, w2], lr=1e-2)
    monitor = watch(optimizer, [w1, w2])
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(run(batch()), torch.randint(4, (BATCH,))).backward()
        optimizer.step()
        with torch.no_grad():
            for _ in range(2):
                run(batch())
    return [w1.detach(), w2.detach()], monitor


@pytest.mark.parametrize(
    "attach",
    [
        pytest.param(lambda optimizer, _: spikecheck.attach(optimizer, **QUIET), id="optimizer"),
        pytest.param(lambda _, tensors: spikecheck.attach(None, parameters=tensors, **QUIET), id="parameters"),
        pytest.param(
            lambda _, tensors: spikecheck.attach(None, parameters={"w1": tensors[0], "w2": tensors[1]}, **QUIET),
            id="by name",
        ),
    ],
)
def test_parameters_in_a_list(attach: Callable[..., Monitor]) -> None:
    bare, _ = train(lambda *_: None)
    weights, monitor = train(attach)
    assert monitor is not None
    with monitor:
        report = monitor.report()
        evidence = monitor.evidence()
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))
    (row,) = report.layers
    assert (row.spikes.forward_passes, row.spikes.time_steps, row.spikes.samples) == (4, 4 * STEPS, 4 * BATCH)
    assert report.updates == 4
    assert {site.fed_by for site in evidence.observations.sites if site.name == row.name} == {"w1"}
    assert {site.name for site in evidence.observations.sites if site.kind.name == "PARAMETER"} == {"w1", "w2"}
    assert monitor._session.forward_passes == 12, "each evaluation is a forward pass, though nothing ends it"


def test_attaching_to_an_optimizer_again_replaces_its_monitor() -> None:
    (w1, w2), _ = list_of_parameters()
    optimizer = torch.optim.SGD([w1, w2], lr=0.1)
    first = spikecheck.attach(optimizer)
    second = spikecheck.attach(optimizer)
    assert (first.watching, second.watching) == (False, True)
    spikecheck.disable(optimizer)
    assert not second.watching


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"model": None}, "attach() needs a torch.nn.Module, an optimizer, or parameters="),
        ({"model": None, "parameters": [3]}, "got int"),
        ({"model": None, "parameters": [torch.ones(2, requires_grad=True) * 2]}, "a tensor that was computed"),
        ({"model": nn.Linear(2, 2), "parameters": [torch.ones(2)]}, "pass None for the model"),
        ({"model": [torch.ones(2)]}, "the optimizer that trains its tensors"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(SpikecheckError, match=re.escape(text)):
        spikecheck.attach(**arguments)


def test_another_model_that_runs_before_ours_is_called_shows_no_layers_of_ours() -> None:
    teacher, student = (nn.Sequential(nn.Linear(6, 5), snntorch.Leaky(beta=0.9, init_hidden=True)) for _ in range(2))
    with spikecheck.attach(student, on_finding="raise", ignore=["SPK"]) as monitor:
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                teacher(torch.rand(4, 6))
        student(torch.rand(4, 6)).sum().backward()
        assert [row.name for row in monitor.report().layers] == ["1"]
