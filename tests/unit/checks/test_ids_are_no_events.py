"""Ids that an embedding looks up, such as those of characters: no check takes them for events, bins or channels."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.checks.base import Check
from spikecheck.checks.spk101_count_input import CountInput
from spikecheck.checks.spk102_empty_input import EmptyInput
from spikecheck.checks.spk103_one_bin_input import OneBinInput
from spikecheck.checks.spk105_constant_input import ConstantInput
from spikecheck.checks.spk107_wrapped_counts import WrappedCounts
from spikecheck.checks.spk108_silent_channels import SilentChannels
from spikecheck.checks.spk110_saturated_input import SaturatedInput
from spikecheck.checks.spk111_duplicate_channels import DuplicateChannels
from spikecheck.checks.spk112_unlike_evaluation_input import UnlikeEvaluationInput
from spikecheck.readings import EvaluationInputReading, InputHalvesReading, InputReading
from tests.unit.checks.build import FINITE, inputs, observe, severity_of

EVALUATION = EvaluationInputReading(**{**asdict(inputs()), "non_finite": FINITE, "count": 19.0})
STEPS, BATCH, NEURONS, CHARACTERS = 12, 8, 16, 5


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize(
    ("check", "changed", "others"),
    [
        pytest.param(CountInput(), {"count": 1e5, "maximum": 6.0, "above_one": 9000}, (), id="SPK101"),
        pytest.param(EmptyInput(), {"filled_frames": 0}, (), id="SPK102"),
        pytest.param(OneBinInput(), {"densest_frame_share": 1.0}, (), id="SPK103"),
        pytest.param(ConstantInput(), {"constant_forward_passes": 20}, (), id="SPK105"),
        pytest.param(WrappedCounts(), {"minimum": -128.0, "maximum": 127.0, "values": (-128.0, 3.0)}, (), id="SPK107"),
        pytest.param(SilentChannels(), {"channels": 100, "silent_channels": 50, "silent_half": True}, (), id="SPK108"),
        pytest.param(SaturatedInput(), {"active": 81_920}, (), id="SPK110"),
        pytest.param(DuplicateChannels(), {}, (InputHalvesReading(3, (2, 8, 8), (0,)),), id="SPK111"),
        pytest.param(UnlikeEvaluationInput(), {}, (EVALUATION,), id="SPK112"),
    ],
)
def test_a_check_of_events_leaves_ids_alone(check: Check, changed, others, dtype: str) -> None:
    events, ids = inputs(**changed), inputs(**changed, dtype=dtype, shape=(STEPS, BATCH))
    assert severity_of(check, observe({"input": [events, *others]}), "input") is not None
    assert severity_of(check, observe({"input": [ids, *others]}), "input") is None
    frames = inputs(**changed, dtype=dtype)
    assert severity_of(check, observe({"input": [frames, *others]}), "input") is not None


class Characters(nn.Module):
    """It gets its state back in the next call, beside the next piece of the text."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.readout = nn.Embedding(CHARACTERS, NEURONS), nn.Linear(NEURONS, CHARACTERS)

    def forward(self, ids: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        (potential,), outputs = state or (torch.zeros(ids.shape[1], NEURONS),), []
        for at_once in ids:
            potential = 0.5 * potential + self.embedding(at_once)
            outputs.append(self.readout(potential))
        return torch.stack(outputs), (potential.detach(),)


def test_the_input_of_a_model_that_gets_its_state_back_is_the_ids() -> None:
    torch.manual_seed(0)
    model, state = Characters(), None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(20):
            text = torch.randint(CHARACTERS, (STEPS + 1, BATCH))
            outputs, state = model(text[:-1], state)
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs.flatten(0, 1), text[1:].flatten()).backward()
            optimizer.step()
    x = monitor.evidence().observations.windows["all"]["input"][InputReading]
    assert (x.dtype, x.non_integer, x.maximum) == ("int64", 0, CHARACTERS - 1)
