"""The same calls on tensors and on arrays: values, dtypes, shapes and signs of zero are NumPy's."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.graph import topological
from graphc.ir.interpreter import evaluate

RNG = np.random.default_rng(0)
POSITIVE = RNG.normal(size=(4, 4))
OPERANDS: dict[str, Any] = {
    "a": RNG.normal(size=(2, 3, 4)).astype("float32"),
    "b": RNG.normal(size=(3, 4)).astype("float32"),
    "d": RNG.normal(size=(3, 4)),
    "h": RNG.normal(size=(3, 4)).astype("float16"),
    "i": RNG.integers(-5, 9, (3, 4)).astype("int32"),
    "j": RNG.integers(0, 5, 7),
    "u": RNG.integers(0, 255, (3, 4)).astype("uint8"),
    "p": np.array([[True, False, True], [False, False, True]]),
    "e": np.zeros((0, 3), "float32"),
    "n": np.array([1, np.nan, 3, -np.inf, np.inf, -0.0, 2], "float32"),
    "m": np.where(RNG.random((4, 5)) < 0.3, np.nan, RNG.normal(size=(4, 5))),
    "w": np.array([3.0, 1.0, 2.0, 2.0, 5.0]),
    "z": np.array([1, 2, 3]),
    "c": np.array([-128, 127, 3, 0], "int8"),
    "s": np.array(1.5, "float32"),
}

SAME = """
xp.reshape(a, (4, 6), order="F")
xp.ravel(a, order="F")
a.reshape(6, 4, order="F")
a.flatten("F")
xp.concatenate(a)
xp.concatenate([b, b], dtype=np.float64)
xp.stack(b, axis=1)
xp.stack([b, b], dtype=np.float64)
xp.zeros_like(b, shape=(2, 2), dtype=int)
xp.full_like(b, 3, shape=3)
xp.take(w, [7, -9], mode="wrap")
xp.take(b, [[0, 5]], axis=0, mode="clip")
b.take([0, 2], axis=1)
w[:3].searchsorted(2)
b.astype(float, copy=False)
b.copy()
b.conj()
b.nbytes
xp.clip(u, -1, 300)
xp.clip(c, -200, 5)
np.add.reduce(a)
np.add.reduce(a, axis=(0, 1), keepdims=True)
np.maximum.reduce(a, axis=None)
np.logical_or.reduce(p, axis=1)
np.add.outer(b, w)
np.less.outer(w, w)
xp.isclose(n, n)
xp.isclose(n, n, equal_nan=True)
xp.isclose(i, i + 1)
xp.isclose(d, d * (1 + 2e-6), rtol=1e-6)
xp.allclose(b, b + 1e-7)
xp.array_equal(n, n)
xp.array_equal(n, n, equal_nan=True)
xp.array_equal(b, a)
xp.array_equiv(b, b[:1])
xp.array_equiv(b, w)
xp.isin(i, [1, 2, 3])
xp.isin(j, z, invert=True)
xp.gradient(a)
xp.gradient(d, 2.0, [0.0, 1.0, 3.0, 7.0])
xp.gradient(w, w.cumsum())
xp.gradient(i, axis=(1, 0))
xp.trapezoid(i)
xp.trapezoid(d, w[:4])
xp.trapezoid(a, dx=0.5, axis=1)
xp.trapezoid(d, d * 2, axis=0)
xp.interp(n, w * 0 + [0.0, 1, 2, 3, 4], w)
xp.interp(w, [1.0], [3.0])
xp.interp(d, [0.0, 1], [3.0, 4], -1, 9)
xp.interp(2.5, w.cumsum(), w)
xp.unwrap(w * 7)
xp.unwrap(d * 9, axis=0)
xp.unwrap(w * 70, period=100)
xp.unwrap(w * 7, 5.0)
xp.ediff1d(b, 1.0, [2.0, 3.0])
xp.ediff1d(z)
xp.convolve(w, z)
xp.convolve(w[:2], w, "same")
xp.convolve(w[:2], w, "valid")
xp.convolve(z, z, "same")
xp.correlate(w, w[:4], "same")
xp.correlate(w[:2], w, "full")
xp.correlate(w[:2], w)
xp.convolve(w, 2.0)
xp.polyval(w, d)
xp.polyval([], d)
xp.polyadd(w, [1.0, 2.0])
xp.polysub(d[0], w)
xp.polymul(w, d[0])
xp.polyder(w, 2)
xp.polyder(w, 9)
xp.polyint(w, 2, [1.0, 2.0])
xp.vander(z)
xp.vander(w, 3, increasing=True)
xp.polyfit(w[:4] + d[0], d[1], 2)
xp.polyfit(w[:4] + d[0], d.T, 1, w=w[:4])
xp.cov(d, bias=True)
xp.cov(d, d, rowvar=False)
xp.cov(d, fweights=[1, 2, 1, 1], aweights=w[:4])
xp.cov(w)
xp.corrcoef(d)
xp.corrcoef(w[:4], d)
xp.select([d > 1, d > 0], [d, i])
xp.select([True, d > 0], [d, 2], -1)
xp.choose(j - 3, [1, 2, 3], mode="wrap")
xp.choose(j, [1, 2, 3], mode="clip")
xp.choose(i % 2, [b, d])
xp.choose(j * 0, [w[0]])
xp.piecewise(w, [w > 2], [lambda x: x * x, 7])
xp.piecewise(z, [z > 2], [1.7])
xp.piecewise(w, [w > 2, w > 4], [1.0, 2.0])
xp.geomspace(d[0] ** 2, 9.0, 4)
xp.delete(b, [True, False, True], 0)
xp.delete(b, slice(0, 2), axis=1)
xp.delete(b, 3)
xp.delete(w, [0, -1])
xp.insert(w, [3, 1], [9, 8])
xp.insert(w, [1, 1], [9, 8])
xp.insert(w, -1, 1)
xp.insert(w, 2, [7, 8])
xp.insert(b, 1, [1, 2, 3], axis=1)
xp.insert(b, slice(1, 3), 5, axis=0)
xp.insert(b, [1], [[1], [2], [3]], axis=1)
xp.insert(b, 3, b, axis=0)
xp.unravel_index(j, (2, 4))
xp.ravel_multi_index((z, z), (4, 5))
xp.ravel_multi_index(([1, 9], [3, -4]), (5, 6), mode="wrap")
xp.nanargmax(m)
xp.nanargmin(m, axis=1, keepdims=True)
xp.nanargmin(i, axis=1)
xp.nancumsum(m, axis=1)
xp.nancumprod(m)
xp.nanmedian(m, axis=1, keepdims=True)
xp.nanquantile(m, [0.1, 0.5], axis=0)
xp.nanpercentile(m, [[10.0], [20.0]])
xp.nanmedian(n)
xp.nanmedian(np.full(3, np.nan) * w[:3])
xp.angle(n)
xp.angle(b, deg=True)
xp.imag(i)
xp.isreal(n)
xp.lexsort((i, -i), axis=0)
xp.sort(xp.partition(d, 1, axis=0), axis=0)
xp.geomspace(1.0, 1000, 4)
xp.asarray([1, 2])
xp.array([[1, 2], [3, 4]], dtype=np.float32)
xp.permute_dims(a, (2, 0, 1))
"""

REFUSED = """
xp.take(w, [7])
xp.take(b, -13)
xp.reshape(a, (5, -1), order="F")
xp.delete(b, 7, 1)
xp.insert(w, 6, 1)
xp.insert(w, [-6], 1)
xp.convolve(w, [])
xp.convolve(d, w)
xp.select([d > 1], [d, i])
xp.gradient(d, w)
xp.partition(w, 9)
xp.polyder(d)
xp.polyder(w, -1)
xp.cov(a)
xp.choose(w, [1, 2])
xp.unravel_index(w, (2,))
xp.ravel_multi_index((z,), (4, 5))
xp.interp(w, [1.0], [1.0, 2.0])
xp.piecewise(w, [w > 2], [1, 2, 3])
+p
xp.concatenate([])
xp.stack([])
xp.nanquantile(m, 2.0)
"""


def calls(table: str) -> list[str]:
    return table.strip().splitlines()


def worth(result: Any) -> Any:
    """What a result of tensors is worth, by the interpreter."""
    if isinstance(result, list | tuple):
        return [worth(each) for each in result]
    if isinstance(result, gc.Tensor):
        nodes = [node for node in topological([result.node]) if node.op.name == "input"]
        return evaluate([result.node], {node: OPERANDS[node.name] for node in nodes})[0]
    return result


def symbols() -> dict[str, gc.Tensor]:
    return {name: gc.input(name, each.shape, each.dtype) for name, each in OPERANDS.items()}


def assert_same(wanted: Any, found: Any) -> None:
    if isinstance(wanted, list | tuple):
        assert len(wanted) == len(found)
        for each, other in zip(wanted, found, strict=True):
            assert_same(each, other)
        return
    reference, value = np.asarray(wanted), np.asarray(found)
    assert value.dtype == reference.dtype
    assert value.shape == reference.shape
    tolerance = 1e-5 if reference.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(value, reference, rtol=tolerance, atol=tolerance)
    if reference.dtype.kind == "f":
        zeros = (reference == 0) & (value == 0)
        np.testing.assert_array_equal(np.signbit(value[zeros]), np.signbit(reference[zeros]))


@pytest.mark.parametrize("call", calls(SAME))
def test_result_is_numpys(call: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        wanted = eval(call, {"xp": np, "np": np, **OPERANDS})
        assert_same(wanted, worth(eval(call, {"xp": gc, "np": np, **symbols()})))
        if any(name in call for name in ("asarray", "xp.array(")):
            return
        assert_same(wanted, worth(eval(call, {"xp": np, "np": np, **symbols()})))


@pytest.mark.parametrize("call", calls(REFUSED))
def test_refused_as_by_numpy(call: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)):
        eval(call, {"xp": np, "np": np, **OPERANDS})
    with pytest.raises((GraphError, TypeError)):
        eval(call, {"xp": gc, "np": np, **symbols()})


@pytest.mark.parametrize("name", ["polyval", "cov", "vander", "polyint", "corrcoef"])
def test_f32_stays_f32_where_numpy_takes_f64(name: str) -> None:
    x = gc.input("x", 4)
    result = gc.polyval(x, x) if name == "polyval" else getattr(gc, name)(x)
    assert result.dtype is gc.float32


def test_a_row_without_numbers_has_no_position() -> None:
    x = np.array([[np.nan, np.nan], [np.nan, 1]])
    (found,) = evaluate([gc.nanargmax(x, axis=1).node], {})
    assert found.tolist() == [-1, 1]


def test_lists_of_tensors_become_tensors(value: Any) -> None:
    x = gc.input("x", 3)
    table = gc.asarray([[x[0], 1.0], [2.0, x[1] + x[2]]])
    assert value(table, {x: [1, 2, 3]}).tolist() == [[1, 1], [2, 5]]
    assert gc.array(2.5).dtype is gc.float32


def test_numpy_takes_the_dtype_of_a_tensor() -> None:
    x = gc.input("x", 3)
    assert x.dtype == np.float32
    assert np.dtype("float32") == x.dtype
    assert x.dtype == "float32"
    assert x.dtype != np.float64
    assert x.dtype not in (None, "no dtype", 3)
    assert np.zeros(2, x.dtype).dtype == np.float32
    assert {gc.float32: 1}[x.dtype] == 1


def test_nothing_is_no_operand() -> None:
    x = gc.input("x", 3)
    for other in (None, "x"):
        with pytest.raises(GraphError, match="expected a tensor, an array or a number"):
            x == other  # noqa: B015  the comparison itself is refused


def test_values_are_not_known() -> None:
    x = gc.input("x", 3)
    for convert in (gc.Tensor.item, gc.Tensor.tolist, float):
        with pytest.raises(TypeError, match="symbolic and is no"):
            convert(x)
    with pytest.raises(GraphError, match="known while the graph is declared"):
        gc.delete(x, gc.input("i", (), gc.int64))
    with pytest.raises(GraphError, match="order 'C' or 'F'"):
        gc.ravel(x, order="K")  # type: ignore[arg-type]


GRADIENTS: dict[str, Any] = {
    "gradient": lambda x: gc.gradient(x, gc.cumsum(x * x + 1)),
    "trapezoid": lambda x: gc.trapezoid(x, gc.exp(x)),
    "interp": lambda x: gc.interp(0.9 * x, gc.sort(x), gc.sin(x)),
    "unwrap": lambda x: gc.unwrap(4 * x),
    "convolve": lambda x: gc.convolve(x, x[:2] * x[2], "same"),
    "correlate": lambda x: gc.correlate(x[:3], x),
    "polyval": lambda x: gc.polyval(x[:3], x),
    "vander": lambda x: gc.vander(x, 3),
    "polyfit": lambda x: gc.polyfit(x, x * x * x, 1),
    "cov": lambda x: gc.cov(gc.stack([x, gc.exp(x)]), aweights=x * x),
    "corrcoef": lambda x: gc.corrcoef(x, gc.exp(x)),
    "select": lambda x: gc.select([x > 1, x > 0], [x * x, gc.sin(x)], -x),
    "choose": lambda x: gc.choose(np.array([0, 1, 2, 1]), [x, x * x, gc.exp(x)]),
    "piecewise": lambda x: gc.piecewise(x, [x > 0], [gc.sin, gc.exp]),
    "insert": lambda x: gc.insert(x, [1, 3], x[:2] * x[2:]),
    "delete": lambda x: gc.delete(x * x, 1),
    "nanmedian": lambda x: gc.nanmedian(x * np.array([1, np.nan, 1, 1])),
    "nancumprod": lambda x: gc.nancumprod(x * np.array([1, np.nan, 1, 1])),
    "geomspace": lambda x: gc.geomspace(x * x, 9.0, 3),
    "array": lambda x: gc.array([x[0], [x[1], x[2]][0] * x[3], 1.0]),
}


@pytest.mark.parametrize("name", [name for name in GRADIENTS if not name.startswith("nan")])
def test_derivatives(name: str) -> None:
    gc.check_grad(GRADIENTS[name], (np.array([0.6, -1.3, 2.1, 1.4]),), order=2)


@pytest.mark.parametrize("name", ["nanmedian", "nancumprod"])
def test_derivatives_ignore_nan(name: str, value: Any) -> None:
    x = gc.input("x", 4, gc.float64)
    slopes = value(gc.grad(GRADIENTS[name](x).sum(), x), {x: [0.6, -1.3, 2.1, 1.4]})
    wanted = [0, 0, 0, 1] if name == "nanmedian" else [1 + 1 + 2.1 + 2.1 * 1.4, 0, 0.6 * 2.4, 1.26]
    np.testing.assert_allclose(slopes[[0, 2, 3]], np.array(wanted)[[0, 2, 3]], rtol=1e-12)
    assert not math.isnan(slopes[0])
