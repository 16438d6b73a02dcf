"""Train in two processes with a library, whose callback writes one report: `python -m tests.integrations.two_ranks`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from tests.integrations.networks import loader, seeded_net

EPOCHS = 10


def lightning(threshold: float, folder: Path) -> None:
    """Lightning starts the second process itself."""
    from tests.integrations.test_lightning import Classifier, SpikecheckCallback, fit

    fit(
        Classifier(threshold), SpikecheckCallback("attached.json"), folder, max_epochs=EPOCHS, devices=2, strategy="ddp"
    )


def huggingface(threshold: float, folder: Path) -> None:
    """Started by torchrun."""
    from tests.integrations.test_huggingface import Classifier, SpikecheckCallback, train

    train(Classifier(threshold), SpikecheckCallback("attached.json"), folder, num_train_epochs=EPOCHS)


def ignite(threshold: float, folder: Path) -> None:
    """Started by torchrun."""
    import ignite.distributed as idist

    from tests.integrations.test_ignite import SpikecheckHandler, trainer_of

    with idist.Parallel(backend="gloo"):
        net: Any = idist.auto_model(seeded_net(threshold))
        trainer = trainer_of(net)
        SpikecheckHandler(net, report=str(folder / "attached.json")).attach(trainer)
        trainer.run(idist.auto_dataloader(loader().dataset, batch_size=32, shuffle=True), max_epochs=EPOCHS)


if __name__ == "__main__":
    torch.manual_seed(0)
    name, value = sys.argv[1:]
    {"lightning": lightning, "huggingface": huggingface, "ignite": ignite}[name](float(value), Path(os.getcwd()))
