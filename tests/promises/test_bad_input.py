"""What cannot be used is said clearly, and where there is a training, it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.finding import UnseenKind
from spikecheck.monitor import Monitor
from spikecheck.probe.watchers import watchers
from spikecheck.site import SiteKind
from tests.promises.networks import BATCH, CLASSES, INPUTS, LIF, STEPS, Run, batch, by_hand

# -- arguments of attach(): nothing has run yet, so they raise


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"spikes": ["lif9"]}, ["lif9", "no module of that name", "fc1", "lif"]),
        ({"spikes": "lif9"}, ["lif9", "no module of that name"]),
        ({"spikes": [nn.ReLU()]}, ["ReLU", "not part of the model"]),
        ({"loss": F.cross_entropy}, ["loss=", "torch.nn.Module", "function"]),
        ({"optimizer": "adam"}, ["optimizer=", "torch.optim.Optimizer", "str"]),
        ({"every": 0}, ["every=", "auto", "0"]),
        ({"every": True}, ["every=", "True"]),
        ({"every": "often"}, ["every=", "often"]),
        ({"every": 2.5}, ["every=", "2.5"]),
        ({"budget": 0}, ["budget=", "0"]),
        ({"budget": 2}, ["budget=", "at most 1", "2"]),
        ({"budget": float("nan")}, ["budget=", "nan"]),
        ({"on_finding": "print"}, ["on_finding=", "warn", "raise", "print"]),
        ({"ignore": ["SPK9"]}, ["SPK9", "no check has this id or name", "spikecheck checks"]),
        ({"ignore": "SPK999"}, ["SPK999", "no check has this id or name"]),
        ({"ignore": ["death-layer:lif"]}, ["death-layer:lif", "no check has this id or name"]),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_argument_is_named_with_what_would_be_right(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpikecheckError) as caught:
        spikecheck.attach(by_hand(), **arguments)
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
    assert not watchers.all(), "something was put on before the argument was looked at"


@pytest.mark.parametrize("thing", [3, None, "model", nn.Linear, [by_hand()]], ids=repr)
def test_what_is_no_model_is_refused(thing: Any) -> None:
    with pytest.raises(SpikecheckError, match=r"torch\.nn\.Module"):
        spikecheck.attach(thing)


def test_a_refused_argument_leaves_the_monitor_that_was_there() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    with pytest.raises(SpikecheckError):
        spikecheck.attach(model, every=0)
    assert monitor.watching


def test_an_unknown_check_in_the_settings_is_said_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.spikecheck.SPK999]\nlimit = 1\n")
    monkeypatch.setattr("spikecheck.rootdir.folder", tmp_path)
    with pytest.raises(SpikecheckError, match="SPK999"):
        spikecheck.attach(by_hand())


# -- what was never seen


def test_a_model_that_never_ran_is_said_to_have_not() -> None:
    report = spikecheck.attach(by_hand()).report()
    assert [one.kind for one in report.unseen] == [UnseenKind.FORWARD_PASS]
    assert "run a batch" in str(report)
    assert "healthy" not in str(report)


def test_a_loss_that_was_never_seen_is_said_to_be_missing() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    model(batch()[0])
    report = monitor.report()
    kinds = {UnseenKind.LOSS, UnseenKind.BACKWARD_PASS, UnseenKind.UPDATE}
    assert kinds <= {one.kind for one in report.unseen}
    assert "no loss" in str(report)


def test_a_loss_written_by_hand_is_seen_at_backward() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        x, y = batch()
        optimizer.zero_grad()
        (-model(x).log_softmax(1)[range(BATCH), y].mean()).backward()
        optimizer.step()
    assert not monitor.report().incomplete


# -- what training may bring: the monitor stays, or says what it could not look at


def trained(model: nn.Module, x: Tensor, y: Tensor, updates: int = 2) -> Monitor:
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(updates):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return monitor


def unharmed(monitor: Monitor, updates: int = 2) -> spikecheck.Report:
    report = monitor.report()
    assert monitor.watching, str(report)
    assert report.updates == updates
    assert str(report)
    return report


def test_a_batch_of_size_zero_joins_the_others() -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    run.train(2)
    run.model(torch.zeros(STEPS, 0, INPUTS))
    run.train(2)
    report = unharmed(monitor, 4)
    assert report.layers[0].spikes.samples == 4 * BATCH, "an empty batch wiped out what was counted before"


def test_nothing_but_empty_batches() -> None:
    x, y = torch.zeros(STEPS, 0, INPUTS), torch.zeros(0, dtype=torch.int64)
    unharmed(trained(by_hand(), x, y))


class Converted(nn.Module):
    """Takes numbers of any type."""

    def __init__(self, convert: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.convert, self.net = convert, by_hand()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(self.convert(x))
        return y


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float64, torch.float16, torch.bfloat16])
def test_an_input_of_any_number_type(dtype: torch.dtype) -> None:
    x, y = batch()
    report = unharmed(trained(Converted(Tensor.float), x.to(dtype), y))
    assert report.layers


def test_a_complex_input_is_said_to_be_unseen_and_the_rest_is_seen() -> None:
    x, y = batch()
    report = unharmed(trained(Converted(lambda x: x.real), x.to(torch.complex64), y))
    assert "input: it holds complex numbers" in map(str, report.unseen)
    assert report.layers


@pytest.mark.parametrize("to_sparse", [Tensor.to_sparse, lambda x: x[:, 0].to_sparse_csr()], ids=["coo", "csr"])
def test_a_sparse_input_is_said_to_be_unseen_and_the_rest_is_seen(to_sparse: Callable[[Tensor], Tensor]) -> None:
    x, y = batch()

    def dense(events: Tensor) -> Tensor:
        return events.to_dense().reshape(x.shape) if events.dim() == x.dim() else x

    report = unharmed(trained(Converted(dense), to_sparse(x), y))
    assert "input: it is a sparse tensor" in map(str, report.unseen)
    assert report.layers


def test_an_input_inside_a_dictionary_is_observed() -> None:
    class Keyed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = by_hand()

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            y: Tensor = self.net(batch["x"])
            return y

    model = Keyed()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    F.cross_entropy(model({"x": batch()[0]}), batch()[1]).backward()
    report = unharmed(monitor, 0)
    assert not any(str(unseen).startswith("input") for unseen in report.unseen)
    assert any(site.kind is SiteKind.INPUT for site in monitor.evidence().observations.sites)


def test_a_model_without_parameters_or_spiking_layers() -> None:
    for model in (nn.Identity(), nn.ReLU(), nn.Sequential()):
        monitor = spikecheck.attach(model, on_finding=lambda _: None)
        model(torch.rand(2, 3))
        report = unharmed(monitor, 0)
        assert "no spiking layer" in " ".join(map(str, report.unseen))


def test_a_batch_that_changes_its_size_and_a_sequence_its_length() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for steps, samples in ((6, 4), (3, 2), (9, 1)):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.ones(steps, samples, INPUTS)), torch.zeros(samples, dtype=torch.int64)).backward()
        optimizer.step()
    report = unharmed(monitor, 3)
    assert report.layers[0].spikes.time_steps == 18
    assert report.layers[0].spikes.samples == 7


def test_a_layer_that_changes_its_number_of_neurons() -> None:
    class Growing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lif = LIF()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.lif(x)
            return y

    model = Growing()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    for neurons in (4, 5):
        model(torch.rand(6, 2, neurons, requires_grad=True)).sum().backward()
    report = unharmed(monitor, 0)
    assert report.layers[0].spikes.neurons == 5


def test_a_loss_on_no_class_axis_and_targets_that_are_all_ignored() -> None:
    x, _ = batch()
    monitor = trained(by_hand(), x, torch.full((BATCH,), -100))
    unharmed(monitor)


def test_a_module_used_twice_in_one_forward() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(INPUTS, INPUTS), LIF()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.lif(self.fc(self.lif(self.fc(x)))).mean(0)[:, :CLASSES]
            return y

    report = unharmed(trained(Twice(), *batch()))
    assert report.layers[0].spikes.elements == 2 * 2 * STEPS * BATCH * INPUTS


def test_a_model_whose_name_is_taken_by_a_wrapper() -> None:
    report = unharmed(trained(nn.DataParallel(by_hand()), *batch()))
    assert [row.name for row in report.layers] == ["lif"]
