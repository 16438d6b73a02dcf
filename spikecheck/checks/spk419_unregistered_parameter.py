"""Parameters that the model uses and does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind

MOST_SHAPES = 4  # in a sentence


@dataclass(frozen=True)
class UnregisteredParameter(Check):
    """The forward pass uses parameters that are not part of the model, and nothing trains them.

    ## What it means
    A layer in a Python list, or a parameter in a named tuple, is no part of the module. `model.parameters()` does not
    have it, so neither the optimizer nor the checkpoint has it, and it stays as it was at the start.

    ## Example
    ```python broken
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [torch.nn.Linear(100, 100) for _ in range(3)]  # a Python list
    ```
    ```python repaired
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(100, 100) for _ in range(3))
    ```

    ## Fix
    ```python any
    # in __init__ of the model: ModuleList instead of a list, ModuleDict instead of a dict, and for a single parameter
    # that is kept elsewhere, such as in norse's LIFParameters, an attribute of its own
    self.layers = torch.nn.ModuleList(self.layers)
    # then build the optimizer, after the model is complete
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The parameters are fixed: `requires_grad_(False)` says so in the script.
    ```toml
    [tool.spikecheck.ignore]
    "SPK419" = "a fixed teacher inside of the model"
    ```

    ## How it is decided
    spikecheck searches the computation graph of the first two losses for an `nn.Parameter` that the output of the
    model was computed from and that `model.parameters()` does not have. It warns if such a parameter has a gradient
    and, after {min_updates} updates or more, still has the values that it had at first. Parameters of an encoder in
    front of the model may be random on purpose: if only such parameters are found, and the network has learned, it is a
    note. Of a graph with more than
    20,000 operations, only the part next to the loss is searched.
    """

    id: ClassVar = "SPK419"
    slug: ClassVar = "unregistered-parameter"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    needs: ClassVar = (RunReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "parameters outside of the model were not trained"
    message: ClassVar = (
        "{user} uses {count} parameters that model.parameters() does not have; they never moved in {updates} updates"
    )

    min_updates: int = limit(10, why="judgment call: something else than an optimizer of this process may train them")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where parameters outside of the model have a gradient and do not move."""
        run = readings.run
        if not run.unregistered_shapes or run.update < self.min_updates:
            return
        shapes = [str(shape) for shape in run.unregistered_shapes]
        in_front = run.unregistered_before == len(shapes)
        yield self.finding(
            site,
            severity=Severity.NOTE if in_front and has_learned(readings) else Severity.WARNING,
            observed=Observed(
                "parameters of the shapes {shapes} that have a gradient and their first values",
                shapes=", ".join(shapes[:MOST_SHAPES]) + ", ..." * (len(shapes) > MOST_SHAPES),
            ),
            expected=Expected(
                "parameters that are attributes of the model or its modules",
                because="an optimizer is built from model.parameters()",
            ),
            when=Moment(0),
            user="what computes the model's input" if in_front else "the forward pass",
            count=len(shapes),
            updates=run.update,
        )
