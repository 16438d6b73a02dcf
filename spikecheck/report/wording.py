"""The sentences that belong to no check: a finding as a warning, and what a run did not show."""

from __future__ import annotations

from collections.abc import Mapping

from spikecheck.diagnosis import Cause
from spikecheck.finding import Unseen, UnseenKind
from spikecheck.number_format import number, percentage
from spikecheck.readings import RunReading
from spikecheck.report.format import by_check, ignore_hint, other_sites

NO_GRAPH = "does not require grad"  # in torch's message on a loss that no weight leads to
SWITCHED_OFF = Unseen(UnseenKind.FORWARD_PASS, "nothing was watched: SPIKECHECK is set to off in the environment")


def warning_text(cause: Cause) -> str:
    """Return a root cause as one warning: what was observed and expected, what it led to, and last how to fix it.

    The code of the fix begins in the first column, so that it can be pasted as it is.
    """
    finding = cause.finding
    lines = [
        f"{finding.check} {finding.slug}: {finding.message}",
        f"observed: {finding.observed.text}",
        f"expected: {finding.expected.text}",
        *(f"led to: {group[0].check} {group[0].message}{other_sites(group)}" for group in by_check(cause.consequences)),
        f"ignore: {ignore_hint(finding)}",
        *(["fix:"] if finding.fix else []),
    ]
    text = "\n".join(lines).replace("\n", "\n  ")
    return f"{text}\n{finding.fix}" if finding.fix else text


def unobserved(
    run: RunReading,
    layers: int,
    loss: bool,
    optimizer: str | None,
    sites: Mapping[str, str],
    unlearned: int | None = None,
    far: tuple[float, float, bool] | None = None,
    early: int | None = None,
    knows_a_guess: bool = True,
) -> tuple[Unseen, ...]:
    """Return what a run did not show, each with what would show it.

    `sites` could not be measured, by name with why. `unlearned` is after how many losses none shows that anything is
    learned; None where one does, or there are too few. `far` is a loss that shows it, and is far above 0, the loss
    of a guess, and whether it still falls. `early` is how many losses there were, where they are too few to tell.
    Without `knows_a_guess`, no loss can tell whether a network that gets no better learns.
    """
    if run.forward_passes == 0:
        return (
            Unseen(
                UnseenKind.FORWARD_PASS,
                "the model was not called after attach(); run a batch through it and ask for the report again. "
                'Code that is not called as a module can show its spikes with spikecheck.tap("layer name", spikes)',
            ),
            *(Unseen(UnseenKind.SITE, f"{name}: {why}") for name, why in sites.items()),
        )
    missing = []
    if layers == 0:
        tip = 'name them with spikes=("layer name", ...), or call spikecheck.tap("name", spikes) in forward()'
        missing.append(Unseen(UnseenKind.SPIKING_LAYER, f"no spiking layer was recognized; {tip}"))
    if not loss:
        tip = "compute it with torch.nn or torch.nn.functional, or pass loss=criterion (a module)"
        missing.append(Unseen(UnseenKind.LOSS, f"no loss was observed; {tip}"))
    if run.backward_passes == 0:
        missing.append(
            Unseen(UnseenKind.BACKWARD_PASS, "no backward pass was observed, so gradients could not be checked")
        )
    if optimizer is None:
        text = f"no optimizer update was observed, so updates could not be checked; {why_no_update(run)}"
        missing.append(Unseen(UnseenKind.UPDATE, text))
    elif unlearned is not None and not knows_a_guess:
        text = (
            f"after {unlearned} updates, no loss shows whether anything is learned: it is not known what a guess "
            "without the input would have, and none clearly falls; look at the accuracy, or at the return of episodes"
        )
        missing.append(Unseen(UnseenKind.UNCLEAR_LEARNING, text))
    elif unlearned is not None:
        text = (
            f"after {unlearned} updates, no loss shows that anything is learned: none is clearly below that of a "
            "guess, or clearly falling if that is not known; train longer, or look at the accuracy"
        )
        missing.append(Unseen(UnseenKind.LEARNING, text))
    elif far is not None:
        level, guess, falls = far
        text = f"the loss is {number(level)}, {percentage(level / guess)} of what a guess without the input has"
        kind = UnseenKind.REST_OF_LEARNING if falls else UnseenKind.MOST_OF_LEARNING
        missing.append(Unseen(kind, text + ", and still falls" * falls))
    elif early is not None:
        text = f"{early} update{'s are' if early > 1 else ' is'} too few to tell whether anything is learned"
        missing.append(Unseen(UnseenKind.TOO_EARLY, text))
    return (*missing, *(Unseen(UnseenKind.SITE, f"{name}: {why}") for name, why in sites.items()))


def why_no_update(run: RunReading) -> str:
    """Return why no optimizer made an update, as far as the run shows it, or how to name one."""
    if run.torch_errors:
        error = run.torch_errors[-1]
        tip = "; look for detach(), no_grad() or argmax() between the weights and the loss"
        return f"PyTorch raised {error.kind}: {error.text}{tip if NO_GRAPH in error.text else ''}"
    if (optimizer := run.foreign_optimizer) is not None:
        return f"{optimizer} steps, and holds none of the model's parameters: was it created before the model?"
    return "optimizer= names one that is not detected automatically"
