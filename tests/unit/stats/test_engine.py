"""The first, recent and all windows; training and evaluation are separate."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from spikecheck.checks.base import place_of
from spikecheck.excerpts import RasterReading
from spikecheck.readings import FlowReading, LogitReading, SpikeReading
from spikecheck.site import Capture, Layout, LossCall, Site, SiteKind
from spikecheck.stats.engine import WINDOWS, Engine, measure_values
from spikecheck.stats.waiting import MAX_VALUES, MAX_VALUES_IN_ALL, MAX_WAITING, Waiting
from spikecheck.timelines import SpikeTimelineReading

LIF = Site(SiteKind.SPIKES, "lif", 1)


def spikes(count: int, *, training: bool = True, update: int = 0) -> Capture[Tensor]:
    x = torch.zeros(1, 1, 10)
    x[..., :count] = 1
    return Capture((LIF,), (x,), Layout(0, 1), training, update)


def counts(engine: Engine, *, training: bool = True) -> dict[str, float | None]:
    read = engine.windowed(training, place_of, {})
    readings = {window: read[window].get("lif", {}).get(SpikeReading) for window in ("first", "recent", "all")}
    return {window: reading and reading.count for window, reading in readings.items()}


def test_one_forward_pass_is_in_every_window() -> None:
    engine = Engine()
    engine.receive(spikes(3))
    assert counts(engine) == {"first": 3, "recent": 3, "all": 3}


def test_recent_is_the_last_two_windows() -> None:
    engine = Engine()
    for count in (1, 2):
        engine.receive(spikes(count))
    engine.roll()
    engine.receive(spikes(3))
    assert counts(engine) == {"first": 1, "recent": 6, "all": 6}
    engine.roll()
    engine.receive(spikes(4))
    assert counts(engine) == {"first": 1, "recent": 7, "all": 10}
    engine.roll()
    assert counts(engine) == {"first": 1, "recent": 4, "all": 10}, "a new window keeps the previous one"


def test_an_excerpt_is_from_the_latest_forward_pass_of_each_window() -> None:
    engine = Engine()

    def shown() -> dict[str, tuple[int, float]]:
        read = engine.windowed(True, place_of, {})
        readings = {window: read[window]["lif"][RasterReading] for window in ("first", "recent", "all")}
        return {window: (r.update, sum(map(sum, r.raster))) for window, r in readings.items()}

    for update, count in enumerate((1, 2)):
        engine.receive(spikes(count, update=update))
    assert shown() == {"first": (0, 1), "recent": (1, 2), "all": (1, 2)}
    for update in (7, 8, 9):
        engine.roll()
        engine.receive(spikes(update, update=update))
        engine.receive(spikes(3, update=update + 10))
    assert shown() == {"first": (0, 1), "recent": (19, 3), "all": (19, 3)}


def test_a_timeline_is_no_part_of_the_first_forward_pass() -> None:
    """What is judged of the first forward pass may not depend on what came later."""
    engine = Engine()
    for update in range(3):
        engine.receive(spikes(update, update=update))
    read = engine.windowed(True, place_of, {})
    assert [SpikeTimelineReading in read[window]["lif"] for window in WINDOWS] == [False, True, True]


def test_an_empty_window_does_not_empty_the_recent_one() -> None:
    engine = Engine()
    engine.receive(spikes(3))
    for _ in range(5):
        engine.roll()
    assert counts(engine) == {"first": 3, "recent": 3, "all": 3}


def test_training_and_evaluation_do_not_mix() -> None:
    engine = Engine()
    engine.receive(spikes(2, training=False))
    assert not engine.trained()
    engine.receive(spikes(5))
    assert engine.trained()
    assert counts(engine)["all"] == 5
    assert counts(engine, training=False)["all"] == 2


def test_parameters_belong_to_training_and_evaluation() -> None:
    engine = Engine()
    engine.receive(Capture((Site(SiteKind.PARAMETER, "fc.weight"),), (torch.ones(2, 2),)))
    assert not engine.trained(), "parameters do not show that the model was trained"
    for training in (True, False):
        assert [site.name for site in engine.sites(training)] == ["fc.weight"]
        assert "fc.weight" in engine.windowed(training, place_of, {})["all"]


def test_readings_without_tensors_are_added() -> None:
    engine = Engine()
    engine.receive(spikes(3))
    read = engine.windowed(True, place_of, {"lif": FlowReading(1, 0), "other": FlowReading(2, 2)})["recent"]
    assert read["lif"].keys() == {SpikeReading, RasterReading, SpikeTimelineReading, FlowReading}
    assert read["other"] == {FlowReading: FlowReading(2, 2)}
    with pytest.raises(KeyError):
        engine.windowed(True, place_of, {})["yesterday"]


def test_a_site_has_its_latest_attributes() -> None:
    engine = Engine()
    engine.receive(spikes(3))
    later = Site(SiteKind.SPIKES, "lif", 7, "snntorch")
    engine.receive(Capture((later,), (torch.ones(1, 1, 10),), Layout(0, 1)))
    (site,) = engine.sites(training=True)
    assert (site.position, site.framework) == (7, "snntorch")


def test_the_values_of_a_tensor() -> None:
    assert measure_values(torch.tensor([0.0, 1.0, 1.0, 0.5])).values == (0.0, 0.5, 1.0)


def together_and_apart(captures: Iterable[Capture[Tensor]], monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return what is read in each window where captures wait for each other; it has to be the same where none does."""
    together, apart = Engine(), Engine()
    for capture in captures:
        together.receive(capture, tier=1)
        with monkeypatch.context() as at_once:
            at_once.setattr(Waiting, "add", lambda *_: False)
            apart.receive(capture, tier=1)
    read = tuple(repr(together.read(window)) for window in WINDOWS)
    assert read == tuple(repr(apart.read(window)) for window in WINDOWS)
    return read


@pytest.mark.parametrize("updates", [1, 3, MAX_WAITING])
def test_losses_that_wait_are_measured_as_those_that_do_not(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of several updates are measured together, with a NaN in one of them, and a batch that is repeated."""
    torch.manual_seed(0)
    call = LossCall("cross_entropy", 5, plain_mean=True)
    batches = [(torch.randn(6, 5), torch.randint(5, (6,)), torch.rand(())) for _ in range(updates)]
    batches[-1][0][2, 1] = torch.nan
    batches[-1] = (batches[-1][0], batches[0][1], batches[-1][2])
    kinds = SiteKind.LOGITS, SiteKind.TARGETS, SiteKind.LOSS
    captures = (
        Capture((Site(kind, "loss"),), (value,), update=update, loss_call=call)
        for update, batch in enumerate(batches)
        for kind, value in zip(kinds, batch, strict=True)
    )
    together_and_apart(captures, monkeypatch)


@pytest.mark.parametrize("kind", [SiteKind.INPUT, SiteKind.POTENTIAL, SiteKind.SPIKES])
@pytest.mark.parametrize("layout", [Layout(0, 1), Layout(1, 0), Layout(None, 0), Layout(2, None)])
def test_forward_passes_that_wait_are_measured_as_those_that_do_not(
    kind: SiteKind, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time steps are one tensor, or one each; some passes are longer, one is not finite, and one is too large."""
    site, generator = Site(kind, "lif", 1), torch.Generator().manual_seed(0)
    shapes = [(3, 4, 5)] * 20 + [(6, 4, 5)] * 3 + [(3, 4, 5)] * 30
    passes = [(torch.rand(shape, generator=generator) < 0.3).float() for shape in shapes]
    passes[7][1, 2, 0] = torch.nan
    passes[11] = torch.ones(3, 4, MAX_VALUES)
    one_tensor = [Capture((site,), (x,), layout, update=update) for update, x in enumerate(passes)]
    one_each = [Capture((site,), x.unbind(), Layout(0, 1), update=u, stacked=True) for u, x in enumerate(passes)]
    read = together_and_apart(one_tensor, monkeypatch)
    assert "update=7" in read[-1], "the pass that is not finite keeps its number"
    together_and_apart(one_each, monkeypatch)


def test_gradients_that_wait_are_measured_as_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = tuple(Site(SiteKind.GRADIENT, name) for name in ("fc.weight", "fc.bias", "scale"))
    captures = []
    for update in range(20):
        gradients = [torch.full((2, 3), float(update)), torch.zeros(2), torch.ones(())]
        if update == 5:
            gradients[0][1, 1] = torch.inf
        if update in (3, 4):
            gradients[2] = torch.empty(0)
        captures.append(Capture(sites, tuple(gradients), update=update))
    together_and_apart(captures, monkeypatch)


def test_optimizers_that_wait_are_measured_as_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each update has a learning rate of its own, and is followed by its size, which does not wait."""
    site, captures = (Site(SiteKind.OPTIMIZER, "Adam"),), []
    for update in range(20):
        norms = torch.tensor([3.0, torch.inf if update == 5 else 4.0])
        captures.append(Capture(site, (norms,), update=update, learning_rates=(0.5**update,)))
        captures.append(Capture(site, (), update=update, step_tensors=(torch.ones(3), torch.full((3,), 2.0))))
    together_and_apart(captures, monkeypatch)


def test_what_waits_is_kept_as_it_was() -> None:
    logits, together = torch.zeros(2, 3), Engine()
    together.receive(Capture((Site(SiteKind.LOGITS, "loss"),), (logits,)))
    logits.add_(torch.arange(3))
    (readings,) = together.read("all").values()
    assert readings[LogitReading].maximum == 0


def test_what_waits_is_bounded() -> None:
    engine = Engine()
    for number in range(1_000):
        x = torch.zeros(1, 1, MAX_VALUES)
        engine.receive(Capture((Site(SiteKind.SPIKES, f"lif {number}"),), (x,), Layout(0, 1)), tier=1)
    assert 0 < engine.waiting.values <= MAX_VALUES_IN_ALL


def test_a_value_that_is_not_finite_is_news_once_at_each_site() -> None:
    engine = Engine()
    engine.receive(spikes(3))
    assert not engine.breaks()
    engine.receive(Capture((LIF,), (torch.full((1, 1, 10), torch.nan),), Layout(0, 1), True, 1), tier=1)
    assert engine.breaks()
    engine.receive(spikes(3, update=2), tier=1)
    assert not engine.breaks()
    other = Site(SiteKind.INPUT, "input")
    engine.receive(Capture((other,), (torch.full((1, 1, 10), torch.inf),), Layout(0, 1), True, 3), tier=1)
    assert engine.breaks()
    assert not engine.breaks()
