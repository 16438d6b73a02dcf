"""Settings from `[tool.spikecheck]` in pyproject.toml and from the environment; nothing else reads either of them."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from spikecheck import rootdir
from spikecheck.errors import SpikecheckError
from spikecheck.outside_text import safe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CACHE_VARIABLE = "SPIKECHECK_CACHE"
RANKS_VARIABLE = "SPIKECHECK_RANKS"
ID = re.compile(r"[A-Z]{2,}\d{3}")  # ours begin with SPK, those of other packages with letters of their own

Limits = Mapping[str, Mapping[str, Any]]  # by id of a check, then by name


@dataclass(frozen=True)
class SiteLimits:
    """Limits for the sites of some names; a name may be a pattern ("encoder.*")."""

    match: tuple[str, ...]
    limits: Limits

    def covers(self, site: str) -> bool:
        """Return whether a site has one of the names."""
        return any(fnmatchcase(site, pattern) for pattern in self.match)


@dataclass(frozen=True)
class Settings:
    """Limits by check, for all sites and for some, and what is ignored, with the reason.

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
        """Where the settings are written, for a message."""
        return "[tool.spikecheck]" if self.source is None else f"{self.source}: [tool.spikecheck]"

    @classmethod
    def of(cls, source: Settings | Mapping[str, Any] | None) -> Settings:
        """Return settings as they are, from a dict like the table, or, for None, from the nearest pyproject.toml."""
        if source is None:
            return cls.load()
        return source if isinstance(source, Settings) else cls.parsed(source)

    @classmethod
    def load(cls, start: Path | None = None) -> Settings:
        """Read the nearest pyproject.toml at or above a folder; defaults where there is none.

        The folder is the working folder, or pytest's rootdir while pytest runs. SPIKECHECK_CONFIG names another file.
        SpikecheckError says what in the file is wrong.
        """
        named = os.environ.get("SPIKECHECK_CONFIG")
        here = (start or rootdir.folder or Path.cwd()).resolve()
        files = [Path(named)] if named else [folder / "pyproject.toml" for folder in (here, *here.parents)]
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            if named:
                raise SpikecheckError(f"SPIKECHECK_CONFIG={named}: the file does not exist")
            return cls()
        try:
            tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        except (ValueError, OSError) as error:  # no TOML, no text, or a number of thousands of digits
            raise SpikecheckError(f"{path} cannot be read: {safe(str(error))}") from error
        except (RecursionError, MemoryError) as error:
            raise SpikecheckError(f"{path} cannot be read: it is nested too deeply") from error
        table = tool.get("spikecheck", {}) if isinstance(tool, dict) else {}
        if not isinstance(table, dict):
            raise SpikecheckError(f"{path}: tool.spikecheck must be a table: [tool.spikecheck.SPK203]")
        return cls.parsed(table, path)

    @classmethod
    def parsed(cls, table: Mapping[str, Any], source: Path | None = None) -> Settings:
        """Return the settings of a `[tool.spikecheck]` table; the judge tests whether the checks and limits exist."""
        place = cls(source=source).place
        limits, ignore = parse_rules(table, place, "sites")
        tables = table.get("sites", [])
        if not isinstance(tables, list | tuple) or not all(isinstance(one, Mapping) for one in tables):
            raise SpikecheckError(f"{place} sites must be a list of tables, each [[tool.spikecheck.sites]]")
        sites = []
        for number, one in enumerate(tables, 1):
            at = f"{place} sites, table {number}:"
            match, (own, quiet) = parse_patterns(one.get("match"), at), parse_rules(one, at, "match")
            sites.append(SiteLimits(match, own))
            if named := next((what for what in quiet if ":" in what), None):
                raise SpikecheckError(
                    f"{at} ignore {named!r}: match names the sites already, remove the colon and what follows"
                )
            ignore |= {f"{what}:{pattern}": reason for what, reason in quiet.items() for pattern in match}
        return cls(limits, ignore, tuple(sites), source)


def parse_rules(table: Mapping[str, Any], place: str, other: str) -> tuple[Limits, dict[str, str]]:
    """Return the limits of a table by check, and what it ignores; `other` is the one other key that it may have."""
    ignore = table.get("ignore", {})
    if not isinstance(ignore, Mapping):
        raise SpikecheckError(
            f'{place} ignore must be a table of reasons: ignore = {{ SPK203 = "closed on this task" }}'
        )
    for what, reason in ignore.items():
        if not isinstance(reason, str) or not reason.strip():
            raise SpikecheckError(f"{place} ignore {what!r} needs a reason as text")
    limits = {name: value for name, value in table.items() if name not in ("ignore", other)}
    for name, value in limits.items():
        if not isinstance(value, Mapping):
            if ID.fullmatch(name):
                raise SpikecheckError(
                    f"{place} {name} must be a table of limits: {name} = {{ min_forward_passes = 20 }}"
                )
            takes = f"the keys are ignore, {other} and ids of checks"
            raise SpikecheckError(f"{place} there is no setting {name} ({takes}){suggestion(name, ('ignore', other))}")
    return limits, dict(ignore)


def parse_patterns(match: Any, place: str) -> tuple[str, ...]:
    """Return the names and patterns of `match`."""
    names = (match,) if isinstance(match, str) else tuple(match) if isinstance(match, list | tuple) else ()
    if not names or not all(isinstance(one, str) and one for one in names):
        raise SpikecheckError(f'{place} match must name the sites, by name or pattern: match = "encoder.*"')
    return names


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the nearest known word to an unknown one, as the rest of a sentence; empty where none is near."""
    by_lower = {name.lower(): name for name in known}
    word = word.lower()
    near = difflib.get_close_matches(word, by_lower, n=max(1, len(by_lower)))

    def similarity(name: str) -> tuple[float, bool]:
        """Return the ratio of two names; of equally similar names, one that continues the word ranks first."""
        return difflib.SequenceMatcher(None, name, word).ratio(), name.startswith(word)

    return f", did you mean {by_lower[max(near, key=similarity)]}?" if near else ""


def cache_folder() -> Path:
    """Return the folder for unpacked data: $SPIKECHECK_CACHE, or `spikecheck` in the system's folder for caches.

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


def process_rank() -> int | None:
    """Return the number of this process among those of a run, such as torchrun starts them; None for a single one."""
    process = process_of_run()
    return None if process is None else process[0]


def process_of_run() -> tuple[int, int] | None:
    """Return the rank of this process and the number of ranks; None for a single process.

    They are those of torch.distributed, or before it is initialized and where it is not loaded, those of a launcher.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        rank, size = distributed.get_rank(), distributed.get_world_size()
    else:
        launched = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
        rank, size = map(int, launched) if all(map(str.isdecimal, launched)) else (0, 1)
    return (rank, size) if size > 1 else None


def ranks_folder() -> tuple[Path, bool]:
    """Return the folder that the ranks of this run share, and whether the user named it with $SPIKECHECK_RANKS.

    By default it is in the system's folder for temporary files, with a name that only the ranks of one launch on one
    machine have in common.
    """
    if own := os.environ.get(RANKS_VARIABLE):
        return Path(own).expanduser().resolve(), True
    names = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID")
    parts = [os.environ.get(name, "") for name in names]
    if "TORCHELASTIC_RUN_ID" in os.environ:  # one agent starts all of them; its run may have the name of an earlier one
        parts.append(str(os.getppid()))
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    run = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"spikecheck-{user}-{run}"), False


def is_switched_off() -> bool:
    """Return whether SPIKECHECK=off, in any case of letters, is set: `attach` then watches nothing."""
    return os.environ.get("SPIKECHECK", "").strip().lower() in ("off", "0", "false", "no")
