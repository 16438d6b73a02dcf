"""Turn a page of the repository into one of the site."""

from __future__ import annotations

import json
import re
from pathlib import Path

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(```.*?^```)$", flags=re.MULTILINE | re.DOTALL)
GRAPH = re.compile(r"^```mermaid\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
#: Folders whose pages are listed below the page that introduces them.
CHAPTERS = {
    "docs/checks/index": "docs/checks/*.md",
    "docs/decisions/README": "docs/decisions/0*.md",
    "docs/notebooks/README": "docs/notebooks/*.ipynb",
}
#: What is a page of the site.
PAGES = (".md", ".rst", ".ipynb")


def as_site_page(name: str, text: str, root: Path) -> str:
    """Return a page with its part of the navigation, without links to what is no page, and with graphs as tables."""
    text = GRAPH.sub(lambda graph: cause_table(graph[1]), text)
    parts = FENCED.split(text)
    parts[::2] = [without_links_to_code(part, (root / name).parent, root) for part in parts[::2]]
    return "".join(parts) + navigation(name, text, root)


def notebook_page(text: str) -> str:
    """Return a notebook as a page of Markdown: its texts, and its code in blocks."""
    cells = json.loads(text)["cells"]
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return "\n\n".join(f"```python\n{code}\n```" if kind == "code" else code for kind, code in sources) + "\n"


def without_links_to_code(text: str, folder: Path, root: Path) -> str:
    """Return prose in which a link to a folder or a file of code is its path: the site holds pages alone."""

    def path_or_link(match: re.Match[str]) -> str:
        label, target = match.groups()
        path = (folder / target.partition("#")[0]).resolve()
        if "://" in target or target.startswith("#") or path.suffix in PAGES or not path.is_relative_to(root):
            return match[0]
        return f"{label}: `{path.relative_to(root)}`" if label == "Source" else label

    return LINK.sub(path_or_link, text)


def navigation(name: str, text: str, root: Path) -> str:
    """Return the hidden table of contents that a page brings; empty where it brings none."""
    folder = (root / name).parent
    if name == "docs/index":
        groups = re.split(r"^\*\*(.+)\*\*$", text, flags=re.MULTILINE)[1:]
        chapters = zip(groups[::2], groups[1::2], strict=True)
        return "".join(contents(caption, entries_in(part)) for caption, part in chapters)
    if name in CHAPTERS:
        own = folder / f"{Path(name).name}.md"
        return contents("", [path.name for path in sorted(root.glob(CHAPTERS[name])) if path != own])
    return ""


def pages_in(text: str) -> list[str]:
    """Return the pages that a text links to, each once."""
    targets = [target.partition("#")[0] for _, target in LINK.findall(text) if "://" not in target]
    return list(dict.fromkeys(target for target in targets if target.endswith(PAGES)))


def entries_in(text: str) -> list[str]:
    """Return an entry of the navigation for each of these pages, with the link's text if that is a title."""
    labels = {target.partition("#")[0]: label for label, target in reversed(LINK.findall(text))}
    return [f"{labels[page]} <{page}>" if labels[page][0].isupper() else page for page in pages_in(text)]


def contents(caption: str, pages: list[str]) -> str:
    """Return a hidden table of contents in MyST."""
    lines = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "", *pages, "```", ""]
    return "\n".join(lines)


def cause_table(graph: str) -> str:
    """Return the arrows of a Mermaid graph as a table: drawing it would take a script from elsewhere."""
    names = dict(re.findall(r'^ +(\w+)\["(.*)"\]$', graph, flags=re.MULTILINE))
    effects: dict[str, list[str]] = {}
    for cause, effect in re.findall(r"^ +(\w+) --> (\w+)$", graph, flags=re.MULTILINE):
        effects.setdefault(cause, []).append(effect)

    def link(id_: str) -> str:
        return f"[{names[id_].replace('<br>', ' ')}]({id_}.md)"

    rows = [f"| {link(cause)} | {', '.join(map(link, known))} |" for cause, known in effects.items()]
    return "\n".join(["| cause | leads to |", "|---|---|", *rows])
