"""Keys of a file beside those of a model: what fits, what does not, and what lies between them."""

from __future__ import annotations

import pytest

from spikecheck.checkpoint.fit import fit

MODEL = {
    "fc1.weight": (8, 4),
    "fc1.bias": (8,),
    "lif.beta": (),
    "lif.mem": (0,),
    "fc2.weight": (3, 8),
    "fc2.bias": (3,),
}
STATE = {"lif.mem"}


def with_prefix(prefix: str) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in MODEL.items()}


@pytest.mark.parametrize(
    ("prefix", "before", "wrapped"),
    [
        ("", "", False),
        ("module.", "module.", False),
        ("_orig_mod.", "_orig_mod.", False),
        ("module._orig_mod.", "module._orig_mod.", False),
        ("model.", "model.", False),
        ("a.b.c.", "a.b.c.", False),
    ],
)
def test_a_prefix_of_the_files_keys_is_found(prefix: str, before: str, wrapped: bool) -> None:
    made = fit(with_prefix(prefix), MODEL, STATE)
    assert made.whole
    assert (made.reading.removed_prefix, made.reading.wrapped, made.reading.added_prefix) == (before, wrapped, "")
    assert dict(made.keys) == {name: prefix + name for name in MODEL}


def test_a_prefix_of_the_models_keys_is_found_and_both_at_once() -> None:
    made = fit(MODEL, with_prefix("net."), {"net.lif.mem"})
    assert made.whole
    assert made.reading.added_prefix == "net."
    made = fit(with_prefix("module."), with_prefix("net."), {"net.lif.mem"})
    assert made.whole
    assert (made.reading.removed_prefix, made.reading.added_prefix) == ("module.", "net.")


def test_compiled_parts_in_the_middle_are_taken_out() -> None:
    file = {name.replace("fc1.", "fc1._orig_mod."): shape for name, shape in MODEL.items()}
    made = fit(file, MODEL, STATE)
    assert made.whole
    assert made.reading.wrapped
    assert made.keys["fc1.weight"] == "fc1._orig_mod.weight"


def test_what_is_missing_unexpected_and_of_another_shape_is_named() -> None:
    file = {k: v for k, v in MODEL.items() if k != "fc1.bias"} | {"fc2.weight": (5, 8), "extra.weight": (2, 2)}
    made = fit(file, MODEL, STATE)
    assert not made.whole
    assert made.reading.missing == ("fc1.bias",)
    assert made.reading.unexpected == ("extra.weight",)
    assert made.reading.shape_mismatches == (("fc2.weight", (5, 8), (3, 8)),)
    assert not made.reading.renamed


def test_renamed_layers_are_recognised_by_their_shapes() -> None:
    file = {name.replace("fc2", "readout"): shape for name, shape in MODEL.items()}
    assert fit(file, MODEL, STATE).reading.renamed


def test_states_come_and_go_with_the_batch_but_parameters_do_not() -> None:
    batched = {**MODEL, "lif.mem": (32, 8)}
    assert fit(batched, MODEL, STATE).whole
    without = {name: shape for name, shape in MODEL.items() if name != "lif.mem"}
    assert fit(without, MODEL, STATE).whole
    assert not fit(without, MODEL, frozenset()).whole, "a parameter that is called mem is one all the same"
    assert fit({**MODEL, "other.mem": (1,)}, MODEL, STATE).reading.unexpected == ()


def test_a_key_beside_the_prefix_is_unexpected() -> None:
    file = {**with_prefix("model."), "loss.weight": (3,)}
    made = fit(file, MODEL, STATE)
    assert made.whole
    assert made.reading.unexpected == ("loss.weight",)


def test_nothing_in_common() -> None:
    made = fit({"x": (1,)}, MODEL, STATE)
    assert made.reading.matching_keys == 0
    assert len(made.reading.missing) == len(MODEL) - 1
