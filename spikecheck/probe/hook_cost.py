"""What a hook costs that is too fast to be timed at every call: measured once, on a module that does nothing."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import nn

from spikecheck.probe.call_log import CallLog
from spikecheck.probe.frameworks.generic import Generic
from spikecheck.probe.layer import Layer, WatchedLayer
from spikecheck.probe.layer_hooks import CallHook, ReturnHook

CALLS, REPEATS = 64, 5


@cache
def seconds_per_call() -> float:
    """Return the seconds that the hooks of a layer add to a call that is noted, the fastest of several trials."""
    watched = WatchedLayer(Layer("measured", nn.Identity(), Generic()))
    bare, hooked = nn.Identity(), watched.layer.module
    before, after = CallHook(lambda *_: None), ReturnHook(lambda *_: None)
    before.watched = after.watched = watched
    hooked.register_forward_pre_hook(before, with_kwargs=True)
    hooked.register_forward_hook(after, with_kwargs=True)
    with torch.no_grad():
        x = torch.zeros(2, 3)
        fastest = {}
        for module in (bare, hooked):
            trials = []
            for _ in range(REPEATS):
                watched.log = CallLog(watched.layer.framework.observe)
                start = time.perf_counter()
                for _ in range(CALLS):
                    module(x)
                trials.append(time.perf_counter() - start)
            fastest[module] = min(trials)
    return max(0.0, fastest[hooked] - fastest[bare]) / CALLS
