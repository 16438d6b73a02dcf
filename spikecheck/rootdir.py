"""Where settings are looked for in place of the working folder; so small because every pytest run loads and sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

folder: Path | None = None
