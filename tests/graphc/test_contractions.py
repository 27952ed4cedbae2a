"""Contractions compute what NumPy's of the same name compute, whatever order is chosen."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc

Shapes = tuple[tuple[int, ...], ...]

EINSUMS: dict[str, Shapes] = {
    "ij,jk->ik": ((3, 5), (5, 2)),
    "ij,jk": ((3, 5), (5, 2)),
    "ji,jk->ki": ((3, 5), (3, 2)),
    "ij,kj->ki": ((3, 5), (2, 5)),
    "bij,bjk->bik": ((2, 3, 5), (2, 5, 4)),
    "bij,bjk->kbi": ((2, 3, 5), (2, 5, 4)),
    "bhqd,bhkd->bhqk": ((2, 3, 5, 4), (2, 3, 7, 4)),
    "bqhd,bkhd->bhqk": ((2, 5, 3, 4), (2, 7, 3, 4)),
    "ij,j": ((3, 5), (5,)),
    "i,ij": ((3,), (3, 5)),
    "i,i": ((5,), (5,)),
    "i,j": ((5,), (3,)),
    "i,j->ji": ((5,), (3,)),
    "ij,ij->": ((3, 5), (3, 5)),
    "ij,ij->i": ((3, 5), (3, 5)),
    "ij,ji->i": ((3, 5), (5, 3)),
    "ij,ij": ((3, 5), (3, 5)),
    "i->": ((5,),),
    "i": ((5,),),
    "ij->j": ((3, 5),),
    "ba": ((3, 5),),
    "aB": ((3, 5),),
    "ij->ji": ((3, 5),),
    "ii": ((4, 4),),
    "ii->i": ((4, 4),),
    "iij->ji": ((4, 4, 3),),
    "iii->i": ((3, 3, 3),),
    "ijij->ij": ((2, 3, 2, 3),),
    "ii,ij->j": ((3, 3), (3, 4)),
    "iij,jkk->ik": ((2, 2, 3), (3, 4, 4)),
    "": ((),),
    ",": ((), ()),
    "i,": ((3,), ()),
    ",i->i": ((), (3,)),
    "ij,kl->": ((2, 3), (4, 5)),
    "ij,kl": ((2, 3), (4, 5)),
    "ijk,k->": ((2, 3, 4), (4,)),
    "ijk,jil->kl": ((3, 4, 5), (4, 3, 2)),
    "...i->...": ((2, 3, 4),),
    "...ij->...ji": ((2, 3, 4),),
    "i...->...i": ((2, 3, 4),),
    "...ii->...i": ((2, 4, 4),),
    "...": ((2, 3),),
    "...->...": ((),),
    "i->...i": ((3,),),
    "...ij,...jk->...ik": ((2, 3, 5), (2, 5, 4)),
    "...ij,...jk": ((2, 1, 3, 5), (7, 5, 4)),
    "...ij,jk->...ik": ((6, 2, 3, 5), (5, 4)),
    "...i,...i": ((2, 3), (4, 1, 3)),
    "i...,i...->...": ((3, 2), (3, 4, 1)),
    "b...i,b...i->...b": ((2, 3, 4), (2, 4)),
    "bi...->b...": ((2, 3, 4),),
    "ab,bc": ((2, 1), (3, 4)),
    "ij,ij->ij": ((2, 1), (1, 3)),
    "ab,ab->a": ((2, 1), (1, 3)),
    "i,i->i": ((1,), (1,)),
    "ij,jk,kl": ((3, 5), (5, 2), (2, 4)),
    "ij,jk,kl,lm->im": ((3, 5), (5, 2), (2, 4), (4, 7)),
    "ij,jk,ki->": ((3, 5), (5, 2), (2, 3)),
    "i,i,i->i": ((5,), (5,), (5,)),
    "i,ij,j": ((3,), (3, 5), (5,)),
    "ab,bc,cd,de,ef": ((2, 3), (3, 4), (4, 2), (2, 5), (5, 3)),
    "ea,fb,abcd,gc,hd->efgh": ((2, 3), (2, 3), (3, 3, 3, 3), (2, 3), (2, 3)),
    "...a,ab,...b->...": ((4, 3), (3, 5), (4, 5)),
    " i j , j k -> i k ": ((3, 5), (5, 2)),
    "ij,jk->k i": ((0, 5), (5, 2)),
    "ij,jk->ki": ((3, 0), (0, 2)),
    "i,ij->": ((1,), (1, 7)),
    "pqrs,rs,q->ps": ((2, 3, 4, 5), (4, 5), (3,)),
}
CASES = list(EINSUMS.items())


def drawn(shapes: Shapes, dtype: str = "float32", seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Tensors and arrays of whole numbers, whose products have no rounding."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 4, shape).astype(dtype) for shape in shapes]
    tensors = [gc.input(f"x{i}", shape, dtype) for i, shape in enumerate(shapes)]
    return tensors, arrays


def check(function: Callable[..., Any], shapes: Shapes, value: Any, dtype: str = "float32") -> Any:
    """`function(module, *operands)` with graphc and with NumPy."""
    tensors, arrays = drawn(shapes, dtype)
    wanted = np.asarray(function(np, *arrays))
    for module in (gc, np):
        found = function(module, *tensors)
        assert isinstance(found, gc.Tensor)
        assert found.dtype.numpy == wanted.dtype
        result = value(found, dict(zip(tensors, arrays, strict=True)))
        np.testing.assert_allclose(result, wanted, rtol=1e-6)
    return found


@pytest.mark.parametrize(("subscripts", "shapes"), CASES, ids=[f"{s} {x}" for s, x in CASES])
def test_einsum_is_numpys(subscripts: str, shapes: Shapes, value: Any) -> None:
    for dtype in ("float32", "int16", "bool"):
        check(lambda m, *operands: m.einsum(subscripts, *operands), shapes, value, dtype)


def test_einsum_with_lists_of_labels(value: Any) -> None:
    shapes = ((2, 3, 5), (5, 4))
    check(lambda m, x, y: m.einsum(x, [0, 1, 2], y, [2, 3], [3, 0, 1]), shapes, value)
    check(lambda m, x, y: m.einsum(x, [51, 1, 26], y, [26, 25]), shapes, value)
    check(lambda m, x, y: m.einsum(x, [..., 2], y, [2, 0], [0, ...]), shapes, value)
    check(lambda m, x, y: m.einsum(y, [1, 0]), shapes, value)


def test_einsum_of_mixed_dtypes(value: Any) -> None:
    x, y = gc.input("x", 3, "int8"), gc.input("y", (3, 2), "float32")
    found = gc.einsum("i,ij->j", x, y)
    assert found.dtype is gc.float32
    assert gc.einsum("i,i->", x, [0.5, 0.5, 0.5]).dtype is gc.float64
    given = {x: [1, 2, 3], y: np.ones((3, 2))}
    assert value(found, given).tolist() == [6, 6]


def test_random_einsums(value: Any) -> None:
    """Up to four operands with letters drawn at random."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        sizes = dict(zip("abcde", rng.integers(1, 5, 5).tolist(), strict=True))
        words = [
            "".join(rng.choice(list(sizes), rng.integers(0, 4))) for _ in range(rng.integers(1, 5))
        ]
        known = sorted(set("".join(words)))
        output = "".join(rng.permutation(known)[: rng.integers(0, len(known) + 1)])
        subscripts = ",".join(words) + "->" + output
        shapes = tuple(tuple(sizes[letter] for letter in word) for word in words)
        tensors, arrays = drawn(shapes, "int64", 7)
        found = gc.einsum(subscripts, *tensors)
        given = dict(zip(tensors, arrays, strict=True))
        np.testing.assert_array_equal(value(found, given), np.einsum(subscripts, *arrays))


def test_many_operands(value: Any) -> None:
    count = 20
    letters = [chr(ord("a") + i) for i in range(count + 1)]
    subscripts = ",".join(a + b for a, b in itertools.pairwise(letters))
    check(lambda m, *x: m.einsum(subscripts + "->au", *x, optimize=True), ((2, 2),) * count, value)


TENSORDOTS = [
    (((3, 4, 5), (4, 5, 2)), 2),
    (((3, 4, 5), (5, 2)), 1),
    (((3, 4), (5, 2)), 0),
    (((3, 4, 5), (4, 3, 2)), ([1, 0], [0, 1])),
    (((3, 4, 5), (4, 3, 2)), ((0, 1), (1, 0))),
    (((3, 4, 5), (2, 5)), (2, 1)),
    (((3, 4, 5), (2, 5)), (-1, -1)),
    (((3, 4), (3, 4)), 2),
    (((3, 0), (0, 2)), 1),
]


@pytest.mark.parametrize(("shapes", "axes"), TENSORDOTS, ids=str)
def test_tensordot(shapes: Shapes, axes: Any, value: Any) -> None:
    for dtype in ("float32", "int64", "bool"):
        check(lambda m, x, y: m.tensordot(x, y, axes), shapes, value, dtype)


PAIRS: dict[str, list[Shapes]] = {
    "dot": [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((6, 2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((), (3,)),
        ((2, 3), ()),
        ((), ()),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
    ],
    "inner": [((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (3,)), ((5, 2, 3), (4, 3)), ((), (2, 3))],
    "outer": [((3,), (4,)), ((2, 3), (4,)), ((), (3,)), ((0,), (3,))],
    "vdot": [((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3, 2))],
    "vecdot": [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3))],
    "matvec": [((2, 3), (3,)), ((5, 2, 3), (3,)), ((2, 3), (5, 3)), ((5, 1, 2, 3), (4, 3))],
    "vecmat": [((3,), (3, 2)), ((5, 3), (5, 3, 2)), ((4, 3), (5, 1, 3, 2))],
    "kron": [((2, 3), (4, 5)), ((3,), (2,)), ((2,), (3, 4)), ((2, 3, 4), (2, 2)), ((), (2, 2))],
    "cross": [((3,), (3,)), ((4, 3), (4, 3)), ((4, 3), (3,)), ((2, 1, 3), (4, 3))],
}


@pytest.mark.parametrize("name", PAIRS)
def test_products_of_two(name: str, value: Any) -> None:
    for shapes, dtype in itertools.product(PAIRS[name], ("float32", "int32")):
        check(lambda m, x, y: getattr(m, name)(x, y), shapes, value, dtype)


def test_products_along_axes(value: Any) -> None:
    check(lambda m, x, y: m.vecdot(x, y, axis=0), ((3, 2), (3, 2)), value)
    check(lambda m, x, y: m.cross(x, y, axis=0), ((3, 4), (3, 4)), value)
    check(lambda m, x, y: m.cross(x, y, axisa=0, axisc=1), ((3, 4), (4, 3)), value)


MULTIPLIED: list[Shapes] = [
    ((2, 3), (3, 4)),
    ((2, 30), (30, 4), (4, 5)),
    ((3,), (3, 4), (4, 5), (5,)),
    ((3,), (3, 4), (4, 5)),
    ((2, 3), (3, 4), (4,)),
    ((3,), (3,)),
    ((2, 3), (3, 4), (4, 2), (2, 6), (6, 3), (3, 3), (3, 2), (2, 5), (5, 3), (3, 2)),
]


@pytest.mark.parametrize("shapes", MULTIPLIED, ids=str)
def test_multi_dot(shapes: Shapes, value: Any) -> None:
    check(lambda m, *operands: m.linalg.multi_dot(operands), shapes, value)


def test_linalg_has_its_own_meanings(value: Any) -> None:
    check(lambda m, x: m.linalg.diagonal(x, offset=1), ((2, 3, 4),), value)
    check(lambda m, x: m.linalg.trace(x), ((2, 3, 4),), value)
    check(lambda m, x: m.linalg.matrix_transpose(x), ((2, 3, 4),), value)
    check(lambda m, x, y: m.linalg.outer(x, y), ((3,), (4,)), value)
    check(lambda m, x, y: m.linalg.cross(x, y), ((2, 3), (2, 3)), value)
    check(lambda m, x, y: m.linalg.matmul(x, y), ((2, 3), (3, 4)), value)
    check(lambda m, x, y: m.linalg.tensordot(x, y, axes=1), ((2, 3), (3, 4)), value)
    check(lambda m, x, y: m.linalg.vecdot(x, y), ((2, 3), (2, 3)), value)


COMPILED = (
    *("bqhd,bkhd->bhqk", "iij,jkk->ik", "ij,ij->i", "...ij,...jk", "ij,jk,ki->", "i,ij,j"),
    *("ij,kl", "ij,jk->ki", "ea,fb,abcd,gc,hd->efgh", "b...i,b...i->...b", "ij,ji->i"),
)


def test_compiled_einsums_and_their_derivatives() -> None:
    """Gradients of every operand beside differences, which are exact: einsum is multilinear."""
    outputs, wanted, inputs, values = {}, {}, [], []
    rng = np.random.default_rng(0)
    for number, subscripts in enumerate(COMPILED):
        shapes = EINSUMS[subscripts]
        arrays = [rng.normal(size=shape) for shape in shapes]
        tensors = [gc.input(f"x{number}_{i}", s, "float64") for i, s in enumerate(shapes)]
        result = gc.einsum(subscripts, *tensors)
        weights = rng.normal(size=result.shape)
        outputs[subscripts] = result, gc.grad((result * weights).sum(), tensors)
        slopes = []
        for place in range(len(arrays)):
            step = rng.normal(size=shapes[place])
            moved = [*arrays[:place], step, *arrays[place + 1 :]]
            slopes.append((step, (np.einsum(subscripts, *moved) * weights).sum()))
        wanted[subscripts] = np.einsum(subscripts, *arrays), slopes
        inputs += tensors
        values += arrays
    found = gc.compile(inputs, outputs)(*values)
    for subscripts, (value, slopes) in wanted.items():
        np.testing.assert_allclose(found[subscripts][0], value, rtol=1e-12, err_msg=subscripts)
        for slope, (step, moved) in zip(found[subscripts][1], slopes, strict=True):
            np.testing.assert_allclose((slope * step).sum(), moved, rtol=1e-10, atol=1e-12)


def test_second_derivative_of_a_contraction(value: Any) -> None:
    x, y = gc.input("x", (3, 3), "float64"), gc.input("y", (3, 4), "float64")
    rng = np.random.default_rng(0)
    a, b, step = rng.normal(size=(3, 3)), rng.normal(size=(3, 4)), rng.normal(size=(3, 3))
    result = gc.einsum("ii,ij,ij->", x, y, y) ** 2
    slope = gc.grad(result, x)
    second = gc.grad((slope * step).sum(), x)
    weight = (b * b).sum(1)
    wanted = np.diag(2 * weight * (weight * np.diag(step)).sum())
    np.testing.assert_allclose(value(second, {x: a, y: b}), wanted, rtol=1e-12)


REFUSED = {
    "letter": ("ij,jk->iz", ((2, 3), (3, 4)), gc.errors.AttributeValueError, "'z' in its result"),
    "count": ("ij,jk,kl", ((2, 3), (3, 4)), gc.errors.AttributeValueError, "3 operands, got 2"),
    "fewer": ("ij", ((2, 3), (3, 4)), gc.errors.AttributeValueError, "1 operands, got 2"),
    "sign": ("i-j", ((2, 3),), gc.errors.AttributeValueError, "'-' where a letter"),
    "digit": ("i1", ((2, 3),), gc.errors.AttributeValueError, "'1' where a letter"),
    "dots": ("i..j", ((2, 3),), gc.errors.AttributeValueError, r"'\.' where a letter"),
    "two ellipses": ("...i...", ((2, 3),), gc.errors.AttributeValueError, r"'\.' where"),
    "two arrows": ("i->j->i", ((2,),), gc.errors.AttributeValueError, "'-' where a letter"),
    "comma in the result": ("i->i,", ((2,),), gc.errors.AttributeValueError, "',' where"),
    "axes": ("ijk,jk", ((2, 3), (3, 4)), gc.errors.ShapeError, "'ijk' for an operand of 2 axes"),
    "rest": ("i,jk", ((2, 3), (3, 4)), gc.errors.ShapeError, r"or write \.\.\. for the rest"),
    "sizes": ("ij,jk", ((2, 3), (4, 5)), gc.errors.ShapeError, "'j' has sizes 3 and 4"),
    "spread sizes": ("...,...", ((2,), (3,)), gc.errors.ShapeError, "has sizes 2 and 3"),
    "diagonal": ("ii", ((2, 3),), gc.errors.ShapeError, "have sizes 2 and 3"),
    "twice": ("ij->ii", ((2, 3),), gc.errors.AttributeValueError, "'i' twice"),
    "lost ellipsis": ("...i->i", ((2, 3),), gc.errors.AttributeValueError, "not in its result"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_einsum_refuses(name: str) -> None:
    subscripts, shapes, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        gc.einsum(subscripts, *drawn(shapes)[0])


def test_an_error_of_einsum_names_the_operand_and_the_users_line() -> None:
    x, weight = gc.input("x", (2, 3)), gc.input("weight", (4, 5))
    with pytest.raises(gc.errors.ShapeError) as caught:
        gc.einsum("ij,jk->ik", x, weight)
    message = str(caught.value)
    assert "GC012" in message
    assert 'gc.einsum("ij,jk->ik", x, weight)' in message
    assert "weight is f32[4,5] (size 4 at 'j'), but x has 3 there" in message


def test_labels_that_are_none() -> None:
    x = gc.input("x", (2, 3))
    for labels in ([0, 52], [0, -1], [0, "j"], 3):
        with pytest.raises(gc.errors.AttributeValueError, match="from 0 to 51"):
            gc.einsum(x, labels)
    with pytest.raises(gc.errors.AttributeValueError, match="subscripts and operands"):
        gc.einsum()


def test_other_contractions_refuse() -> None:
    x, y = gc.input("x", (2, 3)), gc.input("y", (4, 5))
    for call in (gc.dot, gc.inner, gc.vdot, gc.vecdot, lambda a, b: gc.tensordot(a, b, 1)):
        with pytest.raises(gc.errors.ShapeError, match="equal inner sizes") as caught:
            call(x, y)
        assert "y is f32[4,5]" in str(caught.value)
    with pytest.raises(gc.errors.AttributeValueError, match="over 3 axes"):
        gc.tensordot(x, y, 3)
    with pytest.raises(gc.errors.AttributeValueError, match="as many axes of a as of b"):
        gc.tensordot(x, y, ([0, 1], [0]))
    with pytest.raises(gc.errors.AttributeValueError, match="takes a number of axes"):
        gc.tensordot(x, y, 1.5)
    with pytest.raises(gc.errors.ShapeError, match="3 elements"):
        gc.cross(x, y)
    with pytest.raises(gc.errors.ShapeError, match="multi_dot needs equal inner sizes"):
        gc.linalg.multi_dot([x, y])
    with pytest.raises(gc.errors.ShapeError, match="multi_dot needs matrices"):
        gc.linalg.multi_dot([x, y[0], y])
    with pytest.raises(gc.errors.AttributeValueError, match="two operands"):
        gc.linalg.multi_dot([x])
    with pytest.raises(gc.errors.ShapeError, match="outer takes vectors"):
        gc.linalg.outer(x, y[0])


@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (5, 4)), ((2, 3, 4), (5, 4)), ((3, 4), (2, 5, 4))], ids=str
)
def test_derivatives_of_products_of_transposes(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    x, y = (np.random.default_rng(0).normal(size=shape) for shape in (left, right))
    gc.check_grad(lambda x, y: x @ y.mT, (x, y), order=2)
    gc.check_grad(lambda x, y: x.mT @ y, (x.mT.copy(), y.mT.copy()), order=2)
