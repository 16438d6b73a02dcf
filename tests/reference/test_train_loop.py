from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from spikecheck.errors import SpikecheckError
from spikecheck.faults import inject
from spikecheck.reference.curves import draw
from spikecheck.reference.frames import Examples, examples
from spikecheck.reference.model import SpokenDigits
from spikecheck.reference.shd import open_digits
from spikecheck.reference.train import RECIPE, Plan, Run, read_checkpoint
from tests.reference.train_words import Words

TRAIN, TEST = Words(48, seed=1), Words(20, seed=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As `spikecheck train` does: on a busy machine two threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(plan: Plan) -> Run:
    recipe = inject(RECIPE, plan.faults)
    return Run(plan, recipe, examples(TRAIN, recipe.frames), examples(TEST, recipe.frames))


def finish(training: Run, *, until: int | None = None) -> Run:
    """Train to the end of the plan, or as if stopped by hand after `until` epochs."""
    for row in training.epochs():
        if row.epoch == until:
            break
    return training


@pytest.mark.parametrize("faults", [(), ("multi-spike", "threshold-low")])
def test_a_resumed_run_ends_bit_for_bit_as_one_that_was_never_stopped(tmp_path: Path, faults: tuple[str, ...]) -> None:
    plan = Plan(epochs=4, seed=3, faults=faults)
    whole = finish(run(plan))
    finish(run(plan), until=2).save(tmp_path / "half.pt")

    torch.manual_seed(999)  # another process begins with another state
    read, content = read_checkpoint(tmp_path / "half.pt")
    assert read == plan
    second = run(read)
    second.load(content)
    finish(second)

    assert second.history == whole.history
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    assert str(second.optimizer.state_dict()) == str(whole.optimizer.state_dict())
    assert second.scheduler.state_dict() == whole.scheduler.state_dict()


def test_the_seed_alone_decides() -> None:
    first, again, other = (finish(run(Plan(epochs=1, seed=seed))).history for seed in (0, 0, 1))
    assert first == again != other


def test_words_are_learned() -> None:
    history = finish(run(Plan(epochs=8))).history
    assert history[-1].test_accuracy > 0.9
    assert history[-1].train_loss < history[0].train_loss


def test_the_first_loss_is_that_of_a_uniform_guess() -> None:
    fresh = run(Plan(epochs=1))
    with torch.no_grad():
        loss = RECIPE.loss(fresh.model(fresh.train.frames.float()), fresh.train.labels)
    assert loss.item() == pytest.approx(math.log(20), abs=0.3)


def test_advance_is_called_for_every_update() -> None:
    calls: list[None] = []
    training = run(Plan(epochs=2))
    for _ in training.epochs(lambda: calls.append(None)):
        pass
    assert len(calls) == 2 * training.updates == 4


@pytest.mark.parametrize("faults", [(), ("threshold-low", "no-surrogate")])
def test_the_factory_of_a_checkpoint_builds_its_model(tmp_path: Path, faults: tuple[str, ...]) -> None:
    from pkgutil import resolve_name

    training = run(Plan(epochs=1, faults=faults))
    training.save(tmp_path / "c.pt")
    _, content = read_checkpoint(tmp_path / "c.pt")
    model = resolve_name(content["factory"])(**content["arguments"])
    model.load_state_dict(content["model"])
    frames = training.test.frames.float()
    assert torch.equal(model.eval()(frames), training.model.eval()(frames))


def test_an_interrupted_save_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = run(Plan(epochs=1))
    training.save(tmp_path / "c.pt")
    before = (tmp_path / "c.pt").read_bytes()

    def fail(content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        training.save(tmp_path / "c.pt")
    assert (tmp_path / "c.pt").read_bytes() == before


def test_what_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpikecheckError, match="nothing to resume"):
        read_checkpoint(tmp_path / "none.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(SpikecheckError, match="not a checkpoint of"):
        read_checkpoint(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no archive at all", encoding="utf-8")
    with pytest.raises(SpikecheckError, match="not a checkpoint of"):
        read_checkpoint(tmp_path / "text.pt")


def test_the_curves_are_a_picture_even_of_a_run_that_went_to_nan(tmp_path: Path) -> None:
    history = finish(run(Plan(epochs=2, faults=("nan-current",)))).history
    draw(history, tmp_path / "deep" / "curves.png", classes=20)
    assert (tmp_path / "deep" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_batch_starts_from_rest_whatever_came_before() -> None:
    model = SpokenDigits().eval()
    words: Examples = examples(TEST, RECIPE.frames)
    frames = words.frames.float()
    with torch.no_grad():
        alone = model(frames)
        model(torch.ones_like(frames))
        assert torch.equal(model(frames), alone)


def test_the_readout_is_a_mean_over_time_and_does_not_depend_on_neighbors() -> None:
    model = SpokenDigits().eval()
    frames = examples(TEST, RECIPE.frames).frames.float()
    with torch.no_grad():
        assert torch.allclose(model(frames)[:3], model(frames[:3]), atol=1e-5)


@pytest.mark.full
@pytest.mark.slow
def test_the_packed_digits_are_learned_far_above_chance_in_a_short_run() -> None:
    """Twelve epochs in place of 80; the whole run's figures are in docs/reference-model.md."""
    train, test = (examples(open_digits(None, train=part), RECIPE.frames) for part in (True, False))
    short = finish(Run(Plan(epochs=12), RECIPE, train, test))
    assert short.history[-1].test_accuracy > 0.5  # a guess reaches 0.05; three seeds reached 0.75 to 0.78
