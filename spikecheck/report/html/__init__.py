"""The report as a page: one file of HTML with its pictures in it, which loads nothing and runs no script.

Needs `pip install 'spikecheck[html]'`; `import spikecheck` loads none of it.
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
    """One page on several runs or files, each given as name, report, and why there is none.

    Where there is a report, the reason is one for which it is not whole, and stands in its `unseen` as well. `changes`
    is what became of the tensors since the file `against`, by the name of a report.

    Raises:
        SpikecheckError: jinja2 or matplotlib is not installed; the message names the extra that brings them.
    """
    required()
    from spikecheck.report.html.template import render

    return render(list(reports), title, against, changes)


def required() -> None:
    """SpikecheckError where a library is missing: to be asked before the work is done that a page is to show."""
    missing = [library for library in LIBRARIES if find_spec(library) is None]
    if missing:
        raise SpikecheckError(
            f"an HTML report needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'spikecheck[html]'"
        )
