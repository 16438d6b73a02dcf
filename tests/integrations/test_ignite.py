"""The handler for PyTorch-Ignite, against Ignite itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spikecheck.errors import FindingError
from tests.integrations.networks import UPDATES, Net, loader, loss_of, report_of, seeded_net, weights

pytest.importorskip("ignite", reason="pip install pytorch-ignite")

from ignite.engine import Engine, Events

from spikecheck.integrations.ignite import SpikecheckHandler


def trainer_of(net: Net) -> Engine:
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)

    def update(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        optimizer.zero_grad()
        loss = loss_of(net, batch)
        loss.backward()
        optimizer.step()
        return loss.item()

    return Engine(update)


def test_a_healthy_run_has_no_finding_and_the_same_weights(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    bare, watched = seeded_net(), seeded_net()
    trainer_of(bare).run(loader(), max_epochs=8)
    handler, trainer = SpikecheckHandler(watched, report=str(tmp_path / "spikecheck.txt")), trainer_of(watched)
    handler.attach(trainer)
    trainer.run(loader(), max_epochs=8)
    assert report_of(handler).ok, report_of(handler)
    assert report_of(handler).updates == 8 * UPDATES
    assert not [one for one in recwarn if "Spikecheck" in one.category.__name__]
    assert all(torch.equal(a, b) for a, b in zip(weights(bare).values(), weights(watched).values(), strict=True))
    assert "SPK" not in (tmp_path / "spikecheck.txt").read_text(encoding="utf-8")


@pytest.mark.full
def test_raise_ends_the_run_in_the_iteration_and_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    net = seeded_net(threshold=100.0)
    handler, trainer = SpikecheckHandler(net, on_finding="raise"), trainer_of(net)
    handler.attach(trainer)
    with pytest.raises(FindingError, match="lif1"):
        trainer.run(loader(), max_epochs=9)  # a silent layer may wake up for 64 updates
    assert "SPK2" in report_of(handler).root_causes[0].finding.check
    shown = capsys.readouterr()
    assert shown.out.count("spikecheck ·") == 1
    assert "spikecheck ·" not in shown.err


def test_a_terminated_run_and_an_exception_that_another_handler_takes() -> None:
    net = seeded_net()
    handler, trainer = SpikecheckHandler(net, report="/dev/null"), trainer_of(net)
    handler.attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), trainer.terminate)
    trainer.run(loader(), max_epochs=8)
    assert handler.monitor is not None
    assert not handler.monitor.watching
    assert report_of(handler).updates == 3
    taken = []
    trainer = trainer_of(net)
    SpikecheckHandler(net, report="/dev/null").attach(trainer)
    trainer.add_event_handler(Events.EXCEPTION_RAISED, taken.append)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), lambda: 1 / 0)
    trainer.run(loader(), max_epochs=1)
    assert taken
