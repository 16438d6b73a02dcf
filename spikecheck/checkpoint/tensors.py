"""The values of a checkpoint's tensors, for a model to be run with them; built from bytes, without running anything."""

from __future__ import annotations

import torch
from torch import Tensor

from spikecheck.checkpoint.streams import verified
from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.errors import UnreadableError

INTEGERS = ("quint8", "qint8", "qint32")


class Values:
    """Reads each storage once, whole."""

    def __init__(self) -> None:
        self.storages: dict[Record, bytearray] = {}

    def of(self, ref: TensorRef) -> Tensor:
        """The tensor, on the CPU. UnreadableError where the file holds no values for it, or not as they stand."""
        record, dtype = ref.storage.record, ref.dtype
        if record is None or ref.remark or dtype in INTEGERS:
            raise UnreadableError(f"a tensor that holds {ref.remark or 'no values'} cannot be loaded")
        if record not in self.storages:
            self.storages[record] = whole(record)
        item = ITEM_SIZES[dtype]
        flat = self.storages[record]
        if 0 in ref.shape:
            return torch.empty(ref.shape, dtype=getattr(torch, dtype))
        usable = len(flat) // item * item
        values = torch.frombuffer(flat, dtype=torch.uint8)[:usable].view(getattr(torch, dtype))
        return values.as_strided(ref.shape, ref.stride, ref.offset).clone()


def whole(record: Record) -> bytearray:
    """The bytes of a record, unpacked. UnreadableError where they are not those that the file announces."""
    content = bytearray()
    for chunk in verified(record):
        content += chunk
    return content
