"""A backward pass through the graph of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.progress import and_more
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import RunReading, StateReading
from spikecheck.site import Moment, Site, SiteKind

SECOND_BACKWARD = "Trying to backward through the graph a second time"


@dataclass(frozen=True)
class ReusedGraph(Check):
    """A backward pass runs through the graph of an earlier one, and PyTorch raises an error.

    ## What it means
    PyTorch raised "Trying to backward through the graph a second time". Usually a spiking layer was not reset between
    two batches, and its state still holds the graph of the batch before. Training stops at the second batch.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        # lif1 still holds the graph of the last batch
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```
    ```python repaired
    from snntorch import utils

    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        utils.reset(model)  # before each batch
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```

    ## Fix
    ```python handwritten
    # before each batch; state is what the script passes to the layer
    state = None
    # or, to keep the state without its graph: state = state.detach()
    ```
    ```python snntorch
    from snntorch import utils

    # before each batch, with init_hidden=True
    utils.reset(model)
    # or, to keep the state without its graph: snn.Leaky.detach_hidden()
    # or, if the script passes `mem` itself: mem = lif1.reset_mem()
    ```
    ```python sinabs
    import sinabs

    # before each batch
    sinabs.reset_states(model)
    # or, to keep the state without its graph: sinabs.zero_grad(model)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # after each batch
    functional.reset_net(model)
    # or, to keep the state without its graph: functional.detach_net(model)
    ```
    ```python norse
    # None starts from rest; do not pass the state of the last batch
    out, state = model(x, None)
    ```

    ## When it is intended
    Never, because training stops with this error.

    ## How it is decided
    spikecheck reports this error whenever PyTorch raises it. The finding names the layers whose last sequences started
    from a state of the sequence before.

    Do not use `retain_graph=True` to avoid the error. Each backward pass would go through all batches so far, and fail
    again because the optimizer has changed the weights in place.
    """

    id: ClassVar = "SPK213"
    slug: ClassVar = "reused-graph"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    needs: ClassVar = (RunReading,)
    explained_by: ClassVar = ("SPK208",)
    past: ClassVar = "backward ran through the graph of an earlier backward pass"
    message: ClassVar = "backward ran through the graph of an earlier {what}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where PyTorch has raised this error."""
        errors = [error for error in readings[RunReading].torch_errors if SECOND_BACKWARD in error.text]
        if not errors:
            return
        layers = [name for name, state in readings.every(StateReading).items() if state.carried_sequences]
        because = "a state that was not reset holds the graph of the batch before"
        if not layers:
            because = "a state within a sequence, or a tensor that was computed before the loop, holds the graph"
        yield self.finding(
            site,
            observed=Observed(
                '{kind} "{text}"; layers that started from the state of an earlier sequence: {layers}',
                kind=errors[0].kind,
                text=SECOND_BACKWARD,
                layers=", ".join(layers) or "none",
            ),
            expected=Expected("one backward pass per graph", because=because),
            when=Moment(errors[0].update),
            what=f"batch; layers that kept their state: {layers[0]}{and_more(layers)}" if layers else "backward pass",
            excess=1,
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether training went on: two updates or more were made since it was last raised."""
        latest = max((error.update for error in readings[RunReading].torch_errors), default=0)
        return not made_now or readings.run.update > latest + 1
