"""The hooks on a spiking layer, which a forward pass may reach hundreds of times: most calls are noted, and no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from spikecheck.probe.call_log import is_state_sampled
from spikecheck.probe.hook import Hook, HookSet
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.passes import Passes
from spikecheck.probe.torch_private import (
    in_backward,
    is_compiling,
    leave_alone,
    outside_compiler,
    set_compiler,
)


class CallHook(Hook):
    """A hook on the calls of a layer: while its returns are noted, most calls need nothing."""

    __slots__ = ("watched",)
    watched: WatchedLayer

    def __call__(self, *args: Any) -> None:
        """Pass the call on, unless what it returns will be noted."""
        if is_compiling():
            self.trace(*args)
            return
        log = self.watched.log
        if log is None or log.count in log.special or log.thread != get_ident():
            outside_compiler(self.pass_on, args)


class ReturnHook(Hook):
    """A hook on what the calls of a layer return."""

    __slots__ = ("watched",)
    watched: WatchedLayer

    def __call__(self, *args: Any) -> None:
        """Note what was returned, or pass it on."""
        if is_compiling():
            self.trace(*args)
            return
        log = self.watched.log
        if log is not None and log.thread == get_ident():
            before = set_compiler(None)
            try:
                if log.note(*args):
                    return
            except Exception as error:  # noqa: BLE001 - it goes to the guard
                self.fail(error)
            finally:
                set_compiler(before)
        outside_compiler(self.pass_on, args)


leave_alone(CallHook.__call__)
leave_alone(ReturnHook.__call__)


def hook_layer(
    hooks: HookSet,
    watched: WatchedLayer,
    passes: Passes,
    called: Callable[..., None],
    returned: Callable[..., None],
    compiled: Callable[..., None],
) -> None:
    """Hook a layer's calls and returns; what is not wanted is turned away before it costs anything.

    What runs inside a backward pass is a checkpoint that computes a forward pass again.
    """

    def is_call_wanted() -> bool:
        here = passes.here()
        if here.depth == 0:
            return not in_backward()
        wanted = here.recorder.tier > 1 and watched.hooked and is_state_sampled(here.count(watched))
        return wanted and not in_backward()

    def is_return_wanted() -> bool:
        return watched.hooked and not in_backward()

    before: Any = hooks.make(partial(called, watched), is_call_wanted, kind=CallHook)
    after: Any = hooks.make(partial(returned, watched), is_return_wanted, partial(compiled, watched), ReturnHook)
    before.watched = after.watched = watched
    hooks.add(watched.layer.module.register_forward_pre_hook(before, with_kwargs=True))
    hooks.add(watched.layer.module.register_forward_hook(after, with_kwargs=True))
