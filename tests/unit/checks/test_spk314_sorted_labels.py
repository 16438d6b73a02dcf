"""SPK314 sorted-labels: a table of numbers, and the rate of false warnings on shuffled labels."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from spikecheck.checks.spk314_sorted_labels import SortedLabels
from spikecheck.readings import BatchReading
from tests.unit.checks.build import findings, observe, severity_of, spikes, targets

EVEN = (80,) * 20  # 1600 labels: two of them are alike with a probability of 0.0494
TWO = (800, 800)
SORTED = BatchReading(batches=25, samples=1600, single_class_batches=20, same_class_pairs=0.9)


def net(batches, counts=EVEN, samples: float = 64):
    layer = spikes(forward_passes=25, samples=int(25 * samples))
    known = targets(updates=25, samples=sum(counts), classes=len(counts), class_counts=counts)
    return observe({"lif1": [layer], "loss": [batches, known]})


def batch(alike: float | None, *, samples: int = 1600, pure: int = 0):
    return BatchReading(
        batches=max(1, samples // 64), samples=samples, single_class_batches=pure, same_class_pairs=alike
    )


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(SORTED), "warning", id="sorted by class"),
        pytest.param(net(batch(0.05)), None, id="shuffled"),
        pytest.param(net(batch(0.14)), None, id="eight classes of four samples in each batch"),
        pytest.param(net(batch(0.53)), "warning", id="two classes in each batch"),
        pytest.param(net(batch(0.52)), None, id="a little less than half of the way"),
        pytest.param(net(batch(0.5), TWO), None, id="two classes, shuffled"),
        pytest.param(net(batch(1.0, pure=25), TWO), "warning", id="two classes, one in each batch"),
        pytest.param(net(batch(1.0, pure=25), (1600, *[0] * 19)), None, id="one class so far"),
        pytest.param(net(batch(1.0, samples=128, pure=2)), "warning", id="128 labels are enough where 20 classes come"),
        pytest.param(net(batch(1.0, samples=64, pure=1)), None, id="and 64 are too few"),
        pytest.param(net(batch(1.0, samples=128, pure=2), (1440, 160)), None, id="as are 128 where one is common"),
        pytest.param(net(batch(None)), None, id="too many classes to count"),
        pytest.param(net(SORTED, samples=32), None, id="two labels per sample: steps or pixels"),
        pytest.param(net(SORTED, samples=1), None, id="where the batch is not known"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(SortedLabels(), observations, "loss") == severity


def test_the_message_gives_the_batches_of_a_single_class() -> None:
    (finding,) = findings(SortedLabels(), net(SORTED), "loss")
    assert finding.message == "20 of 25 batches contain a single class: is the data shuffled?"
    assert "the run has labels of 20 of 20 classes" in finding.observed.text


def test_the_message_of_batches_with_few_classes_counts_no_pure_ones() -> None:
    (finding,) = findings(SortedLabels(), net(batch(0.53)), "loss")
    assert finding.message == "a batch contains few of the 20 classes: is the data shuffled?"


def test_of_1000_runs_with_shuffled_labels_none_is_called_sorted() -> None:
    draw = random.Random(0)
    assert not sum(severity_of(SortedLabels(), shuffled(draw), "loss") is not None for _ in range(1000))


def shuffled(draw: random.Random):
    """A run of independent labels: 2 to 20 classes, some rare, in few or many batches, small or large."""
    classes, size = draw.randint(2, 20), draw.choice((2, 3, 4, 16))
    weights = [draw.random() ** 2 for _ in range(classes)]
    batches = [draw.choices(range(classes), weights, k=size) for _ in range(draw.randint(2, 20))]
    counted = [Counter(labels) for labels in batches]
    alike = sum(n * (n - 1) for count in counted for n in count.values()) / (len(batches) * size * (size - 1))
    reading = BatchReading(len(batches), len(batches) * size, sum(len(count) == 1 for count in counted), alike)
    every = sum(counted, Counter())
    return net(reading, tuple(every[k] for k in range(classes)), samples=size)
