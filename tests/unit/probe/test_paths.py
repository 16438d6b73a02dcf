"""The expressions of a finding are valid Python in the user's script and lead to the module that is meant."""

from __future__ import annotations

import sys
from collections import OrderedDict

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.probe.paths import module_paths, script_frame, variable_name
from spikecheck.site import Site, SiteKind, user_path
from tests.promises.networks import LIF


class Numbered(nn.Module):
    """Registers a module under a number, and has no index."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("0", nn.Linear(2, 2))
        self.add_module("class", nn.Linear(2, 2))


def every_container() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            first=nn.Sequential(nn.Linear(2, 2), LIF()),
            blocks=nn.ModuleList([nn.ModuleDict({"a b": LIF(), "c": nn.Linear(2, 2)})]),
            numbered=Numbered(),
        )
    )


def test_every_path_leads_to_its_module() -> None:
    net = every_container()
    paths = module_paths(net, "net")
    for module in net.modules():
        path = paths[id(module)]
        assert eval(path, {"net": net}) is module, path
        assert user_path(Site(SiteKind.SPIKES, "any", path=path)) == path


@pytest.mark.parametrize("path", ["", "net[1];import os", "__import__('os').system('ls')", 'net["a"+"b"]', "net[x]"])
def test_what_is_no_plain_path_is_not_shown(path: str) -> None:
    assert user_path(Site(SiteKind.SPIKES, "any", path=path)) == ""


@pytest.mark.parametrize(
    ("site", "text"),
    [
        (Site(SiteKind.SPIKES, "1", path="net[1]", module="LIF"), "net.1 (LIF)"),
        (Site(SiteKind.SPIKES, "1", path="self.net[1]", module="LIF"), "self.net.1 (LIF)"),
        (Site(SiteKind.SPIKES, "blocks.0", path="net.blocks[0]", module="LIF"), "blocks.0 (LIF)"),
        (Site(SiteKind.SPIKES, "lif1", path="net.lif1", module="LIF"), "lif1"),
        (Site(SiteKind.SPIKES, "1"), "1"),
    ],
)
def test_a_number_is_named_with_its_class(site: Site, text: str) -> None:
    assert str(site) == text


class Trainer:
    def __init__(self, module: nn.Module) -> None:
        self.network = module

    def name(self) -> str:
        import sys

        return variable_name(self.network, sys._getframe())


def test_the_model_has_the_name_that_it_has_in_the_script() -> None:
    assert Trainer(nn.Identity()).name() == "self.network"
    snn = nn.Sequential(nn.Linear(4, 3), LIF(threshold=50.0))
    with spikecheck.attach(snn, on_finding=lambda _: None) as monitor:
        for _ in range(12):
            snn(torch.rand(5, 2, 4)).sum().backward()
        report = monitor.report()
    (finding,) = [finding for finding in report.findings if finding.check == "SPK203"]
    assert finding.message.startswith("snn.1 (LIF) is silent")
    assert "snn[1].threshold = " in finding.fix
    with spikecheck.attach(nn.Sequential(nn.Linear(4, 3), LIF())) as monitor:
        assert user_path(monitor._session.layers.by_name["1"].layer.site(SiteKind.SPIKES)) == "model[1]"


def test_the_table_names_a_numbered_layer_as_the_script_reaches_it() -> None:
    net = nn.Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2))
    with spikecheck.attach(net, spikes=("1",)) as monitor:
        net(torch.rand(5, 2, 4))
    report = monitor.report()
    assert [(row.name, row.title) for row in report.layers] == [("1", f"net.1 ({type(net[1]).__name__})")]
    assert f"net.1 ({type(net[1]).__name__})" in " ".join(str(report).split())
    assert report.to_dict()["layers"][0]["label"] == report.layers[0].title


class Holder:
    """Holds a model under a name of its own, and means something else by `_modules`."""

    def __init__(self, model: nn.Module, modules: object) -> None:
        self.module_, self._modules = model, modules

    def name(self) -> str:
        return variable_name(self.module_, sys._getframe())


@pytest.mark.parametrize("modules", [["module"], None, {"inner": nn.Linear(1, 1)}])
def test_a_holder_of_the_model_may_be_any_object(modules: object) -> None:
    assert Holder(nn.Linear(2, 2), modules).name() == "self.module_"


def test_a_library_that_calls_the_model_does_not_hide_its_name() -> None:
    net = nn.Linear(2, 2)
    code = "def call(*models):\n    return variable_name(models[0], sys._getframe())"
    library = {"__name__": "library", "sys": sys, "variable_name": variable_name}
    exec(code, library)
    assert library["call"](net) == "net"
    assert library["call"](nn.Linear(2, 2)) == "model"


def test_a_loop_of_a_library_is_no_script() -> None:
    code = "def fit(module):\n    return script_frame(sys._getframe())"
    library = {"__name__": "skorch.net", "sys": sys, "script_frame": script_frame}
    exec(code, library)
    assert library["fit"](nn.Linear(2, 2)) is sys._getframe()


def test_a_dropout_in_a_sequence_is_named_as_the_script_reaches_it() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.97), nn.Linear(8, 2))
    with spikecheck.attach(net) as monitor:
        net(torch.rand(3, 4)).sum().backward()
    sites = {site.name: site for site in monitor._session.snapshot(live=False).modules}
    assert str(sites["1"]) == "net.1 (Dropout)"
    assert sites["1"].path == "net[1]"
