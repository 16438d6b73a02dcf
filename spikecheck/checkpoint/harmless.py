"""Globals that `pickle.load` may import and call without harm: they need no finding, although nothing here loads them.

An allow-list of exact names, never a list of bad ones: what is not on it is reported (SPK510).
"""

from __future__ import annotations

from collections.abc import Mapping

PATHS = "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"
NUMPY = "_reconstruct scalar _frombuffer"
NAMES: Mapping[str, str] = {
    "argparse": "Namespace",
    "collections": "deque OrderedDict",
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "types": "SimpleNamespace",
    "uuid": "UUID SafeUUID",
    "pathlib": PATHS,
    "pathlib._local": PATHS,
    "numpy": "ndarray dtype bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64",
    "numpy.core.multiarray": NUMPY,
    "numpy.core.numeric": NUMPY,
    "numpy._core.multiarray": NUMPY,
    "numpy._core.numeric": NUMPY,
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random.bit_generator": "SeedSequence",
    "torch": "Generator _C.Generator",
    "torch._utils": "_rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor _rebuild_nested_tensor"
    " _rebuild_wrapper_subclass _rebuild_sparse_csr_tensor _rebuild_xla_tensor",
    "torch._C": "Generator",
    "torch.nn.parameter": "UninitializedParameter UninitializedBuffer",
}
#: Packages of torch whose classes only hold tensors and settings; their functions are not meant.
CLASSES = ("torch.nn.modules.", "torch.optim.", "torch.amp.", "torch.cuda.amp.", "torch.ao.nn.")


def is_harmless(module: str, name: str) -> bool:
    """Return whether importing and calling this global is known to run nothing but its own constructor."""
    if name in NAMES.get(module, "").split():
        return True
    return module.startswith(CLASSES) and name.isidentifier() and name[:1].isupper()
