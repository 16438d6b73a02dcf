"""Thresholds, decays and time constants that are meant to be learned, and are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spikes_unused
from spikecheck.checks.progress import and_more, is_neuron_parameter, layer_of
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.neuron import NeuronSpec
from spikecheck.readings import GradientReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnlearnedNeuronParameter(Check):
    """A threshold, a decay or a time constant requires gradients, and is not learned.

    ## What it means
    A parameter of the neurons was made learnable, but it receives no gradient, or no optimizer holds it. It stays as it
    was set while the weights learn around it.

    ## Example
    ```python broken
    lif = snntorch.Leaky(beta=0.9, learn_beta=True)
    model = torch.nn.ModuleList([fc, lif])
    optimizer = torch.optim.Adam(fc.parameters(), lr=1e-3)  # without lif.beta
    ```
    ```python repaired
    lif = snntorch.Leaky(beta=0.9, learn_beta=True)
    model = torch.nn.ModuleList([fc, lif])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## Fix
    ```python any
    # all of them, neurons included
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # use the parameter itself: .item(), float(), .data and .detach() cut it off from the loss
    ```

    ## When it is intended
    The neurons are meant to stay as they are. `parameter.requires_grad_(False)` says so in the script.
    ```toml
    [tool.spikecheck.ignore]
    "SPK416:lif1.beta" = "fixed decay"
    ```

    ## How it is decided
    The parameter has at most one axis. It belongs to a spiking layer, or its name is one that thresholds, decays and
    time constants have. Weights of the model receive gradients. For {min_updates} updates or more, either no gradient
    reached the parameter although an optimizer holds it, or gradients reached it and no optimizer holds it. Or an
    optimizer holds it whose step() was not called in {min_updates_of_others} updates of another one.

    Two parameters receive no gradient in a healthy network and are left out: the threshold of a layer whose potential
    alone is read out, and `spike_threshold` of sinabs. In sinabs and rockpool, time constants are learnable by default,
    so it is only a note if no optimizer holds them, and no reason why a network learns nothing.
    """

    id: ClassVar = "SPK416"
    slug: ClassVar = "unlearned-neuron-parameter"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    explained_by: ClassVar = ("SPK401", "SPK408", "SPK409", "SPK414")
    explains: ClassVar = ("SPK302", "SPK309", "SPK312")
    message: ClassVar = "{first}{more} {verb} learned: {reason}"

    min_updates: int = limit(
        16,
        why="judgment call: an optimizer that steps once in 5 updates of another has then stepped three times",
        minimum=1,
    )

    min_updates_of_others: int = limit(
        64, why="judgment call: an optimizer that steps once in 20 updates of another has then stepped three times"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding per reason, at the first such parameter."""
        gradients, held = readings.all.every(GradientReading), readings.all.every(UpdateReading)
        idle = {name for optimizer in readings.run.idle_optimizers for name in optimizer.parameters}
        if readings.run.update < self.min_updates or not any(one.mean_norm for one in gradients.values()):
            return
        parameters = [name for name in gradients if is_neuron_parameter(name, readings)]
        cut_off = [name for name in parameters if name in held and is_cut_off(name, readings)]
        unheld = [n for n in parameters if gradients[n].mean_norm > 0 and n not in held and n not in idle]
        waited = readings.run.update >= self.min_updates_of_others
        idle_now = [n for n in parameters if waited and gradients[n].mean_norm > 0 and n not in held and n in idle]
        for names, reason in (
            (cut_off, "no gradient reaches {it}"),
            (unheld, "no optimizer holds {it}"),
            (idle_now, "step() of the optimizer that holds {it} is never called"),
        ):
            if names[:1] == [site.name]:
                optional = names is unheld and spec_of(site.name, readings).learnable_by_default
                finding = self.finding(
                    site,
                    severity=Severity.NOTE if optional else Severity.WARNING,
                    observed=Observed(
                        "{names}: a gradient in {present} of {updates} updates, and no change",
                        names=", ".join(names),
                        present=gradients[site.name].updates - gradients[site.name].missing_updates,
                        updates=gradients[site.name].updates,
                    ),
                    expected=Expected(
                        "a gradient and an optimizer for every parameter that requires gradients",
                        because="otherwise it stays as it was set",
                    ),
                    when=Moment(0),
                    first=site.name,
                    more=and_more(names),
                    verb="is not" if len(names) == 1 else "are not",
                    reason=reason.format(it="it" if len(names) == 1 else "them"),
                )
                yield replace(finding, explains_others=not optional)


def spec_of(name: str, readings: Readings) -> NeuronSpec:
    """Return what is known of the neurons that a parameter belongs to."""
    layer = layer_of(name, readings)
    return NeuronSpec() if layer is None or layer.neuron is None else layer.neuron


def is_cut_off(name: str, readings: Readings) -> bool:
    """Return whether no update brought a gradient to a parameter that should have one."""
    gradient, layer, own = readings.all.at(name)[GradientReading], layer_of(name, readings), name.rpartition(".")[2]
    if gradient.missing_updates < gradient.updates:
        return False
    if layer is None:
        return True
    only_potential = spikes_unused(readings.all.at(layer.name)) and own not in ("alpha", "beta", "decay", "tau", "w")
    return not only_potential and own not in spec_of(name, readings).without_gradient
