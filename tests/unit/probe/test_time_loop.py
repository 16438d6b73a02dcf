"""A time loop outside of the model is read as one inside of it: the same passes, steps, states and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import snntorch as snn
import snntorch.utils
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.report.model import Report
from tests.promises.networks import Spike

STEPS, BATCH, INPUTS, HIDDEN, BATCHES = 7, 8, 10, 12, 12


class Leak(nn.Module):
    """One time step; keeps its potential on itself."""

    def __init__(self, name: str = "mem") -> None:
        super().__init__()
        self.name = name
        self.reset()

    def reset(self) -> None:
        setattr(self, self.name, None)

    def cut(self) -> None:
        setattr(self, self.name, getattr(self, self.name).detach())

    def forward(self, current: Tensor) -> Tensor:
        before = getattr(self, self.name)
        v = current if before is None else 0.9 * before + current
        spikes: Tensor = Spike.apply(v - 0.3)
        setattr(self, self.name, v - 0.3 * spikes.detach())
        return spikes


class Handed(nn.Module):
    """One time step of a network; the script hands the potential on."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif, self.out = nn.Linear(INPUTS, HIDDEN), HandedLeak(), nn.Linear(HIDDEN, 3)

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        spikes, v = self.lif(self.fc(x), v)
        return self.out(spikes), v


class HandedLeak(nn.Module):
    def forward(self, current: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        v = 0.9 * v + current
        spikes: Tensor = Spike.apply(v - 0.3)
        return spikes, v - 0.3 * spikes.detach()


def keeping(name: str = "mem") -> nn.Sequential:
    return nn.Sequential(nn.Linear(INPUTS, HIDDEN), Leak(name), nn.Linear(HIDDEN, 3))


def reset(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, Leak):
            module.reset()


def by_step(model: nn.Module, x: Iterable[Tensor]) -> Tensor:
    """The time loop of a script whose layers keep their state."""
    return torch.stack([model(frame) for frame in x])


def by_parts(model: nn.Module, x: Tensor) -> Tensor:
    """The same, where the parts of the model are called one by one."""
    return torch.stack([model[2](model[1](model[0](frame))) for frame in x])  # type: ignore[index]


def handed_on(model: nn.Module, x: Tensor) -> Tensor:
    v, shown = torch.zeros(x.shape[1], HIDDEN), []
    for frame in x:
        y, v = model(frame, v)
        shown.append(y)
    return torch.stack(shown)


class Inside(nn.Module):
    """The same network with the loop inside."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return by_step(self.network, x)


def batches(seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(BATCHES):
        x = (torch.rand(STEPS, BATCH, INPUTS, generator=generator) < 0.4).float()
        yield x, torch.randint(3, (BATCH,), generator=generator)


def trained(
    model: nn.Module,
    loop: Callable[[nn.Module, Tensor], Tensor],
    before: Callable[[nn.Module], Any] = reset,
    *,
    watched: bool = True,
    evaluating: bool = False,
    losses: Callable[[Tensor, Tensor], Tensor] = lambda out, y: F.cross_entropy(out.mean(0), y),
    **arguments: Any,
) -> tuple[Report | None, list[Tensor]]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    monitor = spikecheck.attach(model, on_finding=lambda _: None, **arguments) if watched else None
    for x, y in batches():
        before(model)
        loss = losses(loop(model, x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if evaluating:
            with torch.no_grad():
                before(model)
                loop(model, x)
    if monitor is None:
        return None, [p.detach() for p in model.parameters()]
    report = monitor.report()
    assert monitor.watching
    monitor.detach()
    return report, [p.detach() for p in model.parameters()]


def shapes(report: Report | None) -> list[tuple[str, int, int, int, int]]:
    assert report is not None
    rows = [(row.name, row.spikes) for row in report.layers]
    return [(name, s.forward_passes, s.time_steps, s.samples, s.neurons) for name, s in rows]


@pytest.mark.parametrize(
    ("build", "loop", "name"),
    [
        pytest.param(keeping, by_step, "1", id="layers keep their state"),
        pytest.param(lambda: keeping("hidden_charge"), by_step, "1", id="under a name that nobody knows"),
        pytest.param(Handed, handed_on, "lif", id="the script hands the state on"),
        pytest.param(keeping, by_parts, "1", id="parts of the model are called one by one"),
    ],
)
def test_the_calls_of_a_sequence_are_one_forward_pass(
    build: Callable[[], nn.Module], loop: Callable[[nn.Module, Tensor], Tensor], name: str
) -> None:
    torch.manual_seed(0)
    report, weights = trained(build(), loop, every=1)
    assert shapes(report) == [(name, BATCHES, BATCHES * STEPS, BATCHES * BATCH, HIDDEN)]
    assert report is not None
    assert (report.updates, report.forward_passes) == (BATCHES, BATCHES)
    torch.manual_seed(0)
    _, bare = trained(build(), loop, watched=False)
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))


def test_it_is_read_as_the_loop_inside_is() -> None:
    torch.manual_seed(0)
    outside, _ = trained(keeping(), by_step, every=1)
    torch.manual_seed(0)
    inside, _ = trained(Inside(keeping()), lambda model, x: model(x), every=1)
    assert outside is not None
    assert inside is not None
    assert outside.layers[0].spikes == inside.layers[0].spikes
    assert outside.layers[0].drive == inside.layers[0].drive
    assert [f.check for f in outside.findings] == [f.check for f in inside.findings]


@pytest.mark.parametrize("loop", [by_step, by_parts])
def test_evaluation_passes_are_told_apart_by_the_reset(loop: Callable[[nn.Module, Tensor], Tensor]) -> None:
    model = keeping()
    with spikecheck.attach(model, on_finding=lambda _: None, every=1, spikes="1") as monitor, torch.no_grad():
        for x, _ in batches():
            reset(model)
            loop(model, x)
        report = monitor.report()
    assert shapes(report)[0][1:3] == (BATCHES, BATCHES * STEPS)


def test_evaluation_passes_whose_state_is_not_visible_are_as_long_as_those_of_the_training() -> None:
    report, _ = trained(keeping("hidden_charge"), by_step, every=1, evaluating=True)
    assert report is not None
    assert report.forward_passes == 2 * BATCHES


def test_a_loss_at_every_time_step_does_not_end_the_pass() -> None:
    report, _ = trained(
        keeping(),
        by_step,
        every=1,
        losses=lambda out, y: sum((F.cross_entropy(step, y) for step in out), torch.zeros(())),
    )
    assert shapes(report)[0][1:3] == (BATCHES, BATCHES * STEPS)


def cut(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, Leak) and module.mem is not None:
            module.cut()


def test_state_that_is_carried_over_is_found() -> None:
    report, _ = trained(keeping(), by_step, cut)
    assert report is not None
    assert "SPK208" in {finding.check for finding in report.findings}
    assert shapes(report)[0][1] == BATCHES
    healthy, _ = trained(keeping(), by_step)
    assert healthy is not None
    assert "SPK208" not in {finding.check for finding in healthy.findings}


@pytest.mark.parametrize(
    ("of_one_tensor", "resets", "is_reported"),
    [
        pytest.param(True, False, True, id="batch after batch, and never a reset"),
        pytest.param(True, True, False, id="a reset before each batch"),
        pytest.param(False, False, False, id="steps from anywhere, such as those of a camera"),
    ],
)
def test_a_reset_that_evaluation_forgets_is_told_by_the_next_batch(
    of_one_tensor: bool, resets: bool, is_reported: bool
) -> None:
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), snn.Leaky(beta=0.9, init_hidden=True), nn.Linear(HIDDEN, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with spikecheck.attach(model, on_finding=lambda _: None, every=1) as monitor:
        for x, y in batches():
            snn.utils.reset(model)
            optimizer.zero_grad()
            F.cross_entropy(by_step(model, x).mean(0), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, _ in batches(seed=1):
                if resets:
                    snn.utils.reset(model)
                by_step(model, x if of_one_tensor else [frame.clone() for frame in x])
        report = monitor.report()
    assert ("SPK208" in {finding.check for finding in report.findings}) is is_reported, report


class Emptied(Leak):
    """The same, which starts from 0."""

    def reset(self) -> None:
        self.mem = torch.zeros(BATCH, HIDDEN)


def reset_before_every_step(model: nn.Module, x: Tensor) -> Tensor:
    """A time loop with the reset inside."""
    shown = []
    for frame in x:
        reset(model)
        shown.append(model(frame))
    return torch.stack(shown)


@pytest.mark.parametrize(("loop", "is_reported"), [(reset_before_every_step, True), (by_step, False)])
def test_a_reset_in_the_time_loop_is_reported(loop: Callable[[nn.Module, Tensor], Tensor], is_reported: bool) -> None:
    report, _ = trained(nn.Sequential(nn.Linear(INPUTS, HIDDEN), Emptied(), nn.Linear(HIDDEN, 3)), loop)
    assert report is not None
    assert ("SPK209" in {finding.check for finding in report.findings}) is is_reported


def test_whole_sequences_are_sampled() -> None:
    model = keeping()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None, every=5) as monitor:
        for _ in range(4):
            for x, y in batches():
                reset(model)
                loss = F.cross_entropy(by_step(model, x).mean(0), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        ((_, passes, steps, _, _),) = shapes(monitor.report())
    assert passes == 4 * BATCHES // 5 + 1
    assert steps == passes * STEPS


def test_two_views_of_a_batch_are_two_forward_passes() -> None:
    model = Inside(keeping())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None, every=1) as monitor:
        for x, _ in batches():
            reset(model)
            first = model(x).mean(0)
            reset(model)
            loss = F.mse_loss(first, model(1 - x).mean(0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report = monitor.report()
    assert shapes(report)[0][1:3] == (2 * BATCHES, 2 * BATCHES * STEPS)


class Policy(nn.Module):
    """Two time steps per observation; the state goes from call to call, as in an episode."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif, self.out = nn.Linear(INPUTS, HIDDEN), snn.Leaky(beta=0.9), nn.Linear(HIDDEN, 3)

    def forward(self, x: Tensor, mem: Tensor) -> tuple[Tensor, Tensor]:
        first, mem = self.lif(self.fc(x), mem)
        second, mem = self.lif(self.fc(x), mem)
        return self.out(first + second), mem


def test_the_calls_of_an_episode_without_gradients_are_one_sequence_as_in_training() -> None:
    torch.manual_seed(0)
    net = Policy()
    optimizer = torch.optim.Adam(net.parameters())

    def act() -> Tensor:
        logits, mem = torch.zeros(BATCH, 3), torch.zeros(BATCH, HIDDEN)
        for _ in range(6):
            more, mem = net(torch.rand(BATCH, INPUTS), mem)
            logits = logits + more
        return logits

    with spikecheck.attach(net, on_finding=lambda _: None) as monitor:
        for _ in range(BATCHES):
            optimizer.zero_grad()
            F.cross_entropy(act(), torch.randint(3, (BATCH,))).backward()
            optimizer.step()
        with torch.no_grad():
            act()
    assert "SPK208" not in {finding.check for finding in monitor.report().findings}
