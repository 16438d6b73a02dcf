"""The handler for PyTorch-Ignite: `SpikecheckHandler(model).attach(trainer)`."""

from __future__ import annotations

from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from torch import nn

from spikecheck.integrations.training import Training
from spikecheck.monitor import Monitor


class SpikecheckHandler:
    """Watch the model that an engine trains, and report why it does not learn.

    The report comes when the run is completed, terminated or interrupted by an exception: rank 0 prints it, or writes
    it to a file.

        SpikecheckHandler(model, report="spikecheck.html").attach(trainer)

    Args:
        model: the spiking network.
        report: the file of the report: .html, .json, or text. None prints the report.
        options: the arguments of `spikecheck.attach`. `on_finding="raise"` ends `run` with a FindingError in the
            iteration in which something is found.
    """

    def __init__(self, model: nn.Module, report: str | None = None, **options: Any) -> None:
        self.model, self._training = model, Training(report, options)

    @property
    def monitor(self) -> Monitor | None:
        """The monitor; None before the run begins."""
        return self._training.monitor

    def attach(self, engine: Engine) -> None:
        """Add the handlers to the engine that trains the model."""
        engine.add_event_handler(Events.STARTED, lambda: self._training.begin(self.model))
        engine.add_event_handler(Events.COMPLETED, lambda: self._end())
        engine.add_event_handler(Events.TERMINATE, lambda: self._end())
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._exception_raised)

    def _end(self, error: Exception | None = None) -> None:
        self._training.end(main_process=idist.get_rank() == 0, error=error)

    def _exception_raised(self, engine: Engine, error: Exception) -> None:
        """Give the report; an exception that no other handler takes care of goes on, as it would without this one."""
        self._end(error)
        if len(engine._event_handlers[Events.EXCEPTION_RAISED]) == 1:
            raise error
