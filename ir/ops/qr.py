"""The factors Q and R of matrices.

Owns the record of `qr`. Imports the helpers of `matrices` and `reflections`. Invariant: matrices
have at least as many rows as columns; wider ones are taken apart before they come here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Family, OfResults, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.matrices import (
    batch_matrices,
    by_matrix,
    check_matrices,
    lower,
    part,
    plus,
    solved_right,
    transposed,
    upper,
    well_conditioned,
)
from graphc.ir.ops.reflections import factorise, orthonormal
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import refused_dtypes
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import FLOATS, Shape, TensorType, TupleType


def _qr_type(types: Sequence[TensorType], attrs: Attrs) -> TupleType:
    a = check_matrices("qr", types, square=False)
    if a.shape[-2] < a.shape[-1]:
        raise ShapeError("qr needs at least as many rows as columns", operand=0)
    return TupleType.of([a, a.with_shape((*a.shape[:-2], a.shape[-1], a.shape[-1]))])


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """The reflections of one matrix, their factors, and a row."""
    a = node.operands[0].type
    row = a.with_shape(a.shape[-1:])
    return a.with_shape(a.shape[-2:]), row, row


def _qr(
    b: RoutineBuilder,
    attrs: Attrs,
    a: ArrayView,
    q: ArrayView,
    r: ArrayView,
    work: ArrayView,
    taus: ArrayView,
    products: ArrayView,
) -> None:
    *batch, _, columns = a.shape
    with b.each(*batch) as place:
        b.copy(part(a, place), work)
        factorise(b, work, taus, products)
        triangle = part(r, place)
        with b.loop(columns) as i:
            b.lanes(0, i, r.dtype, lambda j: triangle.__setitem__((i, j), 0))
            b.lanes(i, columns, r.dtype, lambda j: triangle.__setitem__((i, j), work[i, j]))
        orthonormal(b, work, taus, products, part(q, place))


def _qr_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """With M = R g_R^T - g_Q^T Q, its lower triangle mirrored: (g_Q + Q M) R^-T. Walter and
    Lehmann (2018), "Algorithmic differentiation of linear algebra functions with application in
    optimum experimental design", section 4.4."""
    of_q, of_r = results
    if of_q is None and of_r is None:
        return [None]
    q, r = ops.item(node, index=0), ops.item(node, index=1)
    inner = plus(
        None if of_r is None else ops.matmul(r, transposed(of_r)),
        None if of_q is None else ops.neg(ops.matmul(transposed(of_q), q)),
    )
    assert inner is not None
    spread = plus(of_q, ops.matmul(q, matrices.mirrored(inner)))
    assert spread is not None
    return [solved_right(r, spread, lower=False, transpose=True)]


def _qr_jvp(node: Node, tangents: Sequence[Node | None]) -> list[Node | None]:
    """With C = a' R^-1, W = Q^T C and the antisymmetric X that has W below its diagonal:
    Q' = C - Q (W - X), R' = (W - X) R."""
    (tangent,) = tangents
    if tangent is None:
        return [None, None]
    q, r = ops.item(node, index=0), ops.item(node, index=1)
    moved = solved_right(r, tangent, lower=False)
    inner = ops.matmul(transposed(q), moved)
    triangle = ops.add(upper(inner), transposed(lower(inner, -1)))
    return [ops.sub(moved, ops.matmul(q, triangle)), ops.matmul(triangle, r)]


def _sample(shape: Shape) -> Sample:
    return Sample(lambda rng, dtype: (well_conditioned(rng, dtype, shape),), label=str(shape))


qr = register(
    Op(
        name="qr",
        family=Family.ROUTINE,
        operands=("a",),
        infer=_qr_type,
        reference=by_matrix(np.linalg.qr, 2),
        doc="Q with orthonormal columns and the upper triangular R, a = Q R, of matrices with at "
        "least as many rows as columns; signs as LAPACK's. The derivative needs columns that are "
        "linearly independent.",
        vjp=OfResults(_qr_vjp),
        jvp=OfResults(_qr_jvp),
        batch=batch_matrices,
        routine=_qr,
        scratch=_scratch,
        dtypes=FLOATS,
        normwise=True,
        ulp=32,
        cost=20,
        samples=(
            *matrices.matrix_samples(well_conditioned),
            *map(_sample, ((5, 3), (3, 0), (17, 1), (33, 19), (2, 3, 7, 4))),
            *matrices.refused_matrices((), (3,), (2, 3), (2, 3, 4)),
            *refused_dtypes(FLOATS, 1),
        ),
    )
)
