"""Losses are seen wherever torch computes them, and go through unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import cross_entropy  # by name, before anything is replaced
from torch.optim.optimizer import Optimizer

from spikecheck.probe.ownership import GraphSpan
from spikecheck.probe.watchers import watchers
from spikecheck.site import LossCall

LOGITS, TARGETS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), torch.tensor([0, 2])


class Ear:
    """A watch that keeps what it is told."""

    def __init__(self) -> None:
        self.model, self.span, self.listener = nn.Identity(), GraphSpan(), self
        self.calls: list[tuple[LossCall, Tensor, Tensor, Tensor]] = []
        self.class_weights: list[Tensor | None] = []
        self.failed: list[tuple[LossCall, Exception]] = []
        self.backward: list[Any] = []

    def is_running(self) -> bool:
        return False

    def tap(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        raise NotImplementedError

    def miss_tap(self, name: str) -> None:
        raise NotImplementedError

    def optimizer_steps(self, optimizer: Optimizer) -> None:
        raise NotImplementedError

    def optimizer_stepped(self, optimizer: Optimizer) -> None:
        raise NotImplementedError

    def remove(self) -> None:
        watchers.discard(self)

    def loss_computed(
        self, call: LossCall, logits: Tensor, targets: Tensor, value: Tensor, class_weights: Tensor | None = None
    ) -> None:
        self.calls.append((call, logits, targets, value))
        self.class_weights.append(class_weights)

    def loss_failed(self, call: LossCall, logits: Tensor, targets: Tensor, error: Exception) -> None:
        self.failed.append((call, error))

    def backward_begins(self, roots: tuple[Tensor, ...]) -> None:
        self.backward.append(roots)

    def backward_ended(self, error: Exception | None) -> None:
        self.backward.append(error)


@pytest.fixture
def ear() -> Iterator[Ear]:
    listener = Ear()
    before = torch._C._nn.cross_entropy_loss, torch.autograd.backward
    watchers.add(listener)
    yield listener
    watchers.discard(listener)
    assert (torch._C._nn.cross_entropy_loss, torch.autograd.backward) == before


@pytest.mark.parametrize(
    "compute",
    [
        lambda: cross_entropy(LOGITS, TARGETS),
        lambda: F.cross_entropy(LOGITS, TARGETS),
        lambda: F.cross_entropy(input=LOGITS, target=TARGETS),
        lambda: F.cross_entropy(LOGITS, target=TARGETS),
        lambda: nn.CrossEntropyLoss()(LOGITS, TARGETS),
        lambda: nn.CrossEntropyLoss()(input=LOGITS, target=TARGETS),
    ],
    ids=["imported by name", "by module", "keywords", "mixed", "nn", "nn with keywords"],
)
def test_cross_entropy_however_it_is_called(ear: Ear, compute: Any) -> None:
    value = compute()
    ((call, logits, targets, shown),) = ear.calls
    assert call == LossCall("cross_entropy", 3, plain_mean=True, ignored_label=-100)
    assert logits is LOGITS
    assert targets is TARGETS
    assert shown is value
    assert value.item() == pytest.approx(1.3, abs=0.3)


@pytest.mark.parametrize(
    ("more", "plain"),
    [
        ({}, True),
        ({"reduction": "mean", "label_smoothing": 0.0, "weight": None}, True),
        ({"reduction": "sum"}, False),
        ({"reduction": "none"}, False),
        ({"weight": torch.ones(3)}, False),
        ({"label_smoothing": 0.1}, False),
    ],
    ids=str,
)
def test_only_the_mean_without_weights_and_smoothing_is_plain(ear: Ear, more: dict[str, Any], plain: bool) -> None:
    F.cross_entropy(LOGITS, TARGETS, **more)
    nn.CrossEntropyLoss(**more)(LOGITS, TARGETS)
    assert [call.plain_mean for call, *_ in ear.calls] == [plain, plain]


def test_soft_targets_are_not_plain(ear: Ear) -> None:
    F.cross_entropy(LOGITS, LOGITS.softmax(1))
    assert [call.plain_mean for call, *_ in ear.calls] == [False]


@pytest.mark.parametrize(
    ("criterion", "name", "classes"),
    [
        (nn.NLLLoss(), "nll_loss", 3),
        (nn.MSELoss(), "mse_loss", None),
        (nn.L1Loss(), "l1_loss", None),
        (nn.SmoothL1Loss(), "smooth_l1_loss", None),
        (nn.HuberLoss(), "huber_loss", None),
        (nn.BCELoss(), "binary_cross_entropy", None),
        (nn.BCEWithLogitsLoss(), "binary_cross_entropy_with_logits", None),
        (nn.KLDivLoss(reduction="batchmean"), "kl_div", None),
        (nn.MultiMarginLoss(), "multi_margin_loss", None),
        (nn.SoftMarginLoss(), "soft_margin_loss", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_losses_of_torch(ear: Ear, criterion: nn.Module, name: str, classes: int | None) -> None:
    logits = LOGITS.sigmoid()
    criterion(logits, TARGETS if isinstance(criterion, nn.NLLLoss | nn.MultiMarginLoss) else logits)
    assert [(call.function, call.classes) for call, *_ in ear.calls] == [(name, classes)]


@pytest.mark.parametrize("name", ["ce_count_loss", "ce_rate_loss", "ce_max_membrane_loss", "mse_count_loss"])
def test_the_losses_of_snntorch(ear: Ear, name: str) -> None:
    functional = pytest.importorskip("snntorch.functional", reason="pip install snntorch==1.0.0")
    getattr(functional, name)()((torch.rand(5, 2, 3) > 0.5).float(), TARGETS)
    assert ear.calls
    known = {(call.function, call.classes) for call, *_ in ear.calls}
    over_classes = {("cross_entropy", 3), ("nll_loss", 3)}
    assert known <= (over_classes if name.startswith("ce") else {("mse_loss", None)})


def test_classes_on_axis_one_with_pixels_and_on_axis_zero_without_a_batch(ear: Ear) -> None:
    F.cross_entropy(torch.rand(2, 7, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64))
    F.cross_entropy(torch.rand(5), torch.tensor(3))
    assert [call.classes for call, *_ in ear.calls] == [7, 5]


def test_an_error_of_torch_is_told_and_goes_on_to_the_user(ear: Ear) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(LOGITS, torch.tensor([0, 3]))
    with pytest.raises(TypeError):
        F.cross_entropy(LOGITS, 3)
    ((call, error),) = ear.failed
    assert call.function == "cross_entropy"
    assert isinstance(error, IndexError)
    assert not ear.calls


def test_the_weights_of_classes_are_told_from_those_of_elements(ear: Ear) -> None:
    weights = torch.tensor([1.0, 2.0, 3.0])
    F.cross_entropy(LOGITS, TARGETS, weight=weights)
    nn.NLLLoss(weights)(LOGITS.log_softmax(1), TARGETS)
    F.cross_entropy(LOGITS, TARGETS)
    F.binary_cross_entropy(LOGITS.sigmoid(), LOGITS.sigmoid(), weight=weights)
    assert [None if one is None else one.tolist() for one in ear.class_weights] == [
        *[weights.tolist()] * 2,
        *[None] * 2,
    ]


def test_two_listeners_hear_the_same_and_one_may_go(ear: Ear) -> None:
    other = Ear()
    watchers.add(other)
    F.cross_entropy(LOGITS, TARGETS)
    watchers.discard(other)
    F.cross_entropy(LOGITS, TARGETS)
    assert (len(ear.calls), len(other.calls)) == (2, 1)
    watchers.discard(other)


def test_backward_is_heard_before_and_after(ear: Ear) -> None:
    x = torch.ones(2, requires_grad=True)
    (y := (x * x).sum()).backward()
    (begun, ended) = ear.backward
    assert begun[0] is y
    assert ended is None
    with pytest.raises(RuntimeError):
        y.backward()
    assert isinstance(ear.backward[-1], RuntimeError)


def test_the_functions_of_torch_come_back_with_the_last_listener() -> None:
    before = torch._C._nn.cross_entropy_loss, torch.autograd.backward, torch.kl_div
    one, two = Ear(), Ear()
    watchers.add(one)
    watchers.add(two)
    watchers.discard(one)
    assert torch._C._nn.cross_entropy_loss is not before[0]
    watchers.discard(two)
    assert (torch._C._nn.cross_entropy_loss, torch.autograd.backward, torch.kl_div) == before


def test_what_torch_func_traces_is_let_through(ear: Ear) -> None:
    gradient = torch.func.grad(lambda logits: F.cross_entropy(logits, TARGETS))(LOGITS)
    assert gradient.shape == LOGITS.shape
    torch.func.vmap(lambda row, y: F.cross_entropy(row, y))(LOGITS, TARGETS)
    assert not ear.calls
