"""What the integrations have in common: attach when training begins, give the report when it ends."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from spikecheck.api import attach
from spikecheck.errors import SpikecheckError, SpikecheckWarning
from spikecheck.monitor import Monitor
from spikecheck.report.file import require_for, write_report


class Training:
    """One training run of somebody else's loop.

    `report` names the file of the report, whose suffix says its form: .html, .json, or text; None prints the report.
    `options` are the arguments of `spikecheck.attach`.
    """

    def __init__(self, report: str | None, options: Mapping[str, Any]) -> None:
        self.file, self.options = report, dict(options)
        self.monitor: Monitor | None = None

    def begin(self, model: nn.Module) -> None:
        """Attach to the model, before its first forward pass; what would be missing for the report is told now.

        Raises:
            SpikecheckError: an argument cannot be used, or the report needs a library that is not installed.
        """
        if self.file is not None:
            require_for(self.file)
        self.monitor = attach(model, **self.options)

    def end(self, folder: str | None = None, *, main_process: bool = True, error: BaseException | None = None) -> None:
        """Detach, and print the report or write it into the folder: once, in the main process alone.

        `error` is what ended the training. A report that cannot be written is a warning: the training has gone well.
        """
        if self.monitor is None or not self.monitor.watching:
            return
        self.monitor.end(error)
        if not main_process:
            return
        report = self.monitor.last_report()
        if self.file is None:
            print(report)  # noqa: T201 - what the user asked for
            return
        path = Path(folder or ".", self.file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_report(path, report)
        except (SpikecheckError, OSError) as failure:
            warnings.warn(f"the report was not written: {failure}", SpikecheckWarning, stacklevel=2)
