"""The callback for Hugging Face's Trainer, against transformers itself, and a loop of Accelerate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import spikecheck
from spikecheck.errors import FindingError
from tests.integrations.networks import BATCH, UPDATES, data, loader, loss_of, report_of, seeded_net, weights

pytest.importorskip("transformers", reason="make integrations")
pytest.importorskip("accelerate", reason="make integrations")

from accelerate import Accelerator
from transformers import Trainer, TrainingArguments

from spikecheck.integrations.huggingface import SpikecheckCallback


class Classifier(nn.Module):
    """As the Trainer calls models: by keywords, for a loss and the logits."""

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.net = seeded_net(threshold)

    def forward(self, spikes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(spikes)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Samples(Dataset[dict[str, Tensor]]):
    def __init__(self) -> None:
        self.x, self.y = data()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"spikes": self.x[index], "labels": self.y[index]}


def train(model: nn.Module, callback: SpikecheckCallback | None, folder: Path, **options: Any) -> None:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        learning_rate=2e-2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **{"num_train_epochs": 8, **options},
    )
    callbacks = [] if callback is None else [callback]
    Trainer(model=model, args=arguments, train_dataset=Samples(), eval_dataset=Samples(), callbacks=callbacks).train()


def test_a_healthy_run_has_no_finding_and_the_same_weights(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    bare, watched, callback = Classifier(), Classifier(), SpikecheckCallback("spikecheck.txt")
    train(bare, None, tmp_path)
    train(watched, callback, tmp_path)
    assert report_of(callback).ok, report_of(callback)
    assert report_of(callback).updates == 8 * UPDATES
    assert not [one for one in recwarn if "Spikecheck" in one.category.__name__]
    assert all(torch.equal(a, b) for a, b in zip(weights(bare).values(), weights(watched).values(), strict=True))
    assert "SPK" not in (tmp_path / "spikecheck.txt").read_text(encoding="utf-8")


def test_accumulated_gradients_and_evaluation(tmp_path: Path) -> None:
    callback = SpikecheckCallback("spikecheck.json")
    train(Classifier(), callback, tmp_path, gradient_accumulation_steps=2, eval_strategy="epoch", bf16=True)
    assert report_of(callback).updates == 4 * UPDATES
    assert not report_of(callback).findings, report_of(callback)


def test_a_silent_network(tmp_path: Path) -> None:
    callback = SpikecheckCallback("spikecheck.html", on_finding=lambda finding: None)
    train(Classifier(threshold=100.0), callback, tmp_path)
    assert "SPK2" in report_of(callback).root_causes[0].finding.check
    assert "lif1" in (tmp_path / "spikecheck.html").read_text(encoding="utf-8")


def test_raise_ends_training_in_the_step(tmp_path: Path) -> None:
    callback = SpikecheckCallback(on_finding="raise")
    with pytest.raises(FindingError, match="lif1"):
        train(Classifier(threshold=100.0), callback, tmp_path)
    assert report_of(callback).root_causes


def test_a_loop_of_accelerate_is_watched_as_any_other() -> None:
    torch.manual_seed(2)
    accelerator, net = Accelerator(cpu=True, gradient_accumulation_steps=2), seeded_net()
    model, optimizer, batches = accelerator.prepare(net, torch.optim.Adam(net.parameters(), 1e-2), loader())
    with spikecheck.attach(accelerator.unwrap_model(model)) as monitor:
        for _ in range(16):
            for batch in batches:
                with accelerator.accumulate(model):
                    accelerator.backward(loss_of(model, batch))
                    optimizer.step()
                    optimizer.zero_grad()
    assert monitor.report().ok, monitor.report()
    assert monitor.report().updates == 8 * UPDATES
