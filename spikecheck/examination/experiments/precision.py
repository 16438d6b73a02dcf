"""Make the same updates in 32-bit floating point throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Batch, Subject
from spikecheck.experiment_readings import PrecisionReading

UPDATES = 4
REDUCED = (torch.float16, torch.bfloat16)


class Precision(Experiment):
    """A few updates are made as they are, and once more with every 16-bit number replaced by one of 32 bits."""

    name: ClassVar = "32-bit numbers"
    needs: ClassVar = "code that computes with 16-bit numbers"
    cost: ClassVar = "8 updates"
    proves: ClassVar = "a loss that is finite in 32 bits alone proves that 16-bit numbers overflow"
    cannot_tell: ClassVar = "an overflow that occurs later in training"

    def run(self, subject: Subject) -> list[Measurement]:
        """Count the losses that are finite, with and without 16-bit numbers."""
        finite, kinds = run_isolated(losses_as_they_are, subject).get()
        if not kinds:
            raise NotApplicableError("everything is computed in 32 bits")
        full = run_isolated(losses_in_full, subject).get()
        reading = PrecisionReading(" and ".join(sorted(kinds)), UPDATES, finite, full)
        return [Measurement(reading)]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return which losses are finite."""
        reading: PrecisionReading = measurements[0].reading
        words = {True: "finite", False: "not finite"}
        return (
            f"the loss is {words[reading.finite]} in {reading.reduced}, "
            f"and {words[reading.full_precision_finite]} in float32"
        )


class Casts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the 16-bit types that operations create; with `replace`, they create 32-bit numbers instead."""

    def __init__(self, *, replace: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.replace, self.kinds = replace, set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") in REDUCED:
            self.kinds.add(str(kwargs["dtype"]).removeprefix("torch."))
            if self.replace:
                kwargs["dtype"] = torch.float32
        return func(*args, **kwargs)


def losses_as_they_are(subject: Subject) -> tuple[bool, set[str]]:
    """Return whether all losses are finite, and which 16-bit types there are."""
    held = [*(p for _, p in subject.model.named_parameters()), *(batch.first for batch in subject.training[:UPDATES])]
    kinds = {str(t.dtype).removeprefix("torch.") for t in held if t.dtype in REDUCED}
    with Casts(replace=False) as casts:
        losses = subject.train(1)
    kinds |= casts.kinds
    losses += subject.train(UPDATES - 1) if kinds else []
    return all(map(math.isfinite, losses)), kinds


def losses_in_full(subject: Subject) -> bool:
    """Return whether all losses are finite with 32-bit numbers."""
    subject.model.float()
    subject.batches = tuple(map(in_full, subject.batches))
    with Casts(replace=True):
        return all(map(math.isfinite, subject.train(UPDATES)))


def in_full(batch: Batch) -> Batch:
    """Return a batch whose inputs are 32-bit numbers."""
    full = (x.float() if isinstance(x, Tensor) and x.dtype in REDUCED else x for x in batch.inputs)
    return batch.with_inputs(*full)
