"""Why a case fails, where that is known: by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "norse-batch-as-time": "The loss moves with each batch and stays above that of a guess: no plateau.",
    "norse-labels-of-other-samples": "From watching, only the loss can tell, and it still falls towards ln 20 when the "
    "run ends.",
    "snntorch-never-resets": "A reset that is switched off in the library's own words is taken as meant.",
}
