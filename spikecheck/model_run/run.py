"""The weights of a checkpoint in their model: a forward and a backward on a copy, judged by all checks that apply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck import api
from spikecheck.assertions.watched import isolated_copy, tensors_of
from spikecheck.checkpoint.content import Content
from spikecheck.checkpoint.diagnose import CONTROL, safe, undated
from spikecheck.checkpoint.fit import Fit, fit
from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.checkpoint.tensors import TensorLoader
from spikecheck.checks.base import Observations
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import Evidence
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict
from spikecheck.model_run import data
from spikecheck.model_run.user_code import UserCode, called, named
from spikecheck.readings import RunReading
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS, Site, SiteKind

BROKEN = "spikecheck.reference.train:build_with"
OURS = ("spikecheck.reference.model:build", BROKEN)  # what a file may name
MOST_FAULTS = 20
Loss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class PreparedModel:
    """A model and a batch for it; without a batch, spikes are made up. `loss` is the training's, where it is known."""

    name: str
    model: nn.Module
    batch: data.Batch | None = None
    loss: Loss | None = None


@dataclass(frozen=True)
class RunRequest:
    """What the command line asks for: a model that is already made, a batch, or both."""

    trial: PreparedModel | None = None
    batch: data.Batch | None = None

    @classmethod
    def of(cls, model: str | None, arguments: str | None, source: str | None) -> RunRequest:
        """The model of a factory and its arguments in JSON, and the batch of `--data`.

        Raises:
            SpikecheckError: they cannot be had; the message says why.
        """
        batch = None if source is None else data.read(source)
        return cls(None if model is None else prepared(model, parsed(arguments), batch), batch)


def parsed(arguments: str | None) -> dict[str, Any]:
    """The arguments of a factory. SpikecheckError where they are no object of JSON."""
    try:
        given = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        raise SpikecheckError(f"--model-args {arguments}: no JSON ({error})") from error
    if not isinstance(given, dict):
        raise SpikecheckError(f'--model-args takes an object, as {{"hidden": 128}}, got {arguments}')
    return given


def prepared(spec: str, arguments: Mapping[str, Any], batch: data.Batch | None) -> PreparedModel:
    """The model that the user names. SpikecheckError where it cannot be made."""
    made = named(spec, "--model")
    model = made if isinstance(made, nn.Module) else called(made, arguments, spec)
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"--model {spec} returned a {type(model).__name__}, and no torch.nn.Module")
    return PreparedModel(spec, model, batch)


def of_file(content: Content, batch: data.Batch | None) -> PreparedModel | str:
    """The reference model, where the file says that it holds one; or why what it names is not made, if it names any.

    A file can name anything, and importing runs code: nothing but our own two factories is made, and with no argument
    but the names of faults, since a size could be anything too.
    """
    spec = content.factory
    if spec is None:
        return ""
    if spec not in OURS:
        return f"the file names {safe(spec)}, which is not imported, since a file can name anything"
    faults = content.arguments.get("faults", [])
    known = isinstance(faults, list) and len(faults) <= MOST_FAULTS and all(isinstance(one, str) for one in faults)
    if not known or content.arguments.keys() - ({"faults"} if spec == BROKEN else set()):
        return f"the file names {spec}, with arguments that `train` does not write"
    try:
        from spikecheck.faults import inject
        from spikecheck.reference.train import RECIPE
    except ModuleNotFoundError as error:
        return f"what the file names needs {error.name}: pip install 'spikecheck[reference]'"
    try:
        recipe = inject(RECIPE, faults)
    except SpikecheckError as error:
        return f"the file names {spec} with a fault that is not known: {safe(str(error))}"
    return PreparedModel(spec, recipe.build(), batch or data.reference(recipe.frames), recipe.loss)


def with_model(
    report: Report,
    content: Content,
    path: Path | BinaryIO,
    wanted: RunRequest | None,
    settings: Settings,
    *,
    unsafe_pickle: bool = False,
) -> Report:
    """The report on a file, with what its model says when it is run with the file's weights.

    Args:
        content: what the file holds, as it was read for the report.
        path: the file, which is read once more for the weights.
        wanted: the model and the batch. Without a model, the one that the file names is made, if it is one of ours;
            without both only if the file holds no evidence of the run itself, which says more.

    Raises:
        UnreadableError: the file cannot be read.
    """
    if wanted is None and content.evidence is not None:
        return report
    trial, batch = (None, None) if wanted is None else (wanted.trial, wanted.batch)
    chosen = of_file(content, batch) if trial is None else trial
    if isinstance(chosen, str):
        missed = [not_run(chosen)] if chosen else []
        if batch is not None:
            missed.append(
                Unseen(UnseenKind.MODEL_NOT_RUN, "the model was not run: --data needs --model, which names it")
            )
        return replace(report, unseen=(*report.unseen, *missed))
    with (
        open_checkpoint(path, unsafe_pickle=unsafe_pickle) as checkpoint,
        isolated_copy(chosen.model, train=True) as twin,
    ):
        fitted = fitting(checkpoint.content, twin)
        verdicts = judged(fit_evidence(fitted, report.updates), settings, only=SiteKind.MODEL)
        told: dict[str, Any] = {}
        said: tuple[Unseen, ...] = (not_run(f"{chosen.name} needs keys that the file does not hold"),)
        if fitted.whole:
            try:
                load(twin, checkpoint.content, fitted)
                ran, found = tried(chosen, twin, report.updates, settings)
            except SpikecheckError as error:
                said = (Unseen(UnseenKind.MODEL_NOT_RUN, f"the model was not run: {CONTROL.sub('?', str(error))}"),)
            else:
                verdicts, said = (*found, *verdicts), ran.unseen
                told = {**ran.evidence.facts(), "subject": f"{report.subject} · {chosen.name}, {ran.shown}"}
    return together(report, verdicts, {**told, "unseen": (*report.unseen, *said)})


def not_run(why: str) -> Unseen:
    """Return why the model that a file names was not run; no refusal, since the file itself was judged."""
    return Unseen(UnseenKind.OTHER, f"the model was not run: {why}")


def fitting(content: Content, model: nn.Module) -> Fit:
    """How the file's keys, as it has them, fit the model's."""
    own = {name: tuple(value.shape) for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    file = {safe(raw): content.tensors[name].shape for name, raw in content.raw_names.items()}
    return fit(file, own, own.keys() - {name for name, _ in model.named_parameters()})


def load(model: nn.Module, content: Content, fitted: Fit) -> None:
    """Put the file's values into the model. UnreadableError where one of them cannot be had."""
    values = TensorLoader()
    places = {safe(raw): name for name, raw in content.raw_names.items()}
    loaded = {own: values.load(content.tensors[places[key]]) for own, key in fitted.keys.items()}
    with UserCode("loading the weights"):
        model.load_state_dict(loaded, strict=False)


def fit_evidence(fitted: Fit, updates: int) -> Evidence:
    """The fit, as evidence."""
    site = Site(SiteKind.MODEL, "the model")
    read = {site.name: {type(fitted.reading): fitted.reading}}
    run = RunReading(live=False, update=updates, forward_passes=0, backward_passes=0, called_per_time_step=False)
    return Evidence(Observations(run, (site,), {"recent": read, "all": read, "first": {}}))


@dataclass(frozen=True)
class RunResult:
    """One forward and backward: what it showed, with which batch in words, and what was not seen."""

    evidence: Evidence
    shown: str
    unseen: tuple[Unseen, ...]


def tried(
    trial: PreparedModel, model: nn.Module, updates: int, settings: Settings
) -> tuple[RunResult, tuple[Verdict, ...]]:
    """The model at work, and what is found of it.

    Spikes that are made up are not what the model was trained with: found is what holds for sparse and dense ones.
    """
    batches = data.synthetic(model) if trial.batch is None else (trial.batch,)
    ran = run(trial, model, batches[0], updates)
    verdicts = judged(ran.evidence, settings)
    for batch in batches[1:]:
        if any(verdict.findings for verdict in verdicts):
            again = judged(run(trial, model, batch, updates).evidence, settings)
            verdicts = agreed(verdicts, again)
    return ran, verdicts


def agreed(verdicts: tuple[Verdict, ...], others: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """The verdicts without what the others did not find as well."""
    also = {finding.key for verdict in others for finding in verdict.findings}
    kept = []
    for verdict in verdicts:
        findings = tuple(finding for finding in verdict.findings if finding.key in also)
        if verdict.findings and not findings:
            verdict = replace(
                verdict, outcome=Outcome.COULD_NOT_RUN, reason="found with some made-up spikes, and not with others"
            )
        kept.append(replace(verdict, findings=findings))
    return tuple(kept)


def run(trial: PreparedModel, model: nn.Module, batch: data.Batch, updates: int) -> RunResult:
    """One forward and one backward of a copy of the model."""
    made_up = f"no real data was used: the input is {batch.source}; --data gives the model a batch of yours"
    said = [Unseen(UnseenKind.SUBSTITUTE, made_up)] if batch.made_up else []
    with isolated_copy(model) as twin, api.attach(twin, every=1, on_finding=lambda finding: None) as monitor:
        torch.manual_seed(0)
        with UserCode(f"{trial.name} was called with data of the shape {batch.shape} and"):
            output = twin(*batch.inputs)
        loss, why = objective(output, batch.targets, trial.loss)
        said += [why] if why is not None else []
        if loss is not None and loss.requires_grad:
            with UserCode("the backward pass"):
                loss.backward()  # type: ignore[no-untyped-call]
        evidence = monitor.evidence()
    observations = replace(evidence.observations, run=replace(evidence.observations.run, update=updates))
    said += [one for one in evidence.unseen if one.kind is not UnseenKind.UPDATE]
    return RunResult(
        replace(evidence, observations=observations), f"one batch of {batch.shape}, {batch.source}", tuple(said)
    )


def objective(output: Any, targets: Any, loss: Loss | None) -> tuple[Tensor | None, Unseen | None]:
    """What the gradient is taken of: the loss where output and targets fit one, else a direction drawn at random."""
    found = [t for t in tensors_of(output) if t.is_floating_point()]
    if not found:
        return None, Unseen(
            UnseenKind.BACKWARD_PASS, "no backward pass was run: the model returned no floating-point tensor"
        )
    first = found[0]
    labelled = isinstance(targets, Tensor) and not targets.is_floating_point() and targets.dim() == 1
    if labelled and first.dim() == 2 and len(first) == len(targets):
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


def judged(evidence: Evidence, settings: Settings, only: SiteKind | None = None) -> tuple[Verdict, ...]:
    """The verdicts on what was seen, dated by the file; of checks for one kind of site alone where that is asked."""
    judge = Judge.of(settings)
    kept = tuple(c for c in judge.checks if (c.sites is only if only else not c.sites & FILE_KINDS))
    return tuple(map(undated, evidence.verdicts(replace(judge, checks=kept))))


def together(report: Report, verdicts: tuple[Verdict, ...], told: dict[str, Any]) -> Report:
    """Both as one report: a check that both asked found what either found."""
    more = {verdict.check: verdict for verdict in verdicts}
    merged = [united(v, more.pop(v.check)) if v.check in more else v for v in report.verdicts]
    kept = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in ("verdicts", "diagnosis")}
    told = {name: value for name, value in told.items() if name not in ("updates", "cost")}
    if report.layers:  # the run's own table says more than one batch does
        told = {"unseen": told["unseen"], "subject": told.get("subject", report.subject)}
    return Report.of((*more.values(), *merged), **{**kept, **told})


def united(one: Verdict, other: Verdict) -> Verdict:
    """Two verdicts of the same check: what is found at the same place is said once."""
    known = {finding.key for finding in one.findings}
    findings = (*one.findings, *(finding for finding in other.findings if finding.key not in known))
    answers = {one.outcome, other.outcome}
    order = (Outcome.FOUND, Outcome.PASSED, Outcome.COULD_NOT_RUN, Outcome.NOT_APPLICABLE)
    answer = next(answer for answer in order if answer in answers)
    return replace(one if one.outcome is answer else other, outcome=answer, findings=findings)
