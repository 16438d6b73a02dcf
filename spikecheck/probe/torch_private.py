"""Every private name of torch that this package uses, and what is done where a version of torch lacks it.

No other file of `probe` may use one. Each name is looked up once, by `find`; without it the function that needs it
falls back to what its docstring says, and training goes on. A test removes every name of `PRIVATE` in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

PRIVATE = (
    "torch._C._autograd._top_saved_tensors_default_hooks",
    "torch._C._functorch.is_functorch_wrapped_tensor",
    "torch._C._current_graph_task_id",
    "torch._C._get_tracing_state",
    "torch._C._disabled_torch_dispatch_impl",
    "torch._C._nn",
    "torch._C._dynamo.eval_frame",
    "torch._foreach_norm",
    "torch._higher_order_ops.effects._EffectType",
    "torch._higher_order_ops.effects._register_effectful_op",
    "torch.autograd.function.BackwardCFunction",
    "torch.autograd.function._SingleLevelFunction",
    "torch.compiler.is_compiling",
    "torch.compiler.is_exporting",
    "torch.fx._symbolic_trace.is_fx_symbolic_tracing",
    "torch.utils._python_dispatch._disable_current_modes",
    "torch._C._len_torch_dispatch_stack",
    "torch.nn.Module._call_impl",
    "torch.nn.modules.batchnorm._BatchNorm",
)
ON_OBJECTS = (
    "_sequence_nr",
    "_saved_self",
    "_saved_alpha",
    "_saved_other",
    "_saved_result",
    "_saved_exponent",
    "_saved_weight",
    "_saved_dim",
    "_saved_dim0",
    "_saved_dim1",
    "_saved_dims",
    "_saved_self_sym_sizes",
    "_input_metadata",
    "_version",
)  # of the graph's nodes, and of tensors


def find(path: str) -> Any:
    """Return what a dotted path of PRIVATE names, or None where this version of torch has no such thing."""
    if path not in PRIVATE:
        raise LookupError(f"{path} is not in PRIVATE")
    thing: Any = torch
    with suppress(ImportError):
        import_module(path.rpartition(".")[0])  # where it is a module that nobody has imported yet
    for name in path.split(".")[1:]:
        thing = getattr(thing, name, None)
    return thing


_is_functorch_wrapped = find("torch._C._functorch.is_functorch_wrapped_tensor")
_graph_task_id = find("torch._C._current_graph_task_id")
_frames = find("torch._C._dynamo.eval_frame")  # what torch's compiler does with a frame of Python
_foreach_norm = find("torch._foreach_norm")
_is_compiling = find("torch.compiler.is_compiling")
_is_exporting = find("torch.compiler.is_exporting")
_tracing_state = find("torch._C._get_tracing_state")
_is_fx_tracing = find("torch.fx._symbolic_trace.is_fx_symbolic_tracing")
_mode_count = find("torch._C._len_torch_dispatch_stack") or (lambda: 0)
_no_dispatch = find("torch._C._disabled_torch_dispatch_impl")
DISPATCH = "__torch_dispatch__"
_disable_modes = find("torch.utils._python_dispatch._disable_current_modes")
_call_impl = find("torch.nn.Module._call_impl")
_custom_function = find("torch.autograd.function.BackwardCFunction")
_single_level = find("torch.autograd.function._SingleLevelFunction")
_packing = find("torch._C._autograd._top_saved_tensors_default_hooks")
_batch_norm = find("torch.nn.modules.batchnorm._BatchNorm")


# -- tensors


def is_functorch_tensor(tensor: Tensor) -> bool:
    """Return whether `torch.func` traces with this tensor, which has no values then; False where torch cannot tell."""
    return _is_functorch_wrapped is not None and bool(_is_functorch_wrapped(tensor))


def version(tensor: Tensor) -> int | None:
    """Return how often a tensor was changed in place; None where that is not counted."""
    return None if tensor.is_inference() else getattr(tensor, "_version", None)


def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the norm of each tensor in one fused call, or one by one where torch has no such call."""
    if _foreach_norm is None:
        return [tensor.norm() for tensor in tensors]
    return list(_foreach_norm(tensors))


def is_batch_norm(module: nn.Module) -> bool:
    """Return whether a module is one of torch's batch normalizations; by its class's name where they share no base."""
    if _batch_norm is None:
        return type(module).__name__.startswith(("BatchNorm", "SyncBatchNorm", "LazyBatchNorm"))
    return isinstance(module, _batch_norm)


def takes_hooks(module: nn.Module) -> bool:
    """Return whether a module takes hooks: one that torch.jit compiled raises an error."""
    return not isinstance(module, torch.jit.ScriptModule)


def is_plain_tensor(value: object) -> bool:
    """Return whether it is a tensor whose values are here: none that a tracer uses, none that is spread over ranks."""
    return type(value) in (Tensor, nn.Parameter, nn.Buffer) and not is_functorch_tensor(value)  # type: ignore[arg-type]


def versions_of(*tensors: Tensor | None) -> list[int | None] | None:
    """Return the versions of tensors of torch's own class, None for None; nothing where one is of another kind."""
    is_wrapped = _is_functorch_wrapped
    for tensor in tensors:
        if tensor is not None and (type(tensor) is not Tensor or (is_wrapped is not None and is_wrapped(tensor))):
            return None
    try:
        return [None if tensor is None else tensor._version for tensor in tensors]
    except RuntimeError:  # one is of inference mode, where changes are not counted
        return [None if tensor is None else version(tensor) for tensor in tensors]


def are_unchanged(tensors: Sequence[Tensor], versions: Sequence[int | None]) -> bool:
    """Return whether tensors still hold what they held at these versions; so does one that is not counted."""
    try:
        if [tensor._version for tensor in tensors] == versions:
            return True
    except RuntimeError:  # one is of inference mode, where changes are not counted
        pass
    return all(before is None or version(one) == before for one, before in zip(tensors, versions, strict=True))


def has_values(tensor: Tensor) -> bool:
    """Return whether the values of a tensor are here: not those of a tracer's, nor of one spread over processes."""
    kind = type(tensor)
    if kind is not Tensor and kind is not nn.Parameter:
        dispatch = next((vars(cls)[DISPATCH] for cls in kind.__mro__ if DISPATCH in vars(cls)), None)
        if dispatch not in (None, _no_dispatch, vars(Tensor).get(DISPATCH)):
            return False
    return not is_functorch_tensor(tensor)


def is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor has a place in memory for each of its values, unlike a sparse or a nested one."""
    return tensor.layout is torch.strided and not tensor.is_nested


def is_freed(tensor: Tensor) -> bool:
    """Return whether the memory of a tensor was given back, as FSDP does with what it gathers for a layer."""
    return tensor.numel() > 0 and tensor.untyped_storage().size() == 0


# -- the graph of the backward pass


def in_backward() -> bool:
    """Return whether a backward pass is running: what runs in it is a checkpoint that computes a forward pass again.

    False where torch does not tell; a recomputed forward pass is counted twice then.
    """
    return _graph_task_id is not None and _graph_task_id() != -1


def sequence_number(node: Any) -> int:
    """Return a node's place in the order in which its thread made the graph; 0 where nodes are not numbered."""
    numbered = getattr(node, "_sequence_nr", None)
    return 0 if numbered is None else int(numbered())


def next_sequence_number() -> int:
    """Return the number that the next node of this thread would get, and use it up."""
    with torch.enable_grad():
        return sequence_number(torch.empty(0, requires_grad=True).neg().grad_fn)


def is_custom_function(node: Any) -> bool:
    """Return whether a node is that of a custom autograd function, which a surrogate gradient is."""
    if _custom_function is None:
        return hasattr(node, "_forward_cls")
    return isinstance(node, _custom_function)


def is_function_of_torch(node: Any) -> bool:
    """Return whether a node is that of an autograd function of torch's own, such as a checkpoint."""
    home = getattr(getattr(node, "_forward_cls", None), "__module__", None) or ""
    return home.startswith("torch.")


def saved_difference(node: Any) -> Tensor | None:
    """Return what a square or an absolute value was taken of; None where that is gone or torch does not show it."""
    try:
        saved = getattr(node, "_saved_self", None)
    except RuntimeError:  # it was changed in place, or the graph is used up
        return None
    return saved if isinstance(saved, Tensor) else None


def saved_tensor(node: Any, name: str) -> Tensor | None:
    """Return a tensor that a node of the graph saved; None where it saved none, or it is gone, or packed.

    To unpack what a checkpoint packed would run the user's forward pass again.
    """
    try:
        if getattr(getattr(node, f"_raw{name}", None), "unpack_hook", None) is not None:
            return None
        saved = getattr(node, name, None)
    except RuntimeError:  # it was changed in place, or the graph is used up
        return None
    return saved.detach() if isinstance(saved, Tensor) else None


def saved_number(node: Any, name: str) -> float | None:
    """Return a number that a node of the graph saved; None where it saved none."""
    saved = getattr(node, name, None)
    return float(saved) if isinstance(saved, int | float) else None


def saved_axis(node: Any, name: str, rank: int | None = None) -> int | None:
    """Return an axis that a node of the graph saved, from the start if `rank` is given; None where it is not shown."""
    axes = saved_axes(node, name, rank)
    return axes[0] if axes else None


def saved_axes(node: Any, name: str, rank: int | None = None) -> tuple[int, ...] | None:
    """Return the axes or sizes that a node of the graph saved; None where torch does not show them."""
    saved = getattr(node, name, None)
    values = (saved,) if isinstance(saved, int) else saved if isinstance(saved, tuple) else ()
    if not values or not all(isinstance(value, int) for value in values):
        return None
    signed = (value - 2**64 if value >= 2**63 else value for value in values)  # torch shows them as unsigned
    return tuple(value if rank is None or value >= 0 else value + rank for value in signed)


def parents_of(node: Any) -> list[Any]:
    """Return the nodes just upstream of a node of the graph."""
    return [parent for parent, _ in node.next_functions if parent is not None]


def shape_of(node: Any) -> tuple[int, ...] | None:
    """Return the shape of what a node computed; None where torch does not tell."""
    metadata = getattr(node, "_input_metadata", None)
    shape = getattr(metadata[0], "shape", None) if metadata else None
    return None if shape is None else tuple(shape)


# -- modules and functions


def single_level_function() -> Any:
    """Return the class of torch where `Function.apply` looks up the next `apply`; None where there is no such class."""
    return _single_level


def apply_code() -> Any:
    """Return the code of `Function.apply`; None where it is not written in Python, so that it has no frame."""
    method = torch.autograd.Function.__dict__.get("apply")
    return getattr(getattr(method, "__func__", None), "__code__", None)


def tells_module_calls() -> bool:
    """Return whether `module_of_call` recognizes the call of a module."""
    return _call_impl is not None


def module_of_call(frame: Any) -> nn.Module | None:
    """Return the module that a frame is the call of; None for any other frame, and where torch does not tell."""
    if _call_impl is None or frame.f_code is not _call_impl.__code__:
        return None
    module = frame.f_locals.get("self")
    return module if isinstance(module, nn.Module) else None


def module_file() -> str:
    """Return the file of `nn.Module`, whose frames lie between a module's call and its forward."""
    return nn.Module.register_forward_hook.__code__.co_filename


def loss_functions() -> Any:
    """Return the home of torch's losses on its C++ side; an empty one, so that none is watched, where it is gone."""
    return find("torch._C._nn") or object()


def calls_running(module: nn.Module, frame: Any) -> int | None:
    """Return how many calls of a module are running in the stack that ends with a frame; None where that is unknown."""
    if _call_impl is None:
        return None
    running = 0
    while frame is not None:
        running += frame.f_code is _call_impl.__code__ and frame.f_locals.get("self") is module
        frame = frame.f_back
    return running


# -- torch.compile


#: Returns whether `torch.compile` traces this call; False where torch does not tell, and hooks break its graphs.
is_compiling: Callable[[], bool] = _is_compiling or (lambda: False)


def is_exporting() -> bool:
    """Return whether `torch.export` traces this call, whose graph may hold nothing of ours."""
    return _is_exporting is not None and bool(_is_exporting())


def packs_saved_tensors() -> bool:
    """Return whether what the graph saves here is packed, so that to read it would compute it again: a checkpoint."""
    return _packing is None or _packing(False) is not None


def is_traced() -> bool:
    """Return whether a tracer records this call (`torch.jit.trace`, `torch.fx`): what we computed would be recorded."""
    tracing = _tracing_state is not None and _tracing_state() is not None
    return tracing or (_is_fx_tracing is not None and bool(_is_fx_tracing()))


def without_modes() -> AbstractContextManager[Any]:
    """Return a context in which no dispatch mode of the user's sees what we compute."""
    return nullcontext() if _disable_modes is None or not _mode_count() else _disable_modes()


def leave_alone(function: Any) -> None:
    """Keep the compiler from making a graph of this function by itself; in a graph that calls it, it is traced."""
    if hasattr(_frames, "set_code_exec_strategy"):
        action = _frames._FrameAction
        strategy = _frames._FrameExecStrategy(action.SKIP, action.DEFAULT)
        _frames.set_code_exec_strategy(function.__code__, strategy)
    elif hasattr(_frames, "skip_code"):  # before torch 2.7
        _frames.skip_code(function.__code__)


def has_compiled() -> bool:
    """Return whether anything was compiled in this process; True where torch does not tell."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    if dynamo is None:
        return False
    counters = getattr(dynamo, "counters", None)
    return counters is None or any(bool(counts) for counts in counters.values())


def outside_compiler(call: Callable[..., None], args: Sequence[Any]) -> None:
    """Call with the compiler switched off: beside a compiled model it would take our own code for the user's."""
    if _frames is None:
        call(*args)
        return
    before = _frames.set_eval_frame(None)
    try:
        call(*args)
    finally:
        _frames.set_eval_frame(before)


#: Switches the compiler of this thread off, where it gets None, or back on; returns what was on before.
set_compiler: Callable[[Any], Any] = getattr(_frames, "set_eval_frame", None) or (lambda compiler: None)


def define_operator(name: str, schema: str, run: Callable[..., None]) -> Any:
    """Define an operator with an effect, opaque to the compiler; None where this version of torch cannot have one.

    The library that comes back keeps the operator alive.
    """
    effects = find("torch._higher_order_ops.effects._EffectType")
    declare = find("torch._higher_order_ops.effects._register_effectful_op")
    if effects is None or declare is None:
        return None
    library: Any = torch.library.Library("spikecheck", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define(f"{name}{schema}")
    library.impl(name, run, "CompositeExplicitAutograd")
    library.impl(name, lambda *_: None, "Meta")
    declare(getattr(torch.ops.spikecheck, name).default, effects.ORDERED)
    return library


leave_alone(outside_compiler)
leave_alone(in_backward)
