"""Functions that move elements do what NumPy's of the same name do.

Each case is one expression, evaluated with graphc's functions, with NumPy's on symbolic tensors
and with NumPy's on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

Case = Callable[[Any, Any], Any]


def calling(name: str, *arguments: Any) -> Case:
    """The function of this name, with further arguments."""
    return lambda m, t: getattr(m, name)(t, *arguments)


CASES: dict[str, Case] = {
    "moveaxis": lambda m, t: m.moveaxis(t, 0, -1),
    "moveaxis several": lambda m, t: m.moveaxis(t, (0, 2), (1, 0)),
    "moveaxis back": lambda m, t: m.moveaxis(t, [-1, 0], [0, -1]),
    "rollaxis": lambda m, t: m.rollaxis(t, 2),
    "rollaxis to the end": lambda m, t: m.rollaxis(t, 0, 3),
    "rollaxis in between": lambda m, t: m.rollaxis(t, 2, 1),
    "rollaxis from the end": lambda m, t: m.rollaxis(t, 0, -1),
    "matrix_transpose": lambda m, t: m.matrix_transpose(t),
    "flip": lambda m, t: m.flip(t),
    "flip one": lambda m, t: m.flip(t, 1),
    "flip two": lambda m, t: m.flip(t, (0, -1)),
    "flip none": lambda m, t: m.flip(t, ()),
    "fliplr": lambda m, t: m.fliplr(t),
    "flipud": lambda m, t: m.flipud(t),
    **{f"rot90 {k}": calling("rot90", k) for k in (-3, -1, 0, 1, 2, 3, 7)},
    "rot90 of axes": lambda m, t: m.rot90(t, 1, (2, 0)),
    **{f"roll {n}": calling("roll", n) for n in (0, 1, -5, 1000)},
    "roll axis": lambda m, t: m.roll(t, 2, 1),
    "roll axes": lambda m, t: m.roll(t, (1, -7), (0, 2)),
    "roll axes by one shift": lambda m, t: m.roll(t, 2, (0, 1)),
    "roll an axis twice": lambda m, t: m.roll(t, (1, 1), (2, 2)),
    "repeat": lambda m, t: m.repeat(t, 3),
    "repeat axis": lambda m, t: m.repeat(t, 2, 1),
    "repeat never": lambda m, t: m.repeat(t, 0, 0),
    "repeat each": lambda m, t: m.repeat(t, [2, 0, 3, 1, 4], 2),
    "repeat by list of one": lambda m, t: m.repeat(t, [2], axis=-1),
    "tile": lambda m, t: m.tile(t, 2),
    "tile more axes": lambda m, t: m.tile(t, (2, 1, 3, 2)),
    "tile never": lambda m, t: m.tile(t, (0, 2)),
    "resize larger": lambda m, t: m.resize(t, (7, 11)),
    "resize smaller": lambda m, t: m.resize(t, 4),
    "split": lambda m, t: m.split(t, t.shape[1], axis=1),
    "split at": lambda m, t: m.split(t, [1, 3], axis=2),
    "split at odd places": lambda m, t: m.split(t, [3, 1, -1, 99], axis=2),
    "array_split": lambda m, t: m.array_split(t, 3, axis=2),
    "array_split in more parts than elements": lambda m, t: m.array_split(t, 7, axis=1),
    "vsplit": lambda m, t: m.vsplit(t, [1]),
    "hsplit": lambda m, t: m.hsplit(t, [1, 2]),
    "dsplit": lambda m, t: m.dsplit(t, [2]),
    "unstack": lambda m, t: m.unstack(t, axis=1),
    "append": lambda m, t: m.append(t, t[:1], axis=0),
    "append flat": lambda m, t: m.append(t, t[0]),
    "vstack": lambda m, t: m.vstack([t, t]),
    "vstack vectors": lambda m, t: m.vstack([t[0, 0], t[0, 1]]),
    "vstack scalars": lambda m, t: m.vstack([t[0, 0, 0], t[0, 0, 1]]),
    "hstack": lambda m, t: m.hstack([t, t]),
    "hstack vectors": lambda m, t: m.hstack([t[0, 0], t[0, 1, :2]]),
    "dstack": lambda m, t: m.dstack([t, t]),
    "dstack vectors": lambda m, t: m.dstack([t[0, 0], t[0, 1]]),
    "dstack matrices": lambda m, t: m.dstack([t[0], t[0]]),
    "column_stack": lambda m, t: m.column_stack([t[:, 0, 0], t[:, 1]]),
    "block": lambda m, t: m.block([[t[0], t[0, :, :1]], [t[0, :1], t[0, :1, :1]]]),
    "block of vectors": lambda m, t: m.block([t[0, 0], t[0, 1]]),
    "block of one": lambda m, t: m.block(t),
    "block of ranks": lambda m, t: m.block([[t[0, 0]], [t[0, 1]]]),
    "atleast_1d": lambda m, t: m.atleast_1d(t[0, 0, 0], t),
    "atleast_2d": lambda m, t: m.atleast_2d(t[0, 0, 0], t[0, 0], t),
    "atleast_3d": lambda m, t: m.atleast_3d(t[0, 0, 0], t[0, 0], t[0], t),
    "broadcast_arrays": lambda m, t: m.broadcast_arrays(t, t[0], t[:, :1]),
    "pad": lambda m, t: m.pad(t, ((1, 0), (0, 2), (1, 1)), constant_values=7),
    "pad by a dict": lambda m, t: m.pad(t, {0: 1, -1: (0, 2)}),
    "pad with values": lambda m, t: m.pad(t, 2, constant_values=((1, 2), (3, 4), (5, 6))),
    **{
        f"pad {mode} {width}": calling("pad", width, mode)
        for mode in ("edge", "reflect", "symmetric", "wrap")
        for width in (1, (0, 3), ((1, 0), (9, 2), (0, 17)))
    },
    "tril": lambda m, t: m.tril(t),
    **{f"tril {k}": calling("tril", k) for k in (-9, -1, 1, 2, 9)},
    **{f"triu {k}": calling("triu", k) for k in (-9, -1, 0, 1, 9)},
    "tril of a vector": lambda m, t: m.tril(t[0, 0]),
    "diag": lambda m, t: m.diag(t[0, 0]),
    "diag 3": lambda m, t: m.diag(t[0, 0], 3),
    "diag -2": lambda m, t: m.diag(t[0, 0], -2),
    "diag of a matrix": lambda m, t: [m.diag(t[0], k) for k in (-2, 0, 3, 9)],
    "diagflat": lambda m, t: m.diagflat(t[0], 1),
    "diagonal": lambda m, t: m.diagonal(t),
    "diagonal of axes": lambda m, t: m.diagonal(t, -1, 2, 0),
    "trace": lambda m, t: m.trace(t),
    "trace of axes": lambda m, t: m.trace(t, 1, 1, 2),
    "meshgrid": lambda m, t: m.meshgrid(t[0, 0], t[0, :, 0], t[:, 0, 0]),
    "meshgrid ij": lambda m, t: m.meshgrid(t[0, 0], t[0, :, 0], indexing="ij"),
    "meshgrid sparse": lambda m, t: m.meshgrid(t[0, 0], t[0, :, 0], sparse=True),
    "meshgrid of one": lambda m, t: m.meshgrid(t[0, 0]),
    "diff": lambda m, t: m.diff(t),
    "diff twice": lambda m, t: m.diff(t, 2, axis=1),
    "diff until nothing is left": lambda m, t: m.diff(t, 4, axis=0),
    "diff never": lambda m, t: m.diff(t, 0),
    "diff with ends": lambda m, t: m.diff(t, prepend=t[..., :1], append=t[..., :2]),
    "empty_like": lambda m, t: m.zeros_like(m.empty_like(t)),
    "size": lambda m, t: m.size(t) + t * 0,
}


def check(found: Any, wanted: Any, given: Any, value: Any) -> None:
    """Results one by one: kind of sequence, dtype, shape and elements."""
    if isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for each, other in zip(found, wanted, strict=True):
            check(each, other, given, value)
        return
    assert isinstance(found, gc.Tensor)
    assert found.dtype.numpy == wanted.dtype
    np.testing.assert_array_equal(value(found, given), wanted)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("module", [gc, np], ids=["gc", "np"])
def test_function_is_numpys(name: str, module: Any, value: Any) -> None:
    tensor = gc.input("t", (2, 3, 5))
    array = np.arange(30, dtype="float32").reshape(2, 3, 5) * 3 % 13
    wanted = CASES[name](np, array)
    check(CASES[name](module, tensor), wanted, {tensor: array}, value)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_function_keeps_dtypes_as_numpy_does(name: str, dtype: str, value: Any) -> None:
    tensor = gc.input("t", (2, 3, 5), dtype)
    array = (np.arange(30).reshape(2, 3, 5) * 3 % 13).astype(dtype)
    wanted = CASES[name](np, array)
    check(CASES[name](gc, tensor), wanted, {tensor: array}, value)


EMPTY = (
    *("flip", "roll 1", "roll axis", "repeat", "tile", "moveaxis", "rot90 1", "diff", "pad"),
    *("tril", "diagonal", "trace", "resize larger", "array_split", "matrix_transpose"),
)


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 3, 0), (2, 0, 5), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("name", EMPTY)
def test_function_of_nothing_or_one_element(name: str, shape: Any, value: Any) -> None:
    tensor = gc.input("t", shape)
    array = np.ones(shape, "float32")
    check(CASES[name](gc, tensor), CASES[name](np, array), {tensor: array}, value)


@pytest.mark.parametrize("arguments", [(3,), (3, 5), (4, 2, 1), (2, 4, -1), (0,), (3, 0)], ids=str)
@pytest.mark.parametrize("name", ["eye", "tri"])
def test_matrices_of_ones(name: str, arguments: Any, value: Any) -> None:
    for dtype in ("float32", "int8", "bool"):
        found = getattr(gc, name)(*arguments, dtype=dtype)
        check(found, getattr(np, name)(*arguments, dtype=dtype), {}, value)
    check(gc.identity(4), np.identity(4, "float32"), {}, value)


@pytest.mark.parametrize("name", ["linspace", "logspace"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num": 7},
        {"num": 1},
        {"num": 0},
        {"num": 5, "endpoint": False},
        {"num": 1, "endpoint": False},
        {"num": 9, "dtype": "int32"},
        {"num": 9, "dtype": "float32"},
    ],
    ids=str,
)
def test_spaces_are_numpys(name: str, options: Any, value: Any) -> None:
    for ends in ((0, 1), (2.5, -3.0), (-1, -1)):
        wanted = getattr(np, name)(*ends, **options)
        found = getattr(gc, name)(*ends, **options)
        assert found.dtype.numpy == wanted.dtype
        rounding = 1 if wanted.dtype == np.int32 and name == "logspace" else 0
        np.testing.assert_allclose(value(found), wanted, rtol=1e-6, atol=rounding)


def test_linspace_between_tensors(value: Any) -> None:
    first, last = gc.input("first", (2, 1)), gc.input("last", 3)
    ends = np.array([[0], [1]], "float32"), np.array([2, 3, 5], "float32")
    given = dict(zip((first, last), ends, strict=True))
    dispatched: Any = np.linspace
    for axis in (0, 1, -1):
        found, step = dispatched(first, last, 7, retstep=True, axis=axis)
        wanted, wide = np.linspace(*ends, 7, retstep=True, axis=axis)
        np.testing.assert_allclose(value(found, given), wanted, rtol=1e-6)
        np.testing.assert_allclose(value(step, given), wide, rtol=1e-6)
    second = gc.unstack(dispatched(first, last, 5))[1]
    slope = gc.grad(second.sum(), [first, last])
    assert value(slope[0], given).ravel().tolist() == [2.25, 2.25]
    assert value(slope[1], given).tolist() == [0.5, 0.5, 0.5]


def test_diff_from_a_number_keeps_the_dtype(value: Any) -> None:
    tensor = gc.input("t", 3, "uint8")
    found = gc.diff(tensor, prepend=1, append=np.uint8(9))
    assert found.dtype is gc.uint8
    assert value(found, {tensor: [2, 4, 7]}).tolist() == [1, 2, 3, 2]


def test_repeats_in_many_runs_are_looked_up(value: Any) -> None:
    tensor = gc.input("t", (2, 61))
    array = np.random.default_rng(0).normal(size=(2, 61)).astype("float32")
    counts = np.random.default_rng(1).integers(0, 4, 61)
    given = {tensor: array}
    found = gc.repeat(tensor, counts, axis=1)
    np.testing.assert_array_equal(value(found, given), np.repeat(array, counts, axis=1))
    slope = gc.grad((found * found).sum(), tensor)
    np.testing.assert_allclose(value(slope, given), 2 * array * counts, rtol=1e-6)


def test_methods_are_the_functions(value: Any) -> None:
    tensor = gc.input("t", (2, 3, 3))
    array = np.arange(18, dtype="float32").reshape(2, 3, 3)
    calls: tuple[Callable[[Any], Any], ...] = (
        lambda t: t.diagonal(1, 1, 2),
        lambda t: t.trace(0, 1, 2),
        lambda t: t.repeat(2, axis=0),
        lambda t: t.ravel(),
        lambda t: t.flatten(),
        lambda t: t.swapaxes(0, 2),
        lambda t: t.mT,
        lambda t: t.dot(t[0]),
    )
    for call in calls:
        np.testing.assert_array_equal(value(call(tensor), {tensor: array}), call(array))


COMPILED = (
    *("flip two", "rot90 1", "roll axes", "repeat each", "tile more axes", "resize larger"),
    *(
        "split at",
        "block",
        "pad with values",
        "pad edge 1",
        "pad reflect ((1, 0), (9, 2), (0, 17))",
    ),
    *("pad wrap (0, 3)", "tril 1", "triu -1", "diag 3", "diagflat", "diagonal of axes", "trace"),
    *("meshgrid", "diff with ends", "diff twice"),
)


def test_compiled_functions_and_their_gradients_are_numpys() -> None:
    """All in one step: values beside NumPy's, gradients beside differences of NumPy's values."""
    tensor = gc.input("t", (2, 3, 5), "float64")
    rng = np.random.default_rng(0)
    array, direction = rng.normal(size=(2, 2, 3, 5))
    outputs, wanted = {}, {}
    for name in COMPILED:
        for index, (part, other) in enumerate(
            zip(_parts(CASES[name](gc, tensor)), _parts(CASES[name](np, array)), strict=True)
        ):
            weights = rng.normal(size=other.shape)
            moved = _parts(CASES[name](np, array + direction))[index]
            outputs[f"{name} {index}"] = part, (gc.grad((part * weights).sum(), tensor))
            wanted[f"{name} {index}"] = other, ((moved - other) * weights).sum()
    found = gc.compile([tensor], outputs)(array)
    for name, (part, slope) in wanted.items():
        np.testing.assert_allclose(found[name][0], part, rtol=1e-12, err_msg=name)
        moved = (found[name][1] * direction).sum()
        np.testing.assert_allclose(moved, slope, rtol=1e-9, atol=1e-9, err_msg=name)


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


REFUSED: dict[str, tuple[Case, type[Exception], str]] = {
    "split": (lambda m, t: m.split(t, 2, axis=2), gc.errors.ShapeError, "array_split"),
    "split in none": (lambda m, t: m.split(t, 0), gc.errors.AttributeValueError, "one part"),
    "vsplit": (lambda m, t: m.vsplit(t[0, 0], 1), gc.errors.ShapeError, "at least 2 axes"),
    "pad mode": (
        lambda m, t: m.pad(t, 1, "median"),
        gc.errors.AttributeValueError,
        "no mode 'median'",
    ),
    "pad nothing": (
        lambda m, t: m.pad(t[:, :0], 1, "wrap"),
        gc.errors.AttributeValueError,
        "no elements along axis 1",
    ),
    "pad widths": (
        lambda m, t: m.pad(t, ((1, 2), (3, 4))),
        gc.errors.AttributeValueError,
        "one pair for each axis",
    ),
    "pad negative": (lambda m, t: m.pad(t, -1), gc.errors.AttributeValueError, "none of them"),
    "repeat": (
        lambda m, t: m.repeat(t, [1, 2], 2),
        gc.errors.AttributeValueError,
        "one count or 5",
    ),
    "moveaxis": (
        lambda m, t: m.moveaxis(t, (0, 1), 0),
        gc.errors.AttributeValueError,
        "2 axes to 1 places",
    ),
    "rot90": (lambda m, t: m.rot90(t, 1, (0, 0)), gc.errors.AttributeValueError, "axis twice"),
    "diag": (lambda m, t: m.diag(t), gc.errors.ShapeError, "vector or a matrix"),
    "diagonal": (
        lambda m, t: m.diagonal(t, 0, 1, 1),
        gc.errors.AttributeValueError,
        "two different axes",
    ),
    "tril": (lambda m, t: m.tril(t[0, 0, 0]), gc.errors.ShapeError, "not scalars"),
    "block": (lambda m, t: m.block([[t], t]), gc.errors.ShapeError, "equally deep"),
    "broadcast_arrays": (
        lambda m, t: m.broadcast_arrays(t, t[:, :2]),
        gc.errors.ShapeError,
        "broadcast_arrays",
    ),
    "meshgrid": (
        lambda m, t: m.meshgrid(t, indexing="yx"),
        gc.errors.AttributeValueError,
        "'xy' or 'ij'",
    ),
    "diff": (lambda m, t: m.diff(t, -1), gc.errors.AttributeValueError, "-1 times"),
    "tile": (lambda m, t: m.tile(t, -1), gc.errors.AttributeValueError, "negative"),
    "roll shifts": (
        lambda m, t: m.roll(t, (1, 2, 3), (0, 1)),
        gc.errors.AttributeValueError,
        "3 shifts for 2 axes",
    ),
    "repeat by a tensor": (
        lambda m, t: m.repeat(t, gc.input("n", 5, "int32"), 2),
        gc.errors.ShapeError,
        "whole numbers as repeats",
    ),
    "pad by a float": (lambda m, t: m.pad(t, 1.5), gc.errors.AttributeValueError, "whole numbers"),
    "pad of an axis": (lambda m, t: m.pad(t, {3: 1}), gc.errors.AttributeValueError, "axis 3"),
    "eye": (lambda m, t: m.eye(2.5), gc.errors.ShapeError, "whole numbers"),
    "linspace": (lambda m, t: m.linspace(0, t, -1), gc.errors.AttributeValueError, "negative"),
    "linspace of a float": (lambda m, t: m.linspace(0, t, 1.5), gc.errors.ShapeError, "samples"),
    "roll": (lambda m, t: m.roll(t, 1, 3), gc.errors.AttributeValueError, "roll along axis 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call(gc, gc.input("t", (2, 3, 5)))
