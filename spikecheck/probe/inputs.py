"""The input of a model: which of its arguments it is, and how the inputs of a forward pass are handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from spikecheck.probe.axes import input_layout
from spikecheck.probe.finiteness import finite_steps, step_sums
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.recorder import Recorder
from spikecheck.probe.torch_private import has_values, is_dense
from spikecheck.readings import ID_TYPES
from spikecheck.site import Capture, Layout, Site, SiteKind

DEEPEST = 4  # containers inside containers
LOOK_UPS = (nn.Embedding, nn.EmbeddingBag)


def tensors_within(value: Any, depth: int = 0) -> Iterator[Tensor]:
    """Yield the tensors that hold anything, of a batch in the order in which it is written down.

    A batch is a tensor, or a sequence, a mapping, a dataclass or a named tuple of such.
    """
    if isinstance(value, Tensor):
        if value.numel():
            yield value
    elif depth < DEEPEST:
        for inner in parts_of(value):
            yield from tensors_within(inner, depth + 1)


def parts_of(value: Any) -> Sequence[Any]:
    """Return what a container holds; nothing of what is no container."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, tuple | list):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, f.name, None) for f in fields(value)]
    return ()


def input_finder(model: nn.Module) -> Callable[[Sequence[Any]], Tensor | None]:
    """Return the function that finds a model's input among its arguments."""
    return partial(model_input, takes_ids=any(isinstance(module, LOOK_UPS) for _, module in model.named_modules()))


def model_input(arguments: Sequence[Any], *, takes_ids: bool) -> Tensor | None:
    """Return the model's input: the first tensor of numbers with several axes, else the first of all.

    That of a model that takes ids may also hold these: the numbers after them may be a state that goes from call to
    call.
    """
    batch = list(tensors_within(arguments))
    inputs = (t for t in batch if (t.is_floating_point() and t.dim() > 1) or (takes_ids and is_of_id_type(t)))
    return next(inputs, next(iter(batch), None))


def is_of_id_type(tensor: Tensor) -> bool:
    """Return whether a tensor is of a type that an embedding looks up."""
    return str(tensor.dtype).removeprefix("torch.") in ID_TYPES


def why_unseen(tensor: Tensor | None) -> str:
    """Return why an input cannot be counted; empty where it can."""
    if tensor is None:
        return "no tensor was among the arguments"
    if not is_dense(tensor):
        return "it is a sparse tensor"
    return "it holds complex numbers" if tensor.is_complex() else ""


def captures(recorder: Recorder, layers: Iterable[WatchedLayer], site: Site, update: int) -> Iterator[Capture[Tensor]]:
    """Yield what a forward pass showed: its layers, in their order, and the input at its site."""
    layouts: list[Capture[Tensor]] = []
    kinds: set[SiteKind] = set()  # of what the layers before showed
    for watched in layers:
        of_layer = list(recorder.drain([watched], update))
        layouts += of_layer[:1]
        yield from (replace(one, is_first=False) if one.sites[0].kind in kinds else one for one in of_layer)
        kinds |= {one.sites[0].kind for one in of_layer}
    yield from input_captures(recorder, site, layouts, update)


def input_captures(
    recorder: Recorder, site: Site, layouts: Sequence[Capture[Tensor]], update: int
) -> Iterator[Capture[Tensor]]:
    """Yield what the model was called with: as the time steps of one forward pass where the time loop is outside.

    The statistics of tier 1 search it for NaN and infinity alone. What is not finite in an input that reaches the
    layers stays in their potentials, so that it is read only where these are not known to be finite.
    """
    inputs = recorder.inputs
    if len(inputs) > 1 and all(tensor is inputs[0] or same_values(tensor, inputs[0]) for tensor in inputs):
        inputs = inputs[:1]
    if recorder.tier == 1:
        inputs = list(map(finite_steps if recorder.is_finite else step_sums, inputs))
    alike = len({(tensor.shape, tensor.device) for tensor in inputs}) == 1
    if len(inputs) > 1 and alike and inputs[0].dim() > 1:
        yield Capture((site,), tuple(inputs), Layout(0, 1), recorder.training, update, stacked=True)
        return
    for tensor in inputs:
        yield Capture((site,), (tensor,), input_layout(tensor, layouts), recorder.training, update)


def same_values(tensor: Tensor, other: Tensor) -> bool:
    """Return whether two references show the same memory: a static input, shown at every time step."""
    return tensor.shape == other.shape and tensor.data_ptr() == other.data_ptr()


def countable(tensor: Tensor) -> bool:
    """Return whether a tensor has values that can be counted after the forward pass."""
    return not tensor.is_complex() and has_values(tensor) and is_dense(tensor)
