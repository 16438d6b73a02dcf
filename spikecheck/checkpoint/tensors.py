"""Build the tensors of a checkpoint from their bytes, for a model to be run with them; nothing is executed."""

from __future__ import annotations

import torch
from torch import Tensor

from spikecheck.checkpoint.record_reader import read_record
from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.errors import UnreadableError

INTEGERS = ("quint8", "qint8", "qint32")


class TensorLoader:
    """Load tensors, and read each storage once."""

    def __init__(self) -> None:
        self.storages: dict[Record, bytearray] = {}

    def load(self, ref: TensorRef) -> Tensor:
        """Return the tensor, on the CPU.

        Raises:
            UnreadableError: the file holds no values for it, not the values themselves, or damaged ones.
        """
        record, dtype = ref.storage.record, ref.dtype
        if record is None or ref.remark or dtype in INTEGERS:
            raise UnreadableError(f"a tensor cannot be loaded: {ref.remark or 'it is quantized, or has no values'}")
        if record not in self.storages:
            self.storages[record] = read_record(record)
        item = ITEM_SIZES[dtype]
        content = self.storages[record]
        if 0 in ref.shape:
            return torch.empty(ref.shape, dtype=getattr(torch, dtype))
        usable = len(content) // item * item
        values = torch.frombuffer(content, dtype=torch.uint8)[:usable].view(getattr(torch, dtype))
        return values.as_strided(ref.shape, ref.stride, ref.offset).clone()
