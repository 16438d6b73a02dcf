"""The callback for Lightning, against Lightning itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spikecheck.errors import FindingError
from tests.integrations.networks import UPDATES, loader, loss_of, report_of, seeded_net, weights

pytest.importorskip("lightning", reason="make integrations")

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from spikecheck.integrations.lightning import SpikecheckCallback


class Classifier(LightningModule):
    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.net = seeded_net(threshold)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return loss_of(self.net, batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", loss_of(self.net, batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 5e-3)


def fit(module: LightningModule, callback: SpikecheckCallback | None, folder: Path, **options: Any) -> None:
    torch.manual_seed(2)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = {"max_epochs": 8, "logger": False, "devices": 1, **options}
    callbacks = [] if callback is None else [callback]
    Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=callbacks,
        log_every_n_steps=1,
        **quiet,
        **options,
    ).fit(module, loader(), loader())


def test_a_healthy_run_has_no_finding_and_the_same_weights(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    bare, watched, callback = Classifier(), Classifier(), SpikecheckCallback("spikecheck.txt")
    fit(bare, None, tmp_path)
    fit(watched, callback, tmp_path)
    assert report_of(callback).ok, report_of(callback)
    assert report_of(callback).updates == 8 * UPDATES
    assert not [one for one in recwarn if "Spikecheck" in one.category.__name__]
    assert all(torch.equal(a, b) for a, b in zip(weights(bare).values(), weights(watched).values(), strict=True))
    assert "SPK" not in (tmp_path / "spikecheck.txt").read_text(encoding="utf-8")


def test_the_sanity_check_is_no_part_of_the_run(tmp_path: Path) -> None:
    callback = SpikecheckCallback("spikecheck.json")
    fit(Classifier(), callback, tmp_path, max_epochs=1, limit_val_batches=0.5)
    assert report_of(callback).forward_passes == UPDATES + UPDATES // 2


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precision_and_accumulated_gradients(precision: str, tmp_path: Path) -> None:
    callback = SpikecheckCallback("spikecheck.json")
    fit(Classifier(), callback, tmp_path, precision=precision, accumulate_grad_batches=2, max_epochs=16)
    assert report_of(callback).updates == 8 * UPDATES
    assert report_of(callback).ok, report_of(callback)


def test_the_report_of_a_silent_network_is_in_the_folder_of_the_logger(tmp_path: Path) -> None:
    callback, logger = (
        SpikecheckCallback("spikecheck.html", on_finding=lambda finding: None),
        CSVLogger(tmp_path, "runs"),
    )
    fit(Classifier(threshold=100.0), callback, tmp_path, logger=logger)
    assert "SPK2" in report_of(callback).root_causes[0].finding.check
    assert "lif1" in (Path(logger.log_dir) / "spikecheck.html").read_text(encoding="utf-8")


def test_raise_ends_fit_in_the_step_and_leaves_a_report(tmp_path: Path) -> None:
    callback = SpikecheckCallback("spikecheck.txt", on_finding="raise")
    with pytest.raises(FindingError, match="lif1"):
        fit(Classifier(threshold=100.0), callback, tmp_path)
    assert "lif1" in (tmp_path / "spikecheck.txt").read_text(encoding="utf-8")
