"""The pseudo-inverse of matrices, known by value.

Owns the record of `pseudo_inverse`. Imports the helpers of `matrices`. Invariant: it depends on
its matrix, not on how its value was found, so its derivatives need no distinct singular values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops import matrices
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.matrices import (
    batch_matrices,
    by_matrix,
    check_alike,
    check_matrices,
    part,
    plus,
    product,
    transposed,
)
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, refused_dtypes, refused_pair
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import FLOATS, DType, Shape, TensorType


@dataclass(frozen=True)
class PseudoInverseAttrs(Attrs):
    """`rcond`: singular values up to this part of the largest were taken for 0."""

    rcond: float


def _type(types: Sequence[TensorType], attrs: PseudoInverseAttrs) -> TensorType:
    a = check_matrices("pseudo_inverse", types, square=False)
    check_alike("pseudo_inverse", types, 1, (*a.shape[:-2], a.shape[-1], a.shape[-2]))
    return types[1]


def _reference(a: Array, found: Array, rcond: float) -> Array:
    return np.linalg.pinv(a, rcond=rcond) if np.all(np.isfinite(a)) else found


def _copied(
    b: RoutineBuilder, attrs: Attrs, a: ArrayView, found: ArrayView, result: ArrayView
) -> None:
    with b.each(*found.shape[:-2]) as place:
        b.copy(part(found, place), part(result, place))


def _vjp(node: Node, g: Node, i: int) -> Node | None:
    """With P = a+: -P^T g P^T + (I - a P) g^T P P^T + P^T P g^T (I - P a), from `_jvp`."""
    if i == 1:
        return None
    a, p = node.operands[0], transposed(node)
    turned = transposed(g)
    right, left = product(turned, node, p), product(p, node, turned)
    return plus(
        ops.neg(product(p, g, p)),
        ops.sub(right, product(a, node, right)),
        ops.sub(left, product(left, node, a)),
    )


def _jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    """-P a' P + P P^T a'^T (I - a P) + (I - P a) a'^T P^T P. Golub and Pereyra (1973), "The
    differentiation of pseudo-inverses and nonlinear least squares problems", theorem 4.3."""
    tangent, a, p = tangents[0], node.operands[0], transposed(node)
    if tangent is None:
        return None
    turned = transposed(tangent)
    left, right = product(node, p, turned), product(turned, p, node)
    return plus(
        ops.neg(product(node, tangent, node)),
        ops.sub(left, product(left, a, node)),
        ops.sub(right, product(node, a, right)),
    )


def _sample(shape: Shape) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        a = matrices.well_conditioned(rng, dtype, shape)
        return a, np.linalg.pinv(a.astype(np.float64), rcond=1e-3).astype(dtype.numpy)

    return Sample(arrays, {"rcond": 1e-3}, label=str(shape))


def _refused(a: Shape, found: Shape) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, a), draw(rng, dtype, found)),
        {"rcond": 0.0},
        refuse=ShapeError,
        label=f"{a} {found}",
    )


pseudo_inverse = register(
    Op(
        name="pseudo_inverse",
        family=Family.ROUTINE,
        operands=("a", "found"),
        attrs=PseudoInverseAttrs,
        infer=_type,
        reference=by_matrix(_reference),
        doc="The pseudo-inverse of a, which `found` is. Derivatives go to a alone, and hold while "
        "its rank stays as it is.",
        vjp=_vjp,
        jvp=_jvp,
        batch=batch_matrices,
        routine=_copied,
        presumed=(0, 1),
        dtypes=FLOATS,
        normwise=True,
        ulp=16,
        cost=1,
        samples=(
            *map(_sample, ((1, 1), (2, 2), (5, 3), (3, 5), (17, 17), (2, 3, 4, 2))),
            *map(_sample, ((0, 0), (3, 0), (0, 2), (0, 3, 3))),
            _refused((3,), (3, 3)),
            _refused((3, 2), (3, 2)),
            _refused((3, 3), (3, 4)),
            refused_pair((3, 3), rcond=0.0),
            *refused_dtypes(FLOATS, 2, rcond=0.0),
        ),
    )
)
