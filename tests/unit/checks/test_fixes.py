"""The code of fixes: valid Python for every check and library, with this run's objects and numbers."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import nn

from spikecheck.checks.discovery import own_checks
from spikecheck.checks.fixes import expected_potential, for_run, for_site, set_threshold
from spikecheck.finding import Fix
from spikecheck.neuron import Holder, NeuronSpec
from spikecheck.site import Site, SiteKind
from tests.unit.checks.build import run

LIF = Site(SiteKind.SPIKES, "net.1", 1, path='net["a b"][1]')
EVERY = [
    pytest.param(check, library, id=f"{id_}-{library}")
    for id_, check in own_checks().items()
    for library in check.fix_by_library()
]


@pytest.mark.parametrize(("check", "library"), EVERY)
def test_the_code_of_every_check_is_python_with_comments_on_their_own_lines(check, library) -> None:
    code = check.fix_by_library()[library]
    for kind in (SiteKind.SPIKES, SiteKind.MODULE, SiteKind.PARAMETER, SiteKind.RUN):
        site = Site(kind, "net.1.weight" if kind is SiteKind.PARAMETER else "net.1", 1)
        for fix in for_run(for_site(code, site, library), site, run()):
            compile(fix.code, check.id, "exec")
    ast.parse(code)
    assert [line for line in code.splitlines() if "#" in line and not line.lstrip().startswith("#")] == []


@pytest.mark.parametrize("id_", ["SPK301", "SPK303", "SPK310"])
def test_logits_from_firing_rates_are_scaled(id_: str) -> None:
    """Rates alone, from 0 to 1, keep the loss above 2.08 for 20 classes, even where every prediction is right."""
    y = torch.arange(20)
    spikes = nn.functional.one_hot(y).float().expand(40, 20, 20)  # [time, batch, class]
    names = {"torch": torch, "spikes": list(spikes) if id_ == "SPK310" else spikes}
    exec(own_checks()[id_].fix_by_library()["any"], names)
    assert nn.functional.cross_entropy(spikes.mean(0), y) == pytest.approx(2.078, abs=1e-3)
    assert nn.functional.cross_entropy(names["logits"], y) < 0.01


@pytest.mark.parametrize(
    ("name", "holder", "code"),
    [
        ("thresh", Holder.ATTRIBUTE, 'net["a b"][1].thresh = 0.31'),
        ("threshold", Holder.TENSOR, 'net["a b"][1].threshold.data.fill_(0.31)'),
        (
            "v",
            Holder.SHARED_TENSOR,
            'net["a b"][1].v.data = torch.full_like(net["a b"][1].v, 0.31)',
        ),
        (
            "p.v_th",
            Holder.NAMED_TUPLE,
            'net["a b"][1].p = net["a b"][1].p._replace(v_th=torch.tensor(0.31))',
        ),
        (
            "p.lif.v_th",
            Holder.NAMED_TUPLE,
            'net["a b"][1].p = net["a b"][1].p._replace(lif=net["a b"][1].p.lif._replace(v_th=torch.tensor(0.31)))',
        ),
        ("", Holder.ATTRIBUTE, ""),  # the module computes it
        ("x = 1; import os", Holder.ATTRIBUTE, ""),  # a name that came from a file
    ],
)
def test_a_threshold_is_set_as_the_layer_holds_it(name: str, holder: Holder, code: str) -> None:
    neuron = NeuronSpec(threshold_name=name, threshold_holder=holder)
    site = Site(SiteKind.SPIKES, "net.1", 1, neuron=neuron, path='net["a b"][1]')
    assert set_threshold(site, 0.3091) == code


@pytest.mark.parametrize(
    ("code", "applies"),
    [
        ("net.lif.threshold = 0.3", True),
        ("# a comment\nnet.lif.threshold.data.fill_(0.3)", True),
        ("torch.nn.init.kaiming_uniform_(net.fc1.weight, a=5**0.5)", True),
        ("with torch.no_grad():\n    net.lif.beta.clamp_(0, 1)", True),
        ("import math\nnet.lif.beta = math.exp(-1)", True),
        ("net.lif.beta = math.exp(-dt / tau)", False),
        ("optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)", False),
        ("net.train()", False),
        ("x = (x > 0).float()", False),
        ("import os", False),
        ("# only a comment", False),
    ],
)
def test_a_fix_applies_where_it_changes_the_model_and_needs_nothing_else(code: str, applies: bool) -> None:
    (fix,) = for_run((Fix(code),), LIF, run(variable="net"))
    assert fix.applies is applies


def test_the_model_has_the_name_that_it_has_in_the_script() -> None:
    code = "# reset the model\nfunctional.reset_net(model)\nx = supermodel(model.fc)"
    (fix,) = for_run((Fix(code),), LIF, run(variable="self.net"))
    assert fix.code == "# reset the model\nfunctional.reset_net(self.net)\nx = supermodel(self.net.fc)"


def test_code_in_a_comment_has_that_name_too() -> None:
    code = "x = 1\n# or: functional.detach_net(model); the model then keeps its state, and model.fc too"
    (fix,) = for_run((Fix(code),), LIF, run(variable="net"))
    assert fix.code == "x = 1\n# or: functional.detach_net(net); the model then keeps its state, and net.fc too"


def test_a_fix_is_applied_to_the_model_by_whatever_name_it_has() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    Fix("self.net[0].weight.data.fill_(0.5)", model="self.net", applies=True).apply(model)
    assert torch.equal(model[0].weight, torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="code for the script"):
        Fix("x = 1").apply(model)


def test_code_that_is_no_python_is_not_shown() -> None:
    assert for_run((Fix("net.lif-1.threshold = 0.3"), Fix("net.lif[ = 1")), LIF, run(variable="net")) == ()


def test_a_layer_that_is_no_module_has_no_attribute_to_set() -> None:
    tapped = Site(SiteKind.SPIKES, "lif", 1)
    assert for_run((Fix("model.lif.threshold = 0.3"),), tapped, run(variable="net")) == ()


def test_the_expected_potential_is_that_of_independent_spikes() -> None:
    torch.manual_seed(0)
    weight, spikes = torch.randn(400, 256) / 16, (torch.rand(20, 64, 400) < 0.05).float()
    potential = torch.zeros(64, 256)
    for step in spikes:
        potential = 0.9 * potential + step @ weight
    scale = float(weight.square().mean().sqrt()) * 400**0.5
    expected = expected_potential(NeuronSpec(decay=0.9), scale, 20, 0.05, gain=1.0)
    # the mean of the spikes adds up too: 0.05 of a weight per step, the same for all samples
    assert 0.8 * expected < float(potential.square().mean().sqrt()) < 1.6 * expected


@pytest.mark.parametrize(
    ("library", "attributes", "code"),
    [
        ("spikingjelly", ("v_threshold", "decay_input"), "net.v_threshold = 0.1\n# or net.decay_input = False"),
        ("spikingjelly", ("v_threshold",), "net.v_threshold = 0.1"),
        ("spikingjelly", (), None),
        ("spikingjelly", None, "net.v_threshold = 0.1\n# or net.decay_input = False"),
        ("norse", ("p.v_th",), "net.p = net.p._replace(v_th=torch.tensor(0.1))"),
        ("norse", (), None),
        ("handwritten", ("threshold",), "# lower it\nnet.threshold = 0.1"),
        ("handwritten", (), "# lower it\nnet.thresh = 0.1"),
    ],
)
def test_a_fix_names_no_attribute_that_the_layer_does_not_have(library, attributes, code) -> None:
    texts = {
        "spikingjelly": "layer.v_threshold = 0.1\n# or layer.decay_input = False",
        "norse": "# the threshold\nlayer.p = layer.p._replace(v_th=torch.tensor(0.1))",
        "handwritten": "# lower it\nlayer.threshold = 0.1",
    }
    neuron = NeuronSpec(threshold_name="thresh", attributes=attributes)
    site = Site(SiteKind.SPIKES, "net", 1, neuron=neuron, path="net")
    made = for_site(texts[library], site, library)
    assert [fix.code.removeprefix("# the threshold\n") for fix in made] == ([] if code is None else [code])
