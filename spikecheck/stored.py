"""Readings of files: what is known about the tensors in a checkpoint, in plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredReading:
    """The values of one tensor in a checkpoint.

    `role` is "weight", "bias", "neuron", "buffer" or "moment". Mean, root mean square and extremes are of the finite
    elements; the extremes are None where there is none. `first_non_finite` is the index of the first element that is
    not finite. `zero_rows` of the `rows` (outputs) of a weight are 0 throughout; both are None where they were not
    counted.
    """

    role: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    dimensions: int
    fan_in: int
    mean: float
    rms: float
    minimum: float | None
    maximum: float | None
    nan: int
    infinite: int
    first_non_finite: tuple[int, ...] | None
    rows: int | None
    zero_rows: int | None
    measured: bool = True

    @property
    def finite(self) -> bool:
        """Whether every element is finite."""
        return self.nan == 0 and self.infinite == 0

    @property
    def scale(self) -> float:
        """Root mean square times the root of the fan-in, as in `ParameterReading`."""
        return self.rms * math.sqrt(self.fan_in)


@dataclass(frozen=True, slots=True)
class StoredNeuronReading:
    """A neuron parameter in a checkpoint, one value per layer or per neuron.

    `role` is "threshold", "decay" (a factor per time step) or "tau" (a time constant). `out_of_range` counts the
    elements that no neuron can have: a threshold of 0 or below, a decay outside [0, 1], a time constant of 0 or below.
    `max_potential` is the highest potential that any neuron of the layer reaches when all its positive inputs spike in
    every time step, forever; None where weights, decay or order of the layers are not known. `reads_model_input` is
    True for layers after the input, which may hold more than one spike per bin; `is_last_layer` for the layer whose
    potential may be read out.
    """

    role: str
    minimum: float
    maximum: float
    elements: int
    out_of_range: int
    layer: str = ""
    max_potential: float | None = None
    unreachable_neurons: int = 0  # neurons whose highest potential is below their threshold
    neurons: int = 0
    reads_model_input: bool = False
    is_last_layer: bool = False


@dataclass(frozen=True, slots=True)
class MomentReading:
    """The optimizer's state for one parameter in a checkpoint.

    `missing` is True where there is none, while there are moments of `other_parameters`. `max_abs` is the largest
    absolute value of any moment, `updates` the number of updates that were counted; None where there is none.
    """

    missing: bool
    other_parameters: int
    max_abs: float | None
    updates: float | None
    learning_rate: float | None


@dataclass(frozen=True, slots=True)
class GlobalReading:
    """A function or class that the pickle in a checkpoint names: whether loading would call it, or only import it."""

    called: bool


@dataclass(frozen=True, slots=True)
class FitReading:
    """How the keys of a checkpoint fit those of a model.

    `matching_keys` have the same name and shape in both, after `removed_prefix` was taken off the file's keys and
    `added_prefix` was put there. `missing` keys are in the model alone, `unexpected` ones in the file alone;
    `shape_mismatches` are (key, shape in the file, shape in the model). The state of layers, which depends on the
    batch, is not counted. `renamed` is True where the missing keys have the shapes of the unexpected ones, in the same
    order.
    """

    matching_keys: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shape_mismatches: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    removed_prefix: str = ""
    added_prefix: str = ""
    wrapped: bool = False  # parts of the keys that torch.compile and the like add had to be removed
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeReading:
    """How a tensor changed from one checkpoint to another.

    `status` is "changed", "same", "new", "gone", "not compared", or its former shape. `relative_change` is the norm of
    the difference divided by the norm before, over the elements that are finite in both; `rms_before` and `rms_after`
    are root mean squares.
    """

    name: str
    status: str
    shape: tuple[int, ...]
    relative_change: float | None = None
    max_change: float | None = None
    changed_elements: int = 0  # elements that differ
    rms_before: float | None = None
    rms_after: float | None = None
    lost_elements: int = 0  # elements that were finite before and are not any more

    @property
    def same(self) -> bool:
        """Whether it is the same in both."""
        return self.status == "same"
