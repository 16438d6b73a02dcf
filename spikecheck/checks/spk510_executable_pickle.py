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
    """The checkpoint names code that `torch.load(weights_only=False)` would run.

    ## What it means
    A file of `torch.save` contains a pickle, and a pickle is a program: `torch.load(weights_only=False)` and
    `pickle.load` import the classes and call the functions that it names, with arguments from the file. spikecheck
    read the tensors in the file without running any of this.

    ## Example
    ```python broken
    import functools
    # a partial is stored as a function call, which happens when the file is loaded
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
    # a file from somebody else: load nothing but tensors and plain values; this raises an error for anything more
    content = torch.load("last.pt", weights_only=True)
    # a file of your own: store nothing else
    torch.save({"model": model.state_dict()}, "last.pt")
    ```

    ## When it is intended
    The file is your own and stores objects on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK510:my_project.Config" = "our own settings"
    ```

    ## How it is decided
    There is a finding for every function and class that the pickle names, unless it is on an allow-list: what tensors,
    containers and plain values are made of, and classes of torch, NumPy and Python that only hold data. The finding is
    a warning if loading the file would call the function or class. It is a note if loading would only import it, or
    restore an object of the class without calling its constructor, as for a whole `nn.Module`. A file that names a
    function for running commands, such as `os.system`, is refused and gets no report.
    """

    id: ClassVar = "SPK510"
    slug: ClassVar = "executable-pickle"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GLOBAL
    needs: ClassVar = (GlobalReading,)
    message: ClassVar = "torch.load(weights_only=False) would {action} {site}"

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
