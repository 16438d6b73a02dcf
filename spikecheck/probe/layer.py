"""One spiking layer under watch: what its calls showed since it was last emptied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.frameworks.base import Framework, Heard, tensors
from spikecheck.probe.frameworks.generic import surrogates
from spikecheck.probe.torch_private import is_functorch_tensor, version
from spikecheck.readings import FlowReading
from spikecheck.site import Capture, Layout, Site, SiteKind

REMEMBERED = 4  # a layer called twice or three times in a forward may be shared by branches, and start anew in each
LISTENED = 3  # forwards in which a hook on the spikes notices whether any gradient comes back
KINDS = (SiteKind.SPIKES, SiteKind.CURRENT, SiteKind.POTENTIAL)
TRANSFORMED = "it ran inside torch.func, whose tensors have no values to count"
UNTIMED = "which of its axes is time is seen in a forward with gradients alone: run one before those without"


class Held(NamedTuple):
    """A detached reference, and the version it had: a tensor changed in place since would be counted wrongly."""

    tensor: Tensor
    version: int | None
    layout: Layout

    @classmethod
    def of(cls, tensor: Tensor, layout: Layout) -> Held:
        """A reference to the values alone: nothing of the graph is kept."""
        return cls(tensor.detach(), version(tensor), layout)

    @property
    def neurons(self) -> torch.Size:
        """The shape without time and batch."""
        axes = {axis for axis in (self.layout.time, self.layout.batch) if axis is not None}
        return torch.Size(n for axis, n in enumerate(self.tensor.shape) if axis not in axes)

    @property
    def untouched(self) -> bool:
        """Does it still hold what it held?"""
        return self.version is None or version(self.tensor) == self.version


@dataclass
class Layer:
    """A module that emits spikes, or may turn out to (`certain` is False until its values were looked at)."""

    name: str
    module: nn.Module
    framework: Framework
    certain: bool = True
    position: int = 0
    fed_by: str | None = None
    spec: NeuronSpec | None = None
    layout: Layout | None = None  # learnt once, and kept for the calls that do not show it
    own_function: bool = False
    carries_gradient: bool = False
    given: Tensor | None = None  # a candidate's input, to compare its values with
    held: dict[SiteKind, list[Held]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    state: tuple[Tensor, ...] = ()
    memory: tuple[Held, ...] = ()  # what a later step of the forward went on from
    step: tuple[Held, ...] = ()  # that step's spikes, its current, and what it handed on
    remembered: int = 0  # calls before that step
    calls: int = 0  # since it was last emptied
    training: bool = False
    blocked: bool = False
    forward_passes: int = 0
    blocked_forwards: int = 0
    listening: bool = False
    answered: list[bool] = field(default_factory=list)
    answer: bool | None = None
    returned: dict[int, Tensor] = field(default_factory=dict)  # by call: did any gradient come, step by step?
    steps_returned: int = 0  # calls of the forward that it came back from
    unseen: str = ""
    gone: bool = False
    traced: bool = False  # by torch.compile, so that nothing is known of the graph

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Before a call: the first one of a sequence shows the state it starts from."""
        if not self.certain or 0 < self.calls < REMEMBERED:
            return
        if self.calls == 0:
            self.state = tuple(t.detach() for t in untransformed(self.framework.state(self.module, args, kwargs)))
            return
        found = untransformed(self.framework.goes_on_from(self.module, args, kwargs))
        if not found and self.framework.shows_state and self.held[SiteKind.SPIKES]:
            found = (self.held[SiteKind.SPIKES][0].tensor.new_zeros(1),)
        self.memory = tuple(Held.of(t, Layout()) for t in found)
        self.remembered = self.calls

    def hear(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """After a call: keep references to what it showed."""
        heard = self.framework.heard(self.module, args, kwargs, output)
        if self.memory and self.remembered == self.calls:
            self.step = one_step(heard, self.framework.hands_on(self.module, output))
        self.take(heard)

    def hear_traced(self, grad: bool, given: Sequence[Any], output: Any) -> None:
        """After a call in compiled code: what the module keeps is of an earlier call, so its potential is not shown."""
        self.traced = True
        heard = self.framework.heard(self.module, given, {}, output)
        shown = output if isinstance(output, tuple) else ()
        passed = any(heard.potential is value for value in shown)
        self.take(heard if passed else replace(heard, potential=None))
        self.training |= grad
        if not self.certain and self.given is None:
            self.given = next((value for value in given if isinstance(value, Tensor)), None)

    def claim(self, args: Sequence[Any], output: Any, claimed: set[Any]) -> None:
        """In the first forward: does a surrogate gradient lie upstream that no layer before had?"""
        spikes = next(iter(tensors(output if isinstance(output, tuple | list) else [output])), None)
        if spikes is None:
            return
        own = surrogates(spikes, claimed)
        claimed |= own
        self.own_function |= bool(own)
        self.carries_gradient |= spikes.requires_grad
        if not self.certain and self.given is None:
            self.given = next(iter(tensors(args)), None)

    def take(self, heard: Heard) -> None:
        """Keep references to what one call showed."""
        self.calls += 1
        if not isinstance(heard.spikes, Tensor):
            self.unseen = "the layer returned no tensor"
            return
        if is_functorch_tensor(heard.spikes):
            self.unseen = TRANSFORMED
            return
        if torch.is_grad_enabled() and not self.traced:
            self.training = True
            asked = isinstance(heard.current, Tensor) and heard.current.requires_grad
            self.blocked = asked and not heard.spikes.requires_grad
            if self.forward_passes < LISTENED and heard.spikes.requires_grad:
                listener = Listener(self.answered, self.returned, self.calls, heard.spikes.shape, heard.layout.time)
                source = heard.spikes if heard.returned is None else heard.returned
                source.register_hook(listener)  # type: ignore[no-untyped-call]
                self.listening = True
        if heard.layout.time is not None:
            self.layout = heard.layout
            self.unseen = "" if self.unseen == UNTIMED else self.unseen
        layout = self.layout if self.layout is not None and self.layout.time is not None else heard.layout
        if heard.spikes.dim() < 2:
            layout = Layout()
        shown = (
            (SiteKind.SPIKES, heard.spikes, layout),
            (SiteKind.CURRENT, heard.current, layout),
            (SiteKind.POTENTIAL, heard.potential, heard.potential_layout or layout),
        )
        for kind, tensor, axes in shown:
            if isinstance(tensor, Tensor) and not tensor.is_complex() and not tensor.is_meta:
                self.held[kind].append(Held.of(tensor, axes))
            elif kind is SiteKind.SPIKES:
                self.unseen = "its spikes are complex numbers, which are not counted"

    def site(self, kind: SiteKind, width: int = 0) -> Site:
        """The layer's site of this kind; a module that is used for two numbers of neurons in a forward has two."""
        name = self.name if width == 0 else f"{self.name}#{width + 1}"
        return Site(kind, name, self.position, self.framework.name, self.spec, self.fed_by)

    def empty(self, update: int, new_sequence: bool) -> Iterator[Capture[Tensor]]:
        """What was kept, as captures; references of one shape become one capture, in their order."""
        if self.certain and self.calls and self.spec is None:
            self.spec = self.framework.neuron(self.module)
        for kind, held in self.held.items():
            together: dict[Any, list[Held]] = {}
            for h in held:
                together.setdefault((h.tensor.shape, h.tensor.device, h.layout), []).append(h)
            widths: list[torch.Size] = []
            for alike in together.values():
                if alike[0].neurons not in widths:
                    widths.append(alike[0].neurons)
                if all(h.untouched for h in alike):
                    yield self.capture(kind, alike, update, widths.index(alike[0].neurons))
                else:
                    self.unseen = "its output was changed in place before the end of the forward"
        if self.state and new_sequence:
            yield Capture((self.site(SiteKind.STATE),), self.state, training=self.training, update=update)
        if self.memory and all(h.untouched for h in self.memory):
            values, unchanged = tuple(h.tensor for h in self.memory), all(h.untouched for h in self.step)
            step = tuple(h.tensor for h in self.step) if unchanged else ()
            yield Capture(
                (self.site(SiteKind.MEMORY),), values, training=self.training, update=update, step_tensors=step
            )
        yield from self.came_back(update)
        self.count()
        self.forget()

    def came_back(self, update: int) -> Iterator[Capture[Tensor]]:
        """The steps of the forward before that a gradient came back to; a call without any counts as one."""
        if self.returned and self.answer:
            some = next(iter(self.returned.values()))
            none = some.new_zeros(1)
            values = tuple(self.returned.get(call, none) for call in range(1, self.steps_returned + 1))
            yield Capture((self.site(SiteKind.GRADIENT_TO_SPIKES),), values, update=update)
            self.returned.clear()
        if self.calls and self.training:
            self.steps_returned = self.calls

    def capture(self, kind: SiteKind, held: list[Held], update: int, width: int) -> Capture[Tensor]:
        """Several calls are the steps of a forward; a single one is a step, or the whole sequence."""
        layout, several = held[0].layout, len(held) > 1
        if several and layout.time is None:
            layout = Layout(0, None if layout.batch is None else layout.batch + 1)
            values = tuple(h.tensor for h in held)
        elif several:  # a layer for whole sequences that is used several times
            values = (torch.cat([h.tensor for h in held], dim=layout.batch or 0),)
            several = False
        else:
            values = (held[0].tensor,)
            if self.untimed(values[0], layout):
                self.unseen = UNTIMED
        return Capture((self.site(kind, width),), values, layout, self.training, update, stacked=several)

    def untimed(self, tensor: Tensor, layout: Layout) -> bool:
        """May one of its axes be time, where neither the library nor a graph tells, nor a tap, which shows steps?"""
        told = self.framework.shows_time or self.training or self.gone
        return not told and layout.time is None and tensor.dim() > 2

    def adopt(self, layout: Layout | None, sizes: torch.Size) -> None:
        """Take another layer's axes for a call that did not show its own, where the first two sizes are the same."""
        for kind in (SiteKind.SPIKES, SiteKind.CURRENT):
            held = self.held[kind]
            if layout is not None and held and held[0].tensor.dim() > 2 and held[0].tensor.shape[:2] == sizes:
                held[0] = Held(held[0].tensor, held[0].version, layout)

    def count(self) -> None:
        """Remember, of this forward, whether gradients could pass."""
        if self.calls and self.training and not self.traced:
            self.forward_passes += 1
            self.blocked_forwards += self.blocked

    def forget(self) -> None:
        """Let go of every reference."""
        for held in self.held.values():
            held.clear()
        self.memory, self.step = (), ()
        self.state, self.given, self.calls = (), None, 0
        self.training, self.blocked, self.traced = False, False, False

    def let_go(self) -> None:
        """Its hooks stay until the end, and hear nothing more: it turned out to be no spiking layer, or is tapped."""
        self.forget()
        self.gone = True

    def tapped(self, heard: Heard) -> None:
        """A tap shows what it emits; the hooks on a module of that name would show the same once more."""
        if not self.gone:
            self.let_go()
            self.certain = True
        self.take(heard)

    def after_backward(self) -> None:
        """A backward pass went by: did it come back to the spikes?"""
        if self.answered:
            self.answer = True
        elif self.answer is None and self.listening:
            self.answer = False

    @property
    def flow(self) -> FlowReading:
        """Whether gradients pass, and whether any ever came."""
        return FlowReading(self.forward_passes, self.blocked_forwards, self.answer)


def one_step(heard: Heard, handed_on: tuple[Tensor, ...]) -> tuple[Held, ...]:
    """A step's spikes, current and what it handed on, where all are of one shape; else nothing."""
    if heard.spikes is None or heard.current is None or not handed_on:
        return ()
    values = (heard.spikes, heard.current, *handed_on)
    return tuple(Held.of(v, Layout()) for v in values) if len({v.shape for v in values}) == 1 else ()


def untransformed(found: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Without what torch.func has wrapped: it is of no use once the transform is over."""
    return tuple(tensor for tensor in found if not is_functorch_tensor(tensor))


class Listener:
    """A hook on a tensor that notices that a gradient came, and changes nothing."""

    __slots__ = ("answered", "call", "returned", "shape", "time")

    def __init__(
        self, answered: list[bool], returned: dict[int, Tensor], call: int, shape: torch.Size, time: int | None
    ) -> None:
        self.answered, self.returned, self.call, self.shape, self.time = answered, returned, call, shape, time

    @torch.no_grad()
    def __call__(self, gradient: Tensor) -> None:
        """Note it, and at which steps it is other than 0; None tells torch to leave the gradient as it is."""
        if not self.answered:
            self.answered.append(True)
        came = gradient.detach().reshape(self.shape) != 0
        steps = came.reshape(1, -1) if self.time is None else came.movedim(self.time, 0).flatten(1)
        self.returned[self.call] = steps.any(1)
