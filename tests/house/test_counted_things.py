"""What is counted in the templates of the checks is known to `fill`, which writes one of it in the singular."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from spikecheck.number_format import VERBS, in_singular
from tests.house.tree import ROOT, tree

AFTER_NUMBER = re.compile(r"\{[a-z_]+(?::[^}x%]*)?\} (?:(?!(?:in|of|to|which) )[a-z-]+ ){0,2}?([a-z]+s)\b")
#: Words that end in -s and follow a value, but are not what it counts.
OTHERS = re.compile(
    "class|contains|compares|emits|fires|fits|grows|has|holds|is|its|keeps|looks|loss|moves|normalizes|others|reaches|resets|sees|sets|"
    "starts|stays|this|times|uses|vs|was"
    "|counts|currents|probabilities"  # after the name of a place
)


def templates(path: Path) -> list[str]:
    """Return the texts of a module that are no docstrings."""
    module = tree(path)
    statements = [node.value for node in ast.walk(module) if isinstance(node, ast.Expr)]
    return [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in statements
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "spikecheck" / "checks").glob("*.py")), ids=lambda path: path.stem)
def test_everything_that_a_template_counts_has_a_singular(path: Path) -> None:
    words = {word for text in templates(path) for word in AFTER_NUMBER.findall(text)}
    assert not [word for word in words if in_singular(f" {word}") == f" {word}" and not OTHERS.fullmatch(word)]


@pytest.mark.parametrize(("verb", "of_one"), VERBS.items())
def test_a_verb_agrees_with_what_is_counted(verb: str, of_one: str) -> None:
    assert in_singular(f" observed time steps {verb} here") == f" observed time step {of_one} here"
    assert in_singular(f" such batches {verb} here") == f" such batch {of_one} here"
