"""Show on a terminal what an examination is doing."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str], object]


@contextmanager
def progress_bar(total: int, *, shown: bool) -> Iterator[Advance]:
    """Yield a function that names the next of so many steps; nothing is shown where standard error is no terminal."""
    if not shown or not sys.stderr.isatty():
        yield lambda name: None
        return
    state = random.getstate()  # importing rich's progress bar draws random numbers
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        random.setstate(state)
        task = bar.add_task("examining", total=total)
        first = True

        def advance(name: str) -> None:
            nonlocal first
            bar.update(task, description=name, advance=0 if first else 1)
            first = False

        yield advance
