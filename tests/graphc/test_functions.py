"""The public functions compute what NumPy's of the same name compute."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.op import Family
from graphc.ir.ops import OPS
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.registry import BY_NUMPY, FUNCTIONS

SHAPED: dict[str, Callable[[Any, Any], Any]] = {
    "reshape": lambda m, t: m.reshape(t, (4, 6)),
    "ravel": lambda m, t: m.ravel(t),
    "transpose": lambda m, t: m.transpose(t, (2, 0, 1)),
    "transpose all": lambda m, t: m.transpose(t),
    "swapaxes": lambda m, t: m.swapaxes(t, 0, -1),
    "broadcast_to": lambda m, t: m.broadcast_to(t, (5, 2, 3, 4)),
    "expand_dims": lambda m, t: m.expand_dims(t, (0, -1)),
    "expand_dims one": lambda m, t: m.expand_dims(t, 1),
    "squeeze": lambda m, t: m.squeeze(m.expand_dims(t, 2)),
    "squeeze one": lambda m, t: m.squeeze(m.expand_dims(t, 2), 2),
    "stack": lambda m, t: m.stack([t, t + 1], axis=1),
    "concatenate": lambda m, t: m.concatenate([t, t[:1], t], axis=0),
    "concatenate flat": lambda m, t: m.concatenate([t, t], axis=None),
    "pad": lambda m, t: m.pad(t, ((1, 0), (0, 2), (1, 1)), constant_values=7),
    "pad everywhere": lambda m, t: m.pad(t, 1),
    "take": lambda m, t: m.take(t, np.array([[2, 0], [1, -1]]), axis=1),
    "take flat": lambda m, t: m.take(t, np.array([23, 0])),
    "take_along_axis": lambda m, t: m.take_along_axis(t, np.array([[[3], [0], [-1]]]), axis=2),
    "where": lambda m, t: m.where(t > 0, t, -2 * t),
    "where mixed": lambda m, t: m.where(t > 0, 1, t),
    "clip": lambda m, t: m.clip(t, -0.5, 0.5),
    "clip below": lambda m, t: m.clip(t, 0, None),
    "mean": lambda m, t: m.mean(t, axis=(0, 2)),
    "zeros_like": lambda m, t: m.zeros_like(t),
    "ones_like": lambda m, t: m.ones_like(t, dtype="int32"),
    "full_like": lambda m, t: m.full_like(t, 3),
    "isnan": lambda m, t: m.isnan(t),
    "astype": lambda m, t: m.astype(t, np.int16),
    "sum": lambda m, t: m.sum(t, axis=1, keepdims=True),
    "argmax": lambda m, t: m.argmax(t, axis=-1),
}


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("module", [gc, np], ids=["gc", "np"])
def test_function_is_numpys(name: str, module: Any, value: Any) -> None:
    tensor = gc.input("t", (2, 3, 4))
    array = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    result = SHAPED[name](module, tensor)
    assert isinstance(result, gc.Tensor)
    wanted = SHAPED[name](np, array)
    assert result.dtype.numpy == wanted.dtype
    np.testing.assert_allclose(value(result, {tensor: array}), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.int64(1),
        slice(None),
        slice(1, 3),
        slice(None, None, -1),
        slice(5, 0, -2),
        slice(3, 1),
        ...,
        None,
        (0, 1, 2),
        (slice(1, 5), slice(None, None, 2)),
        (..., 1),
        (1, ...),
        (None, 0, ..., None),
        (slice(None, None, -2), None, -1),
        (),
    ],
    ids=str,
)
def test_indexing_is_numpys(index: Any, value: Any) -> None:
    tensor = gc.input("t", (6, 3, 4))
    array = np.arange(72, dtype="float32").reshape(6, 3, 4)
    np.testing.assert_array_equal(value(tensor[index], {tensor: array}), array[index])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (6, "index 6 is outside of axis 0, which has size 6"),
        ((0, 0, 0, 0), "4 indices for 3 axes"),
        ((..., ...), "one ellipsis"),
        ([0, 6], "index 6 is outside of axis 0, which has size 6"),
        ([[True] * 4] * 6, "a mask has size 4 on axis 1, where the operand has 3"),
        (([0, 1], [0, 1, 2]), r"must broadcast together, got shapes \[2\] and \[3\]"),
        (True, "a bool cannot be part"),
        (1.5, "a float cannot be part"),
        ("x", "a str cannot be part"),
        (slice(None, None, 0), "zero"),
    ],
    ids=str,
)
def test_indices_that_are_refused(index: Any, message: str) -> None:
    tensor = gc.input("t", (6, 3, 4))
    with pytest.raises(gc.errors.AttributeValueError, match=message):
        tensor[index]


def test_tensors_as_index_are_refused_with_advice() -> None:
    tensor, start = gc.input("t", (6, 3)), gc.input("start", (), gc.int32)
    with pytest.raises(gc.errors.AttributeValueError, match=r"gc\.where"):
        tensor[tensor > 0]
    with pytest.raises(gc.errors.AttributeValueError, match=r"gc\.dynamic_slice"):
        tensor[start : start + 2]
    with pytest.raises(gc.errors.DTypeError, match="integers"):
        tensor[tensor[0]]
    with pytest.raises(gc.errors.DTypeError, match="integers, got an array of"):
        tensor[["x"]]
    with pytest.raises(TypeError, match=r"t\.at\[index\]\.set"):
        tensor[0] = 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
    ],
    ids=str,
)
def test_matmul_is_numpys(left: Any, right: Any, value: Any) -> None:
    a, b = gc.input("a", left), gc.input("b", right)
    rng = np.random.default_rng(0)
    given = {a: rng.normal(size=left), b: rng.normal(size=right)}
    x, y = (array.astype("float32") for array in given.values())
    np.testing.assert_allclose(value(a @ b, given), x @ y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value(np.dot(a, b), given), np.dot(x, y), rtol=1e-5, atol=1e-6)


def test_matmul_refuses_scalars_and_names_the_operand() -> None:
    with pytest.raises(gc.errors.ShapeError, match="no scalars"):
        gc.input("a", 3) @ gc.input("s")


@pytest.mark.parametrize(
    "arguments", [(5,), (2, 7), (7, 2, -2), (0, 1, 0.25), (3, 3), (1.5,)], ids=str
)
def test_arange_is_numpys(arguments: Any, value: Any) -> None:
    wanted = np.arange(*arguments)
    result = gc.arange(*arguments)
    assert result.dtype.numpy == wanted.dtype
    np.testing.assert_array_equal(value(result), wanted)


def test_one_hot(value: Any) -> None:
    labels = gc.input("labels", 4, gc.int32)
    given = {labels: [2, 0, -1, 3]}
    wanted = [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert value(gc.one_hot(labels, 3), given).tolist() == wanted
    assert value(gc.one_hot(labels, 3, axis=0), given).tolist() == np.transpose(wanted).tolist()
    with pytest.raises(gc.errors.DTypeError, match="integer labels"):
        gc.one_hot(gc.input("x", 4), 3)


@pytest.mark.parametrize("scale", [1, 1e4])
def test_softmax_family_is_stable(scale: float, value: Any) -> None:
    z = gc.input("z", (3, 5))
    logits = (np.random.default_rng(0).normal(size=(3, 5)) * scale).astype("float32")
    wide = logits.astype("float64")
    log_sum = np.log(np.exp(wide - wide.max(1, keepdims=True)).sum(1)) + wide.max(1)
    wanted = wide - log_sum[:, None]
    given = {z: logits}
    np.testing.assert_allclose(value(gc.logsumexp(z, axis=1), given), log_sum, rtol=1e-6)
    np.testing.assert_allclose(value(gc.log_softmax(z), given), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(value(gc.softmax(z), given), np.exp(wanted), rtol=1e-4, atol=1e-30)
    np.testing.assert_allclose(value(gc.softmax(z, axis=0), given).sum(0), np.ones(5), rtol=1e-6)


def test_logsumexp_of_infinities(value: Any) -> None:
    z = gc.input("z", 2)
    assert value(gc.logsumexp(z), {z: [-np.inf, -np.inf]}) == -np.inf
    assert value(gc.logsumexp(z), {z: [np.inf, 0]}) == np.inf


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "argmax"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint16", "float32", "float64"])
def test_reduced_dtypes_are_numpys(name: str, dtype: str) -> None:
    wanted = getattr(np, name)(np.ones(3, dtype)).dtype
    assert FUNCTIONS[name](gc.input("x", 3, dtype)).dtype.numpy == wanted


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "uint64", "float64"])
def test_float_functions_of_integers(dtype: str) -> None:
    wanted = np.exp(np.ones(3, dtype)).dtype
    assert gc.exp(gc.input("x", 3, dtype)).dtype.numpy == wanted


def test_functions_take_arrays_and_numbers(value: Any) -> None:
    assert value(gc.exp(np.zeros(3))).tolist() == [1, 1, 1]
    assert gc.exp(0.0).dtype is gc.float32
    assert gc.maximum([1, 2], 1.5).shape == (2,)
    assert gc.add(np.float64(1), 2).dtype is gc.float64


def test_axis_errors(x: gc.Tensor) -> None:
    with pytest.raises(gc.errors.AttributeValueError, match="sum along axis 2"):
        gc.sum(x, axis=2)
    with pytest.raises(gc.errors.AttributeValueError, match="axis twice"):
        gc.sum(x, axis=(0, -2))
    with pytest.raises(gc.errors.AttributeValueError, match="whole number"):
        gc.max(x, axis="rows")  # type: ignore[arg-type]
    with pytest.raises(gc.errors.ShapeError, match="size 3"):
        gc.squeeze(x, axis=0)
    with pytest.raises(gc.errors.ShapeError, match="reshape"):
        gc.reshape(x, (5, -1))
    with pytest.raises(gc.errors.ShapeError, match="whole numbers"):
        gc.reshape(x, (2.5, 2))  # type: ignore[arg-type]


def test_shape_is_known(x: gc.Tensor) -> None:
    assert np.shape(x) == gc.shape(x) == (3, 4)
    assert np.ndim(x) == gc.ndim(x) == 2


def test_every_op_with_a_numpy_name_answers_for_it() -> None:
    families = (Family.ELEMENTWISE, Family.REDUCTION, Family.LAYOUT, Family.CONTRACTION)
    for op in OPS.values():
        for name in op.numpy if op.family in families else ():
            assert getattr(np, name) in BY_NUMPY, f"np.{name} of {op.name}"


def test_generated_functions_document_themselves() -> None:
    assert gc.tanh.__name__ == "tanh"
    assert (gc.tanh.__doc__ or "").startswith(OPS["tanh"].doc)
    assert list(inspect.signature(gc.add).parameters) == ["x", "y"]
    assert list(inspect.signature(gc.argmax).parameters) == ["a", "axis", "keepdims"]
    tanh: Any = gc.tanh
    with pytest.raises(TypeError, match="takes 1 operands, got 2"):
        tanh(1, 2)


class TestNumpyProtocol:
    """What NumPy's functions cannot do to a symbolic tensor is said."""

    def test_function_without_counterpart(self, x: gc.Tensor) -> None:
        message = r"np\.histogram2d does not take .*tensors; .*gc\.histogram"
        with pytest.raises(TypeError, match=message):
            np.histogram2d(x[0], x[1])
        with pytest.raises(TypeError, match=r"np\.frexp"):
            np.frexp(x)

    def test_out(self, x: gc.Tensor) -> None:
        with pytest.raises(TypeError, match="out="):
            np.add(x, x, out=np.zeros((3, 4), "float32"))

    def test_methods_of_a_ufunc(self, x: gc.Tensor) -> None:
        with pytest.raises(TypeError, match=r"gc\.sum"):
            np.add.reduceat(x, [0, 2])
        with pytest.raises(TypeError, match=r"gc\.sum"):
            np.hypot.reduce(x)

    def test_argument_that_graphc_has_not(self, x: gc.Tensor) -> None:
        with pytest.raises(TypeError, match=r"np\.argmax on symbolic tensors takes \(a, axis=None"):
            np.argmax(x, axis=0, out=np.zeros(4, "int64"))


def test_names_of_the_package() -> None:
    assert {"exp", "softmax", "compile", "nn", "float32"} <= set(dir(gc))
    with pytest.raises(AttributeError, match="did you mean softmax"):
        getattr(gc, "sofmax")  # noqa: B009  mypy would know that there is none


def test_a_pad_of_bools_reads_back_as_it_was_printed(value: Any) -> None:
    padded = gc.pad(gc.const(np.array([False, True])), 1, constant_values=True)
    graph = gc.build_graph([], padded)
    assert parse_graph(print_graph(graph)) == graph
    assert value(padded).tolist() == [True, False, True, True]


def test_a_pad_with_a_numpy_number_reads_back_as_it_was_printed() -> None:
    x = gc.input("x", (3,))
    graph = gc.build_graph([x], gc.pad(x, 1, constant_values=np.float64(0.5)))
    assert parse_graph(print_graph(graph)) == graph
