"""Eigenvalues and eigenvectors of symmetric matrices.

Owns the record of `eigh`. Imports the helpers of `matrices` and the loops of `tridiagonal`.
Invariant: eigenvalues ascend, and of each vector the element of largest magnitude is positive (the
first such), so that results can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, OfResults, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import Expression, ops, reshape
from graphc.ir.ops.matrices import (
    batch_matrices,
    by_matrix,
    check_matrices,
    diagonal_of,
    folded,
    mirrored,
    on_diagonal,
    part,
    plus,
    product,
    transposed,
)
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import refused_dtypes
from graphc.ir.ops.tridiagonal import diagonalise, tridiagonalise
from graphc.ir.routine import ArrayView, Index, RoutineBuilder
from graphc.ir.types import FLOATS, DType, Shape, TensorType, TupleType, int64


def _eigh_type(types: Sequence[TensorType], attrs: Attrs) -> TupleType:
    a = check_matrices("eigh", types)
    return TupleType.of([a.with_shape(a.shape[:-1]), a])


def _eigh_reference(a: Array) -> tuple[Array, Array]:
    if not np.all(np.isfinite(np.tril(a))):
        return np.full(a.shape[:1], np.nan), np.full(a.shape, np.nan)
    values, vectors = np.linalg.eigh(a)
    largest = np.argmax(np.abs(vectors), 0) if len(a) else np.zeros(0, int)
    return values, vectors * np.where(vectors[largest, np.arange(len(a))] < 0, -1, 1)


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """A matrix to work on, the transposed eigenvectors, eigenvalues, what stands beside them in
    the tridiagonal matrix, and a row."""
    a = node.operands[0].type
    matrix, row = a.with_shape(a.shape[-2:]), a.with_shape(a.shape[-1:])
    return matrix, matrix, row, row, row


def _eigh(
    b: RoutineBuilder,
    attrs: Attrs,
    a: ArrayView,
    values: ArrayView,
    vectors: ArrayView,
    work: ArrayView,
    rows: ArrayView,
    diagonal: ArrayView,
    beside: ArrayView,
    products: ArrayView,
) -> None:
    *batch, size, _ = a.shape
    with b.each(*batch) as place:
        source, target = part(a, place), part(vectors, place)
        # 0, or NaN where the matrix has a NaN or infinity, from which all of the result gets it.
        nothing = b.variable(b.number(0, a.dtype))
        with b.loop(size) as i, b.loop(i + 1) as j:
            element = source[i, j]
            work[i, j] = element
            work[j, i] = element
            nothing.set(nothing.get() + element * 0)
        tridiagonalise(b, work, rows, diagonal, beside, products)
        diagonalise(b, diagonal, beside, rows)
        _sort(b, diagonal, rows)
        with b.loop(size) as j:
            part(values, place)[j] = diagonal[j] + nothing.get()
            sign = largest_sign(b, rows.at(j))
            with b.loop(size) as i:
                target[i, j] = rows[j, i] * sign + nothing.get()


def _sort(b: RoutineBuilder, values: ArrayView, rows: ArrayView) -> None:
    """Exchange each value with the smallest one after it, and their rows."""
    size = values.shape[0]
    with b.loop(size) as i:
        least, chosen = b.variable(values[i]), b.variable(i)
        with b.loop(i + 1, size) as j:
            better = values[j] < least.get()
            least.set(b.select(better, values[j], least.get()))
            chosen.set(b.select(better, j, chosen.get()))
        other = chosen.get()
        with b.when(other.ne(i)):

            def exchange(c: Index) -> None:
                rows[i, c], rows[other, c] = rows[other, c], rows[i, c]

            b.lanes(0, size, values.dtype, exchange)
            values[i], values[other] = values[other], values[i]


def largest_sign(b: RoutineBuilder, row: ArrayView) -> Index:
    """What makes the element of largest magnitude positive."""
    most = b.variable(b.number(0, row.dtype))
    with b.loop(row.shape[0]) as i:
        better = b.abs(row[i]) > b.abs(most.get())
        most.set(b.select(better, row[i], most.get()))
    one = b.number(1, row.dtype)
    return b.select(most.get() < 0, -one, one)


def gaps(values: Node) -> Node:
    """F[i, j] = 1 / (w[j] - w[i]), 0 on the diagonal."""
    *batch, size = values.shape
    row = Expression(ops.iota(shape=(size, 1), axis=0, dtype=int64))
    same = row.eq(Expression(ops.iota(shape=(1, size), axis=1, dtype=int64)))
    columns = Expression(reshape(values, (*batch, 1, size)))
    gap = columns - Expression(reshape(values, (*batch, size, 1)))
    return same.where(0.0, 1 / same.where(1.0, gap)).node


def _eigh_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """V (diag(g_w) + F * (V^T g_V)) V^T, with F[i, j] = 1 / (w[j] - w[i]). Giles (2008), section
    2.3.1."""
    of_values, of_vectors = results
    values, vectors = ops.item(node, index=0), ops.item(node, index=1)
    inner = plus(
        None if of_values is None else on_diagonal(of_values),
        None
        if of_vectors is None
        else ops.mul(gaps(values), ops.matmul(transposed(vectors), of_vectors)),
    )
    if inner is None:
        return [None]
    return [folded(product(vectors, inner, transposed(vectors)))]


def _eigh_jvp(node: Node, tangents: Sequence[Node | None]) -> list[Node | None]:
    """With S = V^T a' V: w' = diag(S), V' = V (F * S)."""
    (tangent,) = tangents
    if tangent is None:
        return [None, None]
    values, vectors = ops.item(node, index=0), ops.item(node, index=1)
    inner = product(transposed(vectors), mirrored(tangent), vectors)
    return [diagonal_of(inner), ops.matmul(vectors, ops.mul(gaps(values), inner))]


def separated(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """Random symmetric matrices whose eigenvalues are about 1 apart, around 0."""
    *batch, size, _ = shape
    turn = orthogonal(rng, shape)
    spread = np.arange(size) - size / 2 + rng.uniform(-0.1, 0.1, (*batch, 1, size))
    found = (turn * spread) @ np.swapaxes(turn, -1, -2)
    return np.asarray(found + np.swapaxes(found, -1, -2), dtype.numpy) / 2


def orthogonal(rng: np.random.Generator, shape: Shape) -> Array:
    """Random matrices with orthonormal columns."""
    return np.linalg.qr(rng.normal(size=shape))[0]


def _given(label: str, *matrix: object) -> Sample:
    return Sample(
        lambda rng, dtype: (np.array(matrix, dtype.numpy),), label=label, differentiable=False
    )


eigh = register(
    Op(
        name="eigh",
        family=Family.ROUTINE,
        operands=("a",),
        infer=_eigh_type,
        reference=by_matrix(_eigh_reference, 2),
        doc="The eigenvalues of symmetric matrices, ascending, and their eigenvectors as columns, "
        "whose element of largest magnitude is positive. The lower triangle is read. Vectors have "
        "no derivative where two eigenvalues are equal: it is inf or NaN.",
        vjp=OfResults(_eigh_vjp),
        jvp=OfResults(_eigh_jvp),
        batch=batch_matrices,
        routine=_eigh,
        scratch=_scratch,
        dtypes=FLOATS,
        normwise=True,
        ulp=256,
        cost=50,
        samples=(
            *matrices.matrix_samples(separated),
            _given("diagonal", (3, 0, 0), (0, -1, 0), (0, 0, 2)),
            _given("NaN", (1, np.nan), (np.nan, 1)),
            _given("zeros", *np.zeros((3, 3))),
            _given("in blocks", (2, 1, 0, 0), (1, 3, 0, 0), (0, 0, 7, 2), (0, 0, 2, 5)),
            *matrices.refused_matrices((), (3,), (2, 3), (2, 4, 3)),
            *refused_dtypes(FLOATS, 1),
        ),
    )
)
