"""The callback for Lightning: `Trainer(callbacks=[SpikecheckCallback()])`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from spikecheck.integrations.training import Training
from spikecheck.monitor import Monitor

if TYPE_CHECKING or "pytorch_lightning" not in sys.modules or "lightning.pytorch" in sys.modules:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:  # the same library under its other name
    from pytorch_lightning import Callback, LightningModule, Trainer


class SpikecheckCallback(Callback):
    """Watch the training of a LightningModule, and report why it does not learn.

    The sanity check is not watched. Validation during training is, apart from training. The report comes when `fit`
    ends, also by an exception or Ctrl-C: rank 0 prints it, or writes it into the folder of the logger.

        trainer = Trainer(callbacks=[SpikecheckCallback(report="spikecheck.html")])

    Args:
        report: the file of the report in the folder of the logger (`trainer.log_dir`), or in `default_root_dir` where
            there is no logger: .html, .json, or text. None prints the report.
        options: the arguments of `spikecheck.attach`. `on_finding="raise"` ends `fit` with a FindingError in the step
            in which something is found.
    """

    def __init__(self, report: str | None = None, **options: Any) -> None:
        self._training = Training(report, options)

    @property
    def monitor(self) -> Monitor | None:
        """The monitor; None before training begins."""
        return self._training.monitor

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach, after the sanity check."""
        self._training.begin(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Detach, and give the report."""
        self._end(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the report of a run that failed or was interrupted."""
        self._end(trainer, exception)

    def _end(self, trainer: Trainer, error: BaseException | None = None) -> None:
        # `log_dir` is broadcast from rank 0, which another rank may never answer where one has failed
        logger = trainer.logger
        folder = None if logger is None else getattr(logger, "log_dir", None) or logger.save_dir
        self._training.end(folder or trainer.default_root_dir, main_process=trainer.is_global_zero, error=error)
