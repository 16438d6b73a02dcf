"""A tensor of a checkpoint that contains NaN or infinity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class NonFiniteWeights(Check):
    """A tensor in the checkpoint contains NaN or infinity.

    ## What it means
    Some values of a weight, a buffer or an optimizer state are NaN or infinite. A neuron with a NaN weight never fires
    again, and resuming training from this file cannot repair it.

    ## Example
    ```python broken
    probabilities = model(x).softmax(-1)
    # log(0) in float32 if the logit of the label is 104 or more below the largest one
    loss = -probabilities[range(len(y)), y].log().mean()
    loss.backward()
    optimizer.step()
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    # the same loss, finite for any finite logits
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    # the usual cause is the logarithm of a probability that was rounded to 0:
    loss = torch.nn.functional.cross_entropy(model(x), y)
    # then resume from an earlier checkpoint; if NaN appears again, the report names where it appears first
    monitor = spikecheck.attach(model)
    ```

    ## When it is intended
    A buffer uses infinity as a marker among other numbers.
    ```toml
    [tool.spikecheck.ignore]
    "SPK501:max_delay" = "infinity means no limit"
    ```

    ## How it is decided
    The check fires if any element of a weight, bias, neuron parameter, buffer or optimizer state is NaN or infinite.
    The finding names the index of the first one and the percentage of all elements. Masks are not reported: a buffer
    counts as a mask if it contains no NaN and all its finite elements are 0.

    A NaN weight makes the input current of its neuron NaN. A membrane potential of NaN is never above the threshold,
    so the neuron stays silent. The loss then stays finite, so the run looks normal but learns worse. If a NaN reaches
    the logits, the loss is NaN. A NaN in an optimizer state reaches the weight with the next update.
    """

    id: ClassVar = "SPK501"
    slug: ClassVar = "non-finite-weights"
    severity: ClassVar = Severity.ERROR
    ranks_first: ClassVar = True
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} contains {non_finite} NaN or infinite values (of {elements}), the first at {index}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where any element is not finite, except in masks."""
        stored = readings[StoredReading]
        if stored.finite or is_mask(stored):
            return
        non_finite = stored.nan + stored.infinite
        index = "[" + ", ".join(map(str, stored.first_non_finite or ())) + "]"
        yield self.finding(
            site,
            observed=Observed(
                "{nan} NaN and {infinite} infinite of {elements} values ({share:%}), the first at {index}",
                nan=stored.nan,
                infinite=stored.infinite,
                elements=stored.elements,
                share=min(1, non_finite / max(1, stored.elements)),
                index=index,
            ),
            expected=Expected("finite values", because="one NaN weight silences its neuron permanently"),
            non_finite=non_finite,
        )


def is_mask(stored: StoredReading) -> bool:
    """Return whether a buffer has no NaN and all its finite elements are 0."""
    return stored.role == "buffer" and stored.nan == 0 and stored.minimum == stored.maximum == 0
