"""The sink for TensorBoard: `spikecheck.attach(model, sinks=[TensorBoardSink("runs/1")])`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from spikecheck.integrations.dashboard import FINDINGS, Dashboard
from spikecheck.report.model import Report


class TensorBoardSink(Dashboard):
    """Write the course of a run for TensorBoard: scalars by update, root causes as text, the page beside them.

    Args:
        writer: the script's SummaryWriter, or the folder for one of its own.
    """

    def __init__(self, writer: Any) -> None:
        self._owns_writer = isinstance(writer, str | Path)
        self.writer: Any = SummaryWriter(str(writer)) if self._owns_writer else writer

    def add_scalars(self, scalars: dict[str, float], update: int) -> None:
        """Show numbers by name."""
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, update)

    def add_text(self, text: str, update: int) -> None:
        """Show a root cause, as it is: TensorBoard reads Markdown."""
        self.writer.add_text(FINDINGS, f"```\n{text}\n```", update)

    def add_page(self, path: Path, report: Report) -> None:
        """Copy the page into the folder of the writer, and show the report as text."""
        shutil.copy(path, self.writer.log_dir)
        self.writer.add_text("spikecheck/report", f"```\n{report}\n```", report.updates)
        self.writer.flush()
        if self._owns_writer:
            self.writer.close()
