"""A backward pass through the graph of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import RunReading, StateReading
from spikecheck.site import Moment, Site, SiteKind

AGAIN = "Trying to backward through the graph a second time"


@dataclass(frozen=True)
class ReusedGraph(Check):
    """A backward pass goes through the graph of an earlier one, and torch raises.

    ## What it means
    torch raised "Trying to backward through the graph a second time". The finding says which layers began their last
    sequences with a state that the one before had left: they were not reset, and their state still holds the graph of
    the batch before.

    ## Why it matters
    Training stops at the second batch. `retain_graph=True` silences the error and makes it worse: every batch then goes
    back through all batches before it, in growing time and memory, and torch raises again when the optimizer has
    changed the weights in place. Reset the state before each batch, or detach it where it is to go on.

    ## Fix
    ```python any
    state = None  # before each batch; or, to go on from the last one without its graph:
    state = state.detach()
    ```
    ```python snntorch
    snntorch.utils.reset(model)  # before each batch; to keep the state, without its graph: layer.detach_hidden()
    ```
    ```python sinabs
    sinabs.reset_states(model)  # before each batch; to keep the state, without its graph: sinabs.zero_grad(model)
    ```
    ```python spikingjelly
    functional.reset_net(model)  # after each batch; to keep the state, without its graph: functional.detach_net(model)
    ```
    ```python norse
    out, state = model(x, None)  # None starts anew; do not hand the state of the last batch in
    ```

    ## Intended when
    It never is: torch has raised.
    """

    id: ClassVar = "SPK213"
    slug: ClassVar = "reused-graph"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    needs: ClassVar = (RunReading,)
    explained_by: ClassVar = ("SPK208",)
    message: ClassVar = "a second batch went back through the graph of the first; {carrying} kept their state"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where torch has raised this error."""
        errors = [error for error in readings[RunReading].raised if AGAIN in error.text]
        if not errors:
            return
        carried = [name for name, state in readings.every(StateReading).items() if state.carried]
        because = "a state that was not reset holds the graph of the batch before"
        if not carried:
            because = "no layer was seen to keep its state; a tensor made before the loop does so too"
        yield self.found(
            site,
            seen=Seen(
                '{kind} "{again}"; layers that began with a state left over: {names}',
                kind=errors[0].kind,
                again=AGAIN,
                names=", ".join(carried) or "none",
            ),
            expected=Expected("one backward pass for each graph", because=because),
            when=Moment(errors[0].update),
            carrying=f"{len(carried)} layers",
            weight=1,
        )
