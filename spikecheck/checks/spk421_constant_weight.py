"""Weights that are plain tensors, so that nothing trains them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import losses_without_learning
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind

MOST_NAMES = 4  # in a sentence


@dataclass(frozen=True)
class ConstantWeight(Check):
    """A weight is a plain tensor instead of a parameter, and the network learns nothing.

    ## What it means
    `torch.empty`, `torch.randn` and the functions of `torch.nn.init` return plain tensors. Without `nn.Parameter`
    around it, such a tensor is not in `model.parameters()` and gets no gradient: it keeps its first, random values.

    ## Example
    ```python broken
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w_rec = torch.nn.init.normal_(torch.empty(80, 80), std=0.05)
    ```
    ```python repaired
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w_rec = torch.nn.Parameter(torch.nn.init.normal_(torch.empty(80, 80), std=0.05))
    ```

    ## Fix
    ```python any
    # in __init__ of the module that holds the weight
    self.weight = torch.nn.Parameter(self.weight)
    # then build the optimizer, after the model is complete
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The weight is fixed: `self.register_buffer("w_rec", w_rec)` says so, and saves it in the checkpoint.
    ```toml
    [tool.spikecheck.ignore]
    "SPK421" = "a reservoir with fixed weights"
    ```

    ## How it is decided
    A module of the script has an attribute that is a tensor of 64 elements or more with two or more axes, and neither a
    parameter nor a buffer. Its values look drawn at random around 0: 90% of them differ from each other, and their mean
    is within 4 standard errors of 0. The computation graph of the first loss shows a matrix product or a convolution
    with it, and it is still the same, unchanged tensor. There is no finding where the network learns, since one
    around fixed random weights may do well, or before 64 losses; while training runs, {min_losses_in_training}.
    """

    id: ClassVar = "SPK421"
    slug: ClassVar = "constant-weight"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    needs: ClassVar = (RunReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "weights that are plain tensors were not trained"
    message: ClassVar = "{names} kept random values in {updates} updates: a plain tensor is no parameter"

    min_losses_in_training: int = limit(
        256, why="judgment call: while training runs, a network around fixed random weights may still begin to learn"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where weights are plain tensors, and nothing is learned."""
        weights, losses = readings.run.constant_weights, losses_without_learning(readings)
        if not weights or losses is None or (readings.run.live and losses < self.min_losses_in_training):
            return
        names = ", ".join(weights[:MOST_NAMES]) + ", ..." * (len(weights) > MOST_NAMES)
        yield self.finding(
            site,
            observed=Observed(
                "{names} of type torch.Tensor, with random values; after {losses} losses, none shows that anything is "
                "learned",
                names=names,
                losses=losses,
            ),
            expected=Expected(
                "weights of type torch.nn.Parameter", because="an optimizer is built from model.parameters()"
            ),
            when=Moment(0),
            fixes=(Fix(code_for(weights)),),
            names=names,
            updates=readings.run.update,
        )


def code_for(weights: tuple[str, ...]) -> str:
    """Return code that makes parameters of these weights, in the module that holds them."""
    attributes = dict.fromkeys(name.rpartition(".")[2] for name in weights)
    return "\n".join(
        (
            "# in __init__ of the module that holds them, before the optimizer is built",
            *(f"self.{name} = torch.nn.Parameter(self.{name})" for name in attributes),
        )
    )
