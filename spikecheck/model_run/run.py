"""Run a model with the weights of a checkpoint: a forward pass and a backward pass of a copy, judged by all checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck import api
from spikecheck.assertions.watched import isolated_copy, tensors_of
from spikecheck.checkpoint.content import Content
from spikecheck.checkpoint.diagnose import without_date
from spikecheck.checkpoint.fit import Fit, fit
from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.checkpoint.tensors import TensorLoader
from spikecheck.checks.base import Observations
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import Evidence
from spikecheck.examination import examine
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict
from spikecheck.model_run import data
from spikecheck.model_run.batches import read_batches
from spikecheck.model_run.user_code import UserCode, call_factory, import_object
from spikecheck.outside_text import MAX_SENTENCE, safe
from spikecheck.readings import RunReading
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS, Site, SiteKind

REFERENCE = "spikecheck.reference.model:build"
WITH_FAULTS = "spikecheck.reference.train:build_with"
MAX_FAULTS = 20
Loss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class PreparedModel:
    """A model and a batch for it, or made-up spikes without a batch; `loss` is that of the training, if it is known."""

    name: str
    model: nn.Module
    batch: data.Batch | None = None
    loss: Loss | None = None


@dataclass(frozen=True)
class RunRequest:
    """What the command line asks for: a model, a batch, or both."""

    prepared: PreparedModel | None = None
    batch: data.Batch | None = None
    batches: Any = None  # to examine the model with; None where that is not asked for

    @classmethod
    def of(cls, model: str | None, arguments: str | None, source: str | None, *, examine: bool = False) -> RunRequest:
        """Create the model of `--model` and `--model-args`, and read the batch of `--data`.

        Raises:
            SpikecheckError: that is not possible; the message says why.
        """
        batch = None if source is None else data.read(source)
        batches = read_batches(source) if examine and source is not None else None
        return cls(None if model is None else prepare(model, parse_arguments(arguments), batch), batch, batches)


def parse_arguments(arguments: str | None) -> dict[str, Any]:
    """Return the arguments of a factory; SpikecheckError if they are not a JSON object."""
    try:
        parsed = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        raise SpikecheckError(f"--model-args {arguments}: invalid JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise SpikecheckError(f'--model-args expects a JSON object such as {{"hidden": 128}}, got {arguments}')
    return parsed


def prepare(spec: str, arguments: Mapping[str, Any], batch: data.Batch | None) -> PreparedModel:
    """Create the model that the user names; SpikecheckError if that is not possible."""
    target = import_object(spec, "--model")
    model = target if isinstance(target, nn.Module) else call_factory(target, arguments, spec)
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"--model {spec} returned {type(model).__name__}, not a torch.nn.Module")
    return PreparedModel(spec, model, batch)


def prepare_reference(content: Content, batch: data.Batch | None) -> PreparedModel | str:
    """Create the reference model if the file says that it holds one; otherwise return why not, empty without a name.

    A file can name anything, and importing a module executes its code. Only our own two factories are called, and with
    no arguments but the names of faults, since a size could be anything too.
    """
    spec = content.factory
    if spec is None:
        return ""
    if spec not in (REFERENCE, WITH_FAULTS):
        return f"the file names {safe(spec)}, which is not imported, since a file can name anything"
    faults = content.arguments.get("faults", [])
    are_names = isinstance(faults, list) and len(faults) <= MAX_FAULTS and all(isinstance(one, str) for one in faults)
    if not are_names or content.arguments.keys() - ({"faults"} if spec == WITH_FAULTS else set()):
        return f"the file names {spec}, with arguments that `spikecheck train` does not write"
    try:
        from spikecheck.faults import inject
        from spikecheck.reference.train import RECIPE
    except ModuleNotFoundError as error:
        return f"the model that the file names needs {error.name}: pip install 'spikecheck[reference]'"
    try:
        recipe = inject(RECIPE, faults)
    except SpikecheckError as error:
        return f"the file names {spec} with an unknown fault: {safe(str(error))}"
    return PreparedModel(spec, recipe.build(), batch or data.reference(recipe.frames), recipe.loss)


def with_model(
    report: Report,
    content: Content,
    path: Path | BinaryIO,
    request: RunRequest | None,
    settings: Settings,
    *,
    unsafe_pickle: bool = False,
) -> Report:
    """Return the report on a file, with the verdicts on its model, run with the weights in the file.

    Args:
        content: what the file holds, as it was read for the report.
        path: the file, which is read again for the weights.
        request: the model and the batch. Without a model, the reference model if the file names it; without both, only
            if the file holds no evidence of the training run, which says more than one batch.

    Raises:
        UnreadableError: the file cannot be read.
    """
    if request is None and content.evidence is not None:
        return report
    prepared, batch = (None, None) if request is None else (request.prepared, request.batch)
    chosen = prepare_reference(content, batch) if prepared is None else prepared
    if isinstance(chosen, str):
        unseen = [not_run(chosen)] if chosen else []
        if batch is not None:
            unseen.append(refused("--data needs --model, which names it"))
        return replace(report, unseen=(*report.unseen, *unseen))
    with (
        open_checkpoint(path, unsafe_pickle=unsafe_pickle) as checkpoint,
        isolated_copy(chosen.model, train=True) as twin,
    ):
        matched = match_keys(checkpoint.content, twin)
        verdicts = judge(fit_evidence(matched, report.updates), settings, only=SiteKind.MODEL)
        if not matched.whole:
            reason = not_run(f"{chosen.name} needs keys that the file does not hold")
            return merge(report, Report.of(verdicts, unseen=(reason,)), report.subject)
        try:
            load_weights(twin, checkpoint.content, matched)
            result, of_batch = run(chosen, twin, report.updates, settings)
            examined = None if request is None else examination(request, chosen, twin, settings)
        except SpikecheckError as error:
            reason = refused(safe(str(error), MAX_SENTENCE))
            return merge(report, Report.of(verdicts, unseen=(reason,)), report.subject)
    tables = {} if report.layers else result.evidence.facts()  # those of the training run say more than one batch
    of_run = Report.of(
        (*of_batch, *verdicts),
        **{**tables, "unseen": result.unseen, "updates": 0, "observed_updates": 0, "cost": None, "start_cost": None},
    )
    subject = f"{report.subject} · {chosen.name}, {result.description}"
    merged = merge(report, of_run, subject)
    return merged if examined is None else merge(merged, examined, subject)


def examination(request: RunRequest, prepared: PreparedModel, loaded: nn.Module, settings: Settings) -> Report | None:
    """Return what experiments on copies of the loaded model show, without the course of their training; else None.

    Only the verdicts on the experiments are kept: the updates of copies are no part of the run that the file is from.
    """
    if request.batches is None:
        return None
    report = examine(loaded, request.batches, prepared.loss or F.cross_entropy, settings=settings, treatment_seconds=0)
    own = {check.id for check in Judge.of(settings).checks if check.sites is SiteKind.EXPERIMENT}
    verdicts = (verdict for verdict in report.verdicts if verdict.check in own)
    return Report.of(verdicts, experiments=report.experiments)


def merge(report: Report, of_run: Report, subject: str) -> Report:
    """Merge the report on a file with the report on its model."""
    return replace(Report.merge(report, of_run), subject=subject)


def not_run(why: str) -> Unseen:
    """Return why the model that a file names was not run; no refusal, since the file itself was judged."""
    return Unseen(UnseenKind.OTHER, f"the model was not run: {why}")


def refused(why: str) -> Unseen:
    """Return why a model that the user asked for was not run."""
    return Unseen(UnseenKind.MODEL_NOT_RUN, f"the model was not run: {why}")


def match_keys(content: Content, model: nn.Module) -> Fit:
    """Match the keys of the file, as the file has them, with those of the model."""
    own = {name: tuple(value.shape) for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    file = {safe(raw): content.tensors[name].shape for name, raw in content.raw_names.items()}
    return fit(file, own, own.keys() - {name for name, _ in model.named_parameters()})


def load_weights(model: nn.Module, content: Content, matched: Fit) -> None:
    """Load the values of the file into the model; UnreadableError if one of them cannot be loaded."""
    loader = TensorLoader()
    names = {safe(raw): name for name, raw in content.raw_names.items()}
    values = {own: loader.load(content.tensors[names[key]]) for own, key in matched.keys.items()}
    with UserCode("loading the weights"):
        model.load_state_dict(values, strict=False)


def fit_evidence(matched: Fit, updates: int) -> Evidence:
    """Return how the keys fit, as evidence."""
    site = Site(SiteKind.MODEL, "the model")
    readings = {site.name: {type(matched.reading): matched.reading}}
    run = RunReading(live=False, update=updates, forward_passes=0, backward_passes=0, called_per_time_step=False)
    return Evidence(Observations(run, (site,), {"recent": readings, "all": readings, "first": {}}))


@dataclass(frozen=True)
class RunResult:
    """What one forward pass and its backward pass showed, with which batch in words, and what was not observed."""

    evidence: Evidence
    description: str
    unseen: tuple[Unseen, ...]


def run(
    prepared: PreparedModel, loaded: nn.Module, updates: int, settings: Settings
) -> tuple[RunResult, tuple[Verdict, ...]]:
    """Run the model, and return the result and the verdicts on it.

    The model was not trained with made-up spikes: of those findings, only the ones for sparse and for dense spikes
    alike are kept.
    """
    batches = data.synthetic(loaded) if prepared.batch is None else (prepared.batch,)
    result = run_batch(prepared, loaded, batches[0], updates)
    verdicts = judge(result.evidence, settings)
    for batch in batches[1:]:
        if any(verdict.findings for verdict in verdicts):
            others = judge(run_batch(prepared, loaded, batch, updates).evidence, settings)
            verdicts = found_in_both(verdicts, others)
    return result, verdicts


def found_in_both(verdicts: tuple[Verdict, ...], others: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Return the verdicts without the findings that the other verdicts do not have."""
    keys = {finding.key for verdict in others for finding in verdict.findings}
    result = []
    for verdict in verdicts:
        findings = tuple(finding for finding in verdict.findings if finding.key in keys)
        if verdict.findings and not findings:
            reason = "found with some made-up spikes, and not with others: --data gives the model a batch of yours"
            verdict = replace(verdict, outcome=Outcome.COULD_NOT_RUN, reason=reason)
        result.append(replace(verdict, findings=findings))
    return tuple(result)


def run_batch(prepared: PreparedModel, loaded: nn.Module, batch: data.Batch, updates: int) -> RunResult:
    """Run one forward pass and one backward pass of a copy of the model.

    The copy is called `model`, since the code of fixes uses the name of the variable that holds it.
    """
    unseen = []
    if batch.made_up:
        text = f"no real data was used: the input is {batch.source}; --data gives the model a batch of yours"
        unseen.append(Unseen(UnseenKind.SUBSTITUTE, text))
    with isolated_copy(loaded) as model, api.attach(model, every=1, on_finding=lambda finding: None) as monitor:
        torch.manual_seed(0)
        with UserCode(f"calling {prepared.name} with data of shape {batch.shape}"):
            output = model(*batch.inputs)
        loss, substitute = objective(output, batch.targets, prepared.loss)
        unseen += [] if substitute is None else [substitute]
        if loss is not None and loss.requires_grad:
            with UserCode("the backward pass"):
                loss.backward()  # type: ignore[no-untyped-call]
        evidence = monitor.evidence()
    observations = replace(evidence.observations, run=replace(evidence.observations.run, update=updates))
    unseen += [one for one in evidence.unseen if one.kind is not UnseenKind.UPDATE]
    description = f"one batch of {batch.shape}, {batch.source}"
    return RunResult(replace(evidence, observations=observations), description, tuple(unseen))


def objective(output: Any, targets: Any, loss: Loss | None) -> tuple[Tensor | None, Unseen | None]:
    """Return what to differentiate: the loss if output and targets fit one, otherwise a random direction."""
    outputs = [t for t in tensors_of(output) if t.is_floating_point()]
    if not outputs:
        return None, Unseen(
            UnseenKind.BACKWARD_PASS, "no backward pass was run: the model returned no floating-point tensor"
        )
    first = outputs[0]
    has_labels = isinstance(targets, Tensor) and not targets.is_floating_point() and targets.dim() == 1
    if has_labels and first.dim() == 2 and len(first) == len(targets):
        text = "the loss used in training is not known: cross-entropy takes its place"
        try:
            value = (loss or F.cross_entropy)(first, targets)
        except (IndexError, RuntimeError, ValueError) as error:
            return None, Unseen(UnseenKind.LOSS, f"the loss could not be computed: {' '.join(str(error).split())}")
        return value, None if loss else Unseen(UnseenKind.SUBSTITUTE, text)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(first.shape, generator=generator).to(first)
    why = "there are no targets" if targets is None else f"the targets fit no output of {list(first.shape)}"
    text = f"no loss was computed, since {why}: gradients are those of a random direction in the output"
    return (first * direction).mean(), Unseen(UnseenKind.SUBSTITUTE, text)


def judge(evidence: Evidence, settings: Settings, only: SiteKind | None = None) -> tuple[Verdict, ...]:
    """Return the verdicts on the evidence, undated; with `only`, those of the checks of one site kind."""
    judge = Judge.of(settings)
    checks = tuple(c for c in judge.checks if (c.sites is only if only else not c.sites & FILE_KINDS))
    return tuple(map(without_date, evidence.verdicts(replace(judge, checks=checks))))
