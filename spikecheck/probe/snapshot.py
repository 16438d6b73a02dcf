"""What a session knows at one moment, beside the captures that it has handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor, nn

from spikecheck.probe.clock import Clock
from spikecheck.probe.find import clean, named_parameters
from spikecheck.probe.frameworks.base import imported
from spikecheck.probe.layer import Status
from spikecheck.probe.layers import Layers
from spikecheck.probe.modes import Modes
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.ownership import GraphSpan
from spikecheck.probe.pending_losses import PendingLosses
from spikecheck.probe.trace import Trace
from spikecheck.probe.training import Training
from spikecheck.readings import RunReading
from spikecheck.settings import process_of_run
from spikecheck.site import Capture, Site, SiteKind


class Watched(Protocol):
    """The session, as far as it is asked what it knows."""

    clock: Clock
    trace: Trace
    modes: Modes
    layers: Layers
    losses: PendingLosses
    optimizers: OptimizerWatch
    training: Training
    span: GraphSpan
    model: nn.Module
    unseen: dict[str, str]
    max_calls: int
    input_tensors: int
    variable: str


REPLACED = "it was replaced in the model after attach(), and what took its place is not watched: attach again"
ADDED = "it was added to the model after attach(), as by a conversion, and is not watched: attach again"


@dataclass(frozen=True)
class Snapshot:
    """What a session knows at one moment, beside what it has handed on."""

    run: RunReading
    #: By layer, and by module that works differently in evaluation.
    readings: Mapping[str, object]
    modules: tuple[Site, ...]
    parameters: Capture[Tensor] | None
    loss_seen: bool
    optimizer: str | None
    unseen: Mapping[str, str]

    @classmethod
    def of(cls, session: Watched, *, live: bool) -> Snapshot:
        """Return what a session knows now."""
        moded, layers = session.modes.readings(session.trace), session.layers.spiking()
        ran = [watched for watched in layers if watched.gradients.forward_passes]
        sites = [watched.layer.site(SiteKind.MODULE) for watched in ran]
        framework, optimizers = session.layers.framework, session.optimizers
        sites += [
            Site(
                SiteKind.BATCH_NORM_OR_DROPOUT,
                name,
                session.trace.position(name),
                framework,
                path=one.path,
                module=type(one.module).__name__,
            )
            for name, one in session.modes.moded.items()
            if name in moded
        ]
        run = replace(
            run_reading(session, live=live),
            idle_optimizers=optimizers.idle_optimizers(live=live),
            foreign_optimizer=optimizers.foreign,
            replaced_parameters=replaced_parameters(session),
            processes=(process_of_run() or (0, 1))[1],
            input_tensors=session.input_tensors,
            value_origins=session.training.origins.of_values,
            gradient_origins=session.training.origins.of_gradients,
            constant_weights=session.training.constants.names(session.model),
            **session.training.unregistered.reading(session.span.parameters),
        )
        unseen = {name: why for name, why in session.unseen.items() if why}
        unseen |= {**added(session), **replaced(session), **distributed(session), **session.training.forks.unseen()}
        unseen |= {one.name: one.unseen for one in layers if one.unseen}
        return cls(
            run,
            {**moded, **{name: watched.gradients.flow for watched in ran for name in watched.names}},
            tuple(sites),
            optimizers.parameters(session.clock.update),
            session.losses.ever,
            optimizers.kind,
            unseen,
        )

    @staticmethod
    def describe(session: Watched) -> str:
        """Return what is watched, in a few words."""
        run, layers = run_reading(session, live=False), len(session.layers.spiking())
        libraries = f" ({', '.join(run.frameworks)})" if run.frameworks else ""
        return f"{layers} spiking layer{'s' * (layers != 1)}{libraries}, {run.update} update{'s' * (run.update != 1)}"


def distributed(session: Watched) -> dict[str, str]:
    """Return that parameters were not observed since they are spread over processes; empty if none are."""
    count = session.optimizers.distributed
    return {"parameters": f"{count} are spread over processes (DTensor), and were not observed"} if count else {}


def replaced(session: Watched) -> dict[str, str]:
    """Return the layers and parameters that are no longer part of the model, with what to do."""
    model = session.model
    present = {id(part) for _, part in (*model.named_modules(), *model.named_parameters())}
    parts = {one.name: one.layer.module for one in session.layers if one.status is Status.SPIKING}
    missing = [name for name, part in {**parts, **session.optimizers.named}.items() if id(part) not in present]
    return dict.fromkeys(missing, REPLACED)


def added(session: Watched) -> dict[str, str]:
    """Return the spiking layers of libraries that the model has now, and did not have when the watching began."""
    frameworks, watched = imported(session.model), {id(one.layer.module) for one in session.layers}
    parts = [(clean(name), part) for name, part in session.model.named_modules() if id(part) not in watched]
    return {name: ADDED for name, part in parts if any(framework.spikes(part) for framework in frameworks)}


def replaced_parameters(session: Watched) -> tuple[str, ...]:
    """Return the parameters whose place another has taken, where that gets gradients and no optimizer has stepped it.

    An optimizer that holds what took their place makes it the parameter that is watched, with its next step.
    """
    present = named_parameters(session.model)
    watched = session.optimizers.named
    changed = {name: present[name] for name in watched if name in present and present[name] is not watched[name]}
    return tuple(name for name, parameter in changed.items() if parameter.grad is not None)


def run_reading(session: Watched, *, live: bool) -> RunReading:
    """Return what is known of the run as a whole."""
    clock = session.clock
    return RunReading(
        live=live,
        update=clock.update,
        forward_passes=clock.forward_passes,
        backward_passes=clock.backward_passes,
        called_per_time_step=clock.is_called_per_time_step(session.max_calls),
        frameworks=tuple(sorted({watched.layer.framework.name for watched in session.layers.spiking()})),
        without_gradients=clock.training_passes == 0,
        variable=session.variable,
    )
