"""The sink for MLflow: `spikecheck.attach(model, sinks=[MLflowSink()])`."""

from __future__ import annotations

import re
from pathlib import Path

import mlflow

from spikecheck.integrations.dashboard import Dashboard
from spikecheck.report.model import Report

NOT_ALLOWED = re.compile(r"[^\w\-. :/]")  # in the name of a metric


class MLflowSink(Dashboard):
    """Log the course of a run to MLflow: metrics by update, root causes and the page as artifacts.

    Args:
        run_id: the run; the active one by default. It is not ended.
    """

    def __init__(self, run_id: str | None = None) -> None:
        active = mlflow.active_run()
        if run_id is None and active is None:
            raise ValueError("no MLflow run is active: call mlflow.start_run() first, or pass run_id=")
        self.run_id = run_id or active.info.run_id
        self._causes = ""

    def add_scalars(self, scalars: dict[str, float], update: int) -> None:
        """Log numbers by name."""
        metrics = {NOT_ALLOWED.sub("_", name): value for name, value in scalars.items()}
        mlflow.log_metrics(metrics, step=update, run_id=self.run_id)

    def add_text(self, text: str, update: int) -> None:
        """Write all root causes so far."""
        self._causes += f"update {update}\n{text}\n\n"
        mlflow.log_text(self._causes, "spikecheck/findings.txt", run_id=self.run_id)

    def add_page(self, path: Path, report: Report) -> None:
        """Keep the page as an artifact, and the result as a tag."""
        mlflow.log_artifact(str(path), "spikecheck", run_id=self.run_id)
        mlflow.MlflowClient().set_tag(self.run_id, "spikecheck", report.conclusion)
