"""Triangular matrices: Cholesky's factor and the solution of triangular systems.

Owns the records of `cholesky` and `triangular_solve`. Imports the helpers of `matrices`.
Invariant: of a symmetric operand the lower triangle alone is read, and of a triangular one its
triangle; the rest has derivative 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import ops, scalar
from graphc.ir.ops.matrices import (
    add_rows,
    batch_matrices,
    by_matrix,
    by_panels,
    check_alike,
    check_matrices,
    folded,
    mirrored,
    part,
    plus,
    positive_definite,
    solved,
    solved_right,
    transposed,
    well_conditioned,
)
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, refused_dtypes, refused_pair
from graphc.ir.routine import ArrayView, Index, RoutineBuilder, Variable
from graphc.ir.types import FLOATS, DType, Shape, TensorType, bool_


def _cholesky_type(types: Sequence[TensorType], attrs: Attrs) -> TensorType:
    return check_matrices("cholesky", types)


def _cholesky_reference(a: Array) -> Array:
    try:
        factor = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan)
    # LAPACK goes on from a NaN, which no positive definite matrix has.
    return np.full(a.shape, np.nan) if np.isnan(np.diagonal(factor)).any() else factor


def _cholesky(b: RoutineBuilder, attrs: Attrs, a: ArrayView, result: ArrayView) -> None:
    """The transposed factor, row by row, which is turned at the end."""
    *batch, size, _ = a.shape
    with b.each(*batch) as place:
        matrix, factor = part(a, place), part(result, place)
        with b.loop(size) as i:
            b.lanes(i, size, a.dtype, lambda j: factor.__setitem__((i, j), matrix[j, i]))
        definite = b.variable(b.number(True, bool_))
        by_panels(b, size, lambda first, end: _rows(b, factor, definite, first, end))
        with b.loop(size) as i, b.loop(i) as j:
            factor[i, j] = factor[j, i]
            factor[j, i] = 0
        with b.when(~definite.get()), b.loop(size) as i:
            b.lanes(0, size, a.dtype, lambda j: factor.__setitem__((i, j), np.nan))


def _rows(
    b: RoutineBuilder, factor: ArrayView, definite: Variable, first: Index, end: Index
) -> None:
    """Finish the rows from `first` up to `end`, and take what they say off all after them."""
    size, dtype = factor.shape[0], factor.dtype

    def take_off(k: Index, last: Index) -> None:
        add_rows(b, factor.at(k), factor, (first, last), (k, size), lambda q: -factor[q, k])

    with b.loop(first, end) as k:
        take_off(k, k)
        pivot = factor[k, k]
        definite.set(definite.get() & (pivot > 0))
        root = b.sqrt(pivot)
        b.lanes(k, size, dtype, lambda c: factor.__setitem__((k, c), factor[k, c] / root))
        factor[k, k] = root
    with b.loop(end, size) as i:
        take_off(i, end)


def _half_lower(x: Node) -> Node:
    """The lower triangle, with half of the diagonal: Giles' function Phi."""
    half = ops.mul(x, scalar(0.5, x.dtype))
    return ops.add(matrices.lower(half), matrices.lower(half, -1))


def _cholesky_vjp(node: Node, g: Node, i: int) -> Node:
    """With P = Phi(L^T g), the adjoint of the symmetric matrix is L^-T P L^-1. Giles (2008),
    "Collected matrix derivative results for forward and reverse mode AD", section 2.5.2; Murray
    (2016), "Differentiation of the Cholesky decomposition"."""
    inner = _half_lower(ops.matmul(transposed(node), g))
    return folded(solved_right(node, solved(node, inner, transpose=True)))


def _cholesky_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    """L' = L Phi(L^-1 A' L^-T)."""
    (tangent,) = tangents
    if tangent is None:
        return None
    inner = solved_right(node, solved(node, mirrored(tangent)), transpose=True)
    return ops.matmul(node, _half_lower(inner))


def _with_nan_above(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """What is above the diagonal is not read."""
    found = positive_definite(rng, dtype, shape)
    found[..., *np.triu_indices(shape[-1], 1)] = np.nan
    return found


def _indefinite(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    found = positive_definite(rng, dtype, shape)
    found[0, -1, -1] = -1
    return found


cholesky = register(
    Op(
        name="cholesky",
        family=Family.ROUTINE,
        operands=("a",),
        infer=_cholesky_type,
        reference=by_matrix(_cholesky_reference),
        doc="The lower triangular L with L L^T = a, of which the lower triangle is read; NaN where "
        "a is not positive definite. Errors are counted in the last place of the largest element.",
        vjp=_cholesky_vjp,
        jvp=_cholesky_jvp,
        batch=batch_matrices,
        routine=_cholesky,
        dtypes=FLOATS,
        normwise=True,
        ulp=16,
        cost=10,
        samples=(
            *matrices.matrix_samples(positive_definite),
            Sample(
                lambda rng, dtype: (_with_nan_above(rng, dtype, (5, 5)),),
                label="NaN above",
                differentiable=False,
            ),
            Sample(
                lambda rng, dtype: (_indefinite(rng, dtype, (2, 5, 5)),),
                label="not positive definite",
                differentiable=False,
            ),
            *matrices.refused_matrices((), (3,), (2, 3), (2, 4, 3)),
            *refused_dtypes(FLOATS, 1),
        ),
    )
)


@dataclass(frozen=True)
class TriangularAttrs(Attrs):
    """`lower`: which triangle of `a` is read; `transpose`: whether its transpose is meant;
    `unit_diagonal`: whether its diagonal is taken for ones and not read."""

    lower: bool = True
    transpose: bool = False
    unit_diagonal: bool = False


def _attrs(node: Node) -> TriangularAttrs:
    assert isinstance(node.attrs, TriangularAttrs)
    return node.attrs


def check_right_sides(name: str, types: Sequence[TensorType], position: int) -> TensorType:
    """The type of an operand of right sides, columns as long as `a` is; raises for others."""
    a, b = types[0], types[position]
    if b.rank < 2:
        raise ShapeError(f"{name} needs right sides in columns", operand=position)
    check_alike(name, types, position, (*a.shape[:-1], b.shape[-1]))
    return b


def _triangular_type(types: Sequence[TensorType], attrs: TriangularAttrs) -> TensorType:
    check_matrices("triangular_solve", types)
    return check_right_sides("triangular_solve", types, 1)


def triangle(a: Array, lower: bool, unit_diagonal: bool) -> Array:
    """What is read of `a`."""
    found = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        np.einsum("ii->i", found)[...] = 1
    return found


def _triangular_reference(
    a: Array, b: Array, lower: bool, transpose: bool, unit_diagonal: bool
) -> Array:
    known = triangle(a, lower, unit_diagonal)
    matrix, forward = (known.T if transpose else known), lower != transpose
    x = b.astype(np.result_type(a, b))
    for i in range(len(a)) if forward else range(len(a))[::-1]:
        done = slice(0, i) if forward else slice(i + 1, None)
        x[i] = (b[i] - matrix[i, done] @ x[done]) / matrix[i, i]
    return x


def substitute(b: RoutineBuilder, attrs: TriangularAttrs, matrix: ArrayView, x: ArrayView) -> None:
    """Solve for right sides that stand in `x`, in place."""
    size, columns = x.shape
    if columns == 1 and attrs.transpose:
        return _by_columns(b, attrs, matrix, x)
    dtype, forward = x.dtype, attrs.lower != attrs.transpose
    with b.loop(0, size, backward=not forward) as i:
        first, last = (0, i) if forward else (i + 1, size)

        def element(j: Any, i: Any = i) -> Any:
            return matrix[j, i] if attrs.transpose else matrix[i, j]

        if columns == 1:
            known = b.sum(first, last, dtype, lambda j: matrix[i, j] * x[j, 0])
            x[i, 0] = x[i, 0] - known
        else:
            add_rows(b, x.at(i), x, (first, last), (0, columns), lambda j: -element(j))
        if not attrs.unit_diagonal:
            pivot = matrix[i, i]
            b.lanes(0, columns, dtype, lambda c: x.__setitem__((i, c), x[i, c] / pivot))
    return None


def _by_columns(b: RoutineBuilder, attrs: TriangularAttrs, matrix: ArrayView, x: ArrayView) -> None:
    """One right side and the transpose: what is known is taken off all rows that come later, for
    which a row of the matrix is read."""
    size, dtype, forward = x.shape[0], x.dtype, not attrs.lower
    with b.loop(0, size, backward=not forward) as i:
        if not attrs.unit_diagonal:
            x[i, 0] = x[i, 0] / matrix[i, i]
        known = x[i, 0]
        first, last = (i + 1, size) if forward else (0, i)
        b.lanes(
            first,
            last,
            dtype,
            lambda j: x.__setitem__((j, 0), x[j, 0] - matrix[i, j] * known),
        )


def _triangular_solve(
    b: RoutineBuilder, attrs: TriangularAttrs, a: ArrayView, right: ArrayView, x: ArrayView
) -> None:
    with b.each(*a.shape[:-2]) as place:
        target = part(x, place)
        b.copy(part(right, place), target)
        substitute(b, attrs, part(a, place), target)


def _own_triangle(attrs: TriangularAttrs, x: Node) -> Node:
    """The elements of `x` that stand where `a` is read."""
    away = int(attrs.unit_diagonal)
    return matrices.lower(x, -away) if attrs.lower else matrices.upper(x, away)


def _triangular_vjp(node: Node, g: Node, i: int) -> Node:
    """With op(a) x = b the adjoint of b is s = op(a)^-T g, that of op(a) is -s x^T. Giles (2008),
    section 2.2.3."""
    attrs, a = _attrs(node), node.operands[0]
    spread = ops.triangular_solve(
        a, g, lower=attrs.lower, transpose=not attrs.transpose, unit_diagonal=attrs.unit_diagonal
    )
    if i == 1:
        return spread
    pair = (node, spread) if attrs.transpose else (spread, node)
    return ops.neg(_own_triangle(attrs, ops.matmul(pair[0], transposed(pair[1]))))


def _triangular_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    """x' = op(a)^-1 (b' - op(a') x)."""
    attrs, (of_a, of_b) = _attrs(node), tangents
    moved = None
    if of_a is not None:
        own = _own_triangle(attrs, of_a)
        moved = ops.neg(ops.matmul(transposed(own) if attrs.transpose else own, node))
    right = plus(of_b, moved)
    return None if right is None else node.op.build((node.operands[0], right), attrs)


def _triangular_sample(size: int, columns: int, *batch: int, **attrs: bool) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        a = well_conditioned(rng, dtype, (*batch, size, size))
        return a, draw(rng, dtype, (*batch, size, columns))

    entries = " ".join(name for name, value in attrs.items() if value)
    return Sample(arrays, attrs, label=f"{(*batch, size, columns)} {entries}")


def _refused_right_side(a: Shape, b: Shape) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, a), draw(rng, dtype, b)),
        refuse=ShapeError,
        label=f"{a} {b}",
    )


_KINDS = [
    {"lower": lower, "transpose": transpose, "unit_diagonal": unit_diagonal}
    for lower in (True, False)
    for transpose in (False, True)
    for unit_diagonal in (False, True)
]

triangular_solve = register(
    Op(
        name="triangular_solve",
        family=Family.ROUTINE,
        operands=("a", "b"),
        attrs=TriangularAttrs,
        infer=_triangular_type,
        reference=by_matrix(_triangular_reference),
        doc="x in a x = b for each column of b, where a is triangular: what is not in its triangle "
        "is not read. A zero on the diagonal gives inf and NaN. Errors are counted in the last "
        "place of the largest element.",
        vjp=_triangular_vjp,
        jvp=_triangular_jvp,
        batch=batch_matrices,
        routine=_triangular_solve,
        dtypes=FLOATS,
        analytic=True,
        normwise=True,
        ulp=16,
        cost=10,
        samples=(
            *(_triangular_sample(n, k) for n in matrices.SIZES for k in (1, 3)),
            *(_triangular_sample(5, 4, 2, **kind) for kind in _KINDS),
            *(_triangular_sample(7, 1, 2, **kind) for kind in _KINDS),
            *(_triangular_sample(33, 35, **kind) for kind in _KINDS[1::2]),
            _triangular_sample(3, 0),
            _triangular_sample(3, 2, 0),
            _triangular_sample(3, 2, 2, 3),
            _refused_right_side((3, 3), (3,)),
            _refused_right_side((3, 3), (4, 1)),
            _refused_right_side((2, 3, 3), (3, 1)),
            _refused_right_side((2, 3), (3, 1)),
            _refused_right_side((3,), (3, 1)),
            refused_pair((3, 3)),
            *refused_dtypes(FLOATS, 2),
        ),
    )
)
