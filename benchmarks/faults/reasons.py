"""Known reasons of failures, by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "sinabs-uneven-labels-of-other-samples": "With uneven labels the loss varies too much for 64 values to show that "
    "it stays at the entropy of the labels.",
}
