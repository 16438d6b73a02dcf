"""A fix that applies to a live model: the finding goes away, and the network learns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.checks.discovery import own_checks
from spikecheck.checks.fixes import set_threshold
from spikecheck.finding import Finding, Fix
from spikecheck.probe.frameworks.sinabs import Sinabs
from spikecheck.report.model import Report
from spikecheck.site import Site, SiteKind
from tests.full import every_time

CHANNELS, CLASSES, STEPS, BATCH = 40, 5, 20, 32
SILENT = {"SPK203", "SPK205", "SPK406", "SPK211"}


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield noise in which a fifth of the channels fires more often, another one per class; time first."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        y = torch.randint(0, CLASSES, (BATCH,), generator=generator)
        p = torch.where(torch.arange(CHANNELS) // (CHANNELS // CLASSES) == y[:, None], 0.35, 0.05)
        yield (torch.rand(STEPS, BATCH, CHANNELS, generator=generator) < p).float(), y


class Net(nn.Module):
    """Three spiking layers; `layer` makes one, and `call` says how one is called with a whole sequence."""

    def __init__(self, layer: Callable[[], nn.Module], call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call
        sizes = (CHANNELS, 64, 64)
        self.blocks = nn.ModuleList(nn.ModuleDict({"fc": nn.Linear(n, 64), "lif": layer()}) for n in sizes)
        self.readout = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = self.call(block["lif"], block["fc"](x))  # type: ignore[index]
        return self.readout(x.mean(0))


def snntorch(**options: Any) -> Net:
    snn = pytest.importorskip("snntorch")

    def call(lif: Any, current: Tensor) -> Tensor:
        mem, spikes = lif.init_leaky(), []
        for step in current:
            spike, mem = lif(step, mem)
            spikes.append(spike)
        return torch.stack(spikes)

    return Net(lambda: snn.Leaky(beta=0.9, **options), call)


def spikingjelly(**options: Any) -> Net:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")

    def call(lif: Any, current: Tensor) -> Tensor:
        lif.reset()
        return lif(current)  # type: ignore[no-any-return]

    return Net(lambda: neuron.LIFNode(step_mode="m", **options), call)


def sinabs(**options: Any) -> Net:
    layers = pytest.importorskip("sinabs.layers")

    def call(lif: Any, current: Tensor) -> Tensor:
        lif.reset_states()
        return lif(current.transpose(0, 1)).transpose(0, 1)  # type: ignore[no-any-return]

    return Net(lambda: layers.LIF(tau_mem=10.0, **options), call)


def norse(**options: Any) -> Net:
    torch_ = pytest.importorskip("norse.torch")
    return Net(lambda: torch_.LIF(p=torch_.LIFParameters(**options)), lambda lif, current: lif(current)[0])


class Comparison(torch.autograd.Function):
    """A comparison with a surrogate gradient."""

    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return (distance > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] / (5 * ctx.saved_tensors[0].abs() + 1) ** 2


class ByHand(nn.Module):
    """A layer of one's own, whose threshold has a name of one's own."""

    def __init__(self, thresh: float) -> None:
        super().__init__()
        self.thresh, self.decay = thresh, 0.9

    def forward(self, current: Tensor) -> Tensor:
        mem, spikes = torch.zeros_like(current[0]), []
        for step in current:
            mem = self.decay * mem + step
            spikes.append(Comparison.apply(mem - self.thresh))  # type: ignore[no-untyped-call]
            mem = mem * (1 - spikes[-1].detach())
        return torch.stack(spikes)


def by_hand(thresh: float) -> Net:
    return Net(lambda: ByHand(thresh), lambda lif, current: lif(current))


def scaled(net: Net, factor: float) -> Net:
    with torch.no_grad():
        for block in net.blocks:
            block["fc"].weight.mul_(factor)  # type: ignore[index]
            block["fc"].bias.zero_()  # type: ignore[index]
    return net


CASES = {
    "snntorch, high thresholds": lambda: snntorch(threshold=30.0),
    "spikingjelly, high thresholds": lambda: spikingjelly(v_threshold=30.0),
    "spikingjelly, input divided by tau": lambda: spikingjelly(tau=20.0),
    "sinabs, high thresholds": lambda: sinabs(spike_threshold=torch.tensor(30.0), norm_input=False),
    "sinabs, input multiplied by 1 - decay": lambda: sinabs(),
    "norse, high thresholds": lambda: norse(v_th=torch.tensor(30.0), method="super", alpha=torch.tensor(10.0)),
    "by hand, a threshold called thresh": lambda: by_hand(30.0),
    "tiny weights": lambda: scaled(by_hand(1.0), 0.01),
    "huge weights": lambda: scaled(by_hand(1.0), 60.0),
}
ALWAYS = ("snntorch, high thresholds", "by hand, a threshold called thresh")


def trained(net: nn.Module, updates: int) -> tuple[Report, float]:
    """Train a network, and return its report and the mean of the last losses."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    with spikecheck.attach(net, every=1, on_finding=lambda finding: None) as monitor:
        for x, y in batches(updates):
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return monitor.report(), sum(losses[-10:]) / 10


@pytest.mark.slow
@pytest.mark.parametrize("name", every_time(CASES, always=ALWAYS))
def test_the_fix_of_the_first_cause_heals_the_network_in_one_run(name: str) -> None:
    torch.manual_seed(0)
    net = CASES[name]()
    report, _ = trained(net, 12)
    first: Finding = report.root_causes[0].finding
    assert first.fixes, first
    first.fixes[0].apply(net)
    report, loss = trained(net, 80)
    assert first.key not in {finding.key for finding in report.findings}, first.fix
    assert not SILENT & {finding.check for finding in report.findings}, first.fix
    assert loss < 0.7 * log(CLASSES), first.fix


def test_layers_that_hold_their_weights_and_threshold_are_healed_by_calibrated_weights() -> None:
    class Holding(nn.Module):
        def __init__(self, inputs: int, neurons: int) -> None:
            super().__init__()
            self.weights = nn.Linear(inputs, neurons)

        def forward(self, x: Tensor) -> Tensor:
            current, spikes = self.weights(x), []
            mem = torch.zeros_like(current[0])
            for step in current:
                mem = 0.9 * mem + step
                spikes.append(Comparison.apply(mem - 5.0))  # type: ignore[no-untyped-call]
                mem = mem * (1 - spikes[-1].detach())
            return torch.stack(spikes)

    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Sequential(Holding(CHANNELS, 64), Holding(64, 64))
            self.readout = nn.Linear(64, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.readout(self.hidden(x).mean(0))
            return logits

    torch.manual_seed(0)
    held = Held()
    report, _ = trained(held, 12)
    first = report.root_causes[0].finding
    ((x, _),) = batches(1)
    exec(first.fixes[0].code, {"spikecheck": spikecheck, first.fixes[0].model: held, "x": x})
    report, loss = trained(held, 80)
    assert (first.check, [finding.check for finding in report.findings]) == ("SPK203", [])
    assert loss < 0.7 * log(CLASSES)


def layer_of(library: str) -> Any:
    """Return a spiking layer of a library, as its users make it."""
    if library == "snntorch":
        return pytest.importorskip("snntorch").Leaky(beta=0.9)
    if library == "sinabs":
        return pytest.importorskip("sinabs.layers").LIF(tau_mem=10.0)
    if library == "spikingjelly":
        return pytest.importorskip("spikingjelly.activation_based.neuron").LIFNode()
    if library == "norse":
        return pytest.importorskip("norse.torch").LIFCell()
    return pytest.importorskip("rockpool.nn.modules").LIFTorch(4)


@pytest.mark.parametrize("library", ["snntorch", "sinabs", "spikingjelly", "norse", "rockpool"])
def test_the_code_on_the_pages_of_neuron_checks_runs_on_a_layer_of_its_library(library: str) -> None:
    spiking, ran = layer_of(library), []
    for check in own_checks().values():
        code = check.fix_by_library().get(library, "") if check.id.startswith("SPK2") else ""
        names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        if code and names <= {"layer", "torch", "sinabs", "snn", "neuron", "lif1"} and "import layer" not in code:
            exec(compile(code, check.id, "exec"), {"layer": spiking, "torch": torch})
            ran.append(check.id)
    assert ran


def test_snntorch_takes_its_reset_where_the_layer_is_made() -> None:
    snn, current = pytest.importorskip("snntorch"), torch.full((1, 1), 1.5)

    def potentials(lif: Any) -> list[float]:
        mem, trace = lif.reset_mem(), []
        for _ in range(3):
            _, mem = lif(current, mem)
            trace.append(float(mem))
        return trace

    late = snn.Leaky(beta=1.0, reset_mechanism="none")
    late.reset_mechanism = "subtract"
    assert potentials(late) == [1.5, 3.0, 4.5]
    assert potentials(snn.Leaky(beta=1.0, reset_mechanism="subtract")) == [1.5, 2.0, 2.5]


def test_the_fix_of_one_sinabs_layer_leaves_the_threshold_of_the_others_alone() -> None:
    layers = pytest.importorskip("sinabs.layers")
    net = nn.Sequential(nn.Linear(2, 2), layers.LIF(tau_mem=10.0), nn.Linear(2, 2), layers.LIF(tau_mem=10.0))
    neuron = Sinabs().neuron(net[1])
    code = set_threshold(Site(SiteKind.SPIKES, "1", path="model[1]", neuron=neuron), 0.3)
    Fix(code, applies=True).apply(net)
    thresholds = [float(layer.spike_threshold) for layer in (net[1], net[3], layers.LIF(tau_mem=10.0))]
    assert thresholds == pytest.approx([0.3, 1.0, 1.0])
