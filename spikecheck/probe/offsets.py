"""What the argument of a spike function is less than the membrane potential: the threshold, as a variable shows it.

In `spikes = spike_fn(potential - threshold)`, the frame of the call holds the potential, as a variable or in a module.
The difference of the two is the same for all neurons and samples, or almost, as an adaptive threshold is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from spikecheck.probe.spike_argument import is_readable
from spikecheck.probe.torch_private import is_plain_tensor

MAX_TRIES = 64  # calls of each call site that are looked at: in the first ones, potentials may still be constant
MAX_VALUES = 4096  # an even sample of a call
MAX_SPREAD = 0.1  # of the spread of the argument: what else has the same shape differs from it by more


class Offsets:
    """Looks for the offset in the first calls of each call site."""

    def __init__(self) -> None:
        self.tries: Counter[Any] = Counter()

    def offset_of(self, key: Any, argument: Tensor | None, variables: Mapping[str, Any]) -> float | None:
        """Return what a potential among the variables of the calling frame is more than the argument."""
        if argument is None or not argument.numel() or self.tries[key] >= MAX_TRIES or not is_readable(argument):
            return None
        self.tries[key] += 1
        sample = sample_of(argument)
        spread = sample.std(correction=0)
        for candidate in tensors_in(variables):
            if candidate.shape != argument.shape or candidate.dtype != argument.dtype:
                continue
            difference = sample_of(candidate) - sample
            if difference.abs().amax() > 0 and difference.std(correction=0) <= MAX_SPREAD * spread > 0:
                return float(difference.mean())
        return None


def sample_of(tensor: Tensor) -> Tensor:
    """Return an even sample of the values."""
    values = tensor.detach().flatten()
    return values[:: -(-values.numel() // MAX_VALUES) or 1].float()


def tensors_in(variables: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors among variables, and among the attributes of the module whose method it is."""
    owner = variables.get("self")
    attributes = vars(owner) if isinstance(owner, nn.Module) else {}
    yield from (value for value in (*variables.values(), *attributes.values()) if is_plain_tensor(value))
