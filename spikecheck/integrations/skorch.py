"""The callback for skorch: `NeuralNetClassifier(..., callbacks=[SpikecheckCallback()])`."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from spikecheck.integrations.training import Training
from spikecheck.monitor import Monitor


class SpikecheckCallback(Callback):
    """Watch the module of a net while it is fitted, and report why it does not learn.

    The report comes when `fit` ends, also by Ctrl-C: it is printed, or written to a file. After another exception,
    `callback.monitor.report()` gives it.

        net = NeuralNetClassifier(Module, callbacks=[SpikecheckCallback(report="spikecheck.html")])

    Args:
        report: the file of the report: .html, .json, or text. None prints the report.
        options: the arguments of `spikecheck.attach`. `on_finding="raise"` ends `fit` with a FindingError in the step
            in which something is found.
    """

    def __init__(self, report: str | None = None, **options: Any) -> None:
        self.report, self.options = report, options

    def initialize(self) -> SpikecheckCallback:
        """Start afresh: called whenever the net is initialized."""
        self._training = Training(self.report, self.options)
        return self

    @property
    def monitor(self) -> Monitor | None:
        """The monitor; None before `fit`."""
        return self._training.monitor

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments, with which scikit-learn clones the net."""
        return {"report": self.report, **self.options}

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Attach to the module."""
        self._training.begin(net.module_)

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Detach, and give the report."""
        self._training.end()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the monitor out of a pickle and of a copy: it belongs to one training."""
        return {"report": self.report, "options": self.options, "_training": Training(self.report, self.options)}
