"""The report as one HTML file that includes its pictures, loads nothing and runs no script.

It needs `pip install 'spikecheck[html]'`. `import spikecheck` does not import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from spikecheck.errors import SpikecheckError
from spikecheck.stored import ChangeReading

if TYPE_CHECKING:
    from spikecheck.report.model import Report

LIBRARIES = ("jinja2", "matplotlib")


def page(
    reports: Iterable[tuple[str, Report | None, str]],
    title: str = "",
    against: str = "",
    changes: Mapping[str, Sequence[ChangeReading]] = MappingProxyType({}),
) -> str:
    """Return one page on several runs or files, each given as name, report and error.

    A file that could not be read has an error and no report. A report that is incomplete has an error too, which is
    also in its `unseen`. `changes` are the differences from the file `against`, by the name of a report.

    Raises:
        SpikecheckError: jinja2 or matplotlib is not installed; the message names the extra to install.
    """
    required()
    from spikecheck.report.html.template import render

    return render(list(reports), title, against, changes)


def is_available() -> bool:
    """Return whether everything that a page needs is installed."""
    return all(find_spec(library) is not None for library in LIBRARIES)


def required() -> None:
    """Raise SpikecheckError if a library is missing: called before the work that a page is to show."""
    missing = [library for library in LIBRARIES if find_spec(library) is None]
    if missing:
        raise SpikecheckError(
            f"an HTML report needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'spikecheck[html]'"
        )
