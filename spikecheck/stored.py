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
    place: tuple[int, ...] | None
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
    outside: int
    layer: str = ""
    reach: float | None = None
    unreachable: int = 0  # neurons whose reach is below their threshold
    neurons: int = 0
    outer: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class MomentReading:
    """What the optimizer in a checkpoint remembers of one parameter.

    `missing`: it holds nothing, while it holds moments of `others` parameters. `largest` is the largest absolute value
    in any moment, `steps` how many updates it counted; None where there is none.
    """

    missing: bool
    others: int
    largest: float | None
    steps: float | None
    learning_rate: float | None


@dataclass(frozen=True, slots=True)
class FitReading:
    """How the keys of a checkpoint fit those of a model.

    `fitting` keys have the same name and shape in both, after `before` was taken off the file's keys and `instead` was
    put there. `missing` are the model's alone, `unexpected` the file's, `shapes` (key, shape in the file, shape in the
    model) of what differs; layers' states, which come and go with the batch, are not counted. `renamed`: the missing
    ones have the shapes of the unexpected ones, in the same order.
    """

    fitting: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    before: str = ""
    instead: str = ""
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
    what: str
    shape: tuple[int, ...]
    relative: float | None = None
    largest: float | None = None
    moved: int = 0  # elements that differ
    before: float | None = None
    after: float | None = None
    lost: int = 0  # elements that were finite and are no more

    @property
    def same(self) -> bool:
        """Is it the same in both?"""
        return self.what == "same"
