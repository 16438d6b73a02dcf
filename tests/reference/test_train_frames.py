from __future__ import annotations

import pytest
import torch

from spikecheck.reference.frames import Augmentation, Frames, examples
from tests.reference.train_words import Words, events


def test_an_event_lands_in_its_bin_and_channel() -> None:
    frames = Frames(bins=50, window_ms=20, pool=1)(events([0, 19_999, 20_000, 999_999], [0, 5, 5, 699]))
    assert frames.shape == (50, 700)
    assert frames.nonzero().tolist() == [[0, 0], [0, 5], [1, 5], [49, 699]]


def test_silence_before_the_first_event_is_kept() -> None:
    frames = Frames(pool=1)(events([500_000, 510_000], [3, 4]))
    assert frames.nonzero()[:, 0].tolist() == [25, 25]


def test_events_after_the_last_bin_are_dropped() -> None:
    assert Frames(bins=10, window_ms=20)(events([100, 200_000, 900_000], [3, 3, 4])).sum() == 1


def test_frames_are_binary_unless_counts_are_asked_for() -> None:
    crowd = events([1_000, 2_000, 3_000, 50_000], [10, 11, 10, 12])
    assert Frames(pool=5)(crowd).unique().tolist() == [0, 1]
    assert Frames(pool=5, binary=False)(crowd).max() == 3


def test_the_events_are_left_as_they_were() -> None:
    before = events([1_000, 2_000], [699, 350])
    after = before.copy()
    Frames(pool=5)(after)
    assert (before == after).all()


def test_examples_hold_every_word_with_its_label() -> None:
    digits = examples(Words(8, seed=0), Frames())
    assert digits.frames.shape == (8, 50, Frames().channels)
    assert digits.labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.fixture
def block() -> torch.Tensor:
    """Frames of 16 words that are all one block in the middle."""
    frames = torch.zeros(16, 40, 60, dtype=torch.int16)
    frames[:, 15:25, 25:35] = 1
    return frames


NOTHING = Augmentation(channel_shift=0, channel_stretch=0, time_shift=0, time_stretch=0, drop=0)


def test_no_augmentation_changes_nothing(block: torch.Tensor) -> None:
    assert torch.equal(NOTHING(block), block)


def test_a_shift_moves_the_block_and_lets_silence_in(block: torch.Tensor) -> None:
    torch.manual_seed(0)
    moved = Augmentation(channel_shift=5, channel_stretch=0, time_shift=4, time_stretch=0, drop=0)(block)
    assert moved.shape == block.shape
    assert moved.sum(dim=(1, 2)).tolist() == [100] * 16
    assert len({tuple(word.nonzero()[0].tolist()) for word in moved}) > 4


def test_what_is_moved_out_does_not_come_in_at_the_other_side(block: torch.Tensor) -> None:
    torch.manual_seed(0)
    moved = Augmentation(channel_shift=60, channel_stretch=0, time_shift=0, time_stretch=0, drop=0)(block)
    assert (moved.sum(dim=(1, 2)) < 100).any()


def test_dropped_events_are_a_subset(block: torch.Tensor) -> None:
    torch.manual_seed(0)
    thinned = Augmentation(channel_shift=0, channel_stretch=0, time_shift=0, time_stretch=0, drop=0.5)(block)
    assert ((thinned == 0) | (block == 1)).all()
    assert 0.5 < thinned.sum() / block.sum() < 0.95


def test_counts_stay_counts(block: torch.Tensor) -> None:
    torch.manual_seed(0)
    assert set(Augmentation()(block * 7).unique().tolist()) == {0, 7}
