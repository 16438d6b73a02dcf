"""Why a case fails, where that is known: by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "sinabs-uneven-labels-of-other-samples": "Losses of uneven labels scatter so much that 64 of them cannot say that "
    "they stay at the entropy.",
}
