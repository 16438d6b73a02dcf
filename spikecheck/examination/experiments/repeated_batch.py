"""Pass the same batch twice, and compare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from spikecheck.examination.experiments.base import Experiment, Measurement
from spikecheck.examination.forward_pass import CLOSE, changed_entries, output_of
from spikecheck.examination.isolation import described, run_isolated
from spikecheck.examination.reset import can_reset
from spikecheck.examination.subject import OutOfTimeError, Subject, seed_everything
from spikecheck.experiment_readings import RepeatedBatchReading
from spikecheck.number_format import number


class RepeatedBatch(Experiment):
    """The same batch is passed twice, with the same random numbers. Outputs and losses must be the same.

    With a training step of the user's, the step passes it, with the same weights and a learning rate of 0: a loop that
    resets the state between batches is then part of the experiment. Otherwise the model is called in evaluation mode.
    """

    name: ClassVar = "same batch twice"
    needs: ClassVar = "nothing"
    cost: ClassVar = "3 forward passes, or 3 updates with a learning rate of 0"
    proves: ClassVar = "another output the second time proves that a state was carried over"
    cannot_tell: ClassVar = "whether a loop that was not passed as step= resets the state"

    def run(self, subject: Subject) -> list[Measurement]:
        """Compare outputs, or losses of the user's own step."""
        return [Measurement(repeated(subject))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return how far the second pass differed."""
        reading: RepeatedBatchReading = measurements[0].reading
        what = "loss of the training step" if reading.by_own_step else "output"
        if reading.error:
            return f"the second pass raises {reading.error}"
        if not reading.largest_change:
            return f"the {what} is the same both times"
        return f"the {what} differs by {number(100 * reading.largest_change)}% the second time"


def repeated(subject: Subject) -> RepeatedBatchReading:
    """Return what the second pass of a batch shows, in a copy, and whether the layers could have been reset."""
    if subject.step is not None:
        return run_isolated(losses_differ, subject).get()
    reading = run_isolated(outputs_differ, subject).get()
    if subject.forward is not None or not is_different(reading):
        return reading
    return replace(reading, resettable=run_isolated(lambda own: can_reset(own.model), subject).get())


def is_different(reading: RepeatedBatchReading) -> bool:
    """Return whether the second pass was not like the first."""
    return reading.largest_change > 0 or bool(reading.error)


def needs_reset(subject: Subject) -> bool:
    """Return whether layers keep their state, and could be reset by a loop that was not passed."""
    if subject.step is not None or subject.forward is not None:
        return False
    reading = repeated(subject)
    return is_different(reading) and reading.resettable


def outputs_differ(subject: Subject) -> RepeatedBatchReading:
    """Pass a batch twice in evaluation mode, with a batch in between."""
    subject.resets = False
    batch, between = subject.training[0], subject.training[-1]
    held = held_tensors(subject.model)
    first = output_of(subject, batch)
    holders = changed_holders(subject.model, held)
    try:
        output_of(subject, between)
        second = output_of(subject, batch)
    except OutOfTimeError:
        raise
    except Exception as error:  # noqa: BLE001 - the reading names what the user's model raised
        return RepeatedBatchReading(0.0, False, holders, described(error))
    changed, change = changed_entries(first, second, 0)
    return RepeatedBatchReading(change if changed else 0.0, False, holders)


def losses_differ(subject: Subject) -> RepeatedBatchReading:
    """Make updates with a learning rate of 0 on one batch, with another batch in between.

    The weights are put back before each: a loop may clip or normalize them after the update, or update them by hand.
    """
    batch, between = subject.training[0], subject.training[-1]

    def hold_still(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.0

    handle = register_optimizer_step_pre_hook(hold_still)
    subject.model.train()
    held = held_tensors(subject.model)
    weights = [
        (parameter, parameter.detach().clone())
        for _, parameter in subject.model.named_parameters()
        if not is_lazy(parameter)
    ]
    try:
        losses = []
        for one in (batch, between, batch):
            with torch.no_grad():
                for parameter, value in weights:
                    parameter.copy_(value)
            seed_everything()
            losses.append(subject.update(one))
    except OutOfTimeError:
        raise
    except Exception as error:  # noqa: BLE001 - the reading names what the user's step raised
        return RepeatedBatchReading(0.0, True, changed_holders(subject.model, held), described(error) if losses else "")
    finally:
        handle.remove()
    change = abs(losses[2] - losses[0]) / max(abs(losses[0]), 1e-9)
    return RepeatedBatchReading(change if change > CLOSE else 0.0, True, changed_holders(subject.model, held))


def held_tensors(model: nn.Module) -> dict[tuple[str, str], Tensor]:
    """Return copies of the tensors that modules hold as plain attributes or buffers, beside batch statistics."""
    return {
        (name, key): value.detach().clone()
        for name, module in model.named_modules()
        if not name.endswith("norm") and not hasattr(module, "running_mean")
        for key, value in [*vars(module).items(), *module._buffers.items()]
        if isinstance(value, Tensor)
    }


def changed_holders(model: nn.Module, before: dict[tuple[str, str], Tensor]) -> tuple[str, ...]:
    """Return the names of modules that hold other tensors than before."""
    after = held_tensors(model)
    changed = [
        name
        for (name, key), value in after.items()
        if (name, key) not in before or before[name, key].shape != value.shape or not before[name, key].equal(value)
    ]
    return tuple(dict.fromkeys(changed))
