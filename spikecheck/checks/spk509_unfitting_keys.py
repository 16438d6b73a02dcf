"""A checkpoint whose keys are not those of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import FitReading


@dataclass(frozen=True)
class UnfittingKeys(Check):
    """The keys of the checkpoint are not those of the model that it is loaded into.

    ## What it means
    `model.load_state_dict(content)` asks for the same keys with the same shapes on both sides. An error: keys of the
    model are missing in the file, or have another shape there. A warning: the file holds keys that the model does not
    have. A note: all of them fit once a prefix is taken off, as `module.` of DataParallel, `_orig_mod.` of
    torch.compile and `model.` of a LightningModule. States of neurons, whose shapes follow the batch, do not count.

    ## Why it matters
    With `strict=False` what does not fit is passed over in silence: the layer keeps its random weights, and the network
    looks as if it had forgotten what it learned.

    ## Fix
    ```python any
    content = {key.removeprefix("module.").replace("_orig_mod.", ""): value for key, value in content.items()}
    model.load_state_dict(content)  # strict, which is the default: it says what does not fit
    ```

    ## Intended when
    Part of the network is loaded on purpose, as for another task with a new last layer: `[tool.spikecheck.ignore]
    "SPK509" = "the readout is new"`
    """

    id: ClassVar = "SPK509"
    slug: ClassVar = "unfitting-keys"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODEL
    needs: ClassVar = (FitReading,)
    message: ClassVar = "the checkpoint does not fit {site}: {problem}"

    shown: int = limit(4, why="derived: what a line holds; the first keys name the layer that is at fault")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding for all keys that do not fit."""
        fit = readings[FitReading]
        lost, changed = len(fit.missing), len(fit.shapes)
        if lost or changed:
            severity = Severity.ERROR
        elif fit.unexpected:
            severity = Severity.WARNING
        elif fit.before or fit.instead or fit.wrapped:
            severity = Severity.NOTE
        else:
            return
        counts = ((lost, "missing"), (len(fit.unexpected), "unexpected"), (changed, "of another shape"))
        said = [f"{count} {what}" for count, what in counts if count]
        keys = (*self.keys(fit), cause(fit) if said else f"{fit.fitting} keys, all of which fit once that is changed")
        yield self.found(
            site,
            severity=severity,
            seen=Seen("{keys}", keys="; ".join(filter(None, keys))),
            expected=Expected("the same keys with the same shapes on both sides"),
            problem=f"keys that do not fit: {', '.join(said)}" if said else cause(fit),
        )

    def keys(self, fit: FitReading) -> Iterator[str]:
        """The first keys of each kind, and how many more there are."""
        shapes = tuple(f"{key} {list(stored)} for {list(own)}" for key, stored, own in fit.shapes)
        for what, keys in (("missing", fit.missing), ("unexpected", fit.unexpected), ("shapes", shapes)):
            more = f" and {len(keys) - self.shown} more" if len(keys) > self.shown else ""
            if keys:
                yield f"{what} {', '.join(keys[: self.shown])}{more}"


def cause(fit: FitReading) -> str:
    """What is behind it, where that can be told."""
    if fit.renamed:
        return "the missing keys have the shapes of the unexpected ones, in the same order: the layers were renamed"
    wrapper = " (a model in DataParallel)" if "module" in (fit.before + fit.instead).split(".") else ""
    compiled = " (torch.compile)" if fit.wrapped else ""
    if fit.before and fit.instead:
        return f"the file's keys begin with {fit.before!r}, the model's with {fit.instead!r}{wrapper}{compiled}"
    if fit.before or fit.instead:
        whose = "file" if fit.before else "model"
        return f"the {whose}'s keys begin with {(fit.before or fit.instead)!r}{wrapper}{compiled}"
    return "parts of the keys are torch.compile's '_orig_mod'" if fit.wrapped else ""
