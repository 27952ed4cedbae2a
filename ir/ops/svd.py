"""Singular values and vectors.

Owns the record of `svd`. Imports the helpers of `matrices`, `reflections` and `tridiagonal`.
Invariant: matrices have at least as many rows as columns; wider ones are transposed before they
come here. Singular values descend, and of each row of vh the element of largest magnitude is
positive, so that results can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, OfResults, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import ops, reshape
from graphc.ir.ops.eigh import gaps, largest_sign, orthogonal
from graphc.ir.ops.matrices import (
    batch_matrices,
    by_matrix,
    check_matrices,
    diagonal_of,
    on_diagonal,
    part,
    plus,
    transposed,
)
from graphc.ir.ops.reflections import factorise, orthonormal
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import refused_dtypes
from graphc.ir.ops.tridiagonal import rotate
from graphc.ir.routine import ArrayView, Index, Number, RoutineBuilder
from graphc.ir.types import FLOATS, DType, Shape, TensorType, TupleType, bool_, float64, int64

MOST_SWEEPS = 40
"""So many sweeps are enough; about ten are usual."""


def _svd_type(types: Sequence[TensorType], attrs: Attrs) -> TupleType:
    a = check_matrices("svd", types, square=False)
    *batch, rows, columns = a.shape
    if rows < columns:
        raise ShapeError("svd needs at least as many rows as columns", operand=0)
    return TupleType.of(
        [a, a.with_shape((*batch, columns)), a.with_shape((*batch, columns, columns))]
    )


def _svd_reference(a: Array) -> tuple[Array, Array, Array]:
    if not np.all(np.isfinite(a)):
        n = a.shape[1]
        return np.full(a.shape, np.nan), np.full(n, np.nan), np.full((n, n), np.nan)
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    largest = np.argmax(np.abs(vh), 1) if len(vh) else np.zeros(0, int)
    signs = np.where(vh[np.arange(len(vh)), largest] < 0, -1, 1)
    return u * signs, s, vh * signs[:, None]


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """The columns as rows, the rows of V^T, the matrix of columns times singular values, U, two
    rows, and the factors of reflections. In f64, for rows are turned some thousand times."""
    *_, rows, columns = node.operands[0].shape
    tall, row = (rows, columns), (columns,)
    shapes = ((columns, rows), (columns, columns), tall, tall, row, row, row)
    return tuple(TensorType(float64, shape) for shape in shapes)


def _svd(
    b: RoutineBuilder,
    attrs: Attrs,
    a: ArrayView,
    u: ArrayView,
    s: ArrayView,
    vh: ArrayView,
    work: ArrayView,
    turned: ArrayView,
    tall: ArrayView,
    left: ArrayView,
    norms: ArrayView,
    taus: ArrayView,
    products: ArrayView,
) -> None:
    *batch, rows, columns = a.shape
    with b.each(*batch) as place:
        scale = _load_scaled(b, part(a, place), work)
        with b.loop(columns) as k:
            b.lanes(0, columns, float64, lambda c: turned.__setitem__((k, c), 0))
            turned[k, k] = 1
        _orthogonalise(b, work, turned, norms)
        with b.loop(columns) as k:
            norms[k] = b.sqrt(_square(b, work, k))
        _sort(b, norms, work, turned)
        with b.loop(columns) as k, b.loop(rows) as i:
            tall[i, k] = work[k, i]
        factorise(b, tall, taus, products)
        orthonormal(b, tall, taus, products, left)
        # 0, or NaN where the matrix has a NaN or infinity, from which all of the result gets it.
        nothing = scale * 0
        to_u, to_s, to_vh = (part(each, place) for each in (u, s, vh))
        with b.loop(columns) as k:
            to_s[k] = (norms[k] * scale).astype(s.dtype)
            row = turned.at(k)
            sign = largest_sign(b, row)
            with b.loop(columns) as c:
                to_vh[k, c] = (row[c] * sign + nothing).astype(s.dtype)
            # The diagonal of R is a singular value or its negative.
            other_sign = b.copysign(sign, sign * tall[k, k])
            with b.loop(rows) as i:
                to_u[i, k] = (left[i, k] * other_sign + nothing).astype(s.dtype)


def _load_scaled(b: RoutineBuilder, source: ArrayView, work: ArrayView) -> Number:
    """The columns of a matrix as rows, divided by the largest element, so that no square is too
    large or small; gives that element."""
    rows, columns = source.shape
    zero, one = b.number(0, float64), b.number(1, float64)
    largest = b.variable(zero)
    with b.loop(rows) as i, b.loop(columns) as j:
        element = source[i, j].astype(float64)
        work[j, i] = element
        largest.set(b.maximum(largest.get(), b.abs(element)))
    scale = b.select(largest.get().eq(0), one, largest.get())
    with b.loop(columns) as j:
        b.lanes(0, rows, float64, lambda i: work.__setitem__((j, i), work[j, i] / scale))
    return scale


def _square(b: RoutineBuilder, work: ArrayView, k: Index) -> Number:
    """The square of a row's length."""
    return b.sum(0, work.shape[1], work.dtype, lambda c: work[k, c] * work[k, c])


def _orthogonalise(
    b: RoutineBuilder, work: ArrayView, turned: ArrayView, squares: ArrayView
) -> None:
    """Turn each pair of rows until they are orthogonal, sweep after sweep: one-sided Jacobi.
    `squares` is scratch memory for the squares of the rows' lengths.

    Demmel and Veselic (1992), "Jacobi's method is more accurate than QR".
    """
    columns, rows = work.shape
    dtype = work.dtype
    tolerance = max(rows, 1) ** 0.5 * 2.0 ** (1 - dtype.digits)
    going = b.variable(b.number(True, bool_))
    left = b.variable(b.number(MOST_SWEEPS, int64))
    with b.repeat() as leave_unless:
        leave_unless(going.get() & (left.get() > 0))
        left.set(left.get() - 1)
        going.set(False)
        with b.loop(columns) as k:
            squares[k] = _square(b, work, k)
        with b.loop(columns) as p, b.loop(p + 1, columns) as q:
            mine, other = squares[p], squares[q]
            shared = b.sum(0, rows, dtype, lambda c: work[p, c] * work[q, c])
            with b.when(b.abs(shared) > tolerance * b.sqrt(mine) * b.sqrt(other)):
                going.set(True)
                cotangent = (other - mine) / (2 * shared)
                one = b.number(1, dtype)
                tangent = b.copysign(one, cotangent) / (b.abs(cotangent) + b.hypot(one, cotangent))
                squares[p] = mine - tangent * shared
                squares[q] = other + tangent * shared
                cosine = 1 / b.sqrt(one + tangent * tangent)
                rotate(b, work, p, q, cosine, -(cosine * tangent), rows)
                rotate(b, turned, p, q, cosine, -(cosine * tangent), columns)


def _sort(b: RoutineBuilder, norms: ArrayView, *tables: ArrayView) -> None:
    """Exchange each norm with the largest after it, and the rows of tables with them."""
    size = norms.shape[0]
    with b.loop(size) as i:
        most, chosen = b.variable(norms[i]), b.variable(i)
        with b.loop(i + 1, size) as j:
            better = norms[j] > most.get()
            most.set(b.select(better, norms[j], most.get()))
            chosen.set(b.select(better, j, chosen.get()))
        other = chosen.get()
        with b.when(other.ne(i)):
            for table in tables:

                def exchange(c: Index, table: ArrayView = table) -> None:
                    table[i, c], table[other, c] = table[other, c], table[i, c]

                b.lanes(0, table.shape[1], norms.dtype, exchange)
            norms[i], norms[other] = norms[other], norms[i]


def _svd_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """With A(X) = X - X^T and F[i, j] = 1 / (s[j]^2 - s[i]^2):
    U ((F * A(U^T g_U)) S + S (F * A(V^T g_V)) + diag(g_s)) V^T + (I - U U^T) g_U S^-1 V^T.
    Townsend (2016), "Differentiating the singular value decomposition"."""
    of_u, of_s, of_vh = results
    u, s, vh = (ops.item(node, index=i) for i in range(3))
    rows, columns = node.operands[0].shape[-2:]
    along, across = _along(s), _across(s)
    terms, outside = [], None
    if of_s is not None:
        terms.append(on_diagonal(of_s))
    if of_u is not None or of_vh is not None:
        between = gaps(ops.mul(s, s))
    if of_u is not None:
        inner = ops.matmul(transposed(u), of_u)
        terms.append(ops.mul(ops.mul(between, _antisymmetric(inner)), along))
        if rows > columns:
            outside = ops.div(ops.sub(of_u, ops.matmul(u, inner)), along)
    if of_vh is not None:
        inner = ops.matmul(vh, transposed(of_vh))
        terms.append(ops.mul(ops.mul(between, _antisymmetric(inner)), across))
    total = plus(*terms)
    if total is None:
        return [None]
    spread = plus(ops.matmul(u, total), outside)
    assert spread is not None
    return [ops.matmul(spread, vh)]


def _svd_jvp(node: Node, tangents: Sequence[Node | None]) -> list[Node | None]:
    """With P = U^T a' V: s' = diag(P), U' = U (F * (P S + S P^T)) + (I - U U^T) a' V S^-1,
    V' = V (F * (S P + P^T S))."""
    (tangent,) = tangents
    if tangent is None:
        return [None] * 3
    u, s, vh = (ops.item(node, index=i) for i in range(3))
    rows, columns = node.operands[0].shape[-2:]
    along, across, between = _along(s), _across(s), gaps(ops.mul(s, s))
    moved = ops.matmul(tangent, transposed(vh))
    inner = ops.matmul(transposed(u), moved)
    turned = transposed(inner)
    of_u = ops.mul(between, ops.add(ops.mul(inner, along), ops.mul(turned, across)))
    of_v = ops.mul(between, ops.add(ops.mul(inner, across), ops.mul(turned, along)))
    of_u = ops.matmul(u, of_u)
    if rows > columns:
        outside = ops.div(ops.sub(moved, ops.matmul(u, inner)), along)
        of_u = ops.add(of_u, outside)
    return [of_u, diagonal_of(inner), ops.matmul(transposed(of_v), vh)]


def _along(s: Node) -> Node:
    """A vector as a row: what multiplies columns."""
    return reshape(s, (*s.shape[:-1], 1, s.shape[-1]))


def _across(s: Node) -> Node:
    """A vector as a column: what multiplies rows."""
    return reshape(s, (*s.shape, 1))


def _antisymmetric(x: Node) -> Node:
    return ops.sub(x, transposed(x))


def _separated(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """Random matrices whose singular values are about 1 apart."""
    *batch, _, columns = shape
    spread = np.arange(1, columns + 1) + rng.uniform(-0.1, 0.1, (*batch, 1, columns))
    turn = orthogonal(rng, (*batch, columns, columns))
    return np.asarray((orthogonal(rng, shape) * spread) @ turn, dtype.numpy)


def _sample(shape: Shape) -> Sample:
    return Sample(lambda rng, dtype: (_separated(rng, dtype, shape),), label=str(shape))


svd = register(
    Op(
        name="svd",
        family=Family.ROUTINE,
        operands=("a",),
        infer=_svd_type,
        reference=by_matrix(_svd_reference, 3),
        doc="U, s and V^T with a = U diag(s) V^T, of matrices with at least as many rows as "
        "columns; s descends, and of each row of V^T the element of largest magnitude is "
        "positive. Vectors have no derivative where two singular values are equal: it is inf or "
        "NaN.",
        vjp=OfResults(_svd_vjp),
        jvp=OfResults(_svd_jvp),
        batch=batch_matrices,
        routine=_svd,
        scratch=_scratch,
        dtypes=FLOATS,
        normwise=True,
        ulp=256,
        cost=100,
        samples=(
            *matrices.matrix_samples(_separated),
            *map(_sample, ((5, 3), (3, 0), (17, 1), (33, 19), (2, 3, 7, 4))),
            Sample(
                lambda rng, dtype: (np.full((3, 2), np.nan, dtype.numpy),),
                label="NaN",
                differentiable=False,
            ),
            *matrices.refused_matrices((), (3,), (2, 3), (2, 3, 4)),
            *refused_dtypes(FLOATS, 1),
        ),
    )
)
