"""Potentials are carried over from one batch to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import EvaluationStateReading, InputReading, StateReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class CarriedState(Check):
    """A spiking layer starts a batch with the potentials of the batch before.

    ## What it means
    The membrane potentials were not reset between two batches, so the potential of sample 3 in this batch starts from
    that of sample 3 in the last batch, which has nothing to do with it. Training sees noise, and evaluation depends on
    the order of the data.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        snn.Leaky.detach_hidden()  # cuts the graph, keeps the potentials
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```
    ```python repaired
    from snntorch import utils

    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        utils.reset(model)  # all potentials back to 0
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```

    ## Fix
    ```python handwritten
    # before every batch; mem is the attribute that holds the potential
    layer.mem = torch.zeros_like(layer.mem)
    ```
    ```python snntorch
    from snntorch import utils

    # before every batch, with init_hidden=True
    utils.reset(model)
    # or, if the script passes `mem` itself:
    mem = layer.reset_mem()
    ```
    ```python sinabs
    # before every batch
    layer.reset_states()
    # for all layers: sinabs.reset_states(model)
    ```
    ```python rockpool
    # before every batch
    layer.reset_state()
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # before or after every batch
    functional.reset_net(model)
    ```
    ```python norse
    # None starts from rest; do not pass the state of the last batch
    output, state = model(batch, None)
    ```

    ## When it is intended
    The batches are successive pieces of one recording, as in truncated backpropagation through time, or the initial
    state is learned.
    ```toml
    [tool.spikecheck.ignore]
    "SPK208" = "one long recording, cut into pieces"
    ```

    ## How it is decided
    A new sequence begins after a loss is computed or a backward pass is made. spikecheck warns if the potential was not
    0 at the start of at least {min_carried_sequences} sequences, and of at least {max_carried_fraction:%} of all
    sequences.

    Online learning (a backward pass per time step) and truncated backpropagation (one per piece of a recording) are
    recognized and not reported. Three conditions must hold together: most sequences have the same targets as the one
    before, the inputs differ nevertheless, and the potential returned to 0 at least {min_resets} times. The last one is
    not needed where no backward pass is made and the loss of each time step is only looked at. While training
    runs, spikecheck waits for a second batch of targets before it warns.

    One endless recording per row of the batch is recognized by its beginning: in the first spiking layer, the potential
    that was carried over correlates with the first current of the same sample, at least {min_continuation_score}
    standard errors more than in unrelated batches. Then the finding is only a note. It stays a warning if all batches
    hold the same input or the same targets.

    Forward passes in evaluation mode are checked by the same rule, in a run that also trains and calls the model once
    per sequence. If no training sequence started with old potentials, the reset is missing only in the evaluation.
    Where the model is called once per time step, a sequence of evaluation ends when its tensor has been used for as
    many calls as one of the training, and another tensor follows. Where several passes precede a loss in training with
    input of its own each, as in an episode of a policy, evaluation is not checked.

    PyTorch may also raise "Trying to backward through the graph a second time". Detaching the state stops that error,
    but the old potentials remain.
    """

    id: ClassVar = "SPK208"
    slug: ClassVar = "carried-state"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STATE
    needs: ClassVar = (StateReading,)
    past: ClassVar = "{site} was not reset"
    message: ClassVar = (
        "{site} was not reset: {carried} of {sequences} {which} started with the potentials of the one before"
    )

    min_carried_sequences: int = limit(
        3, why="judgment call: one such sequence may follow a warm-up batch, and a second one an evaluation"
    )
    max_carried_fraction: float = limit(
        0.5,
        why="judgment call: a script that resets once per epoch carries state into nearly all of its sequences",
    )
    min_continuation_score: float = limit(
        4.0,
        why="derived: unrelated batches exceed it once in 30,000 runs; measured: 6.7 after 14 batches of an endless "
        "stream, at most 0.7 in 59 batches of unrelated recordings",
    )
    min_resets: int = limit(
        2, why="derived: the first return to 0 may be the start of the run; the second is a reset by the script"
    )

    def resets_between_batches(self, readings: Readings) -> bool:
        """Return whether the script trains on successive pieces of each batch, and resets the state between batches."""
        state = readings.get(StateReading)
        input_changes = any(x.distinct_batches > 1 for x in readings.every(InputReading).values())
        labels = [
            targets
            for targets in readings.every(TargetReading).values()
            if targets.repeated_batches >= max(1, self.max_carried_fraction * (targets.updates - 1))
        ]
        if not labels or state is None:
            return False
        batches = max(targets.distinct_batches for targets in labels)
        if batches == 1:  # of one batch, or of many with the same targets: more batches will tell
            return readings.run.live
        if not input_changes:
            return False
        if not readings.run.backward_passes:  # a loss per time step that is only looked at, as with a local rule
            return True
        resets = state.sequences - state.carried_sequences
        return resets >= min(self.min_resets, batches - 1)  # the latest reset may not be counted yet

    def continues(self, readings: Readings) -> bool:
        """Return whether each batch continues the one before, as the state of the first spiking layer shows."""
        first = min(spiking_sites(readings), key=lambda s: s.position, default=None)
        state = None if first is None else readings.at(first.name).all.get(StateReading)
        score = None if state is None else state.continuation_score
        if score is None or score < self.min_continuation_score:
            return False
        inputs = [one.distinct_batches for one in readings.all.every(InputReading).values()]
        targets = [one.distinct_batches for one in readings.all.every(TargetReading).values()]
        return max(inputs, default=0) > 1 and max(targets, default=2) > 1

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where most sequences began with a state that was left over, in training or evaluation."""
        state, evaluation = readings[StateReading], readings.get(EvaluationStateReading)
        in_training = self.is_carried(state)
        if in_training and self.resets_between_batches(readings.all):
            return
        if not in_training and (state.carried_sequences or evaluation is None or not self.is_carried(evaluation)):
            return
        carried = state if in_training or evaluation is None else evaluation
        continues = in_training and self.continues(readings)
        yield self.finding(
            site,
            severity=Severity.NOTE if continues else self.severity,
            observed=Observed(
                "a potential of up to {largest} before the first time step, in {carried} of {sequences} {which}"
                + (", which seem to continue each other" if continues else ""),
                largest=carried.largest_potential,
                carried=carried.carried_sequences,
                sequences=carried.sequences,
                which="sequences" if in_training else "evaluation passes",
            ),
            expected=Expected(
                "a potential of 0 before the first time step",
                because="the samples of two batches are unrelated"
                if not continues
                else "a state from another recording is noise; within one recording, it is meant",
            ),
        )

    def is_carried(self, state: StateReading) -> bool:
        """Return whether most sequences began with a state that was left over, as a habit."""
        often = state.carried_sequences >= self.max_carried_fraction * state.sequences
        return state.carried_sequences >= self.min_carried_sequences and often
