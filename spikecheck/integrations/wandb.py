"""The sink for Weights & Biases: `spikecheck.attach(model, sinks=[WandbSink(run)])`."""

from __future__ import annotations

from pathlib import Path

import wandb

from spikecheck.integrations.dashboard import FINDINGS, Dashboard
from spikecheck.report.model import Report

UPDATE = "spikecheck/update"


class WandbSink(Dashboard):
    """Log the course of a run to Weights & Biases: scalars by update, root causes as text, the page as an artifact.

    Args:
        run: what `wandb.init` returned; it is not finished.
        commit: whether each point is a step of its own. By default, a point goes with the next `run.log` of the script,
            whose steps stay as they are; of several points before it, the last one stays.
    """

    def __init__(self, run: wandb.Run, *, commit: bool = False) -> None:
        self.run, self.commit = run, commit
        self._causes: list[tuple[int, str]] = []
        run.define_metric(UPDATE, hidden=True)
        run.define_metric("spikecheck/*", step_metric=UPDATE)

    def add_scalars(self, scalars: dict[str, float], update: int) -> None:
        """Log numbers by name."""
        self.run.log({**scalars, UPDATE: update}, commit=self.commit)

    def add_text(self, text: str, update: int) -> None:
        """Log all root causes so far, as a table."""
        self._causes.append((update, text))
        table = wandb.Table(columns=["update", "root cause"], data=[list(row) for row in self._causes])
        self.run.log({FINDINGS: table}, commit=self.commit)

    def add_page(self, path: Path, report: Report) -> None:
        """Keep the page as an artifact, and the result in the summary."""
        self.run.summary["spikecheck/result"] = report.conclusion
        artifact = wandb.Artifact(f"spikecheck-{self.run.id}", type="report")
        artifact.add_file(str(path))
        self.run.log_artifact(artifact)
