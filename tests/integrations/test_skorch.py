"""The callback for skorch, against skorch itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from spikecheck.errors import FindingError
from spikecheck.report.model import Report
from tests.integrations.networks import BATCH, UPDATES, Net, data, weights

pytest.importorskip("skorch", reason="pip install skorch")

from sklearn.base import clone
from skorch import NeuralNetClassifier

from spikecheck.integrations.skorch import SpikecheckCallback


def classifier(callback: SpikecheckCallback | None, threshold: float = 1.0) -> NeuralNetClassifier:
    return NeuralNetClassifier(
        Net,
        module__threshold=threshold,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=5e-3,
        batch_size=BATCH,
        max_epochs=10,
        verbose=0,
        callbacks=[] if callback is None else [("spikecheck", callback)],
    )


def fit(net: NeuralNetClassifier) -> NeuralNetClassifier:
    torch.manual_seed(0)
    x, y = data()
    return net.fit(x.numpy(), y.numpy())


def report_of(net: NeuralNetClassifier) -> Report:
    (callback,) = (one for name, one in net.callbacks_ if name == "spikecheck")
    report: Report = callback.monitor.report()
    return report


def test_a_healthy_run_has_no_finding_and_the_same_weights(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    bare = fit(classifier(None))
    watched = fit(classifier(SpikecheckCallback(report=str(tmp_path / "spikecheck.txt"))))
    assert report_of(watched).ok, report_of(watched)
    assert 8 * UPDATES <= report_of(watched).updates <= 10 * UPDATES  # a fifth of the data is held out
    assert not [one for one in recwarn if "Spikecheck" in one.category.__name__]
    pairs = zip(weights(bare.module_).values(), weights(watched.module_).values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert "SPK" not in (tmp_path / "spikecheck.txt").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_clone_and_a_copy_keep_the_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    def ignore(finding: Any) -> None:
        """Say nothing."""

    net = fit(clone(classifier(SpikecheckCallback(on_finding=ignore, ignore=["SPK302"]), threshold=100.0)))
    assert "SPK2" in report_of(net).root_causes[0].finding.check
    assert capsys.readouterr().out.count("spikecheck ·") == 1
    quiet = fit(classifier(SpikecheckCallback(report="/dev/null", ignore=["SPK302"])))
    again = pickle.loads(pickle.dumps(dict(quiet.callbacks_)["spikecheck"]))
    assert again.options == {"ignore": ["SPK302"]}
    assert again.monitor is None


@pytest.mark.full
def test_raise_ends_fit_in_the_step() -> None:
    net = classifier(SpikecheckCallback(on_finding="raise"), threshold=100.0)
    with pytest.raises(FindingError, match="lif1"):
        fit(net)
    assert report_of(net).root_causes
