"""What remains possible where no treatment is proved, as far as the findings and a look at the data tell."""

from __future__ import annotations

from collections.abc import Sequence

from spikecheck.diagnosis import Cause
from spikecheck.examination.experiments.base import NotApplicableError
from spikecheck.examination.experiments.linear_probe import LinearProbe
from spikecheck.examination.experiments.one_batch import OneBatch
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Subject
from spikecheck.experiment_readings import LinearProbeReading, OneBatchReading
from spikecheck.finding import Finding, Severity
from spikecheck.number_format import number, percentage

PLATEAUS = ("SPK302", "SPK309", "SPK312", "SPK313")  # checks that say that nothing is learned, and not why
SECONDS = 10.0  # of each look at the data
BY_HEART = 0.5  # judgment call: of the first loss, which one batch must fall below


def what_remains(subject: Subject, causes: Sequence[Cause], updates: int) -> str:
    """Return what to look at next: what was found, else the labels or the code, as a linear map of the input tells."""
    alarms = [cause.finding for cause in causes if cause.finding.severity >= Severity.WARNING]
    named = dict.fromkeys(f"{one.check} {one.slug}" for one in alarms if one.check not in PLATEAUS)
    if named:
        return f"What remains is to mend in the code itself what was found: {', '.join(named)}"
    longer = f"a task that takes more than {updates} updates: pass treatment_updates={2 * updates}"
    code = f"a fault in the code between the layers, or {longer}"
    reading = linear_probe(subject)
    if reading is None:
        return f"What remains: targets that do not belong to their inputs, {code}"
    right = percentage(reading.accuracy)
    if reading.succeeded:
        return f"The labels follow from the inputs: a linear map is right in {right}. What remains: {code}"
    return (
        f"Labels that do not belong to their inputs look like this: a linear map of the input is right in {right}, no "
        f"more often than the most frequent class ({percentage(reading.majority)}){by_heart(subject)}. Look at some "
        f"pairs of inputs and labels. What remains otherwise: labels that depend on the input in another way, {code}"
    )


def what_remains_of_data(finding: Finding) -> str:
    """Return that what no treatment heals is in the data."""
    return f"What remains is in the data ({finding.check} {finding.slug}), which no change of model or loop takes back"


def linear_probe(subject: Subject) -> LinearProbeReading | None:
    """Return how well a linear map predicts the labels that are held out; None where that cannot be tried."""

    def fit(own: Subject) -> LinearProbeReading | None:
        try:
            return LinearProbe().run(own)[0].reading  # type: ignore[no-any-return]
        except NotApplicableError:
            return None

    return run_isolated(fit, subject, seconds=SECONDS).value


def by_heart(subject: Subject) -> str:
    """Return that the network learns one batch by heart, if it does: gradients and optimizer then work."""
    result = run_isolated(lambda own: OneBatch().run(own)[0].reading, subject, seconds=SECONDS)
    reading: OneBatchReading | None = result.value
    if reading is None or not reading.lowest_loss < BY_HEART * reading.first_loss:
        return ""
    change = f"from {number(reading.first_loss)} to {number(reading.lowest_loss)}"
    return f", while the network learns one batch by heart (loss {change}), which works with any labels"
