"""What a check is, how checks are found, and what they are given to judge by."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.metadata import entry_points
from math import isnan
from string import digits
from typing import Any, ClassVar, TypeVar

from spikecheck.errors import SpikecheckError
from spikecheck.finding import Expected, Finding, Fix, Seen, Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind

T = TypeVar("T")
R = TypeVar("R")
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
WINDOWS = ("recent", "first", "all")


def limit(default: T, *, why: str) -> T:
    """A number a check judges by; `[tool.spikecheck.<ID>]` in pyproject.toml sets another."""
    value: Any = field(default=default, metadata={"why": why})
    return value  # type: ignore[no-any-return]


def place(site: Site) -> str:
    """The name under which readings of several kinds belong together: a layer, a parameter, a loss."""
    if site.kind in SiteKind.LOGITS | SiteKind.TARGETS | SiteKind.LOSS | SiteKind.AIM | SiteKind.LABELS:
        return site.name.replace("logits", "loss").replace("targets", "loss")
    return site.name


Found = Mapping[str, Mapping[type[Any], Any]]


@dataclass(frozen=True)
class Evidence:
    """All readings of a run, by window and place, and the sites they came from."""

    run: RunReading
    sites: tuple[Site, ...]
    windows: Mapping[str, Found]

    def readings(self, site: Site, window: str = "recent") -> Readings:
        """What was read at a site."""
        return Readings(self, place(site), window)


@dataclass(frozen=True)
class Readings:
    """What was read at one place: `readings[SpikeReading]`, typed by what is asked for."""

    evidence: Evidence
    place: str
    window: str = "recent"

    def get(self, kind: type[R]) -> R | None:
        """The reading of this kind, None where nothing was read."""
        reading: R | None = self.evidence.windows.get(self.window, {}).get(self.place, {}).get(kind)
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
        return self.evidence.run

    @property
    def first(self) -> Readings:
        """The same place in the first forward alone."""
        return Readings(self.evidence, self.place, "first")

    @property
    def all(self) -> Readings:
        """The same place over the whole run."""
        return Readings(self.evidence, self.place, "all")

    def at(self, name: str | None) -> Readings:
        """Another place: a layer by its name, a parameter by its name; empty where there is none."""
        return Readings(self.evidence, name or "", self.window)

    def site(self, kind: SiteKind) -> Site | None:
        """This place's site of another kind."""
        return next((s for s in self.evidence.sites if s.kind is kind and place(s) == self.place), None)

    def every(self, kind: type[R]) -> dict[str, R]:
        """Every reading of this kind in the model, by place."""
        window = self.evidence.windows.get(self.window, {})
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
    passes: ClassVar[bool] = False  # can training mend it? Then it is a note, once it is over and the loss has halved
    message: ClassVar[str]

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding for everything that is wrong at the site; yielding nothing means clear."""
        raise NotImplementedError

    def found(
        self,
        site: Site,
        *,
        seen: Seen,
        expected: Expected,
        severity: Severity | None = None,
        when: Moment | None = None,
        weight: float = 0.0,
        **numbers: Any,
    ) -> Finding:
        """A finding of this check; `numbers` and the numbers of `seen` fill the message."""
        return Finding(
            check=self.id,
            slug=self.slug,
            severity=self.severity if severity is None else severity,
            site=site,
            message=self.message.format(site=site, **{**seen.numbers, **numbers}),
            seen=seen,
            expected=expected,
            fixes=self.fixes(site),
            when=UNTOLD if when is None else when,
            explained_by=self.explained_by,
            weight=weight,
        )

    def fixes(self, site: Site) -> tuple[Fix, ...]:
        """The code of the Fix section that fits the site's library: its own block, else the one for any."""
        blocks = {library or "any": code for _, library, code in FENCE.findall(self.sections()["Fix"])}
        library = site.framework if site.framework is not None and site.framework in blocks else "any"
        return (Fix(named(blocks[library].strip(), site), library),) if library in blocks else ()

    @classmethod
    def sections(cls) -> dict[str, str]:
        """The docstring by its `##` headings, limits filled in; the summary stands under the empty heading."""
        text = inspect.cleandoc(cls.__doc__ or "")
        for f in fields(cls):
            text = text.replace("{" + f.name + "}", f"{f.default}")
        head, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        return {"": head.strip()} | {t: b.strip() for t, b in zip(rest[::2], rest[1::2], strict=True)}

    @classmethod
    def limits(cls) -> dict[str, tuple[Any, str]]:
        """Every limit: its default, and why."""
        return {f.name: (f.default, f.metadata["why"]) for f in fields(cls)}

    @classmethod
    def configured(cls, values: Mapping[str, Any]) -> Check:
        """The check with other limits; SpikecheckError where one is unknown or of another type."""
        known = {f.name: f.default for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise SpikecheckError(
                    f"[tool.spikecheck.{cls.id}] {name}: {cls.id} has {', '.join(known) or 'no limits'}"
                )
            if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value):
                raise SpikecheckError(f"[tool.spikecheck.{cls.id}] {name} = {value!r}: a number is wanted")
        return cls(**values)


UNTOLD = Moment(update=-1)  # the check does not know since when: whoever judges fills it in

OWNED = SiteKind.PARAMETER | SiteKind.STORED | SiteKind.STORED_NEURON  # named after the layer they belong to


def named(code: str, site: Site) -> str:
    """The fix with the layer's own name in place of the word `layer`, as the user's script would write it."""
    if site.kind not in SiteKind.CURRENT | SiteKind.SPIKES | SiteKind.POTENTIAL | SiteKind.STATE | OWNED:
        return code
    owner = site.name.rpartition(".")[0] if site.kind in OWNED else site.name
    path = "".join(f"[{part}]" if part[0] in digits else f".{part}" for part in owner.split(".") if part)
    return re.sub(r"\blayer\b(?=\.)", f"model{path}", code)


@cache
def discover() -> dict[str, type[Check]]:
    """Every check by its id, in order: those of this folder, and those of other packages' entry points."""
    found: dict[str, type[Check]] = {}
    package = importlib.import_module("spikecheck.checks")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("spk"):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            ours = [t for t in vars(module).values() if is_check(t) and t.__module__ == module.__name__]
            found |= {check.id: check for check in ours}
    for point in entry_points(group="spikecheck.checks"):
        check = point.load()
        if not is_check(check) or check.id in found:
            raise SpikecheckError(
                f"the entry point {point.value} of spikecheck.checks is no check with an id of its own"
            )
        found[check.id] = check
    return dict(sorted(found.items()))


def is_check(thing: object) -> bool:
    """Is it a check, rather than the base of all checks?"""
    return inspect.isclass(thing) and issubclass(thing, Check) and thing is not Check
