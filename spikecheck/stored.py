"""What is said of the tensors in a checkpoint, in plain numbers: the readings of files."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredReading:
    """The values of one tensor in a checkpoint.

    `role` is "weight", "bias", "neuron", "buffer" or "moment". Mean, root mean square and extremes are of the finite
    elements; the extremes are None where there is none. `place` is the first element that is not finite, by its axes.
    `zero_rows` of the `rows` (outputs) of a weight are 0 throughout; both None where they were not counted.
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
        """Is every element finite?"""
        return self.nan == 0 and self.infinite == 0

    @property
    def scale(self) -> float:
        """Root mean square times the root of the fan-in, as in `ParameterReading`."""
        return self.rms * math.sqrt(self.fan_in)


@dataclass(frozen=True, slots=True)
class StoredNeuronReading:
    """A neuron parameter in a checkpoint, one value a layer or a neuron.

    `role` is "threshold", "decay" (a factor a step) or "tau" (a time constant). `outside` of the `elements` are what no
    neuron can have: a threshold of 0 or below, a decay outside [0, 1], a time constant of 0 or below. `reach` is the
    highest potential that any neuron of the layer comes to when all its positive inputs spike in every step, for ever;
    None where weights, decay or order of the layers are not known. `outer` layers read the model's input, which may
    hold more than one spike a bin; `last` is the last layer, whose potential may be read out.
    """

    role: str
    minimum: float
    maximum: float
    elements: int
    out_of_range: int
    layer: str = ""
    max_potential: float | None = None
    unreachable_neurons: int = 0  # neurons whose reach is below their threshold
    neurons: int = 0
    reads_model_input: bool = False
    is_last_layer: bool = False


@dataclass(frozen=True, slots=True)
class MomentReading:
    """What the optimizer in a checkpoint remembers of one parameter.

    `missing`: it holds nothing, while it holds moments of `others` parameters. `largest` is the largest absolute value
    in any moment, `steps` how many updates it counted; None where there is none.
    """

    missing: bool
    other_parameters: int
    max_abs: float | None
    updates: float | None
    learning_rate: float | None


@dataclass(frozen=True, slots=True)
class FitReading:
    """How the keys of a checkpoint fit those of a model.

    `fitting` keys have the same name and shape in both, after `before` was taken off the file's keys and `instead` was
    put there. `missing` are the model's alone, `unexpected` the file's, `shapes` (key, shape in the file, shape in the
    model) of what differs; layers' states, which come and go with the batch, are not counted. `renamed`: the missing
    ones have the shapes of the unexpected ones, in the same order.
    """

    matching_keys: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shape_mismatches: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    removed_prefix: str = ""
    added_prefix: str = ""
    wrapped: bool = False  # parts of a key that torch.compile and the like put in between had to be taken out
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeReading:
    """What became of a tensor from one checkpoint to another.

    `what` is "changed", "same", "new", "gone", "not compared", or what its shape was. `relative` is the norm of the
    difference over the norm before, of the elements that are finite in both; `before` and `after` are root mean
    squares.
    """

    name: str
    status: str
    shape: tuple[int, ...]
    relative_change: float | None = None
    max_change: float | None = None
    changed_elements: int = 0  # elements that differ
    rms_before: float | None = None
    rms_after: float | None = None
    lost_elements: int = 0  # elements that were finite and are no more

    @property
    def same(self) -> bool:
        """Is it the same in both?"""
        return self.status == "same"
