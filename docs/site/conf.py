"""Build the documentation as a site: `make docs-site` writes build/site, from the same pages that a repository shows.

The root of the site is the root of the repository, so every relative link between pages holds in both. The navigation
is what docs/index.md lists: a page that it does not name fails the build.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docs.site.pages import as_site_page, notebook_page  # noqa: E402
from spikecheck import __version__  # noqa: E402

project = "spikecheck"
author = "spikecheck developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
source_suffix = {".rst": "restructuredtext", ".md": "markdown", ".ipynb": "markdown"}  # see `on_source_read`
include_patterns = [
    "*.md",
    "docs/**.md",
    "docs/notebooks/*.ipynb",
    "docs/site/api.rst",
    "tests/README.md",
    "benchmarks/README.md",
    "examples/**.md",
]
exclude_patterns = [".*", ".venv", "build", "dist", "runs", "spikecheck", "tools", "tests/*/**"]
suppress_warnings = ["misc.highlighting_failure"]  # a report in a `toml` block, a shell session with its output

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
default_role = "code"  # docstrings write `name` as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what an argument takes; the signature shows its default
napoleon_use_rtype = False
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"spikecheck {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
templates_path = ["templates"]
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


def on_source_read(app: Any, name: str, source: list[str]) -> None:
    """Make Markdown of a notebook, add the navigation to a page, and replace what only a repository shows."""
    if (ROOT / f"{name}.ipynb").exists():
        source[0] = notebook_page(source[0])
    if not (ROOT / f"{name}.rst").exists():
        source[0] = as_site_page(name, source[0], ROOT)


def setup(app: Any) -> None:
    """Register the hook: what Sphinx calls."""
    app.connect("source-read", on_source_read)
