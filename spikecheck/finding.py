"""What checks report: findings with observed and expected numbers, verdicts, and what was not observed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import MappingProxyType, SimpleNamespace
from typing import Any, TypeAlias

from spikecheck.number_format import fill
from spikecheck.site import Moment, Site

SHOWN_INTERVALS = 4  # in one line of a report


class Severity(IntEnum):
    """How bad a finding is; ordered, so that `severity >= Severity.WARNING` works."""

    NOTE = 1  # unusual, have a look
    WARNING = 2  # probably harms
    ERROR = 3  # training cannot work while this holds

    @classmethod
    def named(cls, name: str) -> Severity:
        """Return the severity of this `name`, in any case of letters.

        Raises:
            KeyError: there is no such severity.
        """
        return cls[name.upper()]

    @property
    def label(self) -> str:
        """The name as reports and settings write it."""
        return self.name.lower()


class FindingState(Enum):
    """Whether a finding holds at the end of what was observed."""

    ACTIVE = "active"
    OVER = "over"
    INTERMITTENT = "intermittent"  # it came and went, and does not hold now


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From which update to which something held, as far as evaluations saw it; 0 is before the first update."""

    first: int
    last: int

    def __str__(self) -> str:
        if self.first == self.last:
            return f"{self.last:,}"
        return f"{self.first:,} to {self.last:,}"


Value: TypeAlias = str | float | Sequence[str | float | None] | None  # what evidence can store of a phrase


class Phrase:
    """A sentence with numbers: a `template`, and the `numbers` that fill it.

    `spikecheck.number_format` lists the format specifications: `{value:n}`, `{share:%}`, `{ratio:x}`.
    """

    __slots__ = ("_numbers", "text")

    def __init__(self, template: str, /, **numbers: Value) -> None:
        self.text = fill(template, **numbers) if numbers else template
        self._numbers = numbers

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The numbers by name, read-only."""
        return MappingProxyType(self._numbers)

    def restore(self, text: str, numbers: Mapping[str, Any]) -> None:
        """Take the text and the numbers of a phrase that was stored: the text is no template."""
        self.text, self._numbers = text, dict(numbers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Phrase) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class Observed(Phrase):
    """What was observed."""

    __slots__ = ()


class Expected(Phrase):
    """What a healthy network would show: a `template` with its `numbers`; `because` is the reason, in one clause."""

    __slots__ = ("because",)

    def __init__(self, template: str, /, *, because: str = "", **numbers: Value) -> None:
        super().__init__(template, **numbers)
        self.because = because


@dataclass(frozen=True, slots=True)
class Fix:
    """Code that removes the cause, for the objects and the library of this run; always valid Python.

    `model` is the expression by which the code reaches the model. `applies` is whether the code changes that model and
    needs nothing else, so that `apply` can run it on a live one. Otherwise, it is code for the script: its loss, its
    loop, its data. What was read from a file never applies.
    """

    code: str
    library: str = "any"
    model: str = "model"
    applies: bool = False

    def apply(self, model: object) -> None:
        """Run the code on a live `model`.

        Raises:
            ValueError: the fix is code for the script.
        """
        if not self.applies:
            raise ValueError("this fix is code for the script: it cannot be applied to a model")
        name, *inner = self.model.split(".")
        for attribute in reversed(inner):
            model = SimpleNamespace(**{attribute: model})
        exec(compile(self.code, "<fix>", "exec"), {name: model, "torch": sys.modules.get("torch")})


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check reports at a site.

    `check` is the id and `slug` the name of the check, `message` the sentence that reports show first, `observed` and
    `expected` the two sides of the comparison with their numbers, and `fixes` the code, the best first. `site` says
    where (a layer, a parameter, the input), `when` in which update it was first seen, and `state` whether it is still
    active; `intervals` are the updates in which it was. `explained_by` names the checks whose findings explain it, and
    `explains_others` is False where this one explains none, although its check may. One that `ranks_first` spoils what
    every other finding is judged by, or keeps training from repairing anything.
    """

    check: str
    slug: str
    severity: Severity
    site: Site
    message: str
    observed: Observed
    expected: Expected
    fixes: tuple[Fix, ...] = ()
    when: Moment = Moment()
    explained_by: tuple[str, ...] = ()
    excess: float = 0.0  # how far beyond its limit, in powers of ten: sorts root causes
    state: FindingState = FindingState.ACTIVE
    intervals: tuple[Interval, ...] = ()  # when it held, as far as evaluations during the run saw it
    explains_others: bool = True
    ranks_first: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for two findings of the same check at the same site."""
        return self.check, self.site.kind.label, self.site.name

    @property
    def dates(self) -> str:
        """When it held, as in "updates 3 to 14 and 40 to 52"; empty where no evaluation saw it."""
        return dates(self.intervals)

    @property
    def fix(self) -> str:
        """The code of the first fix; empty where there is none."""
        return self.fixes[0].code if self.fixes else ""

    def __str__(self) -> str:
        return f"{self.check} {self.slug}: {self.message}"


def dates(intervals: tuple[Interval, ...]) -> str:
    """Return intervals as a report writes them: "until update 14", "updates 3 to 14 and 40 to 52"."""
    if not intervals:
        return ""
    first, *later = intervals
    parts = list(map(str, later))
    if len(parts) >= SHOWN_INTERVALS:
        parts = [*parts[: SHOWN_INTERVALS - 2], f"{len(parts) - SHOWN_INTERVALS + 2:,} times more"]
    if first.first == 0:
        head = "before the first update" if first.last == 0 else f"until update {first.last:,}"
        parts = [f"updates {parts[0]}", *parts[1:]] if parts else []
    else:
        head = f"{'update' if first.first == first.last and not parts else 'updates'} {first}"
    return head if not parts else ", ".join([head, *parts[:-1]]) + f" and {parts[-1]}"


class Outcome(Enum):
    """The four outcomes of a check. Only a check that had its readings can find something, or pass."""

    FINDINGS = "found"
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"  # the model has no such site
    COULD_NOT_RUN = "could not run"  # there is such a site, without the readings that the check needs


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check in one run."""

    check: str
    slug: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    ignored: tuple[str, ...] = field(default=())  # findings that were ignored, with the reason
    history: tuple[Finding, ...] = ()  # findings that no longer hold, in the past tense
    failed: bool = False  # a check of another package raised: `reason` says what
    meaning: str = ""  # of its findings, from the page of the check: for a reader who has only the report


class UnseenKind(Enum):
    """What was not observed, for code: behavior depends on this alone, never on the sentence beside it."""

    FORWARD_PASS = "no forward pass"
    SPIKING_LAYER = "no spiking layer"
    LOSS = "no loss"
    BACKWARD_PASS = "no backward pass"
    UPDATE = "no optimizer update"
    LEARNING = "no learning"
    UNCLEAR_LEARNING = "whether anything is learned"  # no loss can tell: what a guess would have is not known
    MOST_OF_LEARNING = "most of learning"  # the loss is below that of a guess, and not down to half of it
    REST_OF_LEARNING = "the rest of learning"  # the same, and it still falls
    TOO_EARLY = "too few losses"  # to tell whether anything is learned
    CAUSE = "no cause"  # little is learned, and no check shows why
    SITE = "a site without numbers"  # a layer or an input that was found, and could not be measured
    EARLIER_UPDATES = "the updates before the watching began"
    SUBSTITUTE = "a substitute"  # made-up data or another loss took the place of the real one
    FILE_CONTENT = "part of a file"
    FILE_LIMIT = "a limit of the file reader"  # tensors that were not looked at: such a file is never called healthy
    FILE_CLAIM = "a claim of the file"  # evidence of a run is only as true as whoever wrote the file
    EVIDENCE_REFUSED = "evidence refused"  # a file holds evidence of a run that cannot be used
    MODEL_NOT_RUN = "model not run"  # a run of the model was asked for, and did not happen
    EXTENSION = "unusable extension"  # another package's check or framework was left out, or failed
    SETTING = "a setting without effect"  # it names a site that was not observed
    RANK = "a rank"  # another process of the run, of which nothing or not everything was received
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that was looked for and not observed, and in `text` what would show it."""

    kind: UnseenKind
    text: str

    def __str__(self) -> str:
        return self.text
