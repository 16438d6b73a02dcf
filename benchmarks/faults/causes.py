"""Causes by name, and the checks that name each of them: the one place where the benchmark knows an id.

A cause that only an experiment or the user's eye can settle has the symptom that a monitor can see. An empty tuple
means that no check names it yet: its faults count as missed.
"""

from __future__ import annotations

DEAD = ("SPK203", "SPK205")
BUSY = ("SPK204", "SPK206")
PLATEAU = ("SPK302",)
NON_FINITE = ("SPK405",)

CHECKS: dict[str, tuple[str, ...]] = {
    # what goes in
    "axis_swap": (),
    "count_input": ("SPK101",),
    "dtype_overflow": (),
    "empty_input": (),
    "input_scale": ("SPK101", "SPK206"),
    "input_scrambled": (),
    "missing_time_axis": (),
    "negative_input": (),
    "single_time_step": (),
    "time_bins_collapsed": (),
    # neurons and their state
    "bias_negative": DEAD,
    "dead_layer": DEAD,
    "decay_out_of_range": ("SPK207", "SPK505"),
    "decay_wrong": ("SPK207",),
    "graph_reused": ("SPK208",),
    "multi_spike": ("SPK201",),
    "no_memory": ("SPK207",),
    "no_reset_membrane": (),
    "non_binary_spikes": ("SPK202",),
    "saturated_layer": BUSY,
    "state_carry": ("SPK208",),
    "state_explosion": (),
    "state_lost_each_step": (),
    "state_not_reset": ("SPK208",),
    "threshold_too_high": ("SPK203", "SPK205", "SPK504"),
    "threshold_too_low": BUSY,
    "time_constant_units": ("SPK207",),
    # labels, loss, readout
    "class_imbalance": ("SPK307", "SPK308"),
    "constant_prediction": ("SPK309",),
    "double_softmax": ("SPK305",),
    "label_noise": PLATEAU,
    "label_off_by_one": PLATEAU,
    "label_out_of_range": ("SPK306",),
    "labels_constant": ("SPK307",),
    "labels_shuffled": PLATEAU,
    "labels_sorted": ("SPK307", "SPK308"),
    "logit_scale": ("SPK301", "SPK303"),
    "loss_plateau": PLATEAU,
    "rate_target_unreachable": (),
    "readout_last_step": (),
    "silent_output": DEAD,
    # gradients and weights
    "detached_graph": ("SPK401",),
    "exploding_gradient": ("SPK403",),
    "exploding_weights": ("SPK407",),
    "gradient_clipped_away": ("SPK409", "SPK410"),
    "nan_gradient": NON_FINITE,
    "nan_origin": NON_FINITE,
    "no_gradient": ("SPK401",),
    "surrogate_mismatch": (),
    "surrogate_missing": ("SPK401",),
    "surrogate_overflow": NON_FINITE,
    "surrogate_too_steep": ("SPK402", "SPK403"),
    "vanished_weights": ("SPK412", "SPK503"),
    "vanishing_gradient": ("SPK402",),
    "weight_scale": ("SPK406",),
    # the optimizer
    "frozen_params": ("SPK408", "SPK409"),
    "grad_accumulation": (),
    "loss_diverged": ("SPK407",),
    "lr_collapsed": ("SPK411",),
    "lr_too_big": ("SPK407",),
    "lr_too_small": ("SPK409", "SPK410"),
    "params_not_in_optimizer": ("SPK408",),
    "weight_decay_too_big": ("SPK412",),
    "zero_grad_missing": (),
    "zeroed_before_step": ("SPK409",),
    # mode, normalisation, numbers
    "batchnorm_time": (),
    "dropout_per_step": (),
    "dropout_too_high": (),
    "eval_mode": (),
    "fp16_overflow": NON_FINITE,
    "train_eval_gap": (),
    # checkpoints
    "ckpt_exploding_weights": ("SPK502",),
    "ckpt_nan_weights": ("SPK501",),
}
