"""Every path in a fix leads to an object of the script, and every attribute that it sets is one of that object."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.report.model import Report
from tests.conformance import functional_styles, module_styles
from tests.conformance.functional_styles import CLASSES, TRUE_SPIKES

Call = Callable[[nn.Module, Tensor], Tensor]
UPDATES = 4
NORMALIZED = "norm per step"  # is driven alike whatever its weights are
STYLES: dict[str, tuple[Callable[[], nn.Module], Call, Callable[[], Tensor], dict[str, Any]]] = {
    **{
        name: (style.build, lambda model, x: model(x), style.example, {})
        for name, style in functional_styles.STYLES.items()
    },
    **{
        name: (style.build, style.call, module_styles.sequence, style.arguments)
        for name, style in module_styles.STYLES.items()
    },
}
FAULTS = {"silent": 0.01, "driven": 60.0}  # by which the weights are multiplied


def report_on(model: nn.Module, call: Call, example: Callable[[], Tensor], arguments: dict[str, Any]) -> Report:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, every=1, on_finding=lambda _: None, **arguments) as monitor:
        for _ in range(UPDATES):
            x = example()
            optimizer.zero_grad()
            F.cross_entropy(call(model, x), torch.randint(CLASSES, (len(x),))).backward()
            optimizer.step()
            TRUE_SPIKES.clear()
        return monitor.report()


def paths(code: str) -> Iterator[str]:
    """Yield the expressions that begin with the model, each as far as it goes."""
    inner: set[int] = set()
    for node in ast.walk(ast.parse(code)):  # from the outside in
        if isinstance(node, ast.Attribute | ast.Subscript) and id(node) not in inner:
            part: Any = node
            while isinstance(part, ast.Attribute | ast.Subscript | ast.Call):
                inner.add(id(part))
                part = part.func if isinstance(part, ast.Call) else part.value
            if isinstance(part, ast.Name) and part.id == "model":
                yield ast.unparse(node)


def test_paths_are_read_off_the_code() -> None:
    code = 'model.a[0].threshold = 2 * x.b\nmodel.get_submodule("1").beta.fill_(model.c)'
    assert set(paths(code)) == {"model.a[0].threshold", "model.get_submodule('1').beta.fill_", "model.c"}


@pytest.mark.parametrize("fault", ["silent", pytest.param("driven", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", STYLES)
def test_every_path_of_every_fix_exists(name: str, fault: str) -> None:
    build, call, example, arguments = STYLES[name]
    torch.manual_seed(0)
    model = build()
    with torch.no_grad():
        for which, parameter in model.named_parameters():
            parameter.mul_(FAULTS[fault] if parameter.dim() > 1 else 0.0 if which.endswith("bias") else 1.0)
    report = report_on(model, call, example, arguments)
    assert report.findings or report.unseen or fault != "silent" or name == NORMALIZED, (
        "nothing is wrong, so that no fix is tried"
    )
    for fix in (fix for finding in report.findings for fix in finding.fixes):
        for path in paths(fix.code):
            eval(path, {"model": model})  # raises for what is not there
        if fix.applies:
            repaired = build()
            repaired.load_state_dict(model.state_dict())
            fix.apply(repaired)
            assert call(repaired, example()).isfinite().all()
            TRUE_SPIKES.clear()
