"""The recipe for Ray Tune in docs/how-to/tune-a-parameter.md, as it stands there."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from tests.house.tree import ROOT
from tests.unit.tuning import networks

ray = pytest.importorskip("ray", reason="`make ray` installs it")


def test_the_recipe_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/how-to/tune-a-parameter.md").read_text(encoding="utf-8")
    recipe = re.search(r"^```python ray\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert recipe is not None
    network = ModuleType("network")
    network.Net, network.loader = networks.Net, networks.batches()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "network", network)
    variables: dict = {}
    ray.init(num_cpus=1, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": ":".join(sys.path)}})
    try:
        exec(compile(recipe[1], "recipe", "exec"), variables)
    finally:
        ray.shutdown()
    assert [row.value for row in variables["tuning"].rows] == [0.1, 1.0, 10.0]
    assert variables["tuning"].best is not None
