"""The callback for the Trainer of Hugging Face transformers: `Trainer(callbacks=[SpikecheckCallback()])`."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spikecheck.integrations.training import Training
from spikecheck.monitor import Monitor


class SpikecheckCallback(TrainerCallback):
    """Watch the model that a Trainer trains, and report why it does not learn.

    The report comes when training ends: the main process prints it, or writes it into the output folder. The Trainer
    tells its callbacks nothing of an exception: `callback.monitor.report()` gives the report of a run that failed.

        trainer = Trainer(..., callbacks=[SpikecheckCallback(report="spikecheck.html")])

    Args:
        report: the file of the report in `args.output_dir`: .html, .json, or text. None prints the report.
        options: the arguments of `spikecheck.attach`. `on_finding="raise"` ends `train()` with a FindingError in the
            step in which something is found.
    """

    def __init__(self, report: str | None = None, **options: Any) -> None:
        self._training = Training(report, options)

    @property
    def monitor(self) -> Monitor | None:
        """The monitor; None before training begins."""
        return self._training.monitor

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Attach to the model."""
        self._training.begin(kwargs["model"])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Detach, and give the report."""
        self._training.end(args.output_dir, main_process=state.is_world_process_zero)
