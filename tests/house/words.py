"""The words, names and limit names that do not return, and a search for them in the repository.

`python -m tests.house.words` lists every place where one stands.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikecheck.checks.discovery import own_checks
from tests.house.tree import ROOT, short, tree

FOLDERS = ("spikecheck", "docs", "tests", "tools", "benchmarks", "examples")
SUFFIXES = {".py", ".md", ".html", ".css", ".j2", ".json"}
#: Generated from other files that are read, recorded by a program, or this list itself.
LEFT_OUT = (
    "docs/checks/",
    "tests/house/words.py",
    "tests/house/test_words.py",
    "tests/views/golden/",
    "tests/unit/evidence/golden/",
    "tests/reference/data_",
)


@dataclass(frozen=True)
class Word:
    """A pattern that a text or a name must not contain, and what to write instead."""

    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True)
class Place:
    """One place where a word stands."""

    file: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.word!r}: write {self.instead}"


def word(pattern: str, instead: str) -> Word:
    return Word(re.compile(pattern, flags=re.IGNORECASE), instead)


COUNTED = r"(?:spikes?|thresholds?|times|once|twice|steps|elements|labels|potentials?|\d(?:[\d.]*\d)?|\})"
#: Where "forward" is the whole noun: not "forward pass", "forward hook" or the method.
ALONE = r"(?=[,.;:)]| (?:a|alone|and|at|as|before|by|ends?|in|is|of|on|or|that|to|was|when|where|which|with)\b)"
STEMS = (
    "author|categor|central|custom|emphas|equal|familiar|final|general|initial|local|maxim|memor|"
    "minim|neutral|normal|optim|organ|parallel|penal|prior|quant|random|real|recogn|regular|serial|"
    "special|stabil|standard|summar|synchron|token|util|vector|visual"
)
BRITISH = (
    "grey|artefacts?|learnt|burnt|whilst|licence|defence|offence|catalogue|programme|acknowledgement|fibres?|theatre|"
    "centres?|metres?"
)
UNIT = r"(?:time step|step|forward|bin|batch|sample|update|layer|neuron|file|check|library|worker|core)"

#: Searched in every line of every file: code, comments, docstrings and pages alike.
WORDS = (
    word(r"\banew\b", "'again'"),
    word(r"\bso[- ]many[- ]th\b", "the number: 'every 8th forward pass'"),
    word(r"\btaste\b", "'judgment call'"),
    word(r"\breckon(?:s|ed|ing)?\b", "'compute' or 'count'"),
    word(r"\bspelt\b", "'written' or 'named'"),
    word(r"\bgraver\b|\bgravest\b", "'more severe' or 'most severe'"),
    word(r"\bby themselves\b", "'automatically' or 'on their own'"),
    word(rf"\b(?:a|the|one|each|every|first|last|this|that|of) forward{ALONE}", "'forward pass'"),
    word(r"\bforwards\b(?!=)", "'forward passes'"),
    word(rf"\b{COUNTED} a {UNIT}\b|\}} a (?:time )?step\b", "'per': 'per step', 'per batch'"),
    # British spellings: the first letters of a word, with the American ones in the advice.
    word(rf"\b(?:{STEMS})is(?:e|ed|er|ers|es|ing|ation|ations)\b", "'-ize'"),
    word(r"\bjudgement", "'judgment'"),
    word(r"behaviour|colour|neighbour|favour|honour|flavour|endeavour|harbour|rumour|vapour", "'-or'"),
    word(r"\b(?:analys|paralys|catalys)(?:e|ed|er|es|ing)\b", "'-yze'"),
    word(r"\b(?:labell|modell|cancell|travell|signall|channell|tunnell|levell|fuell)(?:ed|ing|er)\b", "a single l"),
    word(rf"\b(?:{BRITISH})\b", "the American spelling"),
)  # fmt: skip
#: Searched in prose alone: pages, docstrings, and strings of the code.
PROSE = (word(r"\b\d\.?\d*e[+-]?\d\d\b", "the number in full: '80,300'"),)
NAMES = {
    "told": "what was said: 'text', 'reason'",
    "found": "'finding', 'findings', 'match'",
    "seen": "'observation', 'observed'",
    "kept": "what is kept: 'history', 'remaining'",
    "given": "what it is: 'readings', 'observations', 'arguments'",
    "said": "'text', 'message'",
    "heard": "'observation', 'received'",
    "spelt": "'name', 'spelling'",
    "meant": "what it is: 'suggestion', 'ignored'",
    # Names that were here once, and said too little.
    "hear": "'observe'",
    "answered": "'gradient_seen', 'receives_gradient'",
    "goes_on_from": "'previous_state'",
    "hands_on": "'next_state'",
    "let_go": "'deactivate'",
    "came_back": "'gradient_steps'",
    "soon_mended": "'downgrade_on_any_progress'",
    "hasty": "'too_early'",
    "unsure": "'spikes_may_be_unused'",
    "pour": "'scan'",
    "piece": "'chunk'",
    "lossbook": "'PendingLosses'",
    "paces": "'LearningRateHistory'",
    "likeness": "'NeighborCorrelation'",
    "aim": "'regression_target'",
    "leftover": "'stale_gradient'",
    "handover": "'gradient_at_step'",
    "account": "'evidence'",
    "grave": "'findings'",
    "slight": "'notes'",
    "led": "'consequences'",
}
LIMITS = {
    "hot",
    "enough",
    "small",
    "patience",
    "doubt",
    "above",
    "below",
    "fall",
    "telling",
    "share",
    "low",
    "more",
    "losses",
}


def files() -> list[Path]:
    """Return every text that somebody wrote by hand."""
    paths = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    written = (path for path in paths if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in written if not short(path).startswith(LEFT_OUT))


def places() -> Iterator[Place]:
    """Yield every place in the repository with a word or a name that may not return."""
    for path in files():
        yield from in_file(path)
    yield from in_limits()


def in_file(path: Path) -> Iterator[Place]:
    """Yield the places in one file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.name == "CHANGELOG.md":  # names in backticks may be those that are gone
        lines = [re.sub(r"`[^`]*`", "", line) for line in lines]
    yield from in_lines(short(path), enumerate(lines, 1), WORDS)
    if path.suffix == ".py":
        module = tree(path)
        yield from in_lines(short(path), prose(module), PROSE)
        yield from in_docstrings(short(path), module)
        yield from in_names(short(path), module)
    elif path.suffix == ".md":
        yield from in_lines(short(path), enumerate(lines, 1), PROSE)


def in_lines(file: str, lines: Iterator[tuple[int, str]] | enumerate[str], words: tuple[Word, ...]) -> Iterator[Place]:
    """Yield the places in numbered lines."""
    numbered = list(lines)
    text = "\n".join(line for _, line in numbered)
    present = [one for one in words if one.pattern.search(text)]  # few are: a search of every line for each is slow
    for number, line in numbered:
        for one in present:
            for match in one.pattern.finditer(line):
                yield Place(file, number, match[0], one.instead)


def prose(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the lines of every string in the code, including docstrings."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)


def in_docstrings(file: str, module: ast.Module) -> Iterator[Place]:
    """Yield the docstrings whose first line is a question."""
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if first.endswith("?"):
                line = 1 if isinstance(node, ast.Module) else node.lineno
                yield Place(file, line, first, "a statement: 'Return whether ...'")


def in_names(file: str, module: ast.Module) -> Iterator[Place]:
    """Yield the variables, arguments, functions, classes and attributes with a name that may not return."""
    for node in ast.walk(module):
        name = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        if name is not None and name.strip("_").lower() in NAMES:
            yield Place(file, node.lineno, name, NAMES[name.strip("_").lower()])  # type: ignore[attr-defined]


def in_limits() -> Iterator[Place]:
    """Yield the limits of checks whose name is a single word, and states no quantity or no direction."""
    for check in own_checks().values():
        for name in check.limits():
            if name in LIMITS or "_" not in name:
                file = check.__module__.replace(".", "/") + ".py"
                yield Place(file, 1, name, "a quantity and a direction: 'max_relative_update'")


if __name__ == "__main__":
    sys.stdout.writelines(f"{place}\n" for place in places())
