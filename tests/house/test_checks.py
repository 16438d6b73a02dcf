"""Every check is named, written and tested alike, so that an id, a slug or a class name leads to one file."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter

import pytest

from spikecheck.checks.base import EXAMPLES, HAND_WRITTEN, SECTIONS, Check
from spikecheck.checks.discovery import RETIRED, merged_causes, own_checks
from tests.house.tree import LIBRARIES, PACKAGE, ROOT, short, strings, tree

CHECKS = list(own_checks().values())

KNOWN_FROM = ("derived: ", "measured: ", "published: ", "judgment call: ")
CURES = ("no-", "avoid-", "use-", "prefer-", "set-", "lower-", "raise-")
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)


def file_of(check: type[Check]):
    return PACKAGE / "checks" / f"{check.id.lower()}_{check.slug.replace('-', '_')}.py"


def test_each_file_of_the_folder_holds_one_check() -> None:
    on_disk = {short(path) for path in (PACKAGE / "checks").glob("spk*.py")}
    assert on_disk == {short(file_of(check)) for check in CHECKS}
    assert len({check.slug for check in CHECKS}) == len({check.id for check in CHECKS}) == len(CHECKS)


@every_check
def test_id_slug_class_and_files_agree(check: type[Check]) -> None:
    assert re.fullmatch(r"SPK[0-6]\d\d", check.id)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.slug)
    assert check.__name__ == "".join(word.capitalize() for word in check.slug.split("-"))
    assert check.__module__ == f"spikecheck.checks.{file_of(check).stem}"
    test = ROOT / "tests/unit/checks" / f"test_{file_of(check).name}"
    assert test.exists(), f"{check.id} has no test: write {short(test)}"


@every_check
def test_the_slug_names_the_fault_not_the_cure(check: type[Check]) -> None:
    assert not check.slug.startswith(CURES), f"read it after the word ignore: ignore = [{check.slug!r}]"


@every_check
def test_the_docstring_has_its_sections_in_order(check: type[Check]) -> None:
    written = [title for title in check.sections() if title not in ("", "References")]
    assert "References" not in list(check.sections())[:-1], "references come last"
    assert written == list(SECTIONS)
    assert all(check.sections().values())
    assert check.sections()[""].endswith("."), "the first line is the sentence that lists and tables show"


@every_check
def test_the_example_is_broken_and_then_repaired(check: type[Check]) -> None:
    blocks = FENCE.findall(check.sections()["Example"])
    assert [(language, which) for language, which, _ in blocks] == [("python", which) for which in EXAMPLES]
    for _, which, code in blocks:
        ast.parse(code)
        assert 2 <= len(code.strip().splitlines()) <= 8, f"the {which} example: 2 to 8 lines"


@every_check
def test_no_placeholder_is_left_in_the_text(check: type[Check]) -> None:
    prose = FENCE.sub("", "\n".join(check.sections().values()))
    assert not re.findall(r"\{\w+\}", prose), "a {name} in the docstring must be the name of a limit"
    assert "TODO" not in prose


@every_check
def test_fixes_compile_and_name_a_known_library(check: type[Check]) -> None:
    blocks = FENCE.findall(check.sections()["Fix"])
    assert blocks, "a fix is code that can be pasted"
    for language, library, code in blocks:
        if language == "python":
            assert library in LIBRARIES | {"any", HAND_WRITTEN}
            ast.parse(code)


@every_check
def test_every_limit_gives_its_reason(check: type[Check]) -> None:
    for name, (_default, why) in check.limits().items():
        assert why.startswith(KNOWN_FROM), f"{check.id}.{name}: say first how the value is known: {why}"


@every_check
def test_judge_holds_no_number_of_its_own(check: type[Check]) -> None:
    judges = [n for n in ast.walk(tree(file_of(check))) if isinstance(n, ast.FunctionDef) and n.name == "judge"]
    numbers = {
        node.value
        for judge in judges
        for node in ast.walk(judge)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    }
    assert numbers <= {0, 1}, "a number that decides is a limit: give it a name and a reason"


@every_check
def test_other_ids_stand_in_explained_by_alone(check: type[Check]) -> None:
    source = file_of(check).read_text(encoding="utf-8")
    named = set(re.findall(r"SPK\d{3}", source)) - {check.id}
    assert named <= {*check.explained_by, *check.explains}


def test_explanations_exist_and_never_go_in_a_circle() -> None:
    ids = {check.id for check in CHECKS}
    named = {check.id: {*check.explained_by, *check.explains} for check in CHECKS}
    assert {id_: names - ids for id_, names in named.items() if names - ids} == {}
    try:
        TopologicalSorter(merged_causes(CHECKS)).prepare()
    except CycleError as error:
        pytest.fail(f"each explains the other, so neither could be a root cause: {error.args[1]}")


def test_every_id_between_those_of_a_family_has_a_check_or_a_reason() -> None:
    ids = {check.id for check in CHECKS}
    families = {id_[:4]: [int(i[4:]) for i in ids if i.startswith(id_[:4])] for id_ in ids}
    gaps = {f"{family}{n:02}" for family, numbers in families.items() for n in range(1, max(numbers))} - ids
    assert gaps == {id_ for id_ in RETIRED if id_ <= max(ids)}, (
        "a removed or skipped id goes into RETIRED, with its reason"
    )


def test_limits_that_must_be_in_order_exist_and_are() -> None:
    for check in CHECKS:
        assert {name for group in check.ascending for name in group} <= check.limits().keys()
        assert list(check().conflicts()) == []


def test_every_reading_is_needed_and_made() -> None:
    """One that no statistic makes, nor the probe or the reader of files (some need no tensor), is never seen."""
    needed = {reading.__name__ for check in CHECKS for reading in check.needs}
    makers = [*(PACKAGE / "stats").glob("*.py"), *(PACKAGE / "probe").glob("*.py")]
    makers += [*(PACKAGE / "checkpoint").glob("*.py"), *(PACKAGE / "examination").rglob("*.py")]
    made = "\n".join(path.read_text(encoding="utf-8") for path in makers)
    assert not {name for name in needed if not re.search(rf"\b{name}\b", made)}


def test_numbers_in_sentences_are_written_in_one_way() -> None:
    """`{value:n}`, `{share:%}`, `{ratio:x}` of spikecheck.number_format, and no specification of Python's own."""
    strays = [
        f"{short(path)}:{line} {match[0]}"
        for path in (PACKAGE / "checks").glob("spk*.py")
        for line, text in strings(path)
        for match in re.finditer(r"\{[\w.]+:[^}]*[efgEFG]\}|\{[\w.]+:\.\d+%\}", text)
    ]
    assert not strays
