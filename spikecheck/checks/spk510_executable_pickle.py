"""A checkpoint whose pickle would run code when it is loaded without `weights_only=True`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import GlobalReading


@dataclass(frozen=True)
class ExecutablePickle(Check):
    """The checkpoint names code that `pickle.load` would run.

    ## What it means
    A pickle is a program: loading it without `weights_only=True` imports the classes and calls the functions that the
    file names, with arguments from the file. spikecheck ran none of it and read the tensors beside it.

    ## Example
    ```python broken
    import functools
    # a partial is stored as a call, made by whoever loads the file
    content = {"model": model.state_dict(), "schedule": functools.partial(min, 1.0)}
    torch.save(content, "last.pt")
    ```
    ```python repaired
    # plain values and tensors: torch.load(path, weights_only=True) reads them
    content = {"model": model.state_dict(), "max_rate": 1.0}
    torch.save(content, "last.pt")
    ```

    ## Fix
    ```python any
    # never weights_only=False for a file of somebody else: ask for one with tensors and plain values alone
    torch.save({"model": model.state_dict()}, "weights.pt")
    ```

    ## When it is intended
    The file is your own and stores objects on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK510:my_project.Config" = "our own settings"
    ```

    ## How it is decided
    Every global that the pickle names counts, unless it is on an allow-list: what tensors, containers and plain values
    are made of, and classes of torch, NumPy and Python that only hold data. A warning: `pickle.load` would call it. A
    note: `pickle.load` would import it, or restore an object of this class without calling its constructor, as it does
    for a whole module. A file that names a function made for running commands, such as `os.system`, is refused as a
    whole and gets no report.
    """

    id: ClassVar = "SPK510"
    slug: ClassVar = "executable-pickle"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GLOBAL
    needs: ClassVar = (GlobalReading,)
    message: ClassVar = "loading the file with pickle would {action} {site}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding for each global that is not known to be harmless."""
        called = readings[GlobalReading].called
        yield self.finding(
            site,
            severity=Severity.WARNING if called else Severity.NOTE,
            observed=Observed(
                "the pickle {use} {name}; nothing in the file was run",
                use="calls" if called else "names",
                name=site.name,
            ),
            expected=Expected("tensors and plain values", because="a pickle can name any code, and loading it runs it"),
            action="call" if called else "import",
        )
