"""What `[tool.spikecheck]` in pyproject.toml sets; the only reader of that file and of the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikecheck.errors import SpikecheckError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ID = re.compile(r"SPK\d{3}")


@dataclass(frozen=True)
class Settings:
    """Limits by check, and what is ignored with the reason why.

    [tool.spikecheck.SPK203]
    patience = 20

    [tool.spikecheck.ignore]
    "SPK203:gate" = "inhibitory, closed on this task"
    """

    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)
    source: Path | None = None

    @classmethod
    def load(cls, start: Path | None = None) -> Settings:
        """Read the nearest pyproject.toml at or above a folder (the working folder); defaults where there is none.

        SPIKECHECK_CONFIG names another file. SpikecheckError says what in the file is not understood.
        """
        named = os.environ.get("SPIKECHECK_CONFIG")
        here = (start or Path.cwd()).resolve()
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
        """The settings of a `[tool.spikecheck]` table."""
        ignore = table.get("ignore", {})
        if not isinstance(ignore, Mapping):
            raise SpikecheckError(
                f'{source}: [tool.spikecheck] ignore is a table of reasons: "SPK203:gate" = "closed here"'
            )
        limits = {name: value for name, value in table.items() if ID.fullmatch(name)}
        flat = sorted(name for name, value in limits.items() if not isinstance(value, Mapping))
        if flat:
            raise SpikecheckError(
                f"{source}: [tool.spikecheck] {flat[0]} is a table of limits: [tool.spikecheck.{flat[0]}]"
            )
        strange = sorted(set(table) - set(limits) - {"ignore"})
        if strange:
            raise SpikecheckError(
                f"{source}: [tool.spikecheck] {strange[0]} is not known; it takes ignore and check ids"
            )
        for what, reason in ignore.items():
            if not isinstance(reason, str) or not reason.strip():
                raise SpikecheckError(f"{source}: [tool.spikecheck.ignore] {what!r} needs a reason, in words")
        return cls(limits, ignore, source)
