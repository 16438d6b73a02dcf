"""spikingjelly: `step_mode` 's' is called once per step, 'm' once per sequence; both keep their state."""

from __future__ import annotations

from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based.functional import net_config

from tests.conformance.table import Kind, stepwise, whole


def clear() -> None:
    """`reset_net` keeps each model in a weak dictionary, and a compiled forward that calls it is guarded by its place.

    Where an earlier model is gone by the time that the guards are made, torch.compile fails with an IndexError.
    """
    net_config._RESET_MODULE_CACHE.clear()


def single(name, layer, **more) -> Kind:
    return Kind("spikingjelly", f"{name} 's'", layer, stepwise, "step", functional.reset_net, **more)


def multi(name, layer, **more) -> Kind:
    return Kind("spikingjelly", f"{name} 'm'", layer, whole, "sequence", functional.reset_net, **more)


KINDS = [
    single("LIFNode", lambda n: neuron.LIFNode(), gain=4.0, clear=clear, main=True),
    multi("LIFNode", lambda n: neuron.LIFNode(step_mode="m"), gain=4.0),
    multi("LIFNode store_v_seq", lambda n: neuron.LIFNode(step_mode="m", store_v_seq=True), gain=4.0),
    single("IFNode", lambda n: neuron.IFNode()),
    multi("IFNode", lambda n: neuron.IFNode(step_mode="m", v_reset=None)),
    multi("ParametricLIFNode", lambda n: neuron.ParametricLIFNode(step_mode="m"), gain=4.0),
    multi("ILIFNode", lambda n: neuron.ILIFNode(step_mode="m"), multi=True, values=frozenset({0.0, 1, 2, 3, 4})),
    multi("TernaryLIFNode", lambda n: neuron.TernaryLIFNode(step_mode="m"), values=frozenset({-1.0, 0, 1}), gain=4.0),
    Kind("spikingjelly", "PSN", lambda n: neuron.PSN(T=10), whole, "sequence", potential=False),  # keeps no state
]
