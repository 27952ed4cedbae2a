"""The factors L and U of square matrices, and the solution of linear systems with them.

Owns the records of `lu` and `lu_solve`. Imports the helpers of `matrices`. Invariant: the solution
of a system depends on its matrix, not on the factors that serve to find it, so that derivatives of
every order use the factors again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import DTypeError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, OfResults, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import Expression, cast, ops, reshape
from graphc.ir.ops.linear_algebra import TriangularAttrs, check_right_sides, substitute
from graphc.ir.ops.matrices import (
    add_rows,
    batch_matrices,
    by_matrix,
    by_panels,
    check_alike,
    check_matrices,
    lower,
    part,
    plus,
    solved,
    solved_right,
    transposed,
    upper,
    well_conditioned,
)
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, refused_dtypes
from graphc.ir.routine import ArrayView, Index, RoutineBuilder
from graphc.ir.types import FLOATS, DType, Shape, TensorType, TupleType, float64, int64


def _lu_type(types: Sequence[TensorType], attrs: Attrs) -> TupleType:
    a = check_matrices("lu", types)
    return TupleType.of([a, TensorType(int64, a.shape[:-1]), a.with_shape(a.shape[:-2])])


def _factors(a: Array) -> tuple[Array, Array, Array]:
    packed, rows, sign = a.copy(), np.arange(len(a)), np.ones(())
    for k in range(len(a)):
        pivot = k + int(np.argmax(np.abs(packed[k:, k])))
        if pivot != k:
            packed[[k, pivot]], rows[[k, pivot]] = packed[[pivot, k]], rows[[pivot, k]]
            sign = -sign
        if packed[k, k] != 0:
            packed[k + 1 :, k] /= packed[k, k]
        packed[k + 1 :, k + 1 :] -= np.outer(packed[k + 1 :, k], packed[k, k + 1 :])
    return packed, rows, sign


def _lu(
    b: RoutineBuilder,
    attrs: Attrs,
    a: ArrayView,
    packed: ArrayView,
    permutation: ArrayView,
    sign: ArrayView,
) -> None:
    """A few columns at a time: these are finished first, then all columns after them."""
    *batch, size, _ = a.shape
    with b.each(*batch) as place:
        matrix, rows = part(packed, place), part(permutation, place)
        b.copy(part(a, place), matrix)
        with b.loop(size) as i:
            rows[i] = i
        turned = b.variable(b.number(1, a.dtype))
        by_panels(b, size, lambda first, end: _columns(b, matrix, rows, turned, first, end))
        part(sign, place)[()] = turned.get()


def _columns(
    b: RoutineBuilder, matrix: ArrayView, rows: ArrayView, turned: Any, first: Index, end: Index
) -> None:
    """Finish the columns from `first` up to `end`, and take what they say off all after them."""
    size = matrix.shape[0]
    with b.loop(first, end) as k:
        _pivot(b, matrix, rows, turned, k)
        pivot = matrix[k, k]
        # Below a pivot of 0 are zeros alone, which stay.
        divisor = b.select(pivot.eq(0), b.number(1, pivot.dtype), pivot)
        with b.loop(k + 1, size) as i:
            factor = matrix[i, k] / divisor
            matrix[i, k] = factor
            with b.loop(k + 1, end) as j:
                matrix[i, j] = matrix[i, j] - factor * matrix[k, j]

    def take_off(i: Index, last: Index) -> None:
        add_rows(b, matrix.at(i), matrix, (first, last), (end, size), lambda j: -matrix[i, j])

    with b.loop(first + 1, end) as i:
        take_off(i, i)
    with b.loop(end, size) as i:
        take_off(i, end)


def _pivot(b: RoutineBuilder, matrix: ArrayView, rows: ArrayView, turned: Any, k: Index) -> None:
    """Exchange row k with the one after it that has the largest element in column k; NaN is larger
    than any number, so that it is not lost."""
    size, dtype = matrix.shape[0], matrix.dtype
    most, chosen = b.variable(b.abs(matrix[k, k])), b.variable(k)
    with b.loop(k + 1, size) as i:
        here = b.abs(matrix[i, k])
        better = (here > most.get()) | (here.ne(here) & most.get().eq(most.get()))
        most.set(b.select(better, here, most.get()))
        chosen.set(b.select(better, i, chosen.get()))
    other = chosen.get()
    with b.when(other.ne(k)):

        def exchange(c: Index) -> None:
            matrix[k, c], matrix[other, c] = matrix[other, c], matrix[k, c]

        b.lanes(0, size, dtype, exchange)
        rows[k], rows[other] = rows[other], rows[k]
        turned.set(-turned.get())


def _permutation_matrix(rows: Node, dtype: DType) -> Node:
    """Ones at (i, rows[i])."""
    size = rows.shape[-1]
    column = ops.iota(shape=(1, size), axis=1, dtype=int64)
    return cast(ops.eq(reshape(rows, (*rows.shape, 1)), column), dtype)


def _lu_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """With P a = L U and G the adjoint of L and U in one matrix, that of a is
    P^T L^-T (strictly lower part of L^T G + upper part of G U^T) U^-T; Walter and Lehmann (2010),
    "Algorithmic differentiation of linear algebra functions", section 3."""
    g = results[0]
    if g is None:
        return [None]
    packed, rows = ops.item(node, index=0), ops.item(node, index=1)
    of_lower = ops.matmul(transposed(_unit_lower(packed)), lower(g, -1))
    of_upper = ops.matmul(upper(g), transposed(upper(packed)))
    inner = ops.add(lower(of_lower, -1), upper(of_upper))
    spread = solved(packed, inner, transpose=True, unit_diagonal=True)
    spread = solved_right(packed, spread, lower=False, transpose=True)
    return [ops.matmul(transposed(_permutation_matrix(rows, packed.dtype)), spread)]


def _lu_jvp(node: Node, tangents: Sequence[Node | None]) -> list[Node | None]:
    """With M = L^-1 P a' U^-1: L' = L (strictly lower part of M), U' = (upper part of M) U."""
    (tangent,) = tangents
    if tangent is None:
        return [None] * 3
    packed, rows = ops.item(node, index=0), ops.item(node, index=1)
    moved = ops.matmul(_permutation_matrix(rows, packed.dtype), tangent)
    inner = solved_right(packed, solved(packed, moved, unit_diagonal=True), lower=False)
    of_lower = ops.matmul(_unit_lower(packed), lower(inner, -1))
    of_upper = ops.matmul(upper(inner), upper(packed))
    return [ops.add(of_lower, of_upper), None, None]


def _unit_lower(packed: Node) -> Node:
    size = packed.shape[-1]
    row = Expression(ops.iota(shape=(size, 1), axis=0, dtype=int64))
    column = ops.iota(shape=(1, size), axis=1, dtype=int64)
    return ops.add(lower(packed, -1), cast(row.eq(Expression(column)).node, packed.dtype))


def _singular(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    a = well_conditioned(rng, dtype, (2, 5, 5))
    a[0, :, 1] = 0
    return (a,)


def _with_nan(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    a = draw(rng, dtype, (2, 3, 3))
    a[0, 2, 0] = a[1, 1, 2] = np.nan
    return (a,)


lu = register(
    Op(
        name="lu",
        family=Family.ROUTINE,
        operands=("a",),
        infer=_lu_type,
        reference=by_matrix(_factors, 3),
        doc="The factors of a square matrix with rows exchanged: L below the diagonal (its own is "
        "ones) and U in one matrix; the rows of a in the order of L U; the sign of that order. "
        "Each pivot is the largest element of its column, and 0 if the matrix is singular.",
        vjp=OfResults(_lu_vjp),
        jvp=OfResults(_lu_jvp),
        batch=batch_matrices,
        routine=_lu,
        dtypes=FLOATS,
        normwise=True,
        ulp=32,
        cost=10,
        samples=(
            *matrices.matrix_samples(well_conditioned),
            Sample(_singular, label="singular", differentiable=False),
            Sample(_with_nan, label="NaN", differentiable=False),
            *matrices.refused_matrices((), (3,), (2, 3), (2, 4, 3)),
            *refused_dtypes(FLOATS, 1),
        ),
    )
)


@dataclass(frozen=True)
class SolveAttrs(Attrs):
    """`transpose`: whether the transpose of `a` is meant."""

    transpose: bool = False


def _solve_type(types: Sequence[TensorType], attrs: SolveAttrs) -> TensorType:
    a = check_matrices("lu_solve", types)
    check_alike("lu_solve", types, 1, a.shape)
    if not types[2].dtype.is_integer:
        raise DTypeError("lu_solve needs the order of rows in integers", operand=2)
    if types[2].shape != a.shape[:-1]:
        raise ShapeError(
            "lu_solve needs one number a row", operand=2, detail="but {0} is " + str(a)
        )
    return check_right_sides("lu_solve", types, 3)


def _solve_reference(a: Array, packed: Array, permutation: Array, b: Array, transpose: bool) -> Any:
    try:
        return np.linalg.solve(a.T if transpose else a, b)
    except np.linalg.LinAlgError:
        return np.full(b.shape, np.nan)


def _lu_solve(
    b: RoutineBuilder,
    attrs: SolveAttrs,
    a: ArrayView,
    packed: ArrayView,
    permutation: ArrayView,
    right: ArrayView,
    x: ArrayView,
    *held: ArrayView,
) -> None:
    """P a = L U, so a x = b is L (U x) = P b, and a^T x = b is U^T (L^T (P x)) = b."""
    *batch, size, columns = right.shape
    kinds = [
        TriangularAttrs(lower=True, transpose=attrs.transpose, unit_diagonal=True),
        TriangularAttrs(lower=False, transpose=attrs.transpose, unit_diagonal=False),
    ]
    with b.each(*batch) as place:
        matrix, rows = part(packed, place), part(permutation, place)
        source, target = part(right, place), part(x, place)
        work = held[0] if attrs.transpose else target

        def moved(i: Index, to: ArrayView, at: Index, of: ArrayView) -> None:
            b.lanes(0, columns, x.dtype, lambda c: to.__setitem__((at, c), of[i, c]))

        if attrs.transpose:
            b.copy(source, work)
        else:
            with b.loop(size) as i:
                moved(_row(b, rows, i), work, i, source)
        for kind in reversed(kinds) if attrs.transpose else kinds:
            substitute(b, kind, matrix, work)
        if attrs.transpose:
            with b.loop(size) as i:
                moved(i, target, _row(b, rows, i), work)


def _row(b: RoutineBuilder, rows: ArrayView, i: Index) -> Index:
    """An entry of the order of rows, kept inside whatever it says."""
    last = b.number(rows.shape[0] - 1, int64)
    return b.maximum(b.minimum(rows[i].astype(int64), last), b.number(0, int64))


def _scratch(node: Node) -> tuple[TensorType, ...]:
    return (node.type.with_shape(node.shape[-2:]),) if _attrs(node).transpose else ()


def _attrs(node: Node) -> SolveAttrs:
    assert isinstance(node.attrs, SolveAttrs)
    return node.attrs


def _solve_vjp(node: Node, g: Node, i: int) -> Node | None:
    """The adjoint of b is s = a^-T g, that of a is -s x^T. Giles (2008), section 2.2.3."""
    if i in (1, 2):
        return None
    attrs, factored = _attrs(node), node.operands[:3]
    spread = ops.lu_solve(*factored, g, transpose=not attrs.transpose)
    if i == 3:
        return spread
    pair = (node, spread) if attrs.transpose else (spread, node)
    return ops.neg(ops.matmul(pair[0], transposed(pair[1])))


def _solve_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    """x' = a^-1 (b' - a' x)."""
    attrs, factored = _attrs(node), node.operands[:3]
    of_a, of_b = tangents[0], tangents[3]
    moved = None
    if of_a is not None:
        moved = ops.neg(ops.matmul(transposed(of_a) if attrs.transpose else of_a, node))
    right = plus(of_b, moved)
    return None if right is None else node.op.build((*factored, right), attrs)


def _solve_sample(size: int, columns: int, *batch: int, transpose: bool = False) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        a = well_conditioned(rng, dtype, (*batch, size, size))
        packed, permutation, _ = lu.reference(a)
        return a, packed, permutation, draw(rng, dtype, (*batch, size, columns))

    return Sample(
        arrays,
        {"transpose": transpose},
        label=f"{(*batch, size, columns)}{' transposed' if transpose else ''}",
    )


def _refused_solve(*shapes: Shape) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        a, packed, permutation, b = shapes
        floats = [draw(rng, dtype, shape) for shape in (a, packed, b)]
        return *floats[:2], np.zeros(permutation, np.int64), floats[2]

    return Sample(arrays, refuse=ShapeError, label=" ".join(map(str, shapes)))


def _factors_of_another_dtype(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    a, order = draw(rng, dtype, (3, 3)), np.arange(3)
    return a, a.astype("float32" if dtype is float64 else "float64"), order, a


lu_solve = register(
    Op(
        name="lu_solve",
        family=Family.ROUTINE,
        operands=("a", "packed", "permutation", "b"),
        attrs=SolveAttrs,
        infer=_solve_type,
        reference=by_matrix(_solve_reference),
        doc="x in a x = b for each column of b, by the first two results of lu(a). Derivatives go "
        "to a and b, none to the factors. A singular a gives inf and NaN.",
        vjp=_solve_vjp,
        jvp=_solve_jvp,
        batch=batch_matrices,
        routine=_lu_solve,
        presumed=(0, 1, 2),
        scratch=_scratch,
        dtypes=FLOATS,
        analytic=True,
        normwise=True,
        ulp=32,
        cost=10,
        samples=(
            *(_solve_sample(n, k) for n in matrices.SIZES for k in (1, 3)),
            *(_solve_sample(n, k, transpose=True) for n in (2, 17, 33) for k in (1, 35)),
            _solve_sample(3, 2, 2, 3),
            _solve_sample(3, 2, 2, 3, transpose=True),
            _solve_sample(2, 3, 1, transpose=True),
            _solve_sample(3, 2, 0),
            _solve_sample(3, 0),
            _refused_solve((3, 3), (3, 3), (3,), (4, 1)),
            _refused_solve((3, 3), (3, 3), (3,), (3,)),
            _refused_solve((3, 3), (3, 3), (2,), (3, 1)),
            _refused_solve((3, 3), (2, 2), (3,), (3, 1)),
            _refused_solve((3, 2), (3, 2), (3,), (3, 1)),
            Sample(_factors_of_another_dtype, refuse=DTypeError, label="two dtypes"),
            *refused_dtypes(FLOATS, 4),
        ),
    )
)
