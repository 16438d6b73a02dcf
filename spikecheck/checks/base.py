"""What a check is, and the observations it is given to judge by."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property, wraps
from itertools import pairwise
from math import inf
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from spikecheck.checks.fixes import for_site
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill, percentage
from spikecheck.readings import RunReading
from spikecheck.settings import suggestion
from spikecheck.site import FILE_KINDS, Moment, Site, SiteKind

T = TypeVar("T", bound=float)
R = TypeVar("R")
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
#: The sections of a check's docstring, in this order; limits, causes and consequences are appended to its page.
SECTIONS = ("What it means", "Example", "Fix", "When it is intended", "How it is decided")
EXAMPLES = ("broken", "repaired")  # the two fences of an example, as their second word: ```python broken
HAND_WRITTEN = "handwritten"  # the second word of a fence whose code is for a layer of no library
WINDOWS = ("recent", "first", "all")
#: Words in the name of a limit that make it a part of a whole: it cannot be more than 1.
PARTS = ("fraction", "share", "probability")

LOSS_KINDS = SiteKind.LOGITS | SiteKind.TARGETS | SiteKind.LOSS | SiteKind.REGRESSION_TARGET | SiteKind.LABELS
LOSS_KINDS |= SiteKind.LOSS_TERMS | SiteKind.CLASS_WEIGHTS


def limit(default: T, *, why: str, minimum: float = 0, maximum: float = inf) -> T:
    """Declare a number that a check judges by; `[tool.spikecheck.<ID>]` in pyproject.toml sets another.

    Args:
        default: the number, an int where only whole numbers make sense.
        why: where the number comes from: derived, measured, published, or a judgment call.
        minimum: the smallest value that can work. Settings with a smaller one are refused.
        maximum: the largest value that can work; 1 by itself where the name says fraction, share or probability.
    """
    value: Any = field(default=default, metadata={"why": why, "minimum": minimum, "maximum": maximum})
    return value  # type: ignore[no-any-return]


def place_of(site: Site) -> str:
    """Return the name under which readings of several kinds belong together: a layer, a parameter, a loss."""
    if site.kind in LOSS_KINDS:
        return site.name.replace("logits", "loss").replace("targets", "loss")
    return site.name


ReadingsByPlace = Mapping[str, Mapping[type[Any], Any]]


@dataclass(frozen=True)
class Observations:
    """All readings of a run, by window and place, and the sites they came from."""

    run: RunReading
    sites: tuple[Site, ...]
    windows: Mapping[str, ReadingsByPlace]
    first_sites: tuple[Site, ...] = ()  # as they were at first, of those that changed: a threshold may be learned

    @cached_property
    def at_first(self) -> Observations:
        """The same with the sites as they were at first, and judged as if the run had ended."""
        first = {(site.kind, site.name): site for site in self.first_sites}
        sites = tuple(first.get((site.kind, site.name), site) for site in self.sites)
        return replace(self, run=replace(self.run, live=False), sites=sites)

    @cached_property
    def sites_with_kinds(self) -> tuple[tuple[int, Site], ...]:
        """The sites, each with the number of its kind: every check asks, and an enumeration answers slowly."""
        return tuple((site.kind.value, site) for site in self.sites)

    @cached_property
    def sites_by_name(self) -> Mapping[tuple[SiteKind, str], Site]:
        """The sites by kind and name."""
        return {(site.kind, site.name): site for site in reversed(self.sites)}

    @cached_property
    def sites_by_place(self) -> Mapping[tuple[SiteKind, str], Site]:
        """The first site of each kind by place."""
        return {(site.kind, place_of(site)): site for site in reversed(self.sites)}

    @cached_property
    def are_of_a_file(self) -> bool:
        """Whether any site is one of a checkpoint file."""
        return any(kind & FILE_KINDS.value for kind, _ in self.sites_with_kinds)

    @cached_property
    def readings_of_kind(self) -> dict[tuple[str, type[Any]], dict[str, Any]]:
        """The readings of a kind by window and place, filled by `Readings.every`: asked for at every site."""
        return {}

    @cached_property
    def _places(self) -> dict[tuple[str, str], Readings]:
        return {}

    @cached_property
    def _facts(self) -> dict[Callable[[Readings], Any], Any]:
        return {}

    def readings(self, site: Site, window: str = "recent") -> Readings:
        """Return the readings of a `site`; `window` is "recent", "first" (the first forward pass) or "all"."""
        return self.readings_at(place_of(site), window)

    def readings_at(self, place: str, window: str) -> Readings:
        """Return the readings of a `place` in a `window`, the same object each time: thousands are asked for."""
        key = place, window
        if key not in self._places:
            self._places[key] = Readings(self, place, window)
        return self._places[key]

    def fact(self, compute: Callable[[Readings], R]) -> R:
        """Return what `compute` says of the run as a whole, computed once; see `once_per_run`."""
        if compute not in self._facts:
            self._facts[compute] = compute(self.readings_at("", "all"))
        fact: R = self._facts[compute]
        return fact


@dataclass(frozen=True)
class Readings:
    """The readings of one place: `readings[SpikeReading]` is a SpikeReading."""

    observations: Observations
    place: str
    window: str = "recent"

    @cached_property
    def here(self) -> Mapping[type[Any], Any]:
        """Every reading of this place by its kind."""
        return self.observations.windows.get(self.window, {}).get(self.place, {})

    def get(self, kind: type[R]) -> R | None:
        """Return the reading of this `kind`, such as SpikeReading; None where there is none."""
        reading: R | None = self.here.get(kind)
        return reading

    def __getitem__(self, kind: type[R]) -> R:
        """Return the reading of this kind; KeyError where there is none, which `needs` rules out."""
        reading = self.get(kind)
        if reading is None:
            raise KeyError(f"there is no {kind.__name__} of {self.place}")
        return reading

    @property
    def run(self) -> RunReading:
        """The run as a whole."""
        return self.observations.run

    @property
    def first(self) -> Readings:
        """The same place in the first forward pass alone."""
        return self.observations.readings_at(self.place, "first")

    @property
    def all(self) -> Readings:
        """The same place over the whole run."""
        return self.observations.readings_at(self.place, "all")

    def at(self, name: str | None) -> Readings:
        """Return another place: a layer or a parameter by its `name`; without readings where there is none."""
        return self.observations.readings_at(name or "", self.window)

    def site(self, kind: SiteKind) -> Site | None:
        """Return this place's site of another `kind`."""
        return self.observations.sites_by_place.get((kind, self.place))

    def every(self, kind: type[R]) -> dict[str, R]:
        """Return every reading of this `kind` in the model, by place."""
        known, key = self.observations.readings_of_kind, (self.window, kind)
        if key not in known:
            window = self.observations.windows.get(self.window, {})
            known[key] = {name: readings[kind] for name, readings in window.items() if kind in readings}
        return known[key]


def once_per_run(compute: Callable[[Readings], R]) -> Callable[[Readings], R]:
    """Let a function say what it does of the run as a whole once, and not again for each check and site that asks."""

    @wraps(compute)
    def fact(readings: Readings) -> R:
        return readings.observations.fact(compute)

    return fact


@dataclass(frozen=True)
class Check:
    """One way in which a network can be unwell. The docstring of a subclass is its documentation.

    Class attributes:
        id, slug, severity, since: what lists and pages show.
        sites: the kinds of sites it judges.
        needs: the readings without which it cannot run.
        explained_by: ids of the checks whose findings would make a finding of this one a mere consequence.
        explains: the same relation from the other end; both are merged when checks are discovered.
        ascending: groups of limits that contradict each other unless they are in this order.
        self_resolving: training can repair what it finds; see `may_be_repaired`.
        ranks_first: its findings, and what they are consequences of, come before all other root causes.
        of_first_loss: it matters for high first losses alone, which may fall within a few updates.
        message: one line, with the numbers of `Observed` in braces.
        past: what a report says once it is over, such as "{site} was silent"; the slug and the site by default.
    """

    id: ClassVar[str]
    slug: ClassVar[str]
    severity: ClassVar[Severity]
    since: ClassVar[str]
    sites: ClassVar[SiteKind]
    needs: ClassVar[tuple[type[Any], ...]] = ()
    explained_by: ClassVar[tuple[str, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()
    ascending: ClassVar[tuple[tuple[str, ...], ...]] = ()
    self_resolving: ClassVar[bool] = False
    ranks_first: ClassVar[bool] = False
    of_first_loss: ClassVar[bool] = False
    message: ClassVar[str]
    past: ClassVar[str] = ""

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding for everything that is wrong at the `site`; a check that yields nothing has passed.

        `readings` are those of the site in the recent forward passes; `readings.first` and `readings.all` are those of
        the first forward pass and of the whole run.
        """
        raise NotImplementedError

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether a `finding` of this check no longer holds; `made_now`: `judge` makes it of these `readings`.

        By default a finding is over once `judge` does not make it. That is wrong for a check that judges by the whole
        run or its beginning, which says here what ends a finding; and for a finding that removes its own evidence,
        such as updates that were so large that no gradient is left. Of readings that are not finite, and of sites that
        are no longer observed, nothing is over, and this is not called.
        """
        return not made_now

    def may_be_repaired(self, finding: Finding) -> bool:
        """Return whether training can repair a `finding` of this check, so that its warning waits for a while."""
        return self.self_resolving

    def restated(self, finding: Finding, readings: Readings) -> Finding:
        """Return a `finding` that `judge` no longer makes and that is not over, with what the `readings` show now."""
        return finding

    def past_message(self, site: Site) -> str:
        """Return the finding at a `site` in the past tense, without its date."""
        return fill(self.past or "{name} at {site}", site=site, name=self.slug.replace("-", " "))

    def finding(
        self,
        site: Site,
        *,
        observed: Observed,
        expected: Expected,
        severity: Severity | None = None,
        when: Moment | None = None,
        excess: float = 0.0,
        fixes: tuple[Fix, ...] | None = None,
        **numbers: Any,
    ) -> Finding:
        """Return a finding of this check.

        Args:
            site: where it is.
            observed: what was observed; its numbers fill the message.
            expected: what a healthy network would show.
            severity: in place of the check's own.
            when: since when, where the check knows; by default, the update in which it is first found.
            excess: how far beyond its limit, in powers of ten: root causes are sorted by it.
            fixes: code with numbers of this run, in place of the code in the check's text.
            numbers: further numbers for the message.
        """
        return Finding(
            check=self.id,
            slug=self.slug,
            severity=self.severity if severity is None else severity,
            site=site,
            message=fill(self.message, site=site, **{**observed.numbers, **numbers}),
            observed=observed,
            expected=expected,
            fixes=self.fixes(site) if fixes is None else fixes,
            when=UNDATED if when is None else when,
            explained_by=self.explained_by,
            excess=excess,
            ranks_first=self.ranks_first,
        )

    def fixes(self, site: Site, library: str | None = None) -> tuple[Fix, ...]:
        """Return the code of the Fix section for a `site` and its `library`: the library's block, else that for any.

        Code for a hand-written layer is not shown to somebody who uses a library: it would set what is not there.
        """
        blocks, library = self.fix_by_library(), site.framework or library
        own = HAND_WRITTEN if library in (None, "torch") else library
        if own in blocks:
            return for_site(blocks[own], site, "any" if own == HAND_WRITTEN else own)
        return for_site(blocks["any"], site, "any") if "any" in blocks else ()

    @classmethod
    @cache
    def sections(cls) -> Mapping[str, str]:
        """Return the docstring by its `##` headings, limits filled in; the summary is under the empty heading."""
        text = inspect.cleandoc(cls.__doc__ or "")
        for name, (default, _) in cls.limits().items():
            text = text.replace("{" + name + "}", in_prose(default)).replace("{" + name + ":%}", percentage(default))
        head, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        parts = {"": head.strip()} | {t: b.strip() for t, b in zip(rest[::2], rest[1::2], strict=True)}
        return MappingProxyType(parts)

    @classmethod
    @cache
    def fix_by_library(cls) -> Mapping[str, str]:
        """Return the code of the Fix section by library; `any` is for all of them, `handwritten` for none of them."""
        blocks = FENCE.findall(cls.sections().get("Fix", ""))
        return MappingProxyType({library or "any": code.strip() for _, library, code in blocks})

    @classmethod
    def limits(cls) -> dict[str, tuple[Any, str]]:
        """Return every limit: its default, and why."""
        return {f.name: (f.default, f.metadata["why"]) for f in fields(cls)}

    @classmethod
    def configured(cls, values: Mapping[str, Any], place: str = "[tool.spikecheck]") -> Check:
        """Return the check with limits set to these `values`, by name.

        Raises:
            SpikecheckError: a limit is unknown, of another type, cannot work, or contradicts another; `place` says
                where it was set.
        """
        known = {f.name: f.default for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                has = f"it has {', '.join(known) or 'no limits'}"
                raise SpikecheckError(f"{place} {cls.id}: there is no limit {name} ({has}){suggestion(name, known)}")
            whole = isinstance(known[name], int)
            number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not number or not -inf < value < inf:
                wanted = "a whole number" if whole else "a number"
                raise SpikecheckError(f"{place} {cls.id}: {name} = {value!r} must be {wanted}")
        check = cls(**values)
        for conflict in check.conflicts():
            raise SpikecheckError(f"{place} {cls.id}: {conflict}")
        return check

    def conflicts(self) -> Iterator[str]:
        """Yield a sentence for each limit that cannot work, and each two that contradict each other.

        A check whose limits depend on each other in another way than `ascending` says adds its own.
        """
        for f in fields(self):
            value, low, high = getattr(self, f.name), f.metadata.get("minimum", -inf), f.metadata.get("maximum", inf)
            high = min(high, 1) if any(part in f.name.split("_") for part in PARTS) else high
            if not low <= value <= high:
                allowed = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
                yield f"{f.name} = {value:g} cannot work: it must be {allowed}"
        names = {f.name for f in fields(self)}
        pairs = [(name, "max_" + name[4:]) for name in sorted(names) if name.startswith("min_")]
        pairs = [pair for pair in pairs if pair[1] in names]
        for low, high in (*pairs, *(pair for group in self.ascending for pair in pairwise(group))):
            if getattr(self, low) > getattr(self, high):
                yield (
                    f"{low} = {getattr(self, low):g} contradicts {high} = {getattr(self, high):g}: "
                    f"{low} must not be larger than {high}"
                )


def in_prose(value: float) -> str:
    """Return a limit as a sentence has it: 4 for 4.0, 3,000 for 3000, and 1e-5 for 0.00001."""
    return f"{int(value):,}" if value == int(value) else f"{value}".replace("e-0", "e-")


UNDATED = Moment(update=-1)  # the check does not know when it was first so: the judge fills it in
