"""The folder in which settings are searched instead of the working folder.

Every pytest run loads and sets it: keep this module small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

folder: Path | None = None
