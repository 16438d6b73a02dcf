"""What `[tool.spikecheck]` in pyproject.toml sets, and the environment; nothing else reads either of them."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from spikecheck import rootdir
from spikecheck.errors import SpikecheckError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CACHE_VARIABLE = "SPIKECHECK_CACHE"
ID = re.compile(r"[A-Z]{2,}\d{3}")  # ours begin with SPK, those of other packages with letters of their own

Limits = Mapping[str, Mapping[str, Any]]  # by id of a check, then by name


@dataclass(frozen=True)
class SiteLimits:
    """Limits that hold at the sites of these names alone; a name may be a pattern ("encoder.*")."""

    match: tuple[str, ...]
    limits: Limits

    def covers(self, site: str) -> bool:
        """Is the site of this name meant?"""
        return any(fnmatchcase(site, pattern) for pattern in self.match)


@dataclass(frozen=True)
class Settings:
    """Limits by check, for all sites and for some, and what is ignored with the reason why.

    [tool.spikecheck.SPK203]
    min_forward_passes = 20

    [tool.spikecheck.ignore]
    "SPK203:gate" = "inhibitory, closed on this task"

    [[tool.spikecheck.sites]]
    match = "encoder.*"
    SPK204.max_active_fraction = 0.95
    ignore = { SPK205 = "latency code: most neurons spike once, or never" }
    """

    limits: Limits = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)
    sites: tuple[SiteLimits, ...] = ()
    source: Path | None = None

    @property
    def place(self) -> str:
        """Where they stand, for a message."""
        return "[tool.spikecheck]" if self.source is None else f"{self.source}: [tool.spikecheck]"

    @classmethod
    def of(cls, given: Settings | Mapping[str, Any] | None) -> Settings:
        """These; those of a table, as a dict; the nearest pyproject.toml's where there are none."""
        if given is None:
            return cls.load()
        return given if isinstance(given, Settings) else cls.parsed(given)

    @classmethod
    def load(cls, start: Path | None = None) -> Settings:
        """Read the nearest pyproject.toml at or above a folder; defaults where there is none.

        The folder is the working folder, or pytest's rootdir while pytest runs. SPIKECHECK_CONFIG names another file.
        SpikecheckError says what in the file is not understood.
        """
        named = os.environ.get("SPIKECHECK_CONFIG")
        here = (start or rootdir.folder or Path.cwd()).resolve()
        files = [Path(named)] if named else [folder / "pyproject.toml" for folder in (here, *here.parents)]
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            if named:
                raise SpikecheckError(f"SPIKECHECK_CONFIG={named}: there is no such file")
            return cls()
        try:
            tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpikecheckError(f"{path} cannot be read: {error}") from error
        table = tool.get("spikecheck", {}) if isinstance(tool, dict) else {}
        if not isinstance(table, dict):
            raise SpikecheckError(f"{path}: tool.spikecheck is a table: [tool.spikecheck.SPK203]")
        return cls.parsed(table, path)

    @classmethod
    def parsed(cls, table: Mapping[str, Any], source: Path | None = None) -> Settings:
        """The settings of a `[tool.spikecheck]` table; whether there are such checks and limits, the judge says."""
        place = cls(source=source).place
        limits, ignore = parse_rules(table, place, "sites")
        given = table.get("sites", [])
        if not isinstance(given, list | tuple) or not all(isinstance(one, Mapping) for one in given):
            raise SpikecheckError(f"{place} sites is a list of tables, each [[tool.spikecheck.sites]]")
        sites = []
        for number, one in enumerate(given, 1):
            at = f"{place} sites, table {number}:"
            match, (own, quiet) = parse_patterns(one.get("match"), at), parse_rules(one, at, "match")
            sites.append(SiteLimits(match, own))
            if named := next((what for what in quiet if ":" in what), None):
                raise SpikecheckError(f"{at} ignore {named!r}: match names the sites, leave out what follows the colon")
            ignore |= {f"{what}:{pattern}": reason for what, reason in quiet.items() for pattern in match}
        return cls(limits, ignore, tuple(sites), source)


def parse_rules(table: Mapping[str, Any], place: str, other: str) -> tuple[Limits, dict[str, str]]:
    """The limits of a table by check, and what it ignores; `other` is the key that it takes besides."""
    ignore = table.get("ignore", {})
    if not isinstance(ignore, Mapping):
        raise SpikecheckError(f'{place} ignore is a table of reasons: ignore = {{ SPK203 = "closed on this task" }}')
    for what, reason in ignore.items():
        if not isinstance(reason, str) or not reason.strip():
            raise SpikecheckError(f"{place} ignore {what!r} needs a reason, in words")
    limits = {name: value for name, value in table.items() if name not in ("ignore", other)}
    for name, value in limits.items():
        if not isinstance(value, Mapping):
            if ID.fullmatch(name):
                raise SpikecheckError(f"{place} {name} is a table of limits: {name} = {{ min_forward_passes = 20 }}")
            takes = f"it takes ignore, {other} and ids of checks"
            raise SpikecheckError(f"{place} {name} is not known ({takes}){suggestion(name, ('ignore', other))}")
    return limits, dict(ignore)


def parse_patterns(match: Any, place: str) -> tuple[str, ...]:
    """The names and patterns of `match`."""
    given = (match,) if isinstance(match, str) else tuple(match) if isinstance(match, list | tuple) else ()
    if not given or not all(isinstance(one, str) and one for one in given):
        raise SpikecheckError(f'{place} match says for which sites, by name or pattern: match = "encoder.*"')
    return given


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant by a word that is not known, as the rest of a sentence; empty where nothing is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f", did you mean {by_lower[near[0]]}?" if near else ""


def cache_folder() -> Path:
    """Where unpacked data is kept: $SPIKECHECK_CACHE, or `spikecheck` in the system's folder for caches.

    That is $XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows. Source: the XDG Base
    Directory Specification, by which a relative path in the variable is to be ignored.
    """
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base, usual = os.environ.get("LOCALAPPDATA", ""), Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base, usual = "", Path.home() / "Library" / "Caches"
    else:
        base, usual = os.environ.get("XDG_CACHE_HOME", ""), Path.home() / ".cache"
    return (Path(base) if Path(base).is_absolute() else usual) / "spikecheck"
