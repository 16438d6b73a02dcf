"""What a check is, how checks are found, and what they are given to judge by."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from graphlib import CycleError, TopologicalSorter
from math import inf
from string import digits
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, get_type_hints

from spikecheck.errors import SpikecheckError
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.packages import ExtensionCode, UnusableExtension, entry_points_of
from spikecheck.readings import RunReading
from spikecheck.settings import ID, suggestion
from spikecheck.site import Moment, Site, SiteKind

T = TypeVar("T")
R = TypeVar("R")
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
#: The sections of a check's docstring, in this order; limits, causes and consequences are appended to its page.
SECTIONS = ("What it means", "Example", "Fix", "When it is intended", "How it is decided")
EXAMPLES = ("broken", "repaired")  # the two fences of an example, as their second word: ```python broken
WINDOWS = ("recent", "first", "all")

LOSS_KINDS = SiteKind.LOGITS | SiteKind.TARGETS | SiteKind.LOSS | SiteKind.REGRESSION_TARGET | SiteKind.LABELS


def limit(default: T, *, why: str) -> T:
    """A number a check judges by; `[tool.spikecheck.<ID>]` in pyproject.toml sets another."""
    value: Any = field(default=default, metadata={"why": why})
    return value  # type: ignore[no-any-return]


def place_of(site: Site) -> str:
    """The name under which readings of several kinds belong together: a layer, a parameter, a loss."""
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

    def readings(self, site: Site, window: str = "recent") -> Readings:
        """What was read at a site."""
        return Readings(self, place_of(site), window)


@dataclass(frozen=True)
class Readings:
    """What was read at one place: `readings[SpikeReading]`, typed by what is asked for."""

    observations: Observations
    place: str
    window: str = "recent"

    def get(self, kind: type[R]) -> R | None:
        """The reading of this kind, None where nothing was read."""
        reading: R | None = self.observations.windows.get(self.window, {}).get(self.place, {}).get(kind)
        return reading

    def __getitem__(self, kind: type[R]) -> R:
        """The reading of this kind; KeyError where nothing was read, which `needs` rules out."""
        reading = self.get(kind)
        if reading is None:
            raise KeyError(f"{kind.__name__} was not read at {self.place}")
        return reading

    @property
    def run(self) -> RunReading:
        """The run as a whole."""
        return self.observations.run

    @property
    def first(self) -> Readings:
        """The same place in the first forward alone."""
        return Readings(self.observations, self.place, "first")

    @property
    def all(self) -> Readings:
        """The same place over the whole run."""
        return Readings(self.observations, self.place, "all")

    def at(self, name: str | None) -> Readings:
        """Another place: a layer by its name, a parameter by its name; empty where there is none."""
        return Readings(self.observations, name or "", self.window)

    def site(self, kind: SiteKind) -> Site | None:
        """This place's site of another kind."""
        return next((s for s in self.observations.sites if s.kind is kind and place_of(s) == self.place), None)

    def every(self, kind: type[R]) -> dict[str, R]:
        """Every reading of this kind in the model, by place."""
        window = self.observations.windows.get(self.window, {})
        return {name: readings[kind] for name, readings in window.items() if kind in readings}


@dataclass(frozen=True)
class Check:
    """One way in which a network can be unwell. The docstring of a subclass is its documentation."""

    id: ClassVar[str]
    slug: ClassVar[str]
    severity: ClassVar[Severity]
    since: ClassVar[str]
    sites: ClassVar[SiteKind]
    needs: ClassVar[tuple[type[Any], ...]] = ()
    explained_by: ClassVar[tuple[str, ...]] = ()
    self_resolving: ClassVar[bool] = (
        False  # can training mend it? Then it is a note, once it is over and the loss has halved
    )
    downgrade_on_any_progress: ClassVar[bool] = (
        False  # or is below a guess's: where there was something to learn from all the time
    )
    message: ClassVar[str]

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding for everything that is wrong at the site; yielding nothing means clear."""
        raise NotImplementedError

    def finding(
        self,
        site: Site,
        *,
        observed: Observed,
        expected: Expected,
        severity: Severity | None = None,
        when: Moment | None = None,
        excess: float = 0.0,
        **numbers: Any,
    ) -> Finding:
        """A finding of this check; `numbers` and the numbers of `seen` fill the message."""
        return Finding(
            check=self.id,
            slug=self.slug,
            severity=self.severity if severity is None else severity,
            site=site,
            message=fill(self.message, site=site, **{**observed.numbers, **numbers}),
            observed=observed,
            expected=expected,
            fixes=self.fixes(site),
            when=UNDATED if when is None else when,
            explained_by=self.explained_by,
            excess=excess,
        )

    def fixes(self, site: Site) -> tuple[Fix, ...]:
        """Return the code of the Fix section for the site's library: its own block, else the one for any."""
        blocks = self.fix_by_library()
        library = site.framework if site.framework is not None and site.framework in blocks else "any"
        return (Fix(with_layer_name(blocks[library], site), library),) if library in blocks else ()

    @classmethod
    @cache
    def sections(cls) -> Mapping[str, str]:
        """Return the docstring by its `##` headings, limits filled in; the summary is under the empty heading."""
        text = inspect.cleandoc(cls.__doc__ or "")
        for f in fields(cls):
            text = text.replace("{" + f.name + "}", f"{f.default}")
        head, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        parts = {"": head.strip()} | {t: b.strip() for t, b in zip(rest[::2], rest[1::2], strict=True)}
        return MappingProxyType(parts)

    @classmethod
    @cache
    def fix_by_library(cls) -> Mapping[str, str]:
        """Return the code of the Fix section by library; `any` is for all of them."""
        blocks = FENCE.findall(cls.sections().get("Fix", ""))
        return MappingProxyType({library or "any": code.strip() for _, library, code in blocks})

    @classmethod
    def limits(cls) -> dict[str, tuple[Any, str]]:
        """Every limit: its default, and why."""
        return {f.name: (f.default, f.metadata["why"]) for f in fields(cls)}

    @classmethod
    def configured(cls, values: Mapping[str, Any], place: str = "[tool.spikecheck]") -> Check:
        """The check with other limits; SpikecheckError where one is unknown or of another type, and `place` in it."""
        known = {f.name: f.default for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                has = f"it has {', '.join(known) or 'no limits'}"
                raise SpikecheckError(f"{place} {cls.id}: {name} is not known ({has}){suggestion(name, known)}")
            whole = isinstance(known[name], int)
            number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not number or not -inf < value < inf:
                wanted = "a whole number" if whole else "a number"
                raise SpikecheckError(f"{place} {cls.id}: {name} = {value!r}: {wanted} is wanted")
        return cls(**values)


#: What the attributes are that lists and pages show: of another package's check, they are looked at when it is loaded.
ATTRIBUTE_TYPES = {
    **dict.fromkeys(("id", "slug", "since", "message"), str),
    **dict.fromkeys(("needs", "explained_by"), tuple),
    "severity": Severity,
    "sites": SiteKind,
}
UNDATED = Moment(update=-1)  # the check does not know since when: whoever judges fills it in

OWNED_KINDS = SiteKind.PARAMETER | SiteKind.STORED | SiteKind.STORED_NEURON  # named after the layer they belong to


def with_layer_name(code: str, site: Site) -> str:
    """The fix with the layer's own name in place of the word `layer`, as the user's script would write it."""
    if site.kind not in SiteKind.CURRENT | SiteKind.SPIKES | SiteKind.POTENTIAL | SiteKind.STATE | OWNED_KINDS:
        return code
    owner = site.name.rpartition(".")[0] if site.kind in OWNED_KINDS else site.name
    path = "".join(f"[{part}]" if part[0] in digits else f".{part}" for part in owner.split(".") if part)
    return re.sub(r"\blayer\b(?=\.)", f"model{path}", code)


@cache
def own_checks() -> dict[str, type[Check]]:
    """The checks of this folder by their ids, in order."""
    found: dict[str, type[Check]] = {}
    package = importlib.import_module("spikecheck.checks")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("spk"):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            here = [t for t in vars(module).values() if is_check(t) and t.__module__ == module.__name__]
            found |= {check.id: check for check in here}
    return dict(sorted(found.items()))


def discover() -> dict[str, type[Check]]:
    """Every check by its id, in order: ours, then those that other packages' entry points name."""
    return discover_all()[0]


def unusable_extensions() -> tuple[UnusableExtension, ...]:
    """What other packages offer as checks, and cannot be used."""
    return discover_all()[1]


@cache
def discover_all() -> tuple[dict[str, type[Check]], tuple[UnusableExtension, ...]]:
    """The checks that can be used, and the offers that cannot."""
    found, unusable = dict(own_checks()), []
    for point in entry_points_of("spikecheck.checks"):
        with ExtensionCode() as code:
            check = validated(point.load(), found)
            found[check.id] = check
        if code.why:
            unusable.append(UnusableExtension.of("check", point, code.why))
    return {**own_checks(), **dict(sorted(found.items()))}, tuple(unusable)


def validated(offer: Any, known: Mapping[str, type[Check]]) -> type[Check]:
    """The check that another package offers; SpikecheckError where it is none, or would be mistaken for another."""
    if not is_check(offer):
        raise SpikecheckError("it is no subclass of spikecheck.checks.base.Check")
    check: type[Check] = offer
    if lacking := [name for name in get_type_hints(Check) if not hasattr(check, name)]:
        raise SpikecheckError(f"it lacks {' and '.join(lacking)}")
    for name, kind in ATTRIBUTE_TYPES.items():
        if not isinstance(getattr(check, name), kind):
            raise SpikecheckError(f"its {name} is no {kind.__name__}")
    if not ID.fullmatch(check.id) or check.id.startswith("SPK"):
        raise SpikecheckError(
            f"its id {check.id!r} is not of the form LAB001, or begins with SPK, which is spikecheck's"
        )
    for other in known.values():
        if check.id == other.id or check.slug == other.slug:
            raise SpikecheckError(f"its id {check.id} or slug {check.slug} is that of {other.id} ({other.__module__})")
    if bare := [f.name for f in fields(check) if "why" not in f.metadata]:
        raise SpikecheckError(f"its field {bare[0]} gives no reason: {bare[0]} = limit(1, why='...')")
    check()
    check.sections()
    try:
        TopologicalSorter({one.id: one.explained_by for one in (*known.values(), check)}).prepare()
    except CycleError as error:
        raise SpikecheckError(f"it explains what explains it: {' by '.join(error.args[1])}") from error
    return check


def is_check(thing: object) -> bool:
    """Is it a check, rather than the base of all checks?"""
    return inspect.isclass(thing) and issubclass(thing, Check) and thing is not Check
