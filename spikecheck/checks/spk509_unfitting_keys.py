"""A checkpoint whose keys do not match those of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import FitReading


@dataclass(frozen=True)
class UnfittingKeys(Check):
    """The keys of the checkpoint do not match those of the model.

    ## What it means
    Some weights of the model are missing from the file, or have another shape there. With `strict=False`, PyTorch loads
    the rest and says nothing: the missing weights keep their random values, and the network seems to have forgotten
    what it learned. A weight of another shape raises an error, even with `strict=False`.

    ## Example
    ```python broken
    # every key begins with "module."
    torch.save(nn.DataParallel(model).state_dict(), "last.pt")
    # no key matches: nothing is loaded, and no error is raised
    model.load_state_dict(torch.load("last.pt"), strict=False)
    ```
    ```python repaired
    torch.save(nn.DataParallel(model).module.state_dict(), "last.pt")
    model.load_state_dict(torch.load("last.pt"))
    ```

    ## Fix
    ```python any
    # if the file is a whole training checkpoint, take the weights out of it: torch.load("last.pt")["model"]
    # for a Lightning checkpoint: ["state_dict"], and remove the prefix "model." instead of "module."
    content = torch.load("last.pt")
    for key in list(content):
        content[key.removeprefix("module.").replace("_orig_mod.", "")] = content.pop(key)
    # without strict=False, a key that does not match raises an error
    model.load_state_dict(content)
    ```

    ## When it is intended
    Only part of the network is loaded, for example for a new task with a new last layer.
    ```toml
    [tool.spikecheck.ignore]
    "SPK509" = "the readout is new"
    ```

    ## How it is decided
    The keys and shapes in the file are compared with those of `model.state_dict()`. The finding is

    - an error if keys of the model are missing from the file, or have another shape there;
    - a warning if the file only has additional keys;
    - a note if all keys match once a prefix is removed, such as `module.` of DataParallel, `_orig_mod.` of
      torch.compile or `model.` of a LightningModule.

    Stored membrane potentials and other neuron states are ignored, since their shapes depend on the batch.
    """

    id: ClassVar = "SPK509"
    slug: ClassVar = "unfitting-keys"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODEL
    needs: ClassVar = (FitReading,)
    message: ClassVar = "the checkpoint does not match {site}: {problem}"

    max_keys_shown: int = limit(
        4, why="derived: more do not fit on a line, and the first ones show which layer is meant"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding for all keys that do not match."""
        fit = readings[FitReading]
        missing, reshaped = len(fit.missing), len(fit.shape_mismatches)
        if missing or reshaped:
            severity = Severity.ERROR
        elif fit.unexpected:
            severity = Severity.WARNING
        elif fit.removed_prefix or fit.added_prefix or fit.wrapped:
            severity = Severity.NOTE
        else:
            return
        counts = ((missing, "missing"), (len(fit.unexpected), "unexpected"), (reshaped, "with another shape"))
        mismatches = [f"{count:,} {what}" for count, what in counts if count]
        keys = (
            *self.keys(fit),
            cause(fit) if mismatches else f"all {fit.matching_keys:,} keys match once that is removed or added",
        )
        yield self.finding(
            site,
            severity=severity,
            observed=Observed("{keys}", keys="; ".join(filter(None, keys))),
            expected=Expected("the same keys with the same shapes on both sides"),
            problem=f"{fit.matching_keys:,} matching keys, {', '.join(mismatches)}" if mismatches else cause(fit),
        )

    def keys(self, fit: FitReading) -> Iterator[str]:
        """Yield the first keys of each kind, and how many more there are."""
        shapes = tuple(
            f"{key} {list(stored)} in the file, {list(own)} in the model" for key, stored, own in fit.shape_mismatches
        )
        for what, keys in (("missing", fit.missing), ("unexpected", fit.unexpected), ("another shape", shapes)):
            more = f" and {len(keys) - self.max_keys_shown} more" if len(keys) > self.max_keys_shown else ""
            if keys:
                yield f"{what}: {', '.join(keys[: self.max_keys_shown])}{more}"


def cause(fit: FitReading) -> str:
    """Return the likely cause in words, empty where none is known."""
    if fit.renamed:
        return "the missing and the unexpected keys have the same shapes in the same order: layers were renamed"
    wrapper = " (a model in DataParallel)" if "module" in (fit.removed_prefix + fit.added_prefix).split(".") else ""
    compiled = " (torch.compile)" if fit.wrapped else ""
    if fit.removed_prefix and fit.added_prefix:
        begin = f"the file's keys begin with {fit.removed_prefix!r}, the model's with {fit.added_prefix!r}"
        return f"{begin}{wrapper}{compiled}"
    if fit.removed_prefix or fit.added_prefix:
        whose = "file" if fit.removed_prefix else "model"
        return f"the {whose}'s keys begin with {(fit.removed_prefix or fit.added_prefix)!r}{wrapper}{compiled}"
    return "its keys contain '_orig_mod' (torch.compile)" if fit.wrapped else ""
