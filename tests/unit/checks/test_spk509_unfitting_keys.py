"""SPK509 unfitting-keys: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk509_unfitting_keys import UnfittingKeys
from spikecheck.stored import FitReading
from tests.unit.checks.build import findings, observe, severity_of

NAME = "the model"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(FitReading(8), None, id="all fit"),
        pytest.param(FitReading(8, removed_prefix="module."), "note", id="after a prefix was taken off"),
        pytest.param(FitReading(8, added_prefix="net."), "note", id="after one was put on"),
        pytest.param(FitReading(8, wrapped=True), "note", id="after wrappers were taken out"),
        pytest.param(FitReading(8, unexpected=("ema.weight",)), "warning", id="the file holds more"),
        pytest.param(FitReading(7, missing=("fc2.bias",)), "error", id="the file holds less"),
        pytest.param(FitReading(7, shape_mismatches=(("fc2.bias", (10,), (20,)),)), "error", id="another shape"),
        pytest.param(FitReading(0, missing=("a",), removed_prefix="module."), "error", id="a prefix is not all"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(UnfittingKeys(), observe({NAME: [reading]}), NAME) == severity


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (FitReading(8, removed_prefix="module."), "begin with 'module.' (a model in DataParallel)"),
        (FitReading(8, added_prefix="net."), "the model's keys begin with 'net.'"),
        (
            FitReading(8, removed_prefix="model.", added_prefix="net."),
            "the file's keys begin with 'model.', the model's with 'net.'",
        ),
        (FitReading(8, removed_prefix="module.", wrapped=True), "(torch.compile)"),
        (FitReading(8, wrapped=True), "_orig_mod"),
    ],
)
def test_it_names_the_likely_cause(reading: FitReading, words: str) -> None:
    [finding] = findings(UnfittingKeys(), observe({NAME: [reading]}), NAME)
    assert words in finding.message


def test_it_shows_the_first_keys_and_counts_the_rest() -> None:
    reading = FitReading(
        3,
        missing=tuple(f"fc{i}.weight" for i in range(9)),
        unexpected=("out.weight",),
        shape_mismatches=(("fc.bias", (10,), (20,)),),
        renamed=True,
    )
    [finding] = findings(UnfittingKeys(), observe({NAME: [reading]}), NAME)
    assert finding.message.endswith("3 matching keys, 9 missing, 1 unexpected, 1 with another shape")
    shown = ("fc3.weight and 5 more", "unexpected: out.weight", "fc.bias [10] in the file, [20]", "were renamed")
    for words in shown:
        assert words in finding.observed.text
