"""Causes by name, and the ids of the checks that report each of them.

A cause that only an experiment or the user can confirm is mapped to the symptom that a monitor can observe. An empty
tuple means that no check reports the cause yet: its faults count as missed.
"""

from __future__ import annotations

DEAD = ("SPK203", "SPK205", "SPK211")
BUSY = ("SPK204", "SPK206")
PLATEAU = ("SPK302", "SPK313")
NON_FINITE = ("SPK405",)
EXPERIMENT = ("SPK312", "SPK313")  # as notes, these name the experiment that can confirm what watching cannot

CHECKS: dict[str, tuple[str, ...]] = {
    # input
    "axis_swap": ("SPK106",),
    "count_input": ("SPK101",),
    "dtype_overflow": ("SPK107",),
    "empty_input": ("SPK102",),
    "input_duplicated": ("SPK111",),
    "input_repeated": ("SPK109",),
    "input_saturated": ("SPK110",),
    "input_scale": ("SPK101", "SPK206"),
    "input_scrambled": ("SPK106",),
    "missing_time_axis": ("SPK104", "SPK105"),
    "negative_input": ("SPK107",),
    "polarity_lost": ("SPK108",),
    "silent_channels": ("SPK108",),
    "single_time_step": ("SPK104",),
    "time_bins_collapsed": ("SPK103",),
    # neurons and their state
    "bias_negative": DEAD,
    "dead_layer": DEAD,
    "decay_out_of_range": ("SPK207", "SPK505"),
    "decay_wrong": ("SPK207",),
    "graph_reused": ("SPK208", "SPK213"),
    "multi_spike": ("SPK201",),
    "no_memory": ("SPK207", "SPK209"),
    "no_reset_membrane": ("SPK210",),
    "non_binary_spikes": ("SPK202",),
    "saturated_layer": BUSY,
    "state_carry": ("SPK208",),
    "state_explosion": ("SPK207", "SPK212"),
    "state_lost_each_step": ("SPK209",),
    "state_not_reset": ("SPK208", "SPK213"),
    "threshold_too_high": (*DEAD, "SPK504"),
    "threshold_too_low": BUSY,
    "time_constant_units": ("SPK207",),
    # labels, loss, readout
    "class_imbalance": ("SPK307", "SPK308"),
    "constant_prediction": ("SPK309",),
    "double_softmax": ("SPK305",),
    "label_in_input": (),
    "label_noise": PLATEAU,
    "label_off_by_one": PLATEAU,
    "label_out_of_range": ("SPK306",),
    "labels_constant": ("SPK307",),
    "labels_shuffled": PLATEAU,
    "labels_sorted": ("SPK314",),
    "logit_scale": ("SPK301", "SPK303"),
    "logits_tiny": ("SPK320",),
    "loss_term_dominates": ("SPK321",),
    "log_missing": ("SPK315",),
    "loss_broadcast": ("SPK317",),
    "loss_plateau": PLATEAU,
    "rate_target_unreachable": ("SPK311",),
    "population_misread": ("SPK319",),
    "readout_last_step": ("SPK310",),
    "softmax_axis": ("SPK318",),
    "target_invalid": ("SPK316",),
    "silent_output": DEAD,
    # gradients and weights
    "cut_in_time": ("SPK420",),
    "detached_graph": ("SPK401", "SPK409"),
    "exploding_gradient": ("SPK403",),
    "exploding_weights": ("SPK407",),
    "gradient_clipped_away": ("SPK409", "SPK410", "SPK418"),
    "nan_gradient": NON_FINITE,
    "nan_origin": NON_FINITE,
    "no_gradient": ("SPK401", "SPK409"),
    "surrogate_mismatch": (),
    "surrogate_missing": ("SPK401",),
    "surrogate_overflow": NON_FINITE,
    "surrogate_too_steep": ("SPK402", "SPK403"),
    "vanished_weights": ("SPK412", "SPK503"),
    "vanishing_gradient": ("SPK402",),
    "weight_scale": ("SPK406",),
    # the optimizer
    "frozen_params": ("SPK408", "SPK409"),
    "grad_accumulation": ("SPK413",),
    "loss_diverged": ("SPK407",),
    "lr_collapsed": ("SPK411",),
    "lr_too_big": ("SPK407",),
    "lr_too_small": ("SPK409", "SPK410"),
    "neuron_parameter_out_of_range": ("SPK206", "SPK207", "SPK416"),
    "neuron_parameter_spoiled": NON_FINITE,
    "neuron_parameter_unlearned": ("SPK416",),
    "missing_step": ("SPK414",),
    "params_not_in_optimizer": ("SPK408", "SPK419"),
    "random_features": ("SPK417",),
    "weight_decay_too_big": ("SPK412",),
    "weights_put_back": ("SPK415",),
    "zero_grad_missing": ("SPK413",),
    "zeroed_before_step": ("SPK409",),
    # mode, normalization, number formats
    "batchnorm_time": ("SPK216",),
    "dropout_per_step": ("SPK215",),
    "dropout_too_high": ("SPK215",),
    "eval_mode": ("SPK214",),
    "evaluation_input": ("SPK112",),
    "evaluation_gap": ("SPK217",),
    "epsilon_rounds_to_0": NON_FINITE,
    "fp16_overflow": NON_FINITE,
    "train_eval_gap": ("SPK214", "SPK216"),
    # checkpoints
    "ckpt_exploding_weights": ("SPK502",),
    "ckpt_nan_weights": ("SPK501",),
}
