"""`gc.vmap`: a batch gives what its examples give one by one, derivatives included."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphc as gc
from graphc.errors import BatchError, ShapeError
from graphc.ir.graph import topological
from graphc.ir.interpreter import evaluate

RNG = np.random.default_rng(0)
Array = np.ndarray[Any, Any]


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape)


def inputs(*arrays: Array) -> list[gc.Tensor]:
    return [gc.input(f"in{i}", array.shape, array.dtype) for i, array in enumerate(arrays)]


def one_by_one(f: Callable[..., Any], *arrays: Array, in_axes: tuple[int | None, ...]) -> Array:
    """What `f` gives for each example alone, stacked on axis 0."""
    sizes = {a.shape[axis] for a, axis in zip(arrays, in_axes, strict=True) if axis is not None}
    (size,) = sizes
    results = []
    for i in range(size):
        example = [
            array if axis is None else np.take(array, i, axis)
            for array, axis in zip(arrays, in_axes, strict=True)
        ]
        tensors = inputs(*example)
        known = dict(zip((tensor.node for tensor in tensors), example, strict=True))
        results.append(evaluate([f(*tensors).node], known)[0])
    return np.stack(results)


def check(
    f: Callable[..., gc.Tensor], *arrays: Array, in_axes: tuple[int | None, ...], out_axis: int = 0
) -> None:
    tensors = inputs(*arrays)
    batch = gc.vmap(f, in_axes, out_axis)(*tensors)
    known = dict(zip((tensor.node for tensor in tensors), arrays, strict=True))
    (actual,) = evaluate([batch.node], known)
    expected = np.moveaxis(one_by_one(f, *arrays, in_axes=in_axes), 0, out_axis)
    assert (
        (actual.dtype, actual.shape)
        == (expected.dtype, expected.shape)
        == (
            batch.dtype.numpy,
            batch.shape,
        )
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


def layer(x: gc.Tensor, w: gc.Tensor) -> Any:
    return gc.tanh(x @ w)


def squared_error(w: gc.Tensor, x: gc.Tensor, y: gc.Tensor) -> Any:
    return ((gc.tanh(x @ w) - y) ** 2).sum()


@pytest.mark.parametrize("x_axis", [0, 1, -1])
@pytest.mark.parametrize("out_axis", [0, 1, -1])
def test_axes_of_arguments_and_results(x_axis: int, out_axis: int) -> None:
    check(layer, normal(5, 5), normal(5, 2), in_axes=(x_axis, None), out_axis=out_axis)
    check(layer, normal(4, 3), normal(3, 5, 4), in_axes=(0, 2), out_axis=out_axis)


@pytest.mark.parametrize("mask", [(0, 0), (0, None), (None, 0)])
@pytest.mark.parametrize(
    ("f", "x", "y"),
    [
        (lambda x, y: x + gc.exp(y), (3, 4), (4,)),
        (lambda x, y: gc.where(x > 0, y, 1.0), (2, 1), (3,)),
        (lambda x, y: x @ y, (3, 4), (4, 2)),
        (lambda x, y: x @ y, (4,), (4,)),
        (lambda x, y: x @ y, (3, 4), (4,)),
        (lambda x, y: x @ y, (2, 3, 4), (4, 5)),
        (
            lambda x, y: gc.exp(x) / gc.exp(x).sum(axis=1, keepdims=True) * y.T[::-1, ::2],
            (3, 4),
            (8, 3),
        ),
        (lambda x, y: gc.concatenate([x, y]), (3, 4), (2, 4)),
        (lambda x, y: gc.take(x, gc.argmax(y), axis=0) + y[1:3].sum(), (7,), (5,)),
        (lambda x, y: x.reshape(6) * y.max(), (2, 3), (5,)),
    ],
)
def test_functions_of_two_arguments(
    f: Callable[..., gc.Tensor],
    x: tuple[int, ...],
    y: tuple[int, ...],
    mask: tuple[int | None, ...],
) -> None:
    arrays = [
        normal(*(shape if axis is None else (5, *shape)))
        for shape, axis in zip((x, y), mask, strict=True)
    ]
    check(f, *arrays, in_axes=mask)
    check(
        gc.vmap(f),
        *(a[None].repeat(2, 0) for a in arrays),
        in_axes=tuple(None if axis is None else 1 for axis in mask),
    )


def test_gradients_of_each_example(value: Any) -> None:
    w, xs, ys = normal(3, 2), normal(6, 3), normal(6, 2)

    def gradient(w: gc.Tensor, x: gc.Tensor, y: gc.Tensor) -> Any:
        return gc.grad(squared_error(w, x, y), w)

    check(gradient, w, xs, ys, in_axes=(None, 0, 0))
    tensors = inputs(w, xs, ys)
    batch = gc.vmap(gradient, in_axes=(None, 0, 0))(*tensors)
    h = np.tanh(xs @ w)
    expected = np.einsum("bi,bj->bij", xs, 2 * (h - ys) * (1 - h**2))
    given = dict(zip(tensors, (w, xs, ys), strict=True))
    np.testing.assert_allclose(value(batch, given), expected, rtol=1e-12)


def test_gradients_for_captured_parameters(value: Any) -> None:
    w, xs = gc.param("w", normal(3)), normal(4, 3)
    batch = gc.vmap(lambda x: gc.grad(gc.sin(x @ w), w))
    (tensor,) = inputs(xs)
    expected = xs * np.cos(xs @ w.value)[:, None]
    np.testing.assert_allclose(value(batch(tensor), {tensor: xs}), expected, rtol=1e-12)


def test_derivatives_of_the_batch(value: Any) -> None:
    w, xs, ys = normal(3, 2), normal(6, 3), normal(6, 2)
    tensors = inputs(w, xs, ys)
    given = dict(zip(tensors, (w, xs, ys), strict=True))
    losses = gc.vmap(squared_error, in_axes=(None, 0, 0))(*tensors)
    plain = ((gc.tanh(tensors[1] @ tensors[0]) - tensors[2]) ** 2).sum()
    for wrt in tensors:
        actual = value(gc.grad(losses.sum(), wrt), given)
        np.testing.assert_allclose(actual, value(gc.grad(plain, wrt), given), rtol=1e-11)
    moved = gc.jvp(losses.sum(), tensors[0], np.ones((3, 2)))
    slope = value(gc.grad(plain, tensors[0]), given).sum()
    np.testing.assert_allclose(value(moved, given), slope, rtol=1e-11)


def test_hessians_of_each_example_and_their_trace_differentiated() -> None:
    def hessian(x: gc.Tensor) -> Any:
        slope = gc.grad((gc.sin(x) * x[::-1]).sum(), x)
        unit = gc.const(np.eye(3))
        return gc.vmap(lambda seed: gc.grad(slope, x, seed=seed))(unit * gc.sum(x * 0 + 1) / 3)

    check(hessian, normal(4, 3), in_axes=(0,))
    check(lambda x: gc.grad(hessian(x).sum(), x), normal(4, 3), in_axes=(0,))


def test_jvp_in_and_around_a_batch(value: Any) -> None:
    def moved(x: gc.Tensor, direction: gc.Tensor) -> Any:
        return gc.jvp(gc.exp(x) * x.sum(), x, direction)

    check(moved, normal(4, 3), normal(4, 3), in_axes=(0, 0))
    check(moved, normal(4, 3), normal(3), in_axes=(0, None))
    check(gc.vmap(moved), normal(2, 4, 3), normal(4, 2, 3), in_axes=(0, 1))


def test_nested_vmap_is_an_outer_product(value: Any) -> None:
    x, y = normal(3), normal(4)
    tensors = inputs(x, y)
    table = gc.vmap(gc.vmap(lambda a, b: a * b, (None, 0)), (0, None))(*tensors)
    np.testing.assert_array_equal(
        value(table, dict(zip(tensors, (x, y), strict=True))), np.outer(x, y)
    )


def test_containers_in_and_out(value: Any) -> None:
    def f(params: dict[str, Any], pair: tuple[gc.Tensor, gc.Tensor], scale: float) -> Any:
        return {"y": params["w"] @ pair[0], "rest": [pair[1] * scale, params["b"]]}

    w, b, u, v = normal(2, 3), normal(5), normal(3, 4), normal(4)
    tensors = inputs(w, b, u, v)
    result = gc.vmap(
        f,
        in_axes=({"w": None, "b": None}, (1, 0), None),
        out_axes={"y": 1, "rest": [0, None]},
    )({"w": tensors[0], "b": tensors[1]}, (tensors[2], tensors[3]), 2.0)
    given = dict(zip(tensors, (w, b, u, v), strict=True))
    np.testing.assert_allclose(value(result["y"], given), w @ u)
    np.testing.assert_allclose(value(result["rest"][0], given), 2 * v)
    assert result["rest"][1] is not None
    assert result["rest"][1].node is tensors[1].node


def test_named_tuples_and_none_pass_through() -> None:
    class Pair(NamedTuple):
        left: Any
        right: Any

    x, y = gc.input("x", (3, 2)), gc.input("y", (2, 3))

    def swapped(pair: Pair, unused: None) -> tuple[Pair, None]:
        assert (pair.left.shape, pair.right.shape, unused) == ((2,), (2,), None)
        return Pair(pair.right, pair.left), None

    result, nothing = gc.vmap(swapped, in_axes=(Pair(0, 1), 0))(Pair(x, y), None)
    assert isinstance(result, Pair)
    assert (result.left.shape, result.right.node, nothing) == ((3, 2), x.node, None)
    assert gc.vmap(lambda x: None)(x) is None


def test_arrays_are_compiled_for() -> None:
    def f(x: gc.Tensor, params: dict[str, gc.Tensor]) -> Any:
        return {"y": gc.tanh(x @ params["w"]), "slope": gc.grad((x * x).sum(), x)}

    xs, w = normal(5, 3), normal(3, 2)
    batch = gc.vmap(f, in_axes=(0, None), out_axes={"y": 1, "slope": 0})
    for _ in range(2):
        results = batch(xs, {"w": w})
        np.testing.assert_allclose(results["y"], np.tanh(xs @ w).T, rtol=1e-12)
        np.testing.assert_array_equal(results["slope"], 2 * xs)
    twice = gc.jit(gc.vmap(gc.vmap(lambda a, b: a * b, (None, 0)), (0, None)))
    np.testing.assert_array_equal(twice(xs[0], xs[1]), np.outer(xs[0], xs[1]))
    with pytest.raises(BatchError, match="x has 5 on axis 0, but w has 3") as caught:
        gc.vmap(layer)(xs, w)
    assert caught.value.loc is not None
    assert Path(caught.value.loc.file) == Path(__file__)


def test_what_is_the_same_for_all_is_not_copied_but_broadcast(value: Any) -> None:
    x, w = gc.input("x", (4, 3)), gc.input("w", 3)
    alone, repeated = gc.vmap(lambda x: (w * 2, w * 2), out_axes=(None, 1))(x)
    assert alone.shape == (3,)
    assert repeated.shape == (3, 4)
    given = {x: np.zeros((4, 3)), w: [1, 2, 3]}
    assert value(repeated, given).tolist() == [[2] * 4, [4] * 4, [6] * 4]


def test_keyword_arguments_are_mapped_and_results_may_be_numbers(value: Any) -> None:
    x, y = gc.input("x", (3, 2)), gc.input("y", (2, 3))
    sums, numbers = gc.vmap(lambda x, y: (x + y, 1.5), in_axes=1)(x, y=y)
    given = {x: np.ones((3, 2)), y: [[1, 2, 3], [4, 5, 6]]}
    assert value(sums, given).tolist() == [[2, 3, 4], [5, 6, 7]]
    assert value(numbers).tolist() == [1.5, 1.5]


def test_axis_size_stands_in_for_arguments(value: Any) -> None:
    w = gc.input("w", 3)
    batch = gc.vmap(lambda w: w + 1, in_axes=None, axis_size=4)(w)
    assert value(batch, {w: [1, 2, 3]}).tolist() == [[2, 3, 4]] * 4
    assert gc.vmap(lambda: 1.0, axis_size=0)().shape == (0,)


def test_compiled_batches_are_those_of_the_interpreter(value: Any) -> None:
    w, xs, ys = (a.astype("f") for a in (normal(9, 7), normal(33, 9), normal(33, 7)))
    tensors = inputs(w, xs, ys)
    loss, gradient = gc.vmap(
        lambda w, x, y: gc.value_and_grad(squared_error(w, x, y), w), in_axes=(None, 0, 0)
    )(*tensors)
    step = gc.compile(tensors, (loss, gradient))
    given = dict(zip(tensors, (w, xs, ys), strict=True))
    for actual, symbolic in zip(step(w, xs, ys), (loss, gradient), strict=True):
        np.testing.assert_allclose(actual, value(symbolic, given), rtol=1e-4, atol=1e-5)


def test_a_vectorised_layer_compiles_to_the_kernels_of_one_written_for_batches() -> None:
    w, x = gc.input("w", (9, 7)), gc.input("x", (33, 9))
    batch = gc.compile([w, x], gc.vmap(layer, in_axes=(0, None))(x, w))
    written = gc.compile([w, x], layer(x, w))
    kernels = [re.findall(r"= (\w+) %|kernel @\w+ (\w+)", s.ir("fused")) for s in (batch, written)]
    assert kernels[0] == kernels[1]


def test_names_and_lines_survive() -> None:
    x = gc.input("x", (4, 3))

    def f(row: gc.Tensor) -> gc.Tensor:
        assert row.name == "row"
        inner = row * 2
        return inner + 1

    y = gc.vmap(f)(x)
    line = inspect.getsourcelines(f)[1] + 2
    (product,) = (node for node in topological([y.node]) if node.op.name == "mul")
    assert (product.name, product.loc and product.loc.line) == ("inner", line)
    assert y.name == "y"
    assert not [n for n in topological([y.node]) if n.op.name == "input" and n is not x.node]


def test_the_function_is_called_once_with_tensors_of_one_example() -> None:
    seen: list[tuple[gc.Tensor, ...]] = []

    def f(a: gc.Tensor, *rest: gc.Tensor) -> gc.Tensor:
        seen.append((a, *rest))
        return a

    b = gc.input("b", 5, gc.int32)
    batch = gc.vmap(f, in_axes=(1, None, 0))
    assert batch.__name__ == "f"
    batch(gc.input("a", (2, 5)), b, gc.input("c", 5))
    ((first, second, third),) = seen
    assert (first.name, first.shape) == ("a", (2,))
    assert second is b
    assert (third.name, third.shape) == ("rest.1", ())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, b: gc.vmap(a), "takes a function, got Tensor"),
        (lambda a, b: gc.vmap(layer)(a, b), r"x has 3 on axis 0, but w has 4 on axis 0"),
        (lambda a, b: gc.vmap(layer, axis_size=5)(a, a), "axis_size is 5, but x has 3"),
        (lambda a, b: gc.vmap(layer, in_axes=None)(a, b), "no argument is mapped over"),
        (lambda a, b: gc.vmap(layer, in_axes=(0,))(a, b), "1 entries for 2 arguments"),
        (lambda a, b: gc.vmap(layer, in_axes=(0, 2))(a, b), r"in_axes is 2 for w, but w is f32"),
        (lambda a, b: gc.vmap(layer, in_axes=((0,), 0))(a, b), "for x, which is one value"),
        (
            lambda a, b: gc.vmap(lambda pair: pair[0], in_axes=([0],))((a, b)),
            r"in_axes is \[0\] for pair, which is nested as \(\*, \*\)",
        ),
        (
            lambda a, b: gc.vmap(lambda d: d["a"], in_axes=({"b": 0},))({"a": a}),
            r"for d, which is nested as \{a: \*\}",
        ),
        (lambda a, b: gc.vmap(layer, in_axes="x")(a, b), "must be axes or None, got 'x' for x"),
        (lambda a, b: gc.vmap(lambda x: x, out_axes=2)(a), "a batch of it has 2 axes"),
        (lambda a, b: gc.vmap(lambda x: x, out_axes=None)(a), "differs from example to example"),
        (
            lambda a, b: gc.vmap(lambda x: (x, x), out_axes=(0,))(a),
            "the result, which is nested as",
        ),
        (lambda a, b: gc.vmap(lambda x: x, in_axes=0)(a, b=3.0, c=a), "b is f32"),
    ],
)
def test_mistakes_are_refused_at_the_users_line(call: Any, message: str) -> None:
    a, b = gc.input("a", (3, 2)), gc.input("b", (4, 2))
    with pytest.raises(BatchError, match=message) as caught:
        call(a, b)
    assert caught.value.loc is not None
    assert Path(caught.value.loc.file) == Path(__file__)
    assert str(caught.value).startswith("GC022 cannot vectorise")


def test_mistakes_in_the_function_are_reported_at_its_line() -> None:
    def f(x: gc.Tensor) -> gc.Tensor:
        return x @ gc.const(np.ones((5, 5)))

    with pytest.raises(ShapeError) as caught:
        gc.vmap(f)(gc.input("x", (4, 3)))
    assert caught.value.loc is not None
    assert caught.value.loc.line == inspect.getsourcelines(f)[1] + 1
