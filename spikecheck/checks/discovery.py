"""Which checks there are, from here and from other packages, and which of them explain which."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, get_type_hints

from spikecheck.checks.base import Check
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Severity
from spikecheck.packages import ExtensionCode, UnusableExtension, entry_points_of
from spikecheck.settings import ID
from spikecheck.site import SiteKind

Causes = Mapping[str, tuple[str, ...]]  # by id of a check: the ids of the checks that explain it

#: The types of the attributes that lists and pages show; those of another package's check are tested when it is loaded.
ATTRIBUTE_TYPES = {
    **dict.fromkeys(("id", "slug", "since", "message"), str),
    **dict.fromkeys(("needs", "explained_by", "explains", "ascending"), tuple),
    "severity": Severity,
    "sites": SiteKind,
}
#: Ids between those of the checks that no check has, and why. A removed check leaves its id here: ids are never reused.
RETIRED = dict.fromkeys(("SPK304", "SPK404"), "was never assigned: no version of spikecheck has a check with this id")


@cache
def own_checks() -> dict[str, type[Check]]:
    """Return spikecheck's own checks by id, in order."""
    checks: dict[str, type[Check]] = {}
    package = importlib.import_module("spikecheck.checks")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("spk"):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            defined = [t for t in vars(module).values() if is_check(t) and t.__module__ == module.__name__]
            checks |= {check.id: check for check in defined}
    return dict(sorted(checks.items()))


def discover() -> dict[str, type[Check]]:
    """Return every check by its id: spikecheck's own in order, then those that other packages' entry points name."""
    return discover_all()[0]


def unusable_extensions() -> tuple[UnusableExtension, ...]:
    """Return what other packages offer as checks and cannot be used."""
    return discover_all()[1]


@cache
def discover_all() -> tuple[dict[str, type[Check]], tuple[UnusableExtension, ...]]:
    """Return the checks that can be used, and the offers that cannot."""
    checks, unusable = dict(own_checks()), []
    for point in entry_points_of("spikecheck.checks"):
        with ExtensionCode() as code:
            check = validated(point.load(), checks)
            checks[check.id] = check
        if code.why:
            unusable.append(UnusableExtension.of("check", point, code.why))
    return {**own_checks(), **dict(sorted(checks.items()))}, tuple(unusable)


def merged_causes(checks: Iterable[type[Check]]) -> Causes:
    """Return which checks explain which, as the explained and the explaining ones state it, in the order stated."""
    checks = list(checks)
    causes = {check.id: list(check.explained_by) for check in checks}
    for check in checks:
        for effect in check.explains:
            if check.id not in causes.setdefault(effect, []):
                causes[effect].append(check.id)
    return MappingProxyType({id_: tuple(explaining) for id_, explaining in causes.items()})


@cache
def known_causes() -> Causes:
    """Return which of the known checks explain which."""
    return merged_causes(discover().values())


def validated(offer: Any, known: Mapping[str, type[Check]]) -> type[Check]:
    """Return the check that another package offers.

    Raises:
        SpikecheckError: it is no check, lacks a part, would be mistaken for another, or explains what explains it.
    """
    if not is_check(offer):
        raise SpikecheckError("it is no subclass of spikecheck.plugin.Check")
    check: type[Check] = offer
    if lacking := [name for name in get_type_hints(Check) if not hasattr(check, name)]:
        raise SpikecheckError(f"it lacks {' and '.join(lacking)}")
    for name, kind in ATTRIBUTE_TYPES.items():
        if not isinstance(getattr(check, name), kind):
            raise SpikecheckError(f"its {name} is no {kind.__name__}")
    if not ID.fullmatch(check.id) or check.id.startswith("SPK"):
        raise SpikecheckError(
            f"its id {check.id!r} is not of the form LAB001, or begins with SPK, which is reserved for spikecheck"
        )
    for other in known.values():
        if check.id == other.id or check.slug == other.slug:
            raise SpikecheckError(f"its id {check.id} or slug {check.slug} is that of {other.id} ({other.__module__})")
    if bare := [f.name for f in fields(check) if "why" not in f.metadata]:
        raise SpikecheckError(f"its field {bare[0]} gives no reason: {bare[0]} = limit(1, why='...')")
    if conflict := next(check().conflicts(), ""):
        raise SpikecheckError(f"its default {conflict}")
    check.sections()
    try:
        TopologicalSorter(merged_causes((*known.values(), check))).prepare()
    except CycleError as error:
        circle = " is explained by ".join(reversed(error.args[1]))
        raise SpikecheckError(f"it would explain what explains it: {circle}") from error
    return check


def is_check(thing: object) -> bool:
    """Return whether this is a check, rather than the base of all checks."""
    return inspect.isclass(thing) and issubclass(thing, Check) and thing is not Check
