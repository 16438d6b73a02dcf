"""A readout of all time steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class SpikeCountReadout(Treatment):
    """Read the spikes of the last layer of all time steps, not those of the last one."""

    name = "readout of all time steps"
    named_by = ("SPK310", "SPK302", "SPK319", "SPK601")
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Put the spike counts of the last layer in the place of the output."""
        patient.require_own_loss()
        layer, labels = patient.layers[-1], patient.batch.labels
        if layer.module is None or layer.framework is None or labels is None:
            raise NotApplicableError("the last spiking layer is no module, or the targets are no classes")
        if layer.spikes.dim() != 3 or layer.spikes.shape[-1] <= int(labels.max()):
            raise NotApplicableError("the last spiking layer has not a neuron for each class")
        shown: list[Tensor] = []
        framework, time = layer.framework, layer.time_axis

        def record(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            observation = framework.observe(module, args, kwargs, output)
            if observation.spikes is not None:
                shown.append(observation.spikes)

        layer.module.register_forward_hook(record, with_kwargs=True)
        call = patient.subject.forward or patient.subject.model

        def count(*inputs: Any) -> Tensor:
            shown.clear()
            call(*inputs)
            return torch.stack(shown).sum(0) if time is None else shown[0].sum(time)

        patient.subject.forward = count
        return Fix("# with the spikes of every time step in a list\nlogits = torch.stack(spikes).sum(0)")
