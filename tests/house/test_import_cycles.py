"""No module of the package needs, when it runs, a module that needs it: imports within functions count as well.

An import under TYPE_CHECKING does not run, and does not count.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.house.tree import PACKAGE, sources, tree


def module_name(path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = ("spikecheck", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources("spikecheck")}


def runtime_imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports when it runs."""
    package = ("spikecheck", *path.relative_to(PACKAGE).parts[:-1])
    unvisited: list[ast.AST] = [tree(path)]
    names: set[str] = set()
    while unvisited:
        node = unvisited.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            unvisited += node.orelse
            continue
        unvisited += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*parents, *([node.module] if node.module else [])))
            submodules = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= submodules if len(submodules) == len(node.names) else {base, *submodules}
    return (names & MODULES.keys()) - {module_name(path)}


def test_no_module_needs_a_module_that_needs_it() -> None:
    graph = {name: runtime_imports(path) for name, path in MODULES.items()}
    assert sum(map(len, graph.values())) > 100, "imports are not recognized any more"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"import cycle: {' -> '.join(reversed(error.args[1]))}") from None
