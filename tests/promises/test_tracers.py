"""What traces, exports, shards or transforms an attached model works, changes nothing, and leaves the report whole."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.report.model import Report
from tests.promises.networks import BATCH, CLASSES, HIDDEN, INPUTS, STEPS, assert_same


class Cell(nn.Module):
    """Spikes without a custom function, which neither scripting nor export knows."""

    def forward(self, current: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(current[0]), []
        for step in current:
            v = 0.9 * v + step
            soft = torch.sigmoid(5 * (v - 0.3))
            s = ((v > 0.3).float() - soft).detach() + soft
            v = v - 0.3 * s.detach()
            spikes.append(s)
        return torch.stack(spikes)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(INPUTS, HIDDEN), Cell(), nn.Linear(HIDDEN, CLASSES))


X = torch.rand(STEPS, BATCH, INPUTS, generator=torch.Generator().manual_seed(1))


def train(model: nn.Module, updates: int, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(updates):
        loss = F.cross_entropy(model(X).mean(0), torch.arange(BATCH) % CLASSES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def trace(model: nn.Module) -> Tensor:
    return torch.jit.trace(model, X, check_trace=False)(X)


def trace_and_check(model: nn.Module) -> Tensor:
    return torch.jit.trace(model, X)(X)


def script(model: nn.Module) -> Tensor:
    return torch.jit.script(model)(X)


def export(model: nn.Module) -> Tensor:
    return torch.export.export(model, (X,)).module()(X)


def symbolic(model: nn.Module) -> Tensor:
    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module: nn.Module, qualified: str) -> bool:
            return isinstance(module, Cell) or super().is_leaf_module(module, qualified)

    return torch.fx.GraphModule(model, Tracer().trace(model))(X)


def functional(model: nn.Module) -> Tensor:
    return torch.func.functional_call(model, dict(model.named_parameters()), (X,))


def gradients(model: nn.Module) -> Tensor:
    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(model, parameters, (X,)).square().mean()

    made = torch.func.grad(loss)({name: p.detach() for name, p in model.named_parameters()})
    return made["0.weight"]


def over_a_batch(model: nn.Module) -> Tensor:
    return torch.func.vmap(model, in_dims=1, out_dims=1)(X)


def jacobian(model: nn.Module) -> Tensor:
    return torch.func.jacrev(lambda x: model(x).sum(0))(X[:, :1])


def inference(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        return model(X).clone()


def fake(model: nn.Module) -> Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        shape = tuple(model(mode.from_tensor(X)).shape)
    return torch.ones(shape)


TOOLS: tuple[Callable[[nn.Module], Tensor], ...] = (
    trace,
    trace_and_check,
    script,
    export,
    symbolic,
    functional,
    gradients,
    over_a_batch,
    jacobian,
    inference,
    fake,
)


def outcome(tool: Callable[[nn.Module], Tensor], attached: bool) -> tuple[Tensor, dict[str, Tensor], Report | None]:
    model = network()
    monitor = spikecheck.attach(model, spikes="1", on_finding=lambda _: None) if attached else None
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    train(model, 2, optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch.jit is deprecated
        made = tool(model).detach()
    train(model, 3, optimizer)
    report = None if monitor is None else monitor.report()
    if monitor is not None:
        monitor.detach()
    return made, {name: p.detach().clone() for name, p in model.named_parameters()}, report


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_works_on_an_attached_model(tool: Callable[[nn.Module], Tensor]) -> None:
    made, weights, _ = outcome(tool, attached=False)
    made_here, weights_here, report = outcome(tool, attached=True)
    assert torch.equal(made_here, made)
    assert_same(weights_here, weights)
    assert report is not None
    assert not [f for f in report.findings if f.check == "SPK001"]
    assert report.updates == 5
    assert [row.name for row in report.layers] == ["1"]
    assert report.to_json()


@pytest.fixture
def one_process() -> Iterator[None]:
    if not torch.distributed.is_available():
        pytest.skip("needs torch.distributed: a build of torch that has it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_model_that_is_sharded_trains_alike_and_its_updates_are_counted(one_process: None, when: str) -> None:
    fsdp = pytest.importorskip("torch.distributed.fsdp", reason="needs a torch with FSDP2: 2.6 or later")
    from torch.distributed.device_mesh import init_device_mesh

    def sharded(attach: str) -> tuple[dict[str, Tensor], Report | None]:
        model, monitor = network(), None
        for stage in ("before", "after"):
            if stage == "after":
                fsdp.fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
            if stage == attach:
                monitor = spikecheck.attach(model, spikes="1", on_finding=lambda _: None)
        train(model, 3, torch.optim.Adam(model.parameters(), lr=1e-2))
        weights = {name: p.full_tensor().detach().clone() for name, p in model.named_parameters()}  # type: ignore[attr-defined]
        return weights, None if monitor is None else monitor.report()

    bare, _ = sharded("not at all")
    weights, report = sharded(when)
    assert_same(weights, bare)
    if report is not None:
        assert report.updates == 3
        assert not [f for f in report.findings if f.check == "SPK001"]
        assert "spread over processes" in str(report.unseen)
        assert "attach again" not in str(report.unseen)
