"""`detach` leaves the process and the model exactly as they were, and while attached the model can be copied."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import optimizer as optimizers

import spikecheck
from spikecheck.finding import UnseenKind
from tests.house.tree import ROOT
from tests.promises.networks import Run, assert_same, by_hand, every

HOOKS = [name for name in vars(nn.Module()) if name.endswith(("hooks", "hooks_with_kwargs", "hooks_always_called"))]


@pytest.fixture(autouse=True, scope="module")
def _what_torch_replaces_by_itself() -> None:
    """The first optimizer loads torch.s compiler, which wraps one of the functions."""
    Run(by_hand()).train(1)


def of_torch() -> dict[str, Any]:
    """Every function that a loss or a backward pass goes through, and torch's global hooks."""
    places = {"F": F, "_C._nn": torch._C._nn, "torch": torch, "autograd": torch.autograd, "nn": nn}
    state = {
        f"{place}.{name}": value
        for place, module in places.items()
        for name, value in vars(module).items()
        if callable(value) or inspect.isbuiltin(value)
    }
    state |= {f"Tensor.{name}": vars(torch.Tensor)[name] for name in ("backward", "register_hook")}
    state |= {f"Module.{name}": value for name, value in vars(nn.Module).items() if callable(value)}
    return state


def global_hooks() -> list[int]:
    modules = nn.modules.module
    return [
        len(value)
        for name, value in sorted(vars(modules).items())
        if name.startswith("_global") and name[-5:] == "hooks"
    ] + [
        len(optimizers._global_optimizer_pre_hooks),
        len(optimizers._global_optimizer_post_hooks),
    ]


def hooks(model: nn.Module) -> dict[str, list[Any]]:
    return {
        f"{name}.{kind}": list(vars(module)[kind].items()) for name, module in model.named_modules() for kind in HOOKS
    }


def attributes(model: nn.Module) -> dict[str, set[str]]:
    return {name: set(vars(module)) for name, module in model.named_modules()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)]


def test_the_hook_dictionaries_are_found() -> None:
    assert {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs"} <= set(HOOKS)
    assert {"F.cross_entropy", "_C._nn.cross_entropy_loss", "autograd.backward"} <= of_torch().keys()


@every
def test_after_detach_model_and_torch_are_as_they_were(build: Callable[[], nn.Module]) -> None:
    model = build()
    before = hooks(model), of_torch(), global_hooks(), list(model.state_dict())
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    assert hooks(model) != before[0], "attach() put nothing on"
    assert changed(before[1], of_torch())
    Run(model).train(3)
    assert list(model.state_dict()) == before[3], "the state dict has keys of ours while attached"
    monitor.detach()
    assert hooks(model) == before[0]
    assert attributes(model) == attributes(Run(build()).train(3).model), "an attribute was left"
    assert not changed(before[1], of_torch()), "a function of torch is still replaced"
    assert global_hooks() == before[2]
    assert list(model.state_dict()) == before[3]


def test_the_pickled_bytes_of_the_model_are_the_same_before_attach_and_after_detach() -> None:
    model = by_hand()
    Run(model).train(1)
    before = pickle.dumps(model)
    monitor = spikecheck.attach(model)
    monitor.detach()
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("way", ["detach", "disable", "with", "attach again", "an error"])
def test_every_way_of_leaving_takes_everything_off(way: str) -> None:
    model = by_hand()
    before, functions = hooks(model), of_torch()
    if way == "with":
        with spikecheck.attach(model, on_finding=lambda _: None):
            Run(model).train(1)
    elif way == "an error":
        with pytest.raises(ZeroDivisionError), spikecheck.attach(model):
            raise ZeroDivisionError
    else:
        monitor = spikecheck.attach(model, on_finding=lambda _: None)
        Run(model).train(1)
        if way == "attach again":
            again = spikecheck.attach(model, on_finding=lambda _: None)
            assert not monitor.watching
            Run(model).train(1)
            again.detach()
        elif way == "disable":
            spikecheck.disable(model)
        else:
            monitor.detach()
            monitor.detach()
        assert not monitor.watching
    assert hooks(model) == before
    assert not changed(functions, of_torch())


def test_of_two_monitors_the_last_to_go_puts_torch_back() -> None:
    functions = of_torch()
    one, two = by_hand(), by_hand()
    first = spikecheck.attach(one, on_finding=lambda _: None)
    second = spikecheck.attach(two, on_finding=lambda _: None)
    first.detach()
    Run(two).train(2)
    assert second.report().updates == 2
    assert UnseenKind.LOSS not in {one.kind for one in second.report().unseen}
    second.detach()
    assert not changed(functions, of_torch())


def test_hooks_of_the_user_stay_in_place_and_in_order() -> None:
    model, called = by_hand(), []
    model.register_forward_hook(lambda *_: called.append("before"))
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    model.register_forward_hook(lambda *_: called.append("while"))
    Run(model).train(1)
    monitor.detach()
    Run(model).train(1)
    assert called == ["before", "while"] * 2


# -- while attached


def live_hooks(model: nn.Module) -> list[Any]:
    """Hooks that lead into spikecheck."""
    every_hook = [hook for entries in hooks(model).values() for _, hook in entries]
    return [hook for hook in every_hook if type(hook).__module__.startswith("spikecheck")]


def test_a_deep_copy_of_an_attached_model_is_not_watched() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, on_finding=lambda _: None)
    Run(model).train(1)
    twin = copy.deepcopy(model)
    assert live_hooks(model)
    assert not live_hooks(twin)
    bare = by_hand()
    bare.load_state_dict(model.state_dict())
    torch.manual_seed(1)
    own = Run(twin).train(2)
    assert monitor.report().forward_passes == 1, "the forward passes of the copy were counted"
    monitor.detach()
    torch.manual_seed(1)
    assert_same(Run(bare).train(2).weights(), own.weights())


def test_an_attached_model_can_be_pickled_and_saved() -> None:
    model = by_hand()
    with spikecheck.attach(model, on_finding=lambda _: None):
        Run(model).train(1)
        pickled = pickle.dumps(model)
        saved = io.BytesIO()
        torch.save(model, saved)
    twin = pickle.loads(pickled)
    assert not live_hooks(twin)
    saved.seek(0)
    assert_same(torch.load(saved, weights_only=False).state_dict(), dict(model.state_dict()))
    Run(twin).train(1)


def test_a_model_pickled_while_attached_loads_where_spikecheck_is_not_installed() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    with spikecheck.attach(model, on_finding=lambda _: None):
        model(torch.ones(2, 3))
        pickled = pickle.dumps(model)
    assert b"spikecheck" not in pickled
    code = """
        import pickle, sys
        sys.modules["spikecheck"] = None      # as if it were not installed
        import torch
        model = pickle.loads(sys.stdin.buffer.read())
        print(tuple(model(torch.ones(2, 3)).shape))
    """
    reports = subprocess.run(
        [sys.executable, "-c", inspect.cleandoc(code)], input=pickled, capture_output=True, cwd=ROOT.anchor, check=False
    )
    assert reports.stdout.strip() == b"(2, 2)", reports.stderr.decode()


@pytest.mark.filterwarnings("error")
def test_a_hook_on_the_spikes_gives_no_warning_when_their_tensor_is_pickled() -> None:
    """Rockpool returns a record of the forward pass, and pickles it."""
    model, spikes = by_hand(), []
    model.get_submodule("lif").register_forward_hook(lambda module, arguments, output: spikes.append(output))
    with spikecheck.attach(model, on_finding=id):
        model(torch.rand(6, 4, 10))
        assert spikes[0]._backward_hooks
        torch.utils.hooks.warn_if_has_hooks(spikes[0])
