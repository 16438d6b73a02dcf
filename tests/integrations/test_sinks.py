"""The sinks for TensorBoard, Weights & Biases and MLflow, against the libraries themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import spikecheck
from spikecheck.errors import SpikecheckWarning
from spikecheck.plugin import RunStart, Sink
from tests.promises.networks import Run, by_hand

RATE, LOSS = "spikecheck/lif/firing_rate", "spikecheck/loss/loss"


def train(sink: Sink) -> spikecheck.Report:
    """Train a network that is silent."""
    run = Run(by_hand())
    run.model.lif.threshold = 1e9  # type: ignore[union-attr]
    with spikecheck.attach(run.model, on_finding="warn", sinks=[sink]) as monitor, pytest.warns(SpikecheckWarning):
        run.train(80)
    return monitor.report()


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from spikecheck.integrations.tensorboard import TensorBoardSink

    report = train(TensorBoardSink(tmp_path))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert {RATE, LOSS} <= set(events.Tags()["scalars"])
    assert [one.value for one in events.Scalars(RATE)][-1] == 0
    assert events.Scalars(LOSS)[-1].step in (79, 80)
    assert report.updates == 80
    (text,) = events.Tensors("spikecheck/findings/text_summary")[:1]
    assert b"SPK205" in text.tensor_proto.string_val[0]
    assert "SPK205" in (tmp_path / "spikecheck.html").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_rank_beside_the_first_is_quiet(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from spikecheck.integrations.tensorboard import TensorBoardSink

    class Second(TensorBoardSink):
        def begin(self, start: RunStart) -> None:
            super().begin(RunStart("Net", rank=1))

    train(Second(tmp_path))
    assert not (tmp_path / "spikecheck.html").exists()


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="make integrations")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from spikecheck.integrations.mlflow import MLflowSink

    with pytest.raises(ValueError, match="no MLflow run is active"):
        MLflowSink()
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    with mlflow.start_run() as run:
        train(MLflowSink())
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, RATE)
    assert history[-1].value == 0
    assert history[-1].step in (79, 80)
    (artifacts,) = (tmp_path / "mlruns").rglob("artifacts")
    assert "SPK205" in (artifacts / "spikecheck" / "findings.txt").read_text(encoding="utf-8")
    assert "SPK205" in (artifacts / "spikecheck" / "spikecheck.html").read_text(encoding="utf-8")
    assert "root cause" in client.get_run(run.info.run_id).data.tags["spikecheck"]


@pytest.mark.parametrize("commit", [False, True])
def test_wandb_offline(commit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="make integrations")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    from spikecheck.integrations.wandb import WandbSink

    logged: list[dict[str, Any]] = []
    with wandb.init(mode="offline", dir=tmp_path, project="test") as run:
        log = run.log
        monkeypatch.setattr(run, "log", lambda data, **how: (logged.append({**data, **how}), log(data, **how)))
        train(WandbSink(run, commit=commit))
        assert run.step == (len(logged) if commit else 0)
        assert "root cause" in run.summary["spikecheck/result"]
    points = [data for data in logged if RATE in data]
    assert points[-1]["spikecheck/update"] in (79, 80)
    assert points[-1][RATE] == 0
    assert any("spikecheck/findings" in data for data in logged)
