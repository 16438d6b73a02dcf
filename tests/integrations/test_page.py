"""The examples of docs/how-to/train-with-a-library.md, run as the page says."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
import torch

from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "how-to" / "train-with-a-library.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python (\S+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.full
@pytest.mark.parametrize("library", [name for name in BLOCKS if name != "network.py"])
def test_an_example_ends_with_a_healthy_report(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    pytest.importorskip(library, reason="make integrations")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "network", raising=False)
    (tmp_path / "network.py").write_text(BLOCKS["network.py"], encoding="utf-8")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    torch.manual_seed(0)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        exec(compile(BLOCKS[library], library, "exec"), {"__name__": "__main__"})
    report = text.getvalue() + "".join(path.read_text() for path in tmp_path.rglob("spikecheck.txt"))
    assert "spikecheck · " in report
    assert "1 spiking layer" in report
    assert "SPK" not in report, report
    assert not [one for one in recwarn if "Spikecheck" in one.category.__name__]
