"""A fix names no attribute that the layer does not have, in code and in comments, for every kind of layer."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from torch import nn

from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from spikecheck.finding import Fix
from spikecheck.neuron import FIX_ATTRIBUTES
from spikecheck.probe.frameworks.base import has, imported, spec_of
from spikecheck.probe.frameworks.generic import Generic
from spikecheck.site import Site, SiteKind
from tests.conformance.table import HIDDEN, kinds

PATH = re.compile(r"model\.lif((?:\.\w+)+)")
#: Named without a layer before it; a word that any text may have, such as "threshold", tells nothing.
TELLING = [name for name in FIX_ATTRIBUTES if "_" in name and "." not in name]
HOMES = {"spikingjelly": "spikingjelly.activation_based.neuron", "norse": "norse.torch", "sinabs": "sinabs.layers"}
CHECKS = [check() for check in own_checks().values() if check.sites & (SiteKind.SPIKES | SiteKind.CURRENT)]


def fixes_for(check: Check, module: nn.Module, library: str) -> tuple[Fix, ...]:
    model = nn.ModuleDict({"lif": module})
    known = [one for one in imported(model) if one.name == library and one.spikes(module)]
    framework = known[0] if known else Generic()
    site = Site(SiteKind.SPIKES, "lif", 1, framework=library, neuron=spec_of(framework, module))
    return check.fixes(site)


def replaced_fields(code: str) -> list[tuple[str, str]]:
    """Return the named tuples of which a part is replaced, each with the part."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [
        (ast.unparse(call.func.value), key.arg or "")
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "_replace"
        for key in call.keywords
    ]


def layers() -> Iterator[tuple[str, str, nn.Module]]:
    """Yield the layers of the conformance suite, and every class of three libraries that needs no arguments."""
    for kind in kinds():
        yield kind.library, str(kind), kind.layer(HIDDEN)
    for library, home in HOMES.items():
        for name, made in vars(import_module(home)).items():
            if inspect.isclass(made) and issubclass(made, nn.Module) and made.__module__.startswith(library):
                with suppress(TypeError, ValueError, NotImplementedError, ImportError, AssertionError):
                    yield library, f"{home}.{name}", made()


LAYERS = list(layers())


@pytest.mark.parametrize(("library", "name", "module"), LAYERS, ids=[name for _, name, _ in LAYERS])
def test_every_attribute_of_every_fix_exists(library: str, name: str, module: nn.Module) -> None:
    for check in CHECKS:
        for fix in fixes_for(check, module, library):
            at = f"{check.id} for {name}: {fix.code}"
            assert all(reachable(module, path[1:]) for path in PATH.findall(fix.code)), at
            for holder, field in replaced_fields(fix.code):
                assert has(module, f"{holder.removeprefix('model.lif.')}.{field}"), at
            comments = "\n".join(line for line in fix.code.splitlines() if line.startswith("#"))
            words = set(re.findall(r"\w+", comments))
            assert [name for name in TELLING if name in words and not has(module, name)] == [], at


def reachable(module: Any, path: str) -> bool:
    """Return whether a path that a text writes leads to something; `max` of `torch.max` would as well."""
    for name in path.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True


def test_the_attributes_of_all_fixes_are_known() -> None:
    """`FIX_ATTRIBUTES` has every attribute that a fix names, and no other."""
    codes = [code for check in own_checks().values() for code in check.fix_by_library().values()]
    named = {name for code in codes for name in re.findall(r"\blayer\.([a-z_]\w*)", code)}
    fields = {f"p.{key}" for code in codes for _, key in replaced_fields(code)}
    of_weights = {"weight", "p"}  # of a linear layer, and of dropout or norse
    of_all_modules = {"num_timesteps"}  # set by SPK106 in a loop over the modules that have it
    assert named - of_weights | fields | of_all_modules == set(FIX_ATTRIBUTES)
