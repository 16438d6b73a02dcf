"""The few sentences that no check says: a finding as a warning, and what was looked for and not found."""

from __future__ import annotations

from collections.abc import Mapping

from spikecheck.finding import Finding
from spikecheck.readings import RunReading


def warning_text(finding: Finding) -> str:
    """A finding as one warning: id, site, seen, expected, and the fix."""
    fix = f"\n  fix: {finding.fix}" if finding.fix else ""
    return (
        f"{finding.check} {finding.slug}: {finding.message}\n  seen: {finding.seen.text}\n"
        f"  expected: {finding.expected.text}{fix.replace(chr(10), chr(10) + '  ')}"
    )


def not_seen(
    run: RunReading, layers: int, loss: bool, optimizer: str | None, blind: Mapping[str, str]
) -> tuple[str, ...]:
    """What was looked for and not found, each with what would show it."""
    if run.forwards == 0:
        return (
            "the model was not called since attach(): run one batch through it, then ask again; one that runs without "
            'being called shows its spikes by spikecheck.tap("layer name", spikes)',
        )
    missing = []
    if layers == 0:
        missing.append(
            'no spiking layer: pass spikes=("layer name", ...), or call spikecheck.tap("name", spikes) where '
            "they are made"
        )
    if not loss:
        missing.append("no loss: compute it with torch.nn or torch.nn.functional, or pass loss=criterion (a module)")
    if run.backwards == 0:
        missing.append("no backward pass: what the gradients would show is not judged")
    if optimizer is None:
        missing.append("no optimizer step: what the updates would show is not judged; optimizer= names one by hand")
    return (*missing, *(f"{name}: {why}" for name, why in blind.items()))
