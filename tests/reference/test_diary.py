"""The measurements of docs/notes.md."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import spikecheck
from spikecheck.reference.diary import (
    DiaryNetwork,
    Variant,
    examples,
    initial_figures,
    network_input,
    optimizer,
    train_one_update,
)
from spikecheck.reference.frames import Examples
from spikecheck.tuning.trial import ProblemKind

LN_20 = math.log(20)


@pytest.fixture(scope="module")
def batch() -> Examples:
    """Every seventh word, 64 in all: the batch of the demo's figures."""
    train = examples(train=True)
    return Examples(train.frames[::7][:64], train.labels[::7][:64])


# Seed 0; the tolerance allows for a different order of summation on other processors.
@pytest.mark.parametrize(
    ("threshold", "per_step", "most", "loss"),
    [(1, 8069, 161_475, 62_996), (10, 9, 160, 61.4), (30, 3, 5, 3.40)],
)
def test_the_table_of_thresholds(threshold: float, per_step: float, most: float, loss: float, batch: Examples) -> None:
    figures = initial_figures(Variant(threshold=threshold), batch, seed=0)
    assert figures.max_per_step == pytest.approx(per_step, rel=0.5)
    assert figures.max_count == pytest.approx(most, rel=0.5)
    assert figures.loss == pytest.approx(loss, rel=0.5)


def test_at_a_threshold_of_100_the_output_is_silent_and_the_loss_ln_20(batch: Examples) -> None:
    figures = initial_figures(Variant(threshold=100), batch, seed=0)
    assert (figures.min_count, figures.max_count) == (0, 0)
    assert figures.loss == pytest.approx(LN_20, abs=1e-5)


def test_tuning_the_threshold_gives_the_table_and_no_threshold_works(batch: Examples) -> None:
    pytest.importorskip("optuna", reason="pip install 'spikecheck[tune]'")

    def build(threshold: float) -> DiaryNetwork:
        return DiaryNetwork(Variant(threshold=threshold))

    data = [(network_input(batch.frames, Variant()), batch.labels)]
    tuning = spikecheck.tune(build, data, values=[1, 10, 30, 100], trials=4, updates=1, optimizer=optimizer)
    assert [row.value for row in tuning.rows] == [1, 10, 30, 100]
    for row in tuning.rows:
        figures = initial_figures(Variant(threshold=row.value), batch, seed=0)
        assert row.max_per_step == figures.max_per_step
        assert (row.min_count, row.max_count) == (figures.min_count, figures.max_count)
        assert row.first_loss == pytest.approx(figures.loss)
    assert [row.output_max for row in tuning.rows[2:]] == [1, 0], "the diary's maximum is that of the output alone"
    kinds = [row.outcome for row in tuning.rows]
    assert kinds == [*[ProblemKind.SEVERAL_SPIKES] * 3, ProblemKind.SILENT]
    assert tuning.best is None


def test_the_weight_scale_is_the_cause_and_the_counts_hardly_matter(batch: Examples) -> None:
    published = Variant()
    original = initial_figures(published, batch, seed=0)
    binary = initial_figures(replace(published, binary_input=True), batch, seed=0)
    default = initial_figures(replace(published, default_init=True), batch, seed=0)
    assert 0.8 < binary.loss / original.loss < 1
    assert default.loss < original.loss / 10_000
    assert initial_figures(published.repaired, batch, seed=0).loss == pytest.approx(LN_20, abs=0.1)


def test_the_diagnosis_names_weights_and_neurons_and_mentions_the_counts(batch: Examples) -> None:
    torch.manual_seed(0)
    model = DiaryNetwork(Variant())
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        train_one_update(model, batch)
    report = monitor.report()
    assert [cause.finding.check for cause in report.root_causes] == ["SPK406", "SPK201"]
    assert "SPK101" in [note.check for note in report.diagnosis.notes]
    consequences = {finding.check for cause in report.root_causes for finding in cause.consequences}
    assert {"SPK206", "SPK301", "SPK303"} <= consequences


LARGE = torch.tensor([89.0, 280.0, 1e4, 2e5, 1e30])


@pytest.mark.parametrize("logit", LARGE.tolist())
@pytest.mark.parametrize("right", [True, False])
def test_cross_entropy_does_not_overflow(logit: float, right: bool) -> None:
    logits = torch.zeros(1, 20)
    logits[0, 3] = logit
    logits.requires_grad_()
    loss = F.cross_entropy(logits, torch.tensor([3 if right else 4]))
    loss.backward()
    assert loss.item() == pytest.approx(0.0 if right else logit, abs=1e-6)
    assert torch.isfinite(logits.grad).all()


def hand_written(logits: Tensor, label: int) -> Tensor:
    return -(logits.exp() / logits.exp().sum()).log()[label]


def log_of_softmax(logits: Tensor, label: int) -> Tensor:
    return F.nll_loss(logits.softmax(0).log().unsqueeze(0), torch.tensor([label]))


@pytest.mark.parametrize(
    ("loss", "logit", "label", "value", "gradient_finite"),
    [
        (hand_written, 88.0, 0, 0.0, True),
        (hand_written, 89.0, 0, math.nan, False),
        (log_of_softmax, 120.0, 1, math.inf, False),
        (log_of_softmax, 280.0, 0, 0.0, False),
    ],
)
def test_a_hand_written_softmax_overflows(loss, logit: float, label: int, value: float, gradient_finite: bool) -> None:
    logits = torch.zeros(20)
    logits[0] = logit
    logits.requires_grad_()
    computed = loss(logits, label)
    computed.backward()
    assert computed.item() == pytest.approx(value, nan_ok=True, abs=1e-6)
    assert bool(torch.isfinite(logits.grad).all()) is gradient_finite


NAN_IN_THE_FORWARD_PASS = {
    "float16 above 65504": lambda: (torch.tensor(60_000.0).half() * 2) * 0,
    "an infinite logit": lambda: F.cross_entropy(torch.tensor([[math.inf, 0.0]]), torch.tensor([0])),
    "a NaN logit": lambda: F.cross_entropy(torch.tensor([[math.nan, 0.0]]), torch.tensor([1])),
    "reset by subtraction": lambda: torch.tensor(math.inf) - torch.tensor(math.inf),
    "reset to zero": lambda: torch.tensor(math.inf) * 0,
    "normalizing silence": lambda: torch.zeros(20) / torch.zeros(20).sum(),
    "a mean over no samples": lambda: F.cross_entropy(torch.zeros(0, 20), torch.zeros(0, dtype=torch.long)),
    "every target ignored": lambda: F.cross_entropy(torch.zeros(2, 20), torch.full((2,), -100)),
}


@pytest.mark.parametrize("cause", NAN_IN_THE_FORWARD_PASS.values(), ids=NAN_IN_THE_FORWARD_PASS)
def test_nan_in_the_forward_pass(cause) -> None:
    assert torch.isnan(cause()).any()


def surrogate(potential: Tensor) -> Tensor:
    steep = torch.exp(-25 * potential)
    return steep / (1 + steep) ** 2


NAN_IN_THE_BACKWARD_PASS_ONLY = {
    "the root of 0, times 0": lambda x: x.sqrt() * 0,
    "the unused branch of where": lambda x: torch.where(x > 0, x.log(), torch.zeros_like(x)) * x,
}


@pytest.mark.parametrize("function", NAN_IN_THE_BACKWARD_PASS_ONLY.values(), ids=NAN_IN_THE_BACKWARD_PASS_ONLY)
def test_nan_in_the_backward_pass_only(function) -> None:
    x = torch.zeros(3, requires_grad=True)
    value = function(x)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isnan(x.grad).any()


def test_a_sigmoid_surrogate_overflows_far_below_the_threshold() -> None:
    assert torch.isfinite(surrogate(torch.tensor(-1.0)))
    assert torch.isnan(surrogate(torch.tensor(-4.0)))


@pytest.mark.parametrize(("most", "loss"), [(11, 6.2), (50, 23.5), (280, 128), (2821, 1278)])
def test_the_loss_of_evenly_spread_counts(most: int, loss: float) -> None:
    torch.manual_seed(0)
    counts = torch.randint(most + 1, (4096, 20)).float()
    assert F.cross_entropy(counts, torch.randint(20, (4096,))).item() == pytest.approx(loss, rel=0.05)


def test_equal_logits_of_any_size_give_ln_20() -> None:
    assert F.cross_entropy(torch.full((8, 20), 2e5), torch.arange(8)).item() == pytest.approx(LN_20, abs=1e-4)
