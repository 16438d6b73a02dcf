"""calibrate, for every kind of layer of every library."""

from __future__ import annotations

import pytest
import torch

from spikecheck import SpikecheckError, calibrate
from tests.conformance.table import BATCH, INPUTS, STEPS, Net, kinds

KINDS = {str(kind): kind for kind in kinds()}
#: What its gates keep from firing at an ordinary rate, however large its input is, and what is no module.
REFUSED = {"snntorch: SLSTM": "no scale of fc2.weight", "torch: functions, tapped": "no module with a weight"}


@pytest.mark.parametrize("name", KINDS)
def test_both_layers_fire_from_their_fluctuations(name: str) -> None:
    kind = KINDS[name]
    torch.manual_seed(0)
    network = Net(kind, gain=0.2)
    x = (torch.rand(STEPS, 8 * BATCH, INPUTS, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    if name in REFUSED:
        with pytest.raises(SpikecheckError, match=REFUSED[name]):
            calibrate(network, x, reset=kind.reset)
        return
    result = calibrate(network, x, reset=kind.reset)
    assert [layer.layer for layer in result.layers] == ["lif1", "lif2"]
    for layer in result.layers:
        assert 0.001 <= layer.after.rate <= 0.3, str(layer)
        assert layer.after.deviation is None or 0.6 <= layer.after.deviation <= 1.1, str(layer)
    if kind.clear is not None:
        kind.clear()
