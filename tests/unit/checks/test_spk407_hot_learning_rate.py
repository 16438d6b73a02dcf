"""SPK407 hot-learning-rate: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk407_hot_learning_rate import HotLearningRate
from spikecheck.site import Moment
from tests.unit.checks.build import findings, loss, observe, parameter, severity_of, spikes, update

WORSE = loss(first=3.0, recent_mean=12.0)


def net(moved, lost=WORSE, weight=None):
    return observe({"fc1.weight": [moved, weight or parameter()], "loss": [lost]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(update()), None, id="ordinary steps"),
        pytest.param(
            net(update(mean_relative_norm=2.5, max_relative_norm=23.0, learning_rate=0.5)), "warning", id="Adam at 0.5"
        ),
        pytest.param(net(update(mean_relative_norm=0.5)), "warning", id="at the limit"),
        pytest.param(net(update(mean_relative_norm=0.49)), None, id="just below it"),
        pytest.param(net(update(mean_relative_norm=2.5, updates=4)), None, id="too few steps to say"),
        pytest.param(net(update(mean_relative_norm=2.5), loss()), None, id="the loss falls all the same"),
        pytest.param(
            net(update(mean_relative_norm=2.5), weight=parameter(dimensions=1)), None, id="a bias that starts at 0"
        ),
        pytest.param(
            net(update(mean_relative_norm=2.5), loss(first=3.0, recent_mean=float("nan"))),
            "warning",
            id="the loss is NaN",
        ),
        pytest.param(
            net(update(mean_relative_norm=0.6, mean_norm=0.017), weight=parameter(elements=32, fan_in=32, rms=0.01)),
            None,
            id="a class token that starts at 0",
        ),
        pytest.param(
            net(update(mean_relative_norm=0.6, mean_norm=0.3), weight=parameter(elements=32, fan_in=32, rms=0.01)),
            "warning",
            id="a class token that moves by half of a default initialization per update",
        ),
        pytest.param(net(update(mean_relative_norm=2.5, learning_rate=None)), "warning", id="the rate is not known"),
        pytest.param(
            net(update(mean_relative_norm=0.5), loss(first=3.2, recent_mean=3.0, recent_slope=0.0)),
            "warning",
            id="the loss fell to that of a guess",
        ),
        pytest.param(
            net(update(mean_relative_norm=0.5), loss(first=3.2, recent_mean=3.0, recent_slope=0.0, updates=63)),
            None,
            id="and it is too early to tell that nothing is learned",
        ),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(HotLearningRate(), observations, "fc1.weight") == severity


def test_one_finding_is_made_at_the_weight_that_moves_most() -> None:
    places = {f"fc{n}.weight": [update(mean_relative_norm=float(n)), parameter()] for n in (1, 2, 3)}
    observations = observe({**places, "loss": [WORSE]})
    made = [finding for name in places for finding in findings(HotLearningRate(), observations, name)]
    assert [finding.site.name for finding in made] == ["fc3.weight"]
    assert made[0].message == "one update changes fc3.weight by 300% of its norm, and the loss does not fall"
    assert "at a learning rate of 0.001" in made[0].observed.text


def grown(growth: float, scale: float = 6.0, lost=WORSE, **moved):
    """A run that began with smaller weights, and whose updates are small compared with those of now."""
    first = {"fc1.weight": [parameter(scale=scale / growth), update(updates=1)]}
    places = {"fc1.weight": [update(**{"mean_relative_norm": 0.1, **moved}), parameter(scale=scale)], "loss": [lost]}
    return observe(places, first=first)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(grown(3.01), "warning", id="just above the limit"),
        pytest.param(grown(2.9), None, id="just below it"),
        pytest.param(grown(100.0, updates=4), None, id="too few updates to say"),
        pytest.param(grown(100.0, scale=5.0), None, id="of an ordinary scale"),
        pytest.param(grown(100.0, lost=loss()), None, id="the loss falls all the same"),
        pytest.param(
            grown(100.0, lost=loss(first=3.2, recent_mean=3.1, recent_slope=0.0), mean_relative_norm=0.09),
            None,
            id="or is lower",
        ),
    ],
)
def test_updates_that_made_a_weight_so_large_that_they_no_longer_are(observations, severity) -> None:
    assert severity_of(HotLearningRate(), observations, "fc1.weight") == severity


def test_without_a_loss_nothing_is_said_about_it() -> None:
    unseen = grown(100.0)
    windows = {name: {p: r for p, r in places.items() if p != "loss"} for name, places in unseen.windows.items()}
    assert not findings(HotLearningRate(), replace(unseen, windows=windows), "fc1.weight")
    (finding,) = findings(
        HotLearningRate(), observe({"fc1.weight": [update(mean_relative_norm=0.9), parameter()]}), "fc1.weight"
    )
    assert finding.message == "one update changes fc1.weight by 90% of its norm, and no loss was observed"


@pytest.mark.parametrize(("last", "severity"), [(0.1, None), (3.0, "warning")])
def test_a_network_that_has_recovered_from_a_jump(last, severity) -> None:
    course = tuple(enumerate([1.0] * 60 + [300.0] * 32 + [0.1] * 7 + [last]))
    latest = tuple(value for _, value in course[-8:])
    lost = loss(first=3.0, recent_mean=120.0, recent_deviation=100.0, trace=course, latest=latest)
    assert severity_of(HotLearningRate(), grown(100.0, lost=lost), "fc1.weight") == severity


def test_a_learning_rate_that_rose_is_named_and_dates_the_finding() -> None:
    observations = grown(100.0, learning_rate=30.0, first_large=60)
    [finding] = findings(HotLearningRate(), observations, "fc1.weight")
    assert finding.message == "updates made fc1.weight 100x as large as at first, and the loss does not fall"
    assert finding.observed.text.endswith("at a learning rate of 30 (0.001 at first)")
    assert finding.when == Moment(60)
    assert finding.fix.splitlines() == [
        "# the learning rate rose from 0.001 to 30: correct the schedule",
        "optimizer = torch.optim.Adam(model.parameters(), lr=0.001)",
    ]


def test_recent_updates_count_where_those_before_were_ordinary() -> None:
    places = {"fc1.weight": [update(mean_relative_norm=0.5), parameter()], "loss": [WORSE]}
    whole = {"fc1.weight": [update(mean_relative_norm=0.02)]}
    assert severity_of(HotLearningRate(), observe(places, all=whole), "fc1.weight") == "warning"


def test_an_update_of_many_times_the_norm_is_no_percentage() -> None:
    [finding] = findings(HotLearningRate(), net(update(mean_relative_norm=1.6e7)), "fc1.weight")
    assert finding.message == "one update changes fc1.weight by 16 million times its norm, and the loss does not fall"


@pytest.mark.parametrize(("begin", "explained"), [(0.1, True), (0.5, False), (None, False)])
def test_accumulated_gradients_explain_updates_that_were_small_at_first(begin, explained) -> None:
    places = {"fc1.weight": [update(mean_relative_norm=2.5), parameter()], "loss": [WORSE]}
    first = {} if begin is None else {"fc1.weight": [update(mean_relative_norm=begin, updates=1)]}
    [finding] = findings(HotLearningRate(), observe(places, first=first), "fc1.weight")
    assert ("SPK413" in finding.explained_by) is explained


def with_threshold(lost=WORSE, weight=None, name="lif1.threshold", value=1.0, **changed):
    """A threshold that single updates change by 73%, and by a tenth on average, beside an ordinary weight."""
    jumps = update(**{"mean_relative_norm": 0.13, "max_relative_norm": 0.73, "mean_norm": 0.1, **changed})
    scalar = parameter(elements=1, dimensions=0, fan_in=1, rms=value)
    places = {name: [jumps, scalar], "fc1.weight": [weight or update(), parameter()], "loss": [lost]}
    return observe({**places, "lif1": [spikes()]}, first={name: [scalar]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(with_threshold(), "warning", id="a threshold that jumps"),
        pytest.param(with_threshold(max_relative_norm=0.5), "warning", id="at the limit"),
        pytest.param(with_threshold(max_relative_norm=0.49, mean_relative_norm=0.04), None, id="below it"),
        pytest.param(with_threshold(max_relative_norm=0.15, mean_relative_norm=0.05), "warning", id="it drifts"),
        pytest.param(
            with_threshold(max_relative_norm=0.15, mean_norm=0.049), None, id="it drifts, and is far below its first"
        ),
        pytest.param(with_threshold(loss()), None, id="the loss falls all the same"),
        pytest.param(with_threshold(updates=4), None, id="too few updates to say"),
        pytest.param(
            with_threshold(mean_norm=0.099, mean_relative_norm=0.04), None, id="a single jump among small updates"
        ),
        pytest.param(with_threshold(value=0.0), None, id="a parameter that starts at 0"),
        pytest.param(with_threshold(weight=update(mean_relative_norm=2.5)), None, id="a weight stands for it"),
    ],
)
def test_a_threshold_with_a_learning_rate_of_its_own(observations, severity) -> None:
    assert severity_of(HotLearningRate(), observations, "lif1.threshold") == severity


def test_a_bias_that_jumps_is_no_parameter_of_a_neuron() -> None:
    assert not findings(HotLearningRate(), with_threshold(name="fc1.bias"), "fc1.bias")


def test_the_message_says_how_far_a_threshold_jumps() -> None:
    [finding] = findings(HotLearningRate(), with_threshold(), "lif1.threshold")
    assert finding.message == (
        "single updates change lif1.threshold by up to 73% of its value, and the loss does not fall"
    )
    [finding] = findings(HotLearningRate(), with_threshold(max_relative_norm=0.15), "lif1.threshold")
    assert finding.message == (
        "an update changes lif1.threshold by 13% of its value on average, and the loss does not fall"
    )


@pytest.mark.parametrize(
    ("relative", "changed", "severity"),
    [
        pytest.param(0.1, {}, "warning", id="at the limit"),
        pytest.param(0.09, {}, None, id="just below it"),
        pytest.param(0.1, {"recent_slope": -0.01}, None, id="the loss still falls"),
        pytest.param(0.1, {"recent_mean": 1.4}, None, id="much is learned"),
        pytest.param(0.1, {"updates": 63}, None, id="too few losses to expect more"),
    ],
)
def test_weights_that_never_settle_where_the_loss_fell_a_little(relative, changed, severity) -> None:
    lost = loss(**{"first": 3.0, "recent_mean": 2.5, "recent_slope": 0.0, "recent_deviation": 0.05, **changed})
    places = {f"fc{n}.weight": [update(mean_relative_norm=n * relative), parameter()] for n in (0.1, 1, 2)}
    assert severity_of(HotLearningRate(), observe({**places, "loss": [lost]}), "fc2.weight") == severity


def test_one_fast_weight_among_slow_ones_is_no_matter_where_the_loss_fell_a_little() -> None:
    places = {f"fc{n}.weight": [update(mean_relative_norm=rate), parameter()] for n, rate in enumerate((0.3, 0.02))}
    lost = loss(first=3.0, recent_mean=2.5, recent_slope=0.0, recent_deviation=0.05)
    assert not findings(HotLearningRate(), observe({**places, "loss": [lost]}), "fc0.weight")
