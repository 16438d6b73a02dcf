"""A loss that the updates make larger: its sign is wrong, or that of the updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import LOGISTIC, learning_of, makes_progress
from spikecheck.checks.progress import update_readings, weight_names
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.loss_readings import LossTermReading
from spikecheck.readings import LossReading
from spikecheck.site import LIKELIHOOD, Moment, Site, SiteKind

#: A term of the sum that is below 0 has the wrong sign: these are 0 or more.
NEVER_NEGATIVE = (
    LIKELIHOOD,
    *("cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"),
    *LOGISTIC,
)
SUBTRACTED = "backward() is called on a sum that it enters with a minus sign"
NOT_NEGATED = "backward() is called on the log-likelihood, without its minus sign"
UPHILL = "the optimizer adds the gradient to the weights instead of subtracting it"
WITHOUT_SIGN = "# without the minus sign, here and where the loss is added up"
NEGATED = "# or with a minus sign before your own sum\nloss = torch.nn.functional.cross_entropy(model(x), y)"
MINIMIZING = """# maximize=False is the default; in an optimizer of your own: parameter.data -= lr * parameter.grad
for group in optimizer.param_groups:
    group["maximize"] = False"""


@dataclass(frozen=True)
class MaximizedLoss(Check):
    """The updates make the loss larger instead of smaller: it is maximized.

    ## What it means
    The loss grows from the first updates on, and the network gets better at being wrong. Either of two signs can
    be wrong: that of the loss, such as when a loss replaced a reward and the minus sign stayed, or that of the updates,
    such as with `maximize=True`. Large logits, large weights and many spikes are the consequences.

    ## Example
    ```python broken
    logits = model(x)
    loss = -torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    logits = model(x)
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## Fix
    ```python any
    # torch's losses are minimized as they are; only what is to become large, such as a reward, gets a minus sign
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    ```

    ## When it is intended
    An adversary is trained, or the network is meant to unlearn data.
    ```toml
    [tool.spikecheck.ignore]
    "SPK326" = "unlearning"
    ```

    ## How it is decided
    Only losses that are never below 0 are judged: torch's cross-entropies and distances, and a negative log-likelihood
    that the script takes from `log_softmax`. Over {min_updates} updates or more, the loss has to rise, end well above
    where it began, or become NaN or infinite, and no loss may fall or be learned. One of these has to show why:

    - the computation graph of the sum that `backward()` is called on gives the loss a negative factor in all updates;
    - that sum is a log-likelihood without a minus sign;
    - every weight that moves is moved uphill in {min_uphill_share:%} of the compared updates or more: the product of
      update and gradient, entry by entry, is above 0. Momentum goes uphill now and then, but rarely at first.
    """

    id: ClassVar = "SPK326"
    slug: ClassVar = "maximized-loss"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explains: ClassVar = (
        *("SPK201", "SPK203", "SPK204", "SPK206", "SPK212", "SPK301", "SPK309", "SPK312", "SPK313"),
        *("SPK402", "SPK403", "SPK405", "SPK406", "SPK407"),
    )
    ranks_first: ClassVar = True
    message: ClassVar = "updates made {site} larger, from {first:n} to {now:n}: {why}"

    min_updates: int = limit(16, why="judgment call: the first losses are noisy, and a warm-up may raise them a little")
    min_uphill_share: float = limit(
        0.9,
        why="measured: 0 to 0.63 in ten networks that learn, after the first ten updates; 1 with maximize=True",
        maximum=1,
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a loss rises, and its sign or that of the updates is the reason."""
        loss, learning = readings.all[LossReading], learning_of(readings)
        if loss.function not in NEVER_NEGATIVE or learning is None or readings.run.update < self.min_updates:
            return
        if not learning.rises or makes_progress(readings):
            return
        subtracted = is_subtracted(readings)
        if not subtracted and not self.goes_uphill(readings):
            return
        yield self.finding(
            site,
            observed=Observed(
                "{loss} of {first:n} at first, and {now:n} after {updates} updates",
                loss=loss.function,
                first=learning.first,
                now=learning.level,
                updates=readings.run.update,
            ),
            expected=Expected("a loss that falls", because="a loss measures how wrong the output is"),
            when=Moment(0),
            fixes=(Fix(fix_of(loss.function) if subtracted else MINIMIZING),),
            why=UPHILL if not subtracted else NOT_NEGATED if loss.function == LIKELIHOOD else SUBTRACTED,
        )

    def goes_uphill(self, readings: Readings) -> bool:
        """Return whether nearly every update of each weight that moves went along its gradient."""
        updates = update_readings(readings, weight_names(readings)).values()
        moving = [one for one in updates if one.unmoved_updates < one.updates]
        return bool(moving) and all(
            one.uphill_updates >= self.min_uphill_share * (one.updates - one.unmoved_updates) for one in moving
        )


def fix_of(function: str) -> str:
    """Return code that gives a loss the right sign."""
    if function == LIKELIHOOD:
        return NEGATED
    return f"{WITHOUT_SIGN}\nloss = torch.nn.functional.{function}(model(x), y)"


def is_subtracted(readings: Readings) -> bool:
    """Return whether a loss, which is never negative, was a negative term of the sum in all updates."""
    term = readings.all.get(LossTermReading)
    return term is not None and 0 < term.negative_updates == term.updates
