"""The parts of a report as JSON can hold them, in the form that schema-1.json describes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spikecheck.finding import Finding
from spikecheck.report.format import ignore_line
from spikecheck.timelines import TimelineReading

if TYPE_CHECKING:
    from spikecheck.report.model import LayerRow, LossRow, OptimizerRow


def finding_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON can hold it."""
    return {
        "check": finding.check,
        "slug": finding.slug,
        "severity": finding.severity.label,
        "site": finding.site.name,
        "kind": finding.site.kind.label,
        "message": finding.message,
        "observed": {"text": finding.observed.text, "numbers": dict(finding.observed.numbers)},
        "expected": {
            "text": finding.expected.text,
            "numbers": dict(finding.expected.numbers),
            "because": finding.expected.because,
        },
        "update": None if finding.when.stored else finding.when.update,
        "time_step": finding.when.time_step,
        "state": finding.state.value,
        "intervals": [{"first": one.first, "last": one.last} for one in finding.intervals],
        "fixes": [{"code": fix.code, "library": fix.library} for fix in finding.fixes],
        "ignore": ignore_line(finding),
    }


def layer_dict(row: LayerRow) -> dict[str, Any]:
    """Return a row of the table as JSON can hold it; neurons that may be time steps are not counted."""
    spikes, known = row.spikes, row.neurons_known
    steps = None if row.timeline is None else row.timeline.time_steps
    return {
        "name": row.name,
        "label": row.title,
        "threshold": row.threshold,
        "minimum": spikes.minimum,
        "maximum": spikes.maximum,
        "values": list(spikes.values),
        "rate": spikes.rate,
        "recent_rate": row.rate_now,
        "neurons": spikes.neurons if known else None,
        "silent_neurons": spikes.silent_neurons if known else None,
        "recent_silent_neurons": row.silent_now if known else None,
        "saturated_neurons": spikes.saturated_neurons if known else None,
        "recent_saturated_neurons": row.saturated_now if known else None,
        "min_count": spikes.min_count,
        "max_count": spikes.max_count,
        "current_rms": None if row.drive is None else row.drive.rms,
        "time_steps": None if steps is None else asdict(steps),
        "timeline": points(row.timeline, mean="rate", maximum="maximum", silent="silent_share"),
    }


def loss_dict(row: LossRow) -> dict[str, Any]:
    """Return one loss as JSON can hold it."""
    loss = row.loss
    return {
        "name": row.name,
        "function": loss.function,
        "classes": loss.classes,
        "updates": loss.updates,
        "first": loss.first,
        "last": loss.last,
        "lowest": loss.minimum,
        "recent_mean": loss.recent_mean,
        "recent_updates": loss.window,
        "non_finite": loss.non_finite.count,
        "trace": [{"update": update, "loss": value} for update, value in loss.trace],
        "timeline": points(row.timeline, mean="loss", maximum="maximum"),
    }


def optimizer_dict(row: OptimizerRow) -> dict[str, Any]:
    """Return one optimizer as JSON can hold it."""
    names = {"mean": "gradient_norm", "maximum": "max_gradient_norm"}
    same = {name: name for name in ("update_size", "learning_rate")}
    return {"name": row.name, "timeline": points(row.timeline, **names, **same)}


def points(timeline: TimelineReading | None, **names: str) -> list[dict[str, Any]]:
    """Return the points of a timeline as JSON can hold them; `names` are those of its quantities there."""
    return [
        {
            "update": point.update,
            "last_update": point.last_update,
            "passes": point.passes,
            **{name: getattr(point, quantity) for quantity, name in names.items()},
        }
        for point in (() if timeline is None else timeline.points)
    ]


def plain(value: Any) -> Any:
    """Return a value with tuples as lists, and None for numbers that are not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
