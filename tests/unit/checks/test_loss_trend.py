"""The window over which a fall of the loss is measured: SPK302, SPK312 and SPK313 share it."""

from __future__ import annotations

import pytest

from spikecheck.checks.loss_trend import LOSS_WINDOW
from spikecheck.checks.spk302_chance_plateau import ChancePlateau
from spikecheck.checks.spk312_stalled_loss import StalledLoss
from spikecheck.checks.spk313_worse_than_guess import WorseThanGuess
from spikecheck.errors import SpikecheckError
from spikecheck.stats.loss_values import WINDOW
from tests.unit.checks.build import findings, gradient, loss, observe, parameter, run, targets, update

BY_MEAN = {ChancePlateau: 3.0, StalledLoss: 1.5, WorseThanGuess: 4.0}
FLAT = {"window": 64, "recent_deviation": 0.02, "recent_slope": 0.0, "recent_slope_error": 1e-5}


def net(mean: float, updates: int):
    weight = [update(mean_relative_norm=0.004), gradient(), parameter()]
    places = {"fc1.weight": weight, "loss": [targets(), loss(recent_mean=mean, updates=updates, **FLAT)]}
    return observe(places, run=run(update=updates))


@pytest.mark.parametrize("check", BY_MEAN, ids=lambda check: check.id)
def test_every_check_of_the_trend_has_the_same_window_by_default(check) -> None:
    assert check().loss_window == LOSS_WINDOW == WINDOW


@pytest.mark.parametrize("loss_window", [32, 64, 65, 128])
@pytest.mark.parametrize("check", BY_MEAN, ids=lambda check: check.id)
def test_any_window_can_be_set_and_stands_in_the_text(check, loss_window: int) -> None:
    """A window of more losses than LossStats remembers silenced two of the checks."""
    (finding,) = findings(check(loss_window=loss_window), net(BY_MEAN[check], 5000), "loss")
    assert f"in {loss_window} updates" in finding.observed.text


@pytest.mark.parametrize("check", BY_MEAN, ids=lambda check: check.id)
def test_a_longer_window_waits_for_as_many_losses(check) -> None:
    patient = check(loss_window=400)
    assert not findings(patient, net(BY_MEAN[check], 399), "loss")
    assert findings(patient, net(BY_MEAN[check], 400), "loss")


@pytest.mark.parametrize("loss_window", [2, 257])
@pytest.mark.parametrize("check", BY_MEAN, ids=lambda check: check.id)
def test_a_window_that_cannot_work_is_refused(check, loss_window: int) -> None:
    """Two losses make no line with an error, and a window must not be longer than what a finding waits for."""
    with pytest.raises(SpikecheckError, match=f"loss_window = {loss_window} "):
        check.configured({"loss_window": loss_window})
