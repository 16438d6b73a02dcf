"""What the argument of a spike function is less than the potential, from the variables around its call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikecheck.probe.offsets import MAX_TRIES, Offsets

torch.manual_seed(0)
POTENTIAL = torch.randn(8, 16)
OTHER = torch.randn(8, 16)


class Neurons(nn.Module):
    """Keeps its potential on itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mem = POTENTIAL


@pytest.mark.parametrize(
    ("argument", "variables", "offset"),
    [
        pytest.param(POTENTIAL - 15.0, {"mem": POTENTIAL, "b": OTHER}, 15.0, id="a variable"),
        pytest.param(POTENTIAL - 15.0, {"self": Neurons()}, 15.0, id="an attribute"),
        pytest.param(POTENTIAL - 1 - 0.01 * OTHER, {"mem": POTENTIAL}, 1.0, id="a threshold that adapts a little"),
        pytest.param(POTENTIAL - 1 - OTHER, {"mem": POTENTIAL}, None, id="a difference of two tensors"),
        pytest.param(POTENTIAL, {"mem": POTENTIAL}, None, id="the threshold is inside the function"),
        pytest.param(POTENTIAL / 2 - 1, {"mem": POTENTIAL}, None, id="scaled"),
        pytest.param(POTENTIAL - 1, {"mem": POTENTIAL[:4], "w": nn.Linear(16, 8)}, None, id="nothing of this shape"),
        pytest.param(torch.zeros(8, 16) - 1, {"mem": torch.zeros(8, 16)}, None, id="constant as yet"),
    ],
)
def test_the_offset(argument: Tensor, variables: dict[str, Any], offset: float | None) -> None:
    difference = Offsets().offset_of("here", argument, variables)
    assert difference == (None if offset is None else pytest.approx(offset, abs=0.01))


def test_only_the_first_calls_of_a_call_site_are_looked_at() -> None:
    offsets = Offsets()
    looked_at = [offsets.offset_of("here", POTENTIAL - 1.0, {"mem": POTENTIAL}) for _ in range(MAX_TRIES + 1)]
    assert looked_at[-2] == pytest.approx(1.0)
    assert looked_at[-1] is None
    assert offsets.offset_of("there", POTENTIAL - 1.0, {"mem": POTENTIAL}) == pytest.approx(1.0)
