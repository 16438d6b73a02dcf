"""`spikecheck explain` and `spikecheck checks` show what the docstrings say."""

from __future__ import annotations

import json
import re

import pytest

from spikecheck.checks.discovery import discover, known_causes
from spikecheck.cli import main
from spikecheck.cli.explain import label_fences, matching, page
from spikecheck.settings import tomllib


@pytest.mark.parametrize("name", ["SPK101", "spk101", "count-input"])
def test_a_check_is_found_by_id_or_slug(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    shown = capsys.readouterr().out
    assert "SPK101 count-input" in shown
    for section in ("What it means", "Fix", "Limits"):
        assert section in shown


def test_a_misspelled_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "count-inptu"]) == 2
    assert "did you mean count-input" in capsys.readouterr().err


def test_a_name_like_no_other_is_answered_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "xyzzy"]) == 2
    assert "spikecheck checks" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["304", "SPK304", "spk404"])
def test_an_id_that_no_check_has_is_answered_with_the_reason(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 2
    assert "was never assigned" in " ".join(capsys.readouterr().err.split())


def test_the_digits_of_an_id_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "203"]) == 0
    assert "SPK203 dead-layer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("symptom", "expected"),
    [
        (["validation", "accuracy"], "SPK217"),
        (["loss", "goes", "up"], "SPK407"),
        (["nan"], "SPK405"),
        (["loss stuck"], "SPK302"),
        (["loss not falling"], "SPK302"),
        (["loss doesn't decrease"], "SPK302"),
        (["no", "spikes"], "SPK203"),
        (["spk40"], "SPK401"),
        (["my", "loss", "is", "stuck"], "SPK302"),
        (["silent"], "SPK203"),
        (["fires", "all", "the", "time"], "SPK204"),
        (["exploding gradients"], "SPK403"),
        (["val accuracy"], "SPK217"),
        (["spikes are all zero"], "SPK203"),
        (["learning rate too high"], "SPK407"),
        (["retain_graph"], "SPK213"),
        (["loss is nan after some epochs"], "SPK405"),
    ],
)
def test_a_symptom_lists_the_checks_to_read(
    symptom: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *symptom]) == 0
    shown = capsys.readouterr().out
    assert expected in "".join(shown.splitlines()[:6]), "among the first"


@pytest.mark.parametrize("args", [["explain", "203"], ["explain", "silent"], ["checks"]])
def test_in_a_pipe_no_line_ends_in_blanks(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()]


def test_a_symptom_of_one_check_shows_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert [check.id for check in matching("vanishing gradient")] == ["SPK402"]
    assert main(["explain", "vanishing gradient"]) == 0
    assert "What it means" in capsys.readouterr().out


def test_words_that_say_nothing_match_nothing() -> None:
    assert matching("it is my network") == []
    assert matching("") == []
    assert matching("nan on my GPU device cluster") == [], "most of the words are unknown"


def test_the_list_of_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks", "--family", "neurons"]) == 0
    assert set(re.findall(r"SPK(\d)", capsys.readouterr().out)) == {"2"}
    assert main(["checks", "--family", "flowers"]) == 2
    assert "gradients and parameters" in " ".join(capsys.readouterr().err.split())


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(discover())
    assert rows[1] == {
        "id": "SPK101",
        "slug": "count-input",
        "severity": "warning",
        "family": "input",
        "since": "0.1",
        "finds": "The input holds event counts, not binary spikes.",
    }


def test_the_list_names_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks"]) == 0
    shown = capsys.readouterr().out
    for check in discover().values():
        assert check.id in shown
        assert check.slug in shown


@pytest.mark.parametrize("check", discover().values(), ids=lambda check: check.id)
def test_a_page_shows_every_limit_with_its_default(check) -> None:
    shown = page(check, discover())
    for name, (default, why) in check.limits().items():
        assert re.search(rf"- `{name} = {re.escape(repr(default))}`[^:]*: {re.escape(why)}", shown)


def test_a_check_names_what_explains_it_and_what_it_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "SPK205"]) == 0
    _, _, related = capsys.readouterr().out.partition("Consequence of")
    before, _, after = related.partition("Leads to")
    assert "SPK406 weight-scale" in before
    assert "SPK203 dead-layer" in after
    assert "SPK203" not in before
    assert "SPK406" not in after


def test_both_directions_are_the_same_relation() -> None:
    known = discover()
    for check in known.values():
        _, _, following = page(check, known).partition("## Leads to\n")
        effects = {line.split()[1] for line in following.splitlines() if line.startswith("- SPK")}
        assert effects == {other.id for other in known.values() if check.id in known_causes()[other.id]}


def test_fences_say_their_library_in_the_prose() -> None:
    text = "```python snntorch\na = 1\n```\n```python any\nb = 2\n```"
    assert label_fences(text) == ("In snntorch:\n\n```python\na = 1\n```\n\nIn any library:\n\n```python\nb = 2\n```")


def test_a_fence_for_a_hand_written_layer_says_so() -> None:
    assert label_fences("```python handwritten\na = 1\n```").startswith("In a hand-written layer:\n")


def test_a_fence_without_a_library_stays() -> None:
    assert label_fences("```text\na = 1\n```") == "```text\na = 1\n```"


@pytest.mark.parametrize("check", discover().values(), ids=lambda check: check.id)
def test_what_a_page_says_to_add_to_pyproject_is_toml(check) -> None:
    """The block is pasted as it is, so the header and the entry are two lines, and the entry is for this check."""
    section = label_fences(check.sections()["When it is intended"])
    blocks = re.findall(r"^```toml\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert "[tool." not in re.sub(r"^```.*?^```", "", section, flags=re.MULTILINE | re.DOTALL)
    for block in blocks:
        rules = tomllib.loads(block)["tool"]["spikecheck"]["ignore"]
        assert all(pattern.partition(":")[0] == check.id and reason for pattern, reason in rules.items())
