"""Why a case fails, where that is known: by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {}
