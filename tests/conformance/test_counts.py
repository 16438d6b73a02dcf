"""The counts of a layer, whatever its shape, length, batch, number type and layout, against counting one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikecheck.site import Capture, Layout, Site, SiteKind
from tests.conformance.features.registry import unharmed, watched
from tests.conformance.table import Kind, kinds
from tests.oracles.agree import differences
from tests.oracles.spike_stats import oracle

SHAPES = ((1,), (3,), (16,), (2, 3, 3), (5, 2, 1))  # neurons; channels, height and width
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
FLAT = {"rockpool: LIFTorch", "snntorch: StateLeaky"}  # take three axes alone: no channels, height and width
SINGLE = {"rockpool: LIFTorch"}  # takes the numbers that its weights are made of alone
CHOSEN = (  # of each library, one called once per step and one called once per sequence, where it has both
    "matterhorn_pytorch: LIF",  # [time, batch, neuron]
    "matterhorn_pytorch: LIF batch_first",
    "norse: LIFCell",  # a step
    "norse: LIF",
    "rockpool: LIFTorch",  # [batch, time, neuron]
    "sinabs: IAF",
    "sinabs: IAFSqueeze",  # [batch * time, neuron]
    "snntorch: Leaky",
    "snntorch: StateLeaky",
    "spikingjelly: LIFNode 's'",
    "spikingjelly: LIFNode 'm'",
    "torch: module, a step",
    "torch: module, a sequence",
    "torch: module, batch first",
    "torch: functions, tapped",
)
KINDS = {str(kind): kind for kind in kinds()}


class Alone(nn.Module):
    """One spiking layer, which is given its current."""

    def __init__(self, kind: Kind, neurons: int) -> None:
        super().__init__()
        self.kind, self.lif1 = kind, kind.layer(neurons)

    def forward(self, current: Tensor) -> Tensor:
        if self.kind.reset is not None:
            self.kind.reset(self)
        return self.kind.run(self.lif1, current)


@st.composite
def forward_passes(draw: st.DrawFn, kind: Kind) -> list[Tensor]:
    """The currents of a few forward passes, [time, batch, neuron...]."""
    shape = draw(st.sampled_from([s for s in SHAPES if len(s) == 1 or str(kind) not in FLAT]))
    dtype = torch.float32 if str(kind) in SINGLE else draw(st.sampled_from(DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    currents = []
    for _ in range(draw(st.integers(1, 3))):
        steps, samples = draw(st.integers(1, 9)), draw(st.integers(1, 5))
        drive = draw(st.sampled_from((0.0, 0.5, 3.0, 50.0))) * kind.gain  # silent, sparse, busy, saturated
        currents.append((torch.randn(steps, samples, *shape, generator=generator) * drive).to(dtype))
    return currents


@pytest.mark.parametrize("name", CHOSEN)
@given(data=st.data())
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_counts_are_what_counting_one_by_one_gives(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    currents = data.draw(forward_passes(kind))
    grad = kind.library == "torch" or data.draw(st.booleans())  # by hand: recognized by the surrogate gradient
    model = Alone(kind, currents[0].shape[2]).to(currents[0].dtype)
    with watched(model) as monitor, torch.set_grad_enabled(grad):
        returned = [model(current.clone().requires_grad_(grad)).detach() for current in currents]
        (row,) = unharmed(monitor, ["lif1"]).layers
    site = (Site(SiteKind.SPIKES, "lif1"),)
    (counted,) = oracle([Capture(site, (spikes,), Layout(0, 1)) for spikes in returned])
    assert not differences(row.spikes, counted, ("time_axis_known",))
    assert row.spikes.time_axis_known == (kind.sees == "sequence" or all(len(current) > 1 for current in currents))
