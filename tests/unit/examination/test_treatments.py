"""Each treatment changes what it says, on a copy, and prints code that is valid Python."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from spikecheck.checks.discovery import own_checks
from spikecheck.examination.advised_fix import AdvisedFix
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, treatment, treatments
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.site import Site, SiteKind
from tests.unit.examination import subjects
from tests.unit.examination.subjects import CLASSES, LIF, Net, batches, subject

ISSUE = {
    "binary input",
    "input scaled to at most 1",
    "at most one spike per step",
    "weights scaled to their fan-in",
    "calibrated weights",
    "thresholds at a quantile of the potentials",
    "surrogate gradient as wide as the potentials spread",
    "scaled readout",
    "state reset before each batch",
    "one softmax, in the loss",
    "learning rate from a ladder",
    "optimizer of all parameters",
    "gradients zeroed before each step",
    "shuffled data",
    "plain training loop",
    "fresh Adam",
}


class Patched(LIF):
    """With a decay that has a usual name."""

    def __init__(self, decay: float = 0.9, threshold: float = 1.0) -> None:
        super().__init__(threshold)
        self.decay = decay


class Biased(LIF):
    """With a constant current that keeps it below rest."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((24,), -3.0))

    def forward(self, current: Tensor) -> Tensor:
        return super().forward(current + self.bias)


def counts(own: Subject) -> Subject:
    own.batches = tuple(batch.with_inputs(batch.first * 7) for batch in own.batches)
    return own


def with_step(own: Subject, step: Callable[[Subject, Tensor, Tensor], Any] | None = None) -> Subject:
    def plain(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(own.model(x), y)
        loss.backward()
        own.optimizer.step()
        return loss

    own.step = plain if step is None else lambda x, y: step(own, x, y)
    return own


def divided(own: Subject, x: Tensor, y: Tensor) -> Tensor:
    """Divide all gradients by a million before the update."""
    own.optimizer.zero_grad()
    loss = F.cross_entropy(own.model(x), y)
    loss.backward()
    for parameter in own.model.parameters():
        parameter.grad /= 1e6
    own.optimizer.step()
    return loss


def plain_descent() -> Subject:
    net = Net()
    return subject(net, optimizer=torch.optim.SGD(net.parameters(), lr=1.0))


def scheduled() -> Subject:
    """Return a subject whose scheduler has set the rate to 0."""
    own = with_step(subject())
    lr_scheduler.LambdaLR(own.optimizer, lambda number: 0.0)
    return own


def moves_by(own: Subject, least: float) -> bool:
    """Return whether one update moves the weights by so much."""
    before = nn.utils.parameters_to_vector(own.model.parameters()).clone()
    own.train(1)
    return bool((nn.utils.parameters_to_vector(own.model.parameters()) - before).norm() > least)


def reading(read: Callable[[Tensor], Tensor]) -> Subject:
    """Return a subject whose output is a function of the logits."""
    net = Net()
    inner = net.forward
    net.forward = lambda x: read(inner(x))
    return subject(net)


def head_only() -> Subject:
    net = Net()
    return subject(net, optimizer=torch.optim.SGD(net.fc2.parameters(), lr=0.1))


class Normalized(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(24), nn.Dropout(0.9)

    def forward(self, x: Tensor) -> Tensor:
        current = self.norm(self.fc1(x).flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.fc2(self.drop(self.lif(current))).mean(1)


def softmax(net: Net) -> Net:
    inner = net.forward
    net.forward = lambda x: inner(x).softmax(-1)
    return net


def mixed() -> Subject:
    """The model views [batch, time] as [time, batch]."""
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.reshape(x.shape[1], x.shape[0], -1).transpose(0, 1))
    return subject(net)


def scaled(net: Net, layer: str, factor: float) -> Net:
    with torch.no_grad():
        getattr(net, layer).weight.mul_(factor)
    return net


def sorted_batches() -> list[tuple[Tensor, Tensor]]:
    x, y = (torch.cat(parts) for parts in zip(*batches(), strict=True))
    order = y.argsort()
    return list(zip(x[order].split(32), y[order].split(32), strict=True))


def inputs(own: Subject) -> Tensor:
    return own.training[0].first


CASES: dict[str, tuple[Callable[[], Subject], Callable[[Subject], bool]]] = {
    "binary input": (lambda: counts(subject()), lambda own: set(inputs(own).unique().tolist()) == {0.0, 1.0}),
    "input scaled to at most 1": (lambda: counts(subject()), lambda own: inputs(own).max() == 1),
    "logarithm of the input": (lambda: counts(subject()), lambda own: 2 < inputs(own).max() < 2.1),
    "finite input": (
        lambda: subject(batches=[(x.masked_fill(x > 0, float("nan")), y) for x, y in batches(4)]),
        lambda own: bool(torch.isfinite(inputs(own)).all()),
    ),
    "frame repeated over time": (
        lambda: subject(batches=[(x[:, :1], y) for x, y in batches(4)]),
        lambda own: inputs(own).shape[1] == 25,
    ),
    "time and batch axes swapped": (subject, lambda own: inputs(own).shape[:2] == (8, 32)),
    "axes permuted instead of reshaped": (mixed, lambda own: inputs(own).shape[:2] == (32, 8)),
    "shuffled data": (
        lambda: subject(batches=sorted_batches()),
        lambda own: len(own.training[0].targets.unique()) == CLASSES,
    ),
    "labels from 0": (
        lambda: subject(batches=[(x, y + 1) for x, y in batches(4)]),
        lambda own: int(own.training[0].targets.min()) == 0,
    ),
    "thresholds at a quantile of the potentials": (
        lambda: subject(Net(Patched(threshold=50.0))),
        lambda own: own.model.lif.threshold < 10,
    ),
    "thresholds of 1": (lambda: subject(Net(Patched(threshold=50.0))), lambda own: own.model.lif.threshold == 1),
    "decay of 0.9": (lambda: subject(Net(Patched(decay=0.1))), lambda own: own.model.lif.decay == 0.9),
    "state reset before each batch": (
        lambda: subject(Net(LIF(carry=True))),
        lambda own: own.model.lif.v is None,
    ),
    "calibrated weights": (
        lambda: subject(scaled(Net(Patched()), "fc1", 0.01)),
        lambda own: own.model.fc1.weight.std() > 0.05,
    ),
    "weights scaled to their fan-in": (
        lambda: subject(scaled(Net(), "fc1", 0.01)),
        lambda own: own.model.fc1.weight.std() > 0.2,
    ),
    "scaled readout": (
        lambda: subject(scaled(Net(), "fc2", 1000.0)),
        lambda own: 0.5 < float(own.output(own.training[0]).detach().std()) < 2,
    ),
    "one softmax, in the loss": (
        lambda: subject(softmax(Net())),
        lambda own: torch.allclose(own.loss(own.training[0]), F.cross_entropy(logits(own), own.training[0].targets)),
    ),
    "output in the shape of the targets": (
        lambda: subject(
            nn.Sequential(Net(), nn.Linear(CLASSES, 1)),
            batches=[(x, x.mean((1, 2))) for x, _ in batches(4)],
            loss_fn=F.mse_loss,
        ),
        lambda own: (
            own.loss(own.training[0]) == F.mse_loss(own.output(own.training[0]).squeeze(1), own.training[0].targets)
        ),
    ),
    "learning rate from a ladder": (
        lambda: subject(rate=1e-7),
        lambda own: moves_by(own, 1e-4),
    ),
    "optimizer of all parameters": (head_only, lambda own: len(own.optimizer.param_groups[0]["params"]) == 4),
    "plain training loop": (lambda: with_step(subject()), lambda own: own.step is None),
    "gradients zeroed before each step": (lambda: with_step(subject()), lambda own: own.step is not None),
    "gradients of the backward pass, clipped to 1": (
        lambda: with_step(plain_descent(), divided),
        lambda own: moves_by(own, 0.1),
    ),
    "training mode": (lambda: with_step(subject(Normalized())), lambda own: own.step is not None),
    "fresh Adam": (head_only, lambda own: isinstance(own.optimizer, torch.optim.Adam)),
    "constant learning rate": (scheduled, lambda own: moves_by(own, 1e-4)),
    "no weight decay": (
        lambda: subject(optimizer=torch.optim.SGD(Net().parameters(), lr=0.1, weight_decay=1.0)),
        lambda own: own.optimizer.param_groups[0]["weight_decay"] == 0,
    ),
    "clipped gradients": (subject, lambda own: True),
    "batch statistics in evaluation": (
        lambda: subject(Normalized()),
        lambda own: own.model.norm.running_mean is None,
    ),
    "dropout of 20%": (lambda: subject(Normalized()), lambda own: own.model.drop.p == 0.2),
    "32-bit floating point": (
        lambda: subject(batches=[(x.half(), y) for x, y in batches(4)]),
        lambda own: inputs(own).dtype is torch.float32,
    ),
    "operations kept away from 0": (
        lambda: reading(lambda out: (out.relu() / out.relu().sum(-1, keepdim=True).mul(0)).log()),
        lambda own: all(map(math.isfinite, own.train(2))),
    ),
    "nothing detached": (
        lambda: subject(subjects.detached()),
        lambda own: bool(subjects.gradient_of_first(own).abs().sum() > 0),
    ),
    "each time step with its own frame": (lambda: subject(subjects.Stuck()), subjects.last_frame_matters),
    "branches added, not multiplied": (lambda: subject(subjects.Gated()), subjects.branches_are_added),
    "neuron bias of 0": (lambda: subject(Net(Biased())), lambda own: bool((own.model.lif.bias == 0).all())),
    "outputs summed by class": (
        lambda: subject(nn.Sequential(Net(), nn.Linear(CLASSES, 4 * CLASSES))),
        lambda own: own.output(own.training[0]).shape == (32, CLASSES),
    ),
    "state passed on to the next time step": (
        lambda: subject(subjects.Loop(keeps=False)),
        lambda own: bool(own.model.lif._forward_pre_hooks),
    ),
    "class weights": (subject, lambda own: bool(torch.isfinite(own.loss(own.training[0])))),
    "leaky neurons in place of all neurons": (subject, lambda own: bool(own.model._forward_pre_hooks)),
    "readout of all time steps": (
        lambda: subject(nn.Sequential(nn.Linear(12, CLASSES), LIF())),
        lambda own: own.output(own.training[0]).shape == (32, CLASSES),
    ),
}
#: They need neurons of a library.
OF_A_LIBRARY = {
    "at most one spike per step",
    "surrogate gradient as wide as the potentials spread",
    "reset after each spike",
    "thresholds of 30",
    "layers that take whole sequences",
}


def logits(own: Subject) -> Tensor:
    return own.output(own.training[0]).log()


@pytest.mark.parametrize("name", CASES)
def test_a_treatment_changes_what_it_says_and_prints_valid_code(name: str) -> None:
    build, changed = CASES[name]
    own = build()
    fix = treatment(name).apply(Patient(own))
    ast.parse(fix.code)
    assert changed(own)
    if name != "time and batch axes swapped":  # which is right for another network alone
        own.train(2)


def test_every_treatment_has_a_case_and_all_of_the_usual_ones_are_there() -> None:
    names = {one.name for one in treatments()}
    assert names == CASES.keys() | OF_A_LIBRARY
    assert names >= ISSUE


def test_every_treatment_is_named_by_checks_that_exist() -> None:
    for one in treatments():
        assert set(one.named_by) <= own_checks().keys(), one.name
        assert one.named_by
        assert type(one).__doc__


def test_what_hides_symptoms_and_what_helps_any_network_is_marked() -> None:
    roles = {one.name: one.role for one in treatments()}
    for name in ("thresholds of 30", "clipped gradients", "logarithm of the input"):
        assert roles[name] is Role.SYMPTOM
    for name in ("learning rate from a ladder", "calibrated weights", "fresh Adam"):
        assert roles[name] is Role.BOOSTER


@pytest.mark.parametrize("name", sorted(set(CASES) - {"clipped gradients", "class weights", "fresh Adam"}))
def test_a_treatment_of_a_healthy_network_has_nothing_to_change_or_leaves_it_working(name: str) -> None:
    own = subject()
    with suppress(NotApplicableError):
        assert treatment(name).apply(Patient(own)).code


def half_precision_sum() -> Subject:
    """The model sums the readout in float16, where it overflows."""
    net = Net()
    net.forward = lambda x: (1e6 * net.fc2(net.lif(net.fc1(x)))).half().sum(1).float() / 1e6
    return subject(net)


def test_numbers_of_16_bits_inside_the_model_become_numbers_of_32() -> None:
    own = half_precision_sum()
    assert not all(map(math.isfinite, own.train(2)))
    own = half_precision_sum()
    fix = treatment("32-bit floating point").apply(Patient(own))
    assert all(map(math.isfinite, own.train(2)))
    assert "without .half()" in fix.code
    assert "model.float()" not in fix.code


class Integrator(nn.Identity):
    """A readout with a decay of its own, which grows."""

    beta = 1.5


def test_a_readout_that_grows_gets_a_decay_too() -> None:
    net = nn.Sequential(Net(Patched(decay=1.5)), Integrator())
    fix = treatment("decay of 0.9").apply(Patient(subject(net)))
    assert fix.code == "model[0].lif.decay = 0.9\nmodel[1].beta = 0.9"
    assert net[1].beta == net[0].lif.decay == 0.9


def test_the_code_that_a_finding_advises_is_run_as_it_is_shown() -> None:
    fix = Fix("model.lif.threshold = 0.5", model="model", applies=True)
    site = Site(SiteKind.SPIKES, "lif")
    finding = Finding("SPK205", "weak-drive", Severity.ERROR, site, "m", Observed("o"), Expected("e"), (fix,))
    own = subject()
    assert AdvisedFix(finding, fix).apply(Patient(own)) is fix
    assert own.model.lif.threshold == 0.5


def test_batches_that_were_mixed_before_the_model_are_put_right() -> None:
    plain = batches(4)
    own = subject(batches=[(x.transpose(0, 1).reshape(x.shape), y) for x, y in plain])
    fix = treatment("axes permuted instead of reshaped").apply(Patient(own))
    assert "where the batch is made" in fix.code
    assert torch.equal(inputs(own), plain[0][0])


def test_what_a_spiking_layer_detaches_stays_detached() -> None:
    with pytest.raises(NotApplicableError, match="detaches nothing"):  # LIF detaches its reset
        treatment("nothing detached").apply(Patient(subject()))
